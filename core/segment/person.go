package segment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// maxTurns is how many memberships of one person change in one commit. What is
// beyond that is due at once, and the sweep goes on with it.
const maxTurns = 100

// person is one profile while its segments are asked again.
type person struct {
	s       *Service
	set     *Set
	ws      string
	now     time.Time
	profile *profile.Profile
	stored  *Behaviour // nil: not stored
	b       *Behaviour
	touched touched
	pending func(context.Context) ([]*object.Record, error) // records of the same batch; nil: none

	months  map[monthKey]*condition.Ledger
	records map[string][]*object.Related
	turns   int
	changed bool                     // something other than members has changed
	caught  bool                     // the person was caught up with definitions that are being built
	first   []Member                 // of a person who was caught up: members before what happens now
	lost    map[string]int64         // segment → since when a profile that was merged into this one was in it
	late    []store.Op               // about months
	whys    map[string]reason        // segment → why its answer changed
	fold    map[monthKey]*openLedger // ledgers that are being folded

	otherwise reason // why the person is in what is true of everybody
	unasked   bool   // what is being built is left to the backfill that has not come by yet
}

// openLedger is a ledger while events are folded into it.
type openLedger struct {
	*condition.Ledger
	of      *ledger
	changed bool
}

func (s *Service) newPerson(t *Set, p *profile.Profile, id string, stored *Behaviour, now time.Time) *person {
	w := &person{s: s, set: t, ws: t.ws, now: now, profile: p, stored: stored, touched: touched{}}
	if stored != nil {
		w.b = stored.clone()
	} else {
		w.b = newBehaviour(t.ws, id)
	}
	return w
}

// add folds an event of a part that the profile holds into the ledgers of its name
// and, when it is about one, into the lists.
func (w *person) add(part string, name eventName, e condition.LedgerEvent) error {
	for _, l := range w.set.events[name] {
		if _, err := w.addTo(l, part, e); err != nil {
			return err
		}
	}
	if name.system && (name.name == NameListJoined || name.name == NameListLeft) {
		w.say(part, name.name == NameListJoined, e)
	}
	return nil
}

func (w *person) say(part string, in bool, e condition.LedgerEvent) {
	id := property(e.Properties, "segmentId")
	if core.IDPrefix(id) != core.PrefixSegment || len(id) > 64 {
		return
	}
	if w.b.ensure(part).say(ListState{Segment: id, At: e.At.UnixMilli(), Event: e.ID, In: in}) {
		w.changed = true
	}
}

func (w *person) addTo(l *ledger, part string, e condition.LedgerEvent) (bool, error) {
	entry, ok := l.fold.Take(e)
	if !ok {
		return false, nil
	}
	key := monthKey{part, l.spec.Key}
	o := w.fold[key]
	if o == nil {
		o = &openLedger{of: l}
		if p := w.b.part(part); p != nil {
			var err error
			if o.Ledger, err = p.change(l.spec.Key); err != nil {
				return false, err
			}
		} else {
			o.Ledger = &condition.Ledger{}
		}
		if w.fold == nil {
			w.fold = map[monthKey]*openLedger{}
		}
		w.fold[key] = o
	}
	changed := l.fold.Put(o.Ledger, entry, w.now)
	o.changed = o.changed || changed
	return changed, nil
}

