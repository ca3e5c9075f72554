package segment

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core/store"
)

// lanes are the documents of a segment's size; nil is one that there is not.
type lanes []*store.CounterDoc

func (s *Service) sizeLanes(ctx context.Context, ws, segmentID string) (lanes, error) {
	keys := make([]string, store.Lanes)
	for i := range keys {
		keys[i] = sizeLane(ws, segmentID, i)
	}
	return store.Counters.GetMany(ctx, s.db, keys)
}

func sizeLane(ws, segmentID string, lane int) string {
	return store.Key(ws, sizeCounter(segmentID), fmt.Sprintf("%02d", lane))
}

func (l lanes) members() int64 {
	var n int64
	for _, d := range l {
		if d != nil {
			n += d.N["members"]
		}
	}
	return n
}

// same reports whether nothing was added between two reads.
func (l lanes) same(other lanes) bool {
	for i := range l {
		if (l[i] == nil) != (other[i] == nil) || l[i] != nil && l[i].V != other[i].V {
			return false
		}
	}
	return true
}

// correct returns the operations that make the size n, provided that nothing was
// added since the read.
func (l lanes) correct(ws, segmentID string, n int64) []store.Op {
	ops := make([]store.Op, 0, len(l))
	more := n - l.members()
	for i, d := range l {
		switch {
		case d == nil:
			ops = append(ops, store.Counters.Absent(sizeLane(ws, segmentID, i)))
		case more == 0:
			ops = append(ops, store.Counters.Check(d))
		default:
			own := *d
			own.N = map[string]int64{"members": d.N["members"] + more}
			ops, more = append(ops, store.Counters.Replace(&own)), 0
		}
	}
	if more != 0 { // no lane was there
		ops[0] = store.Counters.Insert(&store.CounterDoc{
			Meta: store.Meta{ID: sizeLane(ws, segmentID, 0)}, N: map[string]int64{"members": more},
		})
	}
	return ops
}

// sizes compares the maintained sizes with what there is, where nothing moves. Who
// comes while the members are counted must not be counted and added too.
func (r *rebuilding) sizes(ctx context.Context) ([]Deviation, error) {
	t, err := r.s.set(ctx, r.ws)
	if err != nil {
		return nil, err
	}
	var out []Deviation
	for _, c := range t.segments {
		before, err := r.s.sizeLanes(ctx, r.ws, c.id)
		if err != nil {
			return nil, err
		}
		n, err := Memberships.Count(ctx, r.s.db, store.Query{Workspace: r.ws, Where: []store.Cond{store.Prefix("_id", c.id+"/")}})
		if err != nil {
			return nil, err
		}
		after, err := r.s.sizeLanes(ctx, r.ws, c.id)
		if err != nil {
			return nil, err
		}
		if !before.same(after) || after.members() == n {
			continue
		}
		o := r.s.newOutcome(t, r.now())
		o.ops = after.correct(r.ws, c.id, n)
		if ok, err := r.repair(ctx, o); err != nil {
			return nil, err
		} else if ok {
			out = append(out, Deviation{"", "sizes." + c.id})
		}
	}
	return out, nil
}
