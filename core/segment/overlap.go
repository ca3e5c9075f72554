package segment

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// MaxOverlap is how many segments can be laid over each other.
const MaxOverlap = 5

// Overlap says how many people are in which of some segments.
type Overlap struct {
	Segments []string // as asked for
	Totals   []int64  // the members of each, in that order
	Any, All int64    // in at least one, in every one
	// Regions are the pieces of the diagram that hold anybody, those of fewer
	// segments first. Each person is in exactly one.
	Regions []Region
}

// Region is the people that are in exactly the named of the segments.
type Region struct {
	Segments []string
	Count    int64
}

// Overlap counts who is in which of two to five segments, from their memberships as
// they are while it reads: each segment's members are walked once in the order of
// their ids, side by side, in constant memory. Those who may not be seen do not count.
func (s *Service) Overlap(ctx context.Context, ws string, ids []string) (*Overlap, error) {
	if len(ids) < 2 || len(ids) > MaxOverlap {
		return nil, invalid("OVERLAP", "lay 2 to %d segments over each other, not %d", MaxOverlap, len(ids)).At("segmentIds")
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := by.exist(ids); err != nil {
		return nil, err
	}
	whose, err := by.audience()
	if err != nil {
		return nil, fail(err)
	}
	counts, err := s.regions(ctx, ws, ids, whose)
	if err != nil {
		return nil, fail(err)
	}
	out := &Overlap{Segments: ids, Totals: make([]int64, len(ids)), All: counts[1<<len(ids)-1]}
	for mask, n := range counts {
		if mask == 0 || n == 0 {
			continue
		}
		out.Any += n
		r := Region{Count: n}
		for i, id := range ids {
			if mask>>i&1 == 1 {
				r.Segments = append(r.Segments, id)
				out.Totals[i] += n
			}
		}
		out.Regions = append(out.Regions, r)
	}
	slices.SortStableFunc(out.Regions, func(a, b Region) int { return len(a.Segments) - len(b.Segments) })
	return out, nil
}

// regions counts people by the set of segments that they are in, as a bit mask.
func (s *Service) regions(ctx context.Context, ws string, ids []string, whose *audience) ([]int64, error) {
	cuts, err := s.cuts(ctx, ws)
	if err != nil {
		return nil, err
	}
	total := make([]int64, 1<<len(ids))
	var mu sync.Mutex
	err = parallel(ctx, cuts, func(ctx context.Context, r keyRange) error {
		counts := make([]int64, 1<<len(ids))
		streams := make([]*keyStream, len(ids))
		for i, id := range ids {
			streams[i] = openMembers(ctx, s.db, ws, id, r)
		}
		var people *keyStream
		if whose != nil && whose.each {
			people = openProfiles(ctx, s.db, ws, r)
		}
		err := mergeMembers(streams, func(id string, mask uint) error {
			ok, err := whose.has(ctx, people, id)
			if ok {
				counts[mask]++
			}
			return err
		})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for i, n := range counts {
			total[i] += n
		}
		return nil
	})
	return total, err
}

// mergeMembers walks streams side by side and calls f once for each person with the
// streams that have them.
func mergeMembers(streams []*keyStream, f func(id string, mask uint) error) error {
	for {
		id, mask, err := advance(streams)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(id, mask); err != nil {
			return err
		}
	}
}

// advance passes the next person of the streams and returns who it is and, as a bit
// mask, which of them had them; io.EOF at the end of all.
func advance(streams []*keyStream) (id string, mask uint, err error) {
	for _, st := range streams {
		have, err := st.peek()
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		if id == "" || have < id {
			id = have
		}
	}
	if id == "" {
		return "", 0, io.EOF
	}
	for i, st := range streams {
		if have, err := st.peek(); err == nil && have == id {
			mask |= 1 << i
			st.next()
		}
	}
	return id, mask, nil
}
