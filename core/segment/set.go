package segment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Set is the definitions of a workspace at a revision, compiled, with what tells
// which of them a change touches. It is never changed: a new revision is a new
// Set. Looking something up costs the same however many segments there are that
// it does not touch.
type Set struct {
	ws       string
	rev      int64
	versions [store.Lanes]int64 // of the epochs' documents; 0: there is none

	segments []*compiled // each after those that it refers to
	byID     map[string]*compiled
	unread   map[string]bool // those that this version cannot read: their members stay as they were
	ledgers  map[string]*ledger
	events   map[eventName][]*ledger
	traits   map[string][]int32 // path → segments, as places in the list
	paths    []string           // the keys of traits, sorted
	purposes map[string][]int32
	objects  map[string][]int32 // type → segments
	zoned    []int32            // read the profile's own time zone
	creation []int32            // cannot be told of a new profile without asking
	blanks   []int32            // true of a person of whom nothing is known
	building []int32
	clocked  bool      // some answers change by themselves
	follows  Following // nil: nobody is told of who enters and leaves
	defined  int       // how many definitions there are, archived ones among them
}

// compiled is a segment as it is evaluated.
type compiled struct {
	def       *Segment
	id        string
	place     int32
	program   *condition.Program // nil for a static one
	needs     condition.Needs
	blank     bool
	building  bool
	builds    bool // it is being built, or something that refers to it
	referrers []int32
}

// ledger is what a set keeps of events, for all segments that ask the same.
type ledger struct {
	spec     *condition.LedgerSpec // its Keep is what the greediest needs
	fold     *condition.LedgerFold
	segments []int32
	builds   bool // one of them does
	// building is the revision from which on behaviours hold all that is asked of
	// the ledger; 0: all of them do.
	building int64
}

// eventName is what ledgers look for: Headwater's own events are apart.
type eventName struct {
	name   string
	system bool
}

// since returns the revision at which the latest definition that is being built
// was published; 0: none is.
func (t *Set) since() int64 {
	var rev int64
	for _, i := range t.building {
		rev = max(rev, t.segments[i].def.Since)
	}
	return rev
}

// setSlot is what a process remembers of a workspace's definitions.
type setSlot struct {
	mu  sync.Mutex
	set *Set
	old bool // a unit lost a race that may have been about definitions

	lostAt int64 // the revision that a unit had which lost a race since; 0: none did
	races  int   // how many were lost to new definitions since a unit was committed
}

func (s *Service) slot(ws string) *setSlot {
	if v, ok := s.sets.Load(ws); ok {
		return v.(*setSlot)
	}
	v, _ := s.sets.LoadOrStore(ws, &setSlot{})
	return v.(*setSlot)
}

// set returns the definitions as this process knows them. What is derived from
// them is committed together with check, which fails when there are newer ones.
func (s *Service) set(ctx context.Context, ws string) (*Set, error) {
	slot := s.slot(ws)
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.set != nil && !slot.old {
		return slot.set, nil
	}
	t, err := s.loadSet(ctx, ws, slot.set)
	if err != nil {
		return nil, err
	}
	slot.set, slot.old = t, false
	return t, nil
}

// fresh is set, and asks the store whether there are newer definitions.
func (s *Service) fresh(ctx context.Context, ws string) (*Set, error) {
	s.suspect(ws)
	return s.set(ctx, ws)
}

// suspect says that the definitions may have changed.
func (s *Service) suspect(ws string) {
	slot := s.slot(ws)
	slot.mu.Lock()
	slot.old = true
	slot.mu.Unlock()
}

// check returns the operation that fails when the definitions have changed since
// the set was read. Units take the lanes by turns, so that they do not meet.
func (s *Service) check(t *Set) store.Op {
	lane := int(s.lane.Add(1)) % store.Lanes
	if t.versions[lane] == 0 {
		return Epochs.Absent(epochKey(t.ws, lane))
	}
	return Epochs.Check(&Epoch{Meta: store.Meta{ID: epochKey(t.ws, lane), V: t.versions[lane]}})
}

func epochKey(ws string, lane int) string { return store.Key(ws, fmt.Sprintf("%02d", lane)) }

func epochKeys(ws string) []string {
	keys := make([]string, store.Lanes)
	for i := range keys {
		keys[i] = epochKey(ws, i)
	}
	return keys
}

