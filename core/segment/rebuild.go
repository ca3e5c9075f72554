package segment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RebuildKind is the kind of the job that compares what is known of everybody with
// what their events say. Its input is a profile.RebuildInput, its result a
// profile.RebuildResult.
const RebuildKind = "segment.rebuild"

// Deviation is something that is not as the events and definitions say.
type Deviation struct {
	Profile string // prof_…; "" for a size
	What    string // "segments.seg_…", "ledgers.…", "nexts.seg_…", "memberships.seg_…", "sizes.seg_…", "behaviour" or "busy"
}

// String names the difference, without any value.
func (d Deviation) String() string {
	if d.Profile == "" {
		return d.What
	}
	return d.Profile + ": " + d.What
}

// The phases of a rebuild.
const (
	phaseBehaviours  = "behaviours"  // of nobody
	phaseMemberships = "memberships" // that no behaviour knows of
	phaseProfiles    = "profiles"
)

var phases = []string{phaseBehaviours, phaseMemberships, phaseProfiles}

// rebuilding is one run of a rebuild.
type rebuilding struct {
	s    *Service
	ws   string
	mode profile.RebuildMode
	step func(ctx context.Context, phase, last string, n int, found []Deviation) error
}

const rebuildSlice = 50

// Check compares everybody's behaviour and memberships with what is folded anew
// from the events, at the present instant, and returns the differences. It may run
// beside live ingest.
func (s *Service) Check(ctx context.Context, ws string) ([]Deviation, error) {
	return s.compareAll(ctx, ws, profile.ModeCheck)
}

// Rebuild is Check, and puts right what it finds.
func (s *Service) Rebuild(ctx context.Context, ws string) ([]Deviation, error) {
	return s.compareAll(ctx, ws, profile.ModeRebuild)
}

func (s *Service) compareAll(ctx context.Context, ws string, mode profile.RebuildMode) ([]Deviation, error) {
	var out []Deviation
	r := &rebuilding{s: s, ws: ws, mode: mode, step: func(_ context.Context, _, _ string, _ int, found []Deviation) error {
		out = append(out, found...)
		return nil
	}}
	err := r.run(ctx, "", "")
	return out, err
}

type rebuildPosition struct {
	Phase                 string `bson:"phase"`
	At                    string `bson:"at"`
	profile.RebuildResult `bson:",inline"`
}

// rebuild is the handler of RebuildKind.
func (s *Service) rebuild(ctx context.Context, run *work.JobRun) error {
	var in profile.RebuildInput
	if err := run.Input(&in); err != nil {
		return err
	}
	if in.Mode != profile.ModeCheck && in.Mode != profile.ModeRebuild {
		return core.Errorf(core.Invalid, "MODE", "the mode must be CHECK or REBUILD").At("mode")
	}
	var pos rebuildPosition
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	total, err := profile.Profiles.Count(ctx, s.db, store.Query{Workspace: run.Workspace()})
	if err != nil {
		return err
	}
	r := &rebuilding{s: s, ws: run.Workspace(), mode: in.Mode, step: func(ctx context.Context, phase, last string, n int, found []Deviation) error {
		pos.Phase, pos.At = phase, last
		if phase == phaseProfiles {
			pos.Documents += int64(n)
		}
		for _, d := range found {
			if pos.Differences++; len(pos.Sample) < 100 {
				pos.Sample = append(pos.Sample, d.String())
			}
		}
		return run.Step(ctx, pos.Documents, max(total, pos.Documents), pos)
	}}
	if err := r.run(ctx, pos.Phase, pos.At); err != nil {
		return err
	}
	return run.Result(pos.RebuildResult)
}

// run goes through the phases, from where an earlier run came to.
func (r *rebuilding) run(ctx context.Context, phase, after string) error {
	if _, err := r.s.fresh(ctx, r.ws); err != nil {
		return err
	}
	begun := phase == ""
	for _, p := range phases {
		if !begun && p != phase {
			continue
		}
		begun = true
		var err error
		switch p {
		case phaseBehaviours:
			err = walkAll(ctx, r, Behaviours, p, after, r.orphan)
		case phaseMemberships:
			err = walkAll(ctx, r, Memberships, p, after, r.stray)
		case phaseProfiles:
			err = walkAll(ctx, r, profile.Profiles, p, after, r.person)
		}
		if err != nil {
			return err
		}
		after = ""
	}
	found, err := r.sizes(ctx)
	if err != nil {
		return err
	}
	return r.step(ctx, phaseProfiles, "~", 0, found)
}