// folded puts the ledgers that events were folded into in their places.
func (w *person) folded(ctx context.Context, why reason) error {
	if len(w.fold) == 0 {
		return nil
	}
	parts := map[string]bool{}
	for key, o := range w.fold {
		if !o.changed {
			continue
		}
		o.of.fold.Prune(o.Ledger, w.now)
		p := w.b.ensure(key.part)
		p.put(key.ledger, o.Ledger)
		w.touched.add(o.of.segments, why)
		w.changed = true
		parts[key.part] = true
	}
	clear(w.fold)
	for part := range parts {
		if p := w.b.part(part); p != nil {
			w.spill(p)
			if err := w.forget(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// evaluate asks every touched segment, and those that refer to one that changed, in
// order.
func (w *person) evaluate(ctx context.Context) error {
	queue := make([]int32, 0, len(w.touched))
	for i := range w.touched {
		queue = append(queue, i)
	}
	slices.Sort(queue)
	f := &facts{set: w.set, profile: w.profile}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		c := w.set.segments[i]
		if w.unasked && c.building && w.b.Rev < c.def.Since {
			w.next(c.id, time.Time{})
			continue
		}
		if w.turns >= maxTurns {
			w.next(c.id, w.now)
			continue
		}
		if err := w.prepare(ctx, c); err != nil {
			return err
		}
		f.parts, f.members, f.months, f.records = w.b.Parts, w.b.Members, w.months, w.records
		f.opened = f.opened[:0]
		in, next := w.ask(c, f)
		if f.fault != nil {
			return fmt.Errorf("segment: read ledger: %w", f.fault)
		}
		w.next(c.id, next)
		why := w.touched[i]
		if in && why == byDefinition && c.fellDue(f) {
			why = byTime
		}
		if !w.turn(c, in, why) {
			continue
		}
		for _, r := range c.referrers {
			if _, known := w.touched[r]; !known && r > i {
				at, _ := slices.BinarySearch(queue, r)
				queue = slices.Insert(queue, at, r)
			}
			w.touched[r] |= w.touched[i]
		}
	}
	clear(w.touched)
	return nil
}

// fellDue reports whether a watched condition, which somebody meets whom its backfill comes
// to only now, came to hold since it was published: who follows waits for that from then
// on, however long the backfill takes. Had something else about the person changed since,
// they would have been caught up then.
func (c *compiled) fellDue(f *facts) bool {
	return c.building && c.def.Kind == watched && !c.program.Evaluate(f, c.def.CreatedAt).Value
}

// ask returns a segment's answer and when it can next change by itself.
func (w *person) ask(c *compiled, f *facts) (in bool, next time.Time) {
	if c.program == nil {
		return w.listed(c.id), time.Time{}
	}
	a := c.program.Evaluate(f, w.now)
	next = a.Next
	if !next.IsZero() && !next.After(w.now) {
		next = w.now.Add(time.Millisecond)
	}
	return a.Value, next
}

// listed reports whether the latest word about any of the parts puts the person on
// a list.
func (w *person) listed(segmentID string) bool {
	var last *ListState
	for i := range w.b.Parts {
		if l := w.b.Parts[i].list(segmentID); l != nil && (last == nil || l.over(last)) {
			last = l
		}
	}
	return last != nil && last.In
}

// next notes when an answer can next change by itself; zero: never.
func (w *person) next(id string, at time.Time) {
	i, ok := slices.BinarySearchFunc(w.b.Nexts, id, func(n Next, id string) int { return strings.Compare(n.Segment, id) })
	if at.IsZero() {
		if ok {
			w.b.Nexts, w.changed = slices.Delete(w.b.Nexts, i, i+1), true
		}
		return
	}
	ms := at.UnixMilli()
	if at.After(time.UnixMilli(ms)) {
		ms++ // never early
	}
	switch {
	case !ok:
		w.b.Nexts, w.changed = slices.Insert(w.b.Nexts, i, Next{id, ms}), true
	case w.b.Nexts[i].At != ms:
		w.b.Nexts[i].At, w.changed = ms, true
	}
}

// turn takes the person into a segment, or out of it, and reports whether that is
// anything new.
func (w *person) turn(c *compiled, in bool, why reason) bool {
	i, was := findMember(w.b.Members, c.id)
	if in == was {
		return false
	}
	if in {
		since := w.now.UnixMilli()
		if earlier, ok := w.lost[c.id]; ok {
			since = min(since, earlier)
		}
		if earlier, ok := w.stored.Member(c.id); ok { // out and in again in one commit is to have stayed
			since = min(since, earlier.UnixMilli())
		}
		w.b.Members = slices.Insert(w.b.Members, i, Member{Segment: c.id, Since: since})
	} else {
		w.b.Members = slices.Delete(w.b.Members, i, i+1)
	}
	if w.whys == nil {
		w.whys = map[string]reason{}
	}
	w.whys[c.id] |= why
	w.turns++
	return true
}

// prepare reads what the segment's condition needs beyond the profile and its
// behaviour: months of long ledgers, and related records.
func (w *person) prepare(ctx context.Context, c *compiled) error {
	for _, spec := range c.needs.Ledgers {
		for i := range w.b.Parts {
			if err := w.loadMonths(ctx, &w.b.Parts[i], spec.Key); err != nil {
				return err
			}
		}
	}
	for _, key := range c.needs.Objects {
		if _, known := w.records[key]; known {
			continue
		}
		related, err := w.s.related(ctx, w.profile, key, w.pending)
		if err != nil {
			return err
		}
		if w.records == nil {
			w.records = map[string][]*object.Related{}
		}
		w.records[key] = related
	}
	return nil
}

// related returns the records of a type that are related to a profile, those of the
// same batch as they will be.
func (s *Service) related(ctx context.Context, p *profile.Profile, key string, pending func(context.Context) ([]*object.Record, error)) ([]*object.Related, error) {
	if s.objects == nil || p == nil {
		return nil, nil
	}
	ids := make([]event.Identifier, len(p.Identifiers))
	for i, h := range p.Identifiers {
		ids[i] = event.Identifier{Namespace: h.Namespace, Value: h.Value}
	}
	related, err := s.objects.Related(ctx, p.Workspace(), key, ids, p.Parts)
	if err != nil {
		return nil, fmt.Errorf("segment: read records: %w", err)
	}
	if pending == nil {
		return related, nil
	}
	records, err := pending(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Type != key {
			continue
		}
		related = slices.DeleteFunc(related, func(o *object.Related) bool { return o.Record.ID == r.ID })
		if r.Deleted() {
			continue
		}
		for _, relation := range object.RelatedTo(r, ids, p.Parts) {
			related = append(related, &object.Related{Relation: relation, Record: r})
		}
	}
	return related, nil
}