// maxLoads bounds how often a read of the definitions starts again because they
// changed meanwhile.
const maxLoads = 100

// loadSet reads and compiles the definitions; what has not changed since before is
// not compiled again.
func (s *Service) loadSet(ctx context.Context, ws string, before *Set) (*Set, error) {
	for range maxLoads {
		epochs, err := Epochs.GetMany(ctx, s.db, epochKeys(ws))
		if err != nil {
			return nil, fmt.Errorf("segment: read epochs: %w", err)
		}
		t := &Set{ws: ws}
		for i, e := range epochs {
			if e != nil {
				t.versions[i], t.rev = e.V, e.Rev
			}
		}
		if before != nil && before.versions == t.versions {
			return before, nil
		}
		defs, err := Segments.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
		if err != nil {
			return nil, fmt.Errorf("segment: read definitions: %w", err)
		}
		if s.follower != nil {
			if t.follows, err = s.follower.Follow(ctx, ws); err != nil {
				return nil, fmt.Errorf("segment: read who follows: %w", err)
			}
		}
		again, err := Epochs.Get(ctx, s.db, epochKey(ws, 0))
		if err != nil {
			return nil, fmt.Errorf("segment: read epoch: %w", err)
		}
		if (again == nil) != (t.versions[0] == 0) || again != nil && again.V != t.versions[0] {
			continue
		}
		s.compile(t, defs, before)
		return t, nil
	}
	return nil, fmt.Errorf("segment: definitions change all the time: %w", store.ErrConflict)
}

// compile fills in the set from the definitions.
func (s *Service) compile(t *Set, defs []*Segment, before *Set) {
	t.byID, t.unread, t.defined = make(map[string]*compiled, len(defs)), map[string]bool{}, len(defs)
	for _, d := range defs {
		if d.Status == Archived {
			continue
		}
		c, err := compileSegment(d, before)
		if err != nil {
			// One definition that cannot be read, from a newer version perhaps, stops
			// neither the events nor the other segments.
			s.log.Error("segment: compile", "segment", d.SegmentID(), "error", err.Error())
			t.unread[d.SegmentID()] = true
			continue
		}
		t.byID[c.id] = c
	}
	t.arrange()
	t.index(before)
	t.blank(s.clock.Now())
}

func compileSegment(d *Segment, before *Set) (*compiled, error) {
	c := &compiled{def: d, id: d.SegmentID(), building: d.Status == Building}
	if d.Kind == Static {
		return c, nil
	}
	if before != nil {
		if old := before.byID[c.id]; old != nil && old.program != nil && sameCondition(old.def, d) {
			c.program, c.needs = old.program, old.needs
			return c, nil
		}
	}
	p, err := CompileWhere(d)
	if err != nil {
		return nil, err
	}
	c.program, c.needs = p, p.Needs()
	if d.Kind == kept {
		c.program, c.needs = nobody, condition.Needs{Ledgers: c.needs.Ledgers}
	}
	return c, nil
}

func sameCondition(a, b *Segment) bool {
	return a.Where == b.Where && a.WhereVersion == b.WhereVersion && a.TimeZone == b.TimeZone && a.ZoneOfProfile == b.ZoneOfProfile
}

// CompileWhere compiles the condition of a segment that is not static.
func CompileWhere(d *Segment) (*condition.Program, error) {
	raw := []byte(d.Where)
	if d.WhereVersion != condition.Version {
		var err error
		if raw, err = condition.Upgrade(d.WhereVersion, raw); err != nil {
			return nil, err
		}
	}
	n, err := condition.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	zone, err := zoneOf(d)
	if err != nil {
		return nil, err
	}
	return condition.Compile(n, zone)
}

func zoneOf(d *Segment) (condition.Zone, error) {
	z := condition.Zone{OfProfile: d.ZoneOfProfile}
	if d.TimeZone != "" {
		loc, err := time.LoadLocation(d.TimeZone)
		if err != nil {
			return z, err
		}
		z.Location = loc
	}
	return z, nil
}

// arrange puts each segment after those that it refers to.
func (t *Set) arrange() {
	ids := make([]string, 0, len(t.byID))
	for id := range t.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	done := make(map[string]bool, len(ids))
	var visit func(c *compiled)
	visit = func(c *compiled) {
		if done[c.id] {
			return // a cycle, which is refused when a definition is saved, ends here too
		}
		done[c.id] = true
		for _, id := range c.needs.Segments {
			if r := t.byID[id]; r != nil {
				visit(r)
			}
		}
		c.place = int32(len(t.segments))
		t.segments = append(t.segments, c)
	}
	for _, id := range ids {
		visit(t.byID[id])
	}
}