// walkAll visits the documents of a collection by key, up to what is the last now.
func walkAll[T any](ctx context.Context, r *rebuilding, c *store.Collection[T], phase, after string, visit func(context.Context, *T) ([]Deviation, error)) error {
	if after == "~" {
		return nil
	}
	end, err := c.Find(ctx, r.s.db, store.Query{Workspace: r.ws, Order: []string{"-_id"}}, 1)
	if err != nil || len(end) == 0 {
		return err
	}
	until := any(end[0]).(store.Document).StoreMeta().ID
	for {
		where := []store.Cond{store.Lte("_id", until)}
		if after != "" {
			where = append(where, store.Gt("_id", store.Key(r.ws, after)))
		}
		docs, err := c.Find(ctx, r.s.db, store.Query{Workspace: r.ws, Where: where}, rebuildSlice)
		if err != nil || len(docs) == 0 {
			return err
		}
		var found []Deviation
		for _, d := range docs {
			diffs, err := visit(ctx, d)
			if err != nil {
				return err
			}
			found = append(found, diffs...)
		}
		after = store.Rest(any(docs[len(docs)-1]).(store.Document).StoreMeta().ID)
		if err := r.step(ctx, phase, after, len(docs), found); err != nil {
			return err
		}
	}
}

// repair commits operations in a rebuild; false says that something has changed
// meanwhile.
func (r *rebuilding) repair(ctx context.Context, o *outcome) (bool, error) {
	if r.mode != profile.ModeRebuild {
		return true, nil
	}
	err := r.s.commit(ctx, o.all())
	if errors.Is(err, store.ErrConflict) {
		r.s.suspect(r.ws)
		return false, nil
	}
	return err == nil, err
}

func (r *rebuilding) now() time.Time { return r.s.clock.Now().UTC().Truncate(time.Millisecond) }

// orphan looks for the behaviour of a profile that is no more.
func (r *rebuilding) orphan(ctx context.Context, b *Behaviour) ([]Deviation, error) {
	p, err := profile.Profiles.Get(ctx, r.s.db, b.ID)
	if err != nil || p != nil {
		return nil, err
	}
	again, err := Behaviours.Get(ctx, r.s.db, b.ID)
	if err != nil || again == nil || again.V != b.V || !b.Due.IsZero() && len(b.Parts) == 0 {
		return nil, err // what the sweep will end is no fault
	}
	t, err := r.s.set(ctx, r.ws)
	if err != nil {
		return nil, err
	}
	o := r.s.newOutcome(t, r.now())
	o.ops = append(o.ops, Behaviours.Delete(b))
	if ok, err := r.repair(ctx, o); !ok {
		return nil, err
	}
	return []Deviation{{b.ProfileID(), "behaviour"}}, nil
}

// stray looks for a membership that its profile's behaviour does not know of.
func (r *rebuilding) stray(ctx context.Context, m *Membership) ([]Deviation, error) {
	key := store.Key(r.ws, m.Profile)
	b, err := Behaviours.Get(ctx, r.s.db, key)
	if err != nil {
		return nil, err
	}
	if _, in := b.Member(m.Segment); in {
		return nil, nil
	}
	again, err := Memberships.Get(ctx, r.s.db, m.ID)
	if err != nil || again == nil || again.V != m.V {
		return nil, err
	}
	t, err := r.s.set(ctx, r.ws)
	if err != nil {
		return nil, err
	}
	o := r.s.newOutcome(t, r.now())
	o.ops = append(o.ops, Memberships.Delete(m))
	if b != nil {
		o.ops = append(o.ops, Behaviours.Check(b))
	} else {
		o.ops = append(o.ops, Behaviours.Absent(key))
	}
	if ok, err := r.repair(ctx, o); !ok {
		return nil, err
	}
	return []Deviation{{m.Profile, "memberships." + m.Segment}}, nil
}

