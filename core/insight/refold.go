package insight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// goneLane is the lane of what deleted events counted: the rollups keep it, the log does
// not know of it any more.
const goneLane = "gone"

// foldLane is the lane that corrections are written to.
const foldLane = "0"

// Report is what a comparison of the rollups with the log found.
type Report struct {
	Events      int64 // read
	Cells       int64 // of measures, that events brought something to
	Differences int64 // documents that were not as the log says
	Sample      []string
}

// differ notes a difference: which document, and no value.
func (r *Report) differ(what string) {
	if r.Differences++; len(r.Sample) < 100 {
		r.Sample = append(r.Sample, what)
	}
}

// Refold compares what is kept of a workspace with what its log says, as of one commit,
// and with correct puts right what differs. tell hears how many events were read. It may
// run beside live ingest, and a second time after it broke off.
func (s *Service) Refold(ctx context.Context, ws string, correct bool, tell func(events int64) error) (Report, error) {
	for try := range attempts {
		report, err := s.refoldOnce(ctx, ws, correct, tell)
		if !errors.Is(err, store.ErrConflict) {
			return report, err
		}
		if err := s.Clock.Sleep(ctx, 0); err != nil {
			return report, err
		}
		_ = try
	}
	return Report{}, fmt.Errorf("insight: refold: %w", store.ErrConflict)
}