// index notes which segments each thing touches.
func (t *Set) index(before *Set) {
	t.ledgers, t.events = map[string]*ledger{}, map[eventName][]*ledger{}
	t.traits, t.purposes, t.objects = map[string][]int32{}, map[string][]int32{}, map[string][]int32{}
	for _, c := range t.segments {
		for _, path := range c.needs.Traits {
			t.traits[path] = append(t.traits[path], c.place)
		}
		for _, purpose := range c.needs.Consents {
			t.purposes[purpose] = append(t.purposes[purpose], c.place)
		}
		for _, key := range c.needs.Objects {
			t.objects[key] = append(t.objects[key], c.place)
		}
		for _, id := range c.needs.Segments {
			if r := t.byID[id]; r != nil && r != c {
				r.referrers = append(r.referrers, c.place)
			}
		}
		if c.needs.Zone {
			t.zoned = append(t.zoned, c.place)
		}
		if c.building {
			t.building = append(t.building, c.place)
		}
		t.clocked = t.clocked || c.needs.Clock
	}
	for _, c := range slices.Backward(t.segments) {
		c.builds = c.building || slices.ContainsFunc(c.referrers, func(i int32) bool { return t.segments[i].builds })
	}
	for path := range t.traits {
		t.paths = append(t.paths, path)
	}
	slices.Sort(t.paths)
	t.indexLedgers(before)
}

func (t *Set) indexLedgers(before *Set) {
	live := map[string]condition.Keep{} // what finished segments ask of a ledger
	for _, c := range t.segments {
		for _, spec := range c.needs.Ledgers {
			l := t.ledgers[spec.Key]
			if l == nil {
				own := *spec
				l = &ledger{spec: &own}
				t.ledgers[spec.Key] = l
			} else {
				l.spec.Keep = condition.MergeKeep(l.spec.Keep, spec.Keep)
			}
			l.segments = append(l.segments, c.place)
			l.builds = l.builds || c.builds
			if !c.building {
				if k, ok := live[spec.Key]; ok {
					live[spec.Key] = condition.MergeKeep(k, spec.Keep)
				} else {
					live[spec.Key] = spec.Keep
				}
			}
		}
	}
	for key, l := range t.ledgers {
		if k, ok := live[key]; !ok || !k.Covers(l.spec.Keep) {
			for _, i := range l.segments {
				if c := t.segments[i]; c.building {
					l.building = max(l.building, c.def.Since)
				}
			}
		}
		if old := before.ledger(key); old != nil && old.spec.Keep == l.spec.Keep {
			l.fold = old.fold
		} else {
			fold, err := condition.CompileLedger(l.spec)
			if err != nil {
				delete(t.ledgers, key) // Compile accepted it before: cannot happen
				continue
			}
			l.fold = fold
		}
		name := eventName{l.spec.Event, l.spec.System}
		t.events[name] = append(t.events[name], l)
	}
	for _, list := range t.events {
		slices.SortFunc(list, func(a, b *ledger) int { return strings.Compare(a.spec.Key, b.spec.Key) })
	}
}

// ledger returns the ledger with a key, nil when there is none; of a nil Set too.
func (t *Set) ledger(key string) *ledger {
	if t == nil {
		return nil
	}
	return t.ledgers[key]
}

// blank finds out what each segment says of a person of whom nothing is known.
func (t *Set) blank(now time.Time) {
	f := &facts{set: t}
	for _, c := range t.segments {
		if c.program == nil {
			continue
		}
		a := c.program.Evaluate(f, now)
		c.blank = a.Value && !c.needs.Buckets
		// When somebody new enters what everybody is in is not known here.
		entered := c.needs.Clock && slices.ContainsFunc(c.needs.Segments, func(id string) bool { _, in := findMember(f.members, id); return in })
		if c.needs.Buckets || entered || !a.Next.IsZero() {
			c.blank = false
			t.creation = append(t.creation, c.place)
			continue
		}
		if c.blank {
			t.blanks = append(t.blanks, c.place)
			f.members = append(f.members, Member{Segment: c.id})
			slices.SortFunc(f.members, compareMembers)
		}
	}
}