// person compares one profile.
func (r *rebuilding) person(ctx context.Context, p *profile.Profile) ([]Deviation, error) {
	for range maxReaches {
		diffs, ok, err := r.compare(ctx, p.ID)
		if ok || err != nil {
			return diffs, err
		}
	}
	return []Deviation{{p.ProfileID(), "busy"}}, nil
}

// compare folds a profile's ledgers anew and compares; ok is false when something
// has changed meanwhile.
func (r *rebuilding) compare(ctx context.Context, key string) (diffs []Deviation, ok bool, err error) {
	t, err := r.s.set(ctx, r.ws)
	if err != nil {
		return nil, false, err
	}
	p, err := profile.Profiles.Get(ctx, r.s.db, key)
	if err != nil || p == nil {
		return nil, err == nil, err
	}
	b, err := Behaviours.Get(ctx, r.s.db, key)
	if err != nil {
		return nil, false, err
	}
	now := r.now()
	live, err := r.current(ctx, t, p, b, now)
	if err != nil {
		return nil, false, err
	}
	anew, err := r.anew(ctx, t, p, b, now, false)
	if err != nil {
		return nil, false, err
	}
	if diffs, err = deviations(ctx, t, live, anew); err != nil {
		return nil, false, err
	}
	missing, err := r.missing(ctx, b)
	if err != nil {
		return nil, false, err
	}
	for _, id := range missing {
		diffs = append(diffs, Deviation{p.ProfileID(), "memberships." + id})
	}
	if len(diffs) == 0 {
		return nil, true, nil
	}
	if r.mode == profile.ModeRebuild {
		if anew, err = r.anew(ctx, t, p, b, now, true); err != nil {
			return nil, false, err
		}
		ok, err := r.replace(ctx, t, anew, missing)
		return diffs, ok, err
	}
	again, err := profile.Profiles.Get(ctx, r.s.db, key)
	if err != nil {
		return nil, false, err
	}
	bagain, err := Behaviours.Get(ctx, r.s.db, key)
	if err != nil {
		return nil, false, err
	}
	same := again != nil && again.V == p.V && (b == nil) == (bagain == nil) && (b == nil || b.V == bagain.V)
	return diffs, same, nil
}

// current is the person as the live state has it, with what is due done.
func (r *rebuilding) current(ctx context.Context, t *Set, p *profile.Profile, b *Behaviour, now time.Time) (*person, error) {
	w := r.s.newPerson(t, p, p.ProfileID(), b, now)
	w.turns = math.MinInt
	if b != nil {
		for _, n := range b.Nexts {
			if c := t.byID[n.Segment]; c != nil && n.At <= now.UnixMilli() {
				w.touched[c.place] |= byTime
			}
		}
	}
	return w, w.evaluate(ctx)
}

// anew is the person as the events have it: to be stored when whole, else to be
// compared, without what is being built where the backfill has not come by.
func (r *rebuilding) anew(ctx context.Context, t *Set, p *profile.Profile, b *Behaviour, now time.Time, whole bool) (*person, error) {
	w := r.s.newPerson(t, p, p.ProfileID(), b, now)
	if !whole {
		w.turns = math.MinInt
	}
	w.strip()
	names := make(map[eventName][]*ledger, len(t.events)+2)
	for name, list := range t.events {
		names[name] = list
	}
	for _, name := range []string{NameListJoined, NameListLeft} {
		names[eventName{name, true}] = append([]*ledger{}, names[eventName{name, true}]...)
	}
	for _, part := range p.Parts {
		w.begin(part, names)
		if err := r.s.eachEvent(ctx, r.ws, part, names, func(e *rawEvent) error {
			if e.system && strings.HasPrefix(string(e.name), "List ") {
				w.say(part, string(e.name) == NameListJoined, e.ledgerEvent())
			}
			return w.refoldEvent(part, names, e)
		}); err != nil {
			return nil, err
		}
	}
	if err := w.refolded(ctx); err != nil {
		return nil, err
	}
	for i := range t.segments {
		w.touched[int32(i)] |= byDefinition
	}
	w.b.Nexts = nil
	w.unasked = !whole // else what refers to it would know more than it does
	if err := w.evaluate(ctx); err != nil {
		return nil, fmt.Errorf("segment: rebuild: %w", err)
	}
	w.otherwise, w.changed = byDefinition, true
	if whole {
		w.b.Rev = t.since()
	}
	return w, nil
}
