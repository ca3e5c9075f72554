package segment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	walkSlice = 500  // people looked at together
	walkPage  = 4000 // events read at once
)

// stretch is some people, one after the other by their ids, and what became of
// those who were not reached before.
type stretch struct {
	set    *Set
	people []*outcome
	last   string
	n      int64
	events int64
	err    error
}

// walk brings everybody from pos.After to pos.Until up to the definitions that are
// being built. One goroutine reads and computes, the other commits.
func (s *Service) walk(ctx context.Context, run *work.JobRun, t *Set, pos *backfillPosition) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ahead := make(chan *stretch, 1)
	go func() {
		defer close(ahead)
		for after := pos.After; ; {
			st := s.nextStretch(ctx, t.ws, after, pos.Until)
			select {
			case ahead <- st:
			case <-ctx.Done():
				return
			}
			if st.err != nil || st.n == 0 {
				return
			}
			after = st.last
		}
	}()
	for st := range ahead {
		if st.err != nil {
			return st.err
		}
		if st.n == 0 {
			return nil
		}
		if err := s.commitStretch(ctx, run, st, pos); err != nil {
			return err
		}
		pos.After, pos.People, pos.Events = st.last, pos.People+st.n, pos.Events+st.events
		if err := run.Step(ctx, pos.People, max(pos.Total, pos.People), *pos); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// nextStretch reads the people after an id and computes what they become.
func (s *Service) nextStretch(ctx context.Context, ws, after, until string) *stretch {
	st := &stretch{}
	if st.set, st.err = s.set(ctx, ws); st.err != nil {
		return st
	}
	where := []store.Cond{store.Lte("_id", store.Key(ws, until))}
	if after != "" {
		where = append(where, store.Gt("_id", store.Key(ws, after)))
	}
	people, err := profile.Profiles.Find(ctx, s.db, store.Query{Workspace: ws, Where: where}, walkSlice)
	if err != nil || len(people) == 0 {
		st.err = err
		return st
	}
	st.n, st.last = int64(len(people)), people[len(people)-1].ProfileID()
	st.err = s.reachAll(ctx, st, people)
	return st
}

// reachAll computes what people become who were not reached yet.
func (s *Service) reachAll(ctx context.Context, st *stretch, people []*profile.Profile) error {
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = p.ID
	}
	stored, err := Behaviours.GetMany(ctx, s.db, keys)
	if err != nil {
		return fmt.Errorf("segment: read behaviours: %w", err)
	}
	now := s.clock.Now().UTC().Truncate(time.Millisecond)
	since := st.set.since()
	own := map[string]*reaching{} // by the part that is named as the profile
	var list []*reaching
	lacking := map[int64]map[eventName][]*ledger{}
	for i, p := range people {
		w := s.newPerson(st.set, p, p.ProfileID(), stored[i], now)
		if w.b.Rev >= since {
			continue
		}
		names, ok := lacking[w.b.Rev]
		if !ok {
			names = st.set.lacking(w.b.Rev)
			lacking[w.b.Rev] = names
		}
		r := &reaching{w, names}
		list = append(list, r)
		if len(names) == 0 {
			continue
		}
		own[p.ProfileID()] = r
		for _, part := range p.Parts {
			w.begin(part, names)
		}
	}
	if len(own) > 0 {
		if st.events, err = s.sweepEvents(ctx, st.set.ws, own, people[0].ProfileID(), st.last); err != nil {
			return err
		}
	}
	for _, r := range list {
		o, err := s.reach(ctx, r)
		if err != nil {
			return err
		}
		if len(o.ops) > 0 {
			st.people = append(st.people, o)
		}
	}
	return nil
}

// reaching is a person who is being caught up, and the ledgers that lack.
type reaching struct {
	*person
	names map[eventName][]*ledger
}