func (s *Service) refoldOnce(ctx context.Context, ws string, correct bool, tell func(int64) error) (Report, error) {
	var report Report
	h, err := s.head(ctx, ws) // before the snapshot: who corrects meanwhile is found out
	if err != nil {
		return report, err
	}
	c, err := s.fresh(ctx, ws)
	if err != nil {
		return report, err
	}
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return report, fmt.Errorf("insight: snapshot: %w", err)
	}
	defer func() { _ = snap.Close() }()
	live, err := readLive(ctx, snap, ws, c)
	if err != nil {
		return report, err
	}
	f := newFold(ws)
	seen := map[string]bool{}      // firsts whose event is in the log
	counted := map[string]string{} // the keys of firsts by measure and event
	for key, had := range live.firsts {
		id, _, _ := strings.Cut(store.Rest(key), "/")
		counted[id+"/"+had.Event] = key
	}
	err = eachOf(ctx, snap, event.Events.Spec, ws, func(raw bson.Raw) error {
		if report.Events++; tell != nil && report.Events%2000 == 0 {
			if err := tell(report.Events); err != nil {
				return err
			}
		}
		measures := c.events[peek(raw)]
		if len(measures) == 0 {
			return nil
		}
		e, err := event.Events.Decode(bytes.Clone(raw))
		if err != nil || e.Part == "" {
			return err
		}
		for _, t := range measures {
			person, parts := live.owners.At(e.Part, e.CommittedAt)
			f.epoch = ""
			if t.Value == First {
				if key, ok := counted[t.id+"/"+store.Rest(e.ID)]; ok {
					seen[key] = true
				}
				if f.parts[e.Part] = parts; live.owners.Merged(e.Part) {
					f.epoch = strconv.FormatInt(e.CommittedAt.UnixMilli(), 10)
				}
			}
			f.event(t, e, person)
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	ops := live.correct(f, seen, &report)
	if !correct {
		return report, nil
	}
	complete := slices.Sorted(maps.Keys(c.all))
	if len(ops) == 0 && slices.Equal(complete, h.Complete) {
		return report, nil
	}
	return report, s.apply(ctx, h, complete, ops)
}

// apply writes corrections in batches that exclude any other correction.
func (s *Service) apply(ctx context.Context, h *head, complete []string, ops []store.Op) error {
	const slice = 400
	for first := true; first || len(ops) > 0; first = false {
		n := min(slice, len(ops))
		next := *h
		next.Folds, next.At = h.Folds+1, s.now()
		if n == len(ops) {
			next.Complete = complete
		}
		if err := work.Commit(ctx, s.Store, append([]store.Op{heads.Put(&next)}, ops[:n]...)...); err != nil {
			return err
		}
		next.V++
		h, ops = &next, ops[n:]
	}
	return nil
}

// eachOf calls f with the documents of one workspace.
func eachOf(ctx context.Context, snap store.Snapshot, spec *store.Spec, ws string, f func(bson.Raw) error) error {
	prefix := ws + "/"
	return snap.Each(ctx, spec, func(raw bson.Raw) error {
		id, _ := event.Lookup(raw, "_id")
		if key, _ := id.StringValueOK(); !strings.HasPrefix(key, prefix) {
			return nil
		}
		return f(raw)
	})
}

// peek returns an event's name without decoding it.
func peek(raw bson.Raw) eventName {
	var n eventName
	for it := event.Elements(raw); it.Next(); {
		switch string(it.Key()) {
		case "type":
			text, _ := it.Value().StringValueOK()
			n.system = text == string(event.System)
		case "name":
			n.name, _ = it.Value().StringValueOK()
			return n // type comes before
		}
	}
	return n
}

// kept is what a snapshot holds of the measures of a set.
type kept struct {
	ws     string
	set    *set
	sums   map[place]*sums // what deleted events counted among them
	gone   map[place]*sums
	people map[place]map[int64]*sketch
	lane   map[string]*crowd // of corrections, by key
	labels map[string]bool
	firsts map[string]*first
	owners *profile.Belonging
}

func readLive(ctx context.Context, snap store.Snapshot, ws string, c *set) (*kept, error) {
	k := &kept{
		ws: ws, set: c, sums: map[place]*sums{}, gone: map[place]*sums{}, people: map[place]map[int64]*sketch{},
		lane: map[string]*crowd{}, labels: map[string]bool{}, firsts: map[string]*first{},
	}
	err := eachOf(ctx, snap, rollups.Spec, ws, func(raw bson.Raw) error {
		var r rollup
		if err := r.UnmarshalBSON(raw); err != nil || c.all[r.measure] == nil {
			return err
		}
		to := k.sums
		if r.lane == goneLane {
			to = k.gone
		}
		if to[r.place] == nil {
			to[r.place] = newSums()
		}
		r.into(to[r.place], r.week*weekHours, (r.week+1)*weekHours)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(ctx, snap, crowds.Spec, ws, func(raw bson.Raw) error {
		d, err := crowds.Decode(bytes.Clone(raw))
		if err != nil {
			return err
		}
		p, day, lane := d.where()
		if c.all[p.measure] == nil {
			return nil
		}
		if k.people[p] == nil {
			k.people[p] = map[int64]*sketch{}
		}
		have := k.people[p][day]
		if have == nil {
			have = &sketch{}
			k.people[p][day] = have
		}
		one := sketchOf(d.People, d.Many)
		have.union(&one, 1<<30)
		if lane == foldLane {
			k.lane[d.ID] = d
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(ctx, snap, cells.Spec, ws, func(raw bson.Raw) error {
		d, err := cells.Decode(bytes.Clone(raw))
		if err == nil {
			k.labels[d.ID] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var ledger []*profile.Merge
	err = eachOf(ctx, snap, profile.Merges.Spec, ws, func(raw bson.Raw) error {
		m, err := profile.Merges.Decode(bytes.Clone(raw))
		ledger = append(ledger, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	k.owners = profile.NewBelonging(ledger)
	return k, eachOf(ctx, snap, firsts.Spec, ws, func(raw bson.Raw) error {
		d, err := firsts.Decode(bytes.Clone(raw))
		if err == nil {
			k.firsts[d.ID] = d
		}
		return err
	})
}

// firstsAsTold writes down what the log says of firsts, and counts them.
func (k *kept) firstsAsTold(f *fold, seen map[string]bool, report *Report) []store.Op {
	b := &book{ws: k.ws, docs: map[string]*first{}, still: func(was *first) (bool, error) {
		return k.firsts[was.ID] == was, nil // its event was deleted; it still counts
	}}
	for key, had := range k.firsts {
		if !seen[key] {
			b.docs[key] = had
		}
	}
	by := map[string]*firstEvent{}
	for _, one := range f.sortedFirsts() {
		if _, is, err := b.take(one); err == nil && is != nil {
			by[is.ID] = one
		}
	}
	var ops []store.Op
	for _, key := range sortedKeys(by) {
		one, now, had := by[key], b.docs[key], k.firsts[key]
		if had == nil || had.Event != now.Event || had.Cell != now.Cell || !had.At.Equal(now.At) {
			if report.differ("firsts." + one.of.id); had == nil {
				ops = append(ops, firsts.Insert(now))
			} else {
				now.Meta = had.Meta
				ops = append(ops, firsts.Replace(now))
			}
		}
		if got, ok := one.of.take(one.event); ok {
			f.put(one.of, got, one.person)
		}
	}
	for _, key := range sortedKeys(k.firsts) {
		id, _, _ := strings.Cut(store.Rest(key), "/")
		if by[key] == nil && seen[key] && k.set.all[id] != nil {
			ops = append(ops, firsts.Delete(k.firsts[key]))
			report.differ("firsts." + id)
		}
	}
	return ops
}

// correct returns what makes of what is kept what the log says.
func (k *kept) correct(f *fold, seen map[string]bool, report *Report) []store.Op {
	ops := k.firstsAsTold(f, seen, report)
	report.Cells = int64(len(f.cells))
	all := map[place]*cell{}
	maps.Copy(all, f.cells)
	for p := range k.sums {
		if all[p] == nil {
			all[p] = &cell{sums: newSums()}
		}
	}
	for _, p := range sortedPlaces(all) {
		c := all[p]
		if key := store.Key(k.ws, p.measure, p.cell); c.values != nil && !k.labels[key] {
			ops = append(ops, cells.Insert(&labels{Meta: store.Meta{ID: key}, Values: c.values}))
			report.differ("cells." + p.measure + "." + p.cell)
		}
		if more := c.sums.minus(k.sums[p].less(k.gone[p])); !more.empty() {
			ops = append(ops, more.ops(k.ws, p, foldLane)...)
			report.differ("rollups." + p.measure + "." + p.cell)
		}
		for _, day := range slices.Sorted(maps.Keys(c.people)) {
			had := k.people[p][day]
			if had == nil {
				had = &sketch{}
			}
			if now := had.clone(); !now.union(c.people[day], 1<<30) {
				continue
			}
			key := crowdKey(k.ws, p, day, foldLane)
			own := k.lane[key]
			if own == nil {
				own = &crowd{Meta: store.Meta{ID: key}}
			}
			now := sketchOf(own.People, own.Many)
			now.union(c.people[day], MaxExact)
			ops = append(ops, crowds.Put(&crowd{Meta: own.Meta, Many: !now.exact(), People: now.bytes()}))
			report.differ("people." + p.measure + "." + p.cell)
		}
	}
	return ops
}

// less is minus for what may be nil.
func (s *sums) less(o *sums) *sums {
	if s == nil {
		s = newSums()
	}
	return s.minus(o)
}