// reach folds the events of a person's other parts, and asks what is being built.
func (s *Service) reach(ctx context.Context, r *reaching) (*outcome, error) {
	w := r.person
	if len(r.names) > 0 {
		for _, part := range w.profile.Parts {
			if part == w.profile.ProfileID() {
				continue
			}
			if err := s.eachEvent(ctx, w.ws, part, r.names, func(e *rawEvent) error { return w.refoldEvent(part, r.names, e) }); err != nil {
				return nil, err
			}
		}
		if err := w.refolded(ctx); err != nil {
			return nil, err
		}
	}
	w.askBuilding(w.b.Rev, byDefinition)
	if err := w.evaluate(ctx); err != nil {
		return nil, err
	}
	w.b.Rev = w.set.since()
	o := s.newOutcome(w.set, w.now)
	o.profile = w.profile.ProfileID()
	w.otherwise = byDefinition
	o.add(w)
	if len(o.ops) > 0 {
		o.ops = append(o.ops, profile.Profiles.Check(w.profile))
	}
	return o, nil
}

// sweepEvents reads the events of a range of parts, of each part the earliest
// first, and folds those that somebody's ledgers ask for.
func (s *Service) sweepEvents(ctx context.Context, ws string, people map[string]*reaching, first, last string) (n int64, err error) {
	plan, err := store.PlanQuery(event.Events.Spec, store.Query{
		Workspace: ws, Where: []store.Cond{store.Gte("part", first), store.Lte("part", last)}, Order: []string{"-part", "timestamp"},
	})
	if err != nil {
		return 0, err
	}
	plan.Limit = walkPage
	var e rawEvent
	var r *reaching
	part := ""
	for {
		raws, err := s.db.Scan(ctx, plan)
		if err != nil {
			return n, fmt.Errorf("segment: read events: %w", err)
		}
		for _, raw := range raws {
			if err := e.read(raw); err != nil {
				return n, err
			}
			n++
			if string(e.part) != part {
				part = string(e.part)
				r = people[part]
			}
			if r == nil {
				continue
			}
			for _, l := range r.names[eventName{string(e.name), e.system}] {
				if _, err := r.addTo(l, part, e.ledgerEvent()); err != nil {
					return n, err
				}
			}
		}
		if len(raws) < plan.Limit {
			return n, nil
		}
		plan.After = &store.Position{Values: []any{part, e.at}, ID: string(e.key)}
	}
}

// maxReaches bounds how often people are caught up again because something else
// happened to them.
const maxReaches = 100

// commitStretch commits what became of some people. Those who lost a race, all of
// them when the definitions have changed, are read and reckoned with again.
func (s *Service) commitStretch(ctx context.Context, run *work.JobRun, st *stretch, pos *backfillPosition) error {
	for range maxReaches {
		b := s.newBatch(st.set, func(ops []store.Op) error { return run.Step(ctx, pos.People, pos.Total, *pos, ops...) })
		for _, o := range st.people {
			if err := b.add(o); err != nil {
				return err
			}
		}
		if err := b.flush(); err != nil {
			return err
		}
		for _, o := range st.people {
			pos.Entered, pos.Left = pos.Entered+o.entered, pos.Left+o.left
		}
		if len(b.lost) == 0 {
			return nil
		}
		keys := make([]string, len(b.lost))
		for i, o := range b.lost {
			pos.Entered, pos.Left = pos.Entered-o.entered, pos.Left-o.left
			keys[i] = store.Key(pos.ws, o.profile)
		}
		var err error
		if st, err = s.stretchOf(ctx, pos.ws, keys); err != nil {
			return err
		}
		if len(st.people) == 0 {
			return nil
		}
	}
	return fmt.Errorf("segment: backfill: %w", store.ErrConflict)
}

// stretchOf computes what the people with the keys become. Who was merged away is
// left out: whoever did that caught up with it.
func (s *Service) stretchOf(ctx context.Context, ws string, keys []string) (*stretch, error) {
	slices.Sort(keys)
	st := &stretch{}
	var err error
	if st.set, err = s.set(ctx, ws); err != nil {
		return nil, err
	}
	people, err := profile.Profiles.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, err
	}
	people = slices.DeleteFunc(people, func(p *profile.Profile) bool { return p == nil })
	if len(people) == 0 {
		return st, nil
	}
	st.last = people[len(people)-1].ProfileID()
	return st, s.reachAll(ctx, st, people)
}
