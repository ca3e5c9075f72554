package segment

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Conditions that are not a segment's, of journeys above all, are asked like those of
// segments: what they need to know of past events is kept in behaviours. For that each
// is stored as a definition of the kind KEPT, of which nobody is ever a member. It is
// filled by a backfill like any other, and until then, as wherever nothing is kept,
// Panel reads the events themselves. One of the kind WATCHED has members, so that who
// follows hears of it when it comes to hold of somebody and when it ends to.

// nobody is the program of a definition that nobody is a member of.
var nobody = func() *condition.Program {
	p, err := condition.Compile(&condition.Node{Bucket: &condition.Bucket{Salt: "nobody"}}, condition.Zone{})
	if err != nil {
		panic(err)
	}
	return p
}()

// Condition is a condition that is not a segment's.
type Condition struct {
	Where         any    // as CreateInput.Where; of a checked one the canonical JSON is in JSON
	TimeZone      string // as in CreateInput
	ZoneOfProfile bool
}

// Checked is a condition that may be asked.
type Checked struct {
	JSON     string // canonical
	Words    string
	Node     *condition.Node
	Program  *condition.Program
	Warnings []condition.Warning
	Zone     string // as it was given
	OfPeople bool   // each person's own time zone goes first
	// Watch has Publish keep who meets the condition, so that a Follower is told of each
	// change, with WatchID in the segment's place. It asks for traits alone. Who meets it when it
	// is published does so by the definition; who comes to while it is built, by time.
	Watch bool
}

// WatchID returns the id by which a Following hears of those who meet a condition of an
// owner.
func WatchID(owner string, c *Checked) string {
	return core.HashID(core.PrefixKept, owner, c.JSON, c.Zone, strconv.FormatBool(c.OfPeople), strconv.FormatBool(c.Watch))
}

// CheckCondition looks whether the actor of ctx may ask a condition, and returns it as it is to
// be stored. What is wrong comes as Faults with paths that begin with "where" or
// "timeZone".
func (s *Service) CheckCondition(ctx context.Context, ws string, c Condition) (*Checked, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	voc, err := by.vocabulary()
	if err != nil {
		return nil, fail(err)
	}
	n, faults, warnings, err := s.checkWhere(ctx, voc, c.Where, "", by, c.ZoneOfProfile)
	if err != nil {
		return nil, fail(err)
	}
	if zone := checkZone(c.TimeZone); zone != nil {
		faults = append(faults, zone)
	}
	if err := faultsAt(faults); err != nil {
		return nil, err
	}
	out := &Checked{Zone: c.TimeZone, OfPeople: c.ZoneOfProfile, Node: n, Words: condition.Words(n, voc.names()), Warnings: warnings}
	draft := &Segment{TimeZone: c.TimeZone, ZoneOfProfile: c.ZoneOfProfile}
	if faults := define(draft, n); len(faults) > 0 {
		return nil, faultsAt(faults)
	}
	out.JSON = draft.Where
	out.Program, err = CompileWhere(draft)
	return out, fail(err)
}

// Publish keeps what some conditions need, in place of those that the owner (jrn_…) had
// before; none is the end of it. The operations that change makes for the next revision
// are committed with it, and so is what makes all that was derived from before lose its
// race; it may be called several times. The returned job brings the behaviours up to
// date; "" when there is nothing to do. A lost race about an operation of change is
// store.ErrConflict.
func (s *Service) Publish(ctx context.Context, ws, owner string, conditions []Checked, change func(rev int64) ([]store.Op, error)) (job string, err error) {
	job, err = s.publishKept(ctx, ws, owner, conditions, change)
	s.forget(ws)
	return job, err
}

func (s *Service) publishKept(ctx context.Context, ws, owner string, conditions []Checked, change func(rev int64) ([]store.Op, error)) (job string, err error) {
	wanted := map[string]*Checked{} // by key
	for i := range conditions {
		if c := &conditions[i]; c.Watch || len(c.Program.Needs().Ledgers) > 0 {
			wanted[store.Key(ws, WatchID(owner, c))] = c
		}
	}
	list, err := Segments.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
	if err != nil {
		return "", err
	}
	var gone []*Segment
	for _, d := range list {
		switch {
		case !d.others() || d.Name != owner:
		case wanted[d.ID] == nil:
			gone = append(gone, d)
		default:
			delete(wanted, d.ID) // there already
		}
	}
	now := millis(s.clock.Now())
	write := func(rev int64) ([]store.Op, error) {
		ops, err := change(rev)
		if err != nil {
			return nil, err
		}
		for _, d := range gone {
			ops = append(ops, Segments.Delete(d))
		}
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			c, kind := wanted[key], kept
			if c.Watch {
				kind = watched
			}
			ops = append(ops, Segments.Insert(&Segment{
				Meta: store.Meta{ID: key}, Name: owner, Kind: kind, Status: Building, Version: 1, Where: c.JSON,
				WhereVersion: condition.Version, TimeZone: c.Zone, ZoneOfProfile: c.OfPeople,
				CreatedAt: now, UpdatedAt: now, Since: rev,
			}))
		}
		return ops, nil
	}
	build := ""
	for key := range wanted {
		build = max(build, store.Rest(key))
	}
	if build == "" {
		_, err = s.publish(ctx, ws, write)
		return "", err
	}
	_, job, err = s.publishBuilding(ctx, ws, build, write)
	return job, err
}

// Panel is some conditions to be asked of many people. One goroutine uses it at a time.
type Panel struct {
	// Stands is to be committed with what follows from the answers: it fails when
	// definitions have changed since.
	Stands store.Op
	s      *Service
	q      *question
}

// Panel prepares conditions to be asked in a workspace now. What is kept for them is
// looked up in behaviours; the rest is folded from people's events.
func (s *Service) Panel(ctx context.Context, ws string, programs ...*condition.Program) (*Panel, error) {
	set, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	needs := union(programs)
	q := &question{s: s, ws: ws, now: s.clock.Now(), needs: needs, set: set}
	for _, spec := range needs.Ledgers {
		if l := set.ledgers[spec.Key]; l != nil && l.building == 0 && l.spec.Keep.Covers(spec.Keep) {
			q.kept = append(q.kept, spec.Key)
			continue
		}
		fold, err := condition.CompileLedger(spec)
		if err != nil {
			return nil, err
		}
		q.fresh, q.specs = append(q.fresh, fold), append(q.specs, spec)
	}
	q.reads = len(q.kept) > 0 || len(needs.Segments) > 0
	return &Panel{s: s, q: q, Stands: s.check(set)}, nil
}

// union is what several programs read.
func union(programs []*condition.Program) condition.Needs {
	var out condition.Needs
	ledgers := map[string]*condition.LedgerSpec{}
	for _, p := range programs {
		n := p.Needs()
		for _, spec := range n.Ledgers {
			own := *spec
			if have := ledgers[spec.Key]; have != nil {
				own.Keep = condition.MergeKeep(have.Keep, spec.Keep)
			}
			ledgers[spec.Key] = &own
		}
		out.Traits, out.Consents = append(out.Traits, n.Traits...), append(out.Consents, n.Consents...)
		out.Objects, out.Segments = append(out.Objects, n.Objects...), append(out.Segments, n.Segments...)
		out.Buckets, out.Zone, out.Clock = out.Buckets || n.Buckets, out.Zone || n.Zone, out.Clock || n.Clock
	}
	for _, key := range slices.Sorted(maps.Keys(ledgers)) {
		out.Ledgers = append(out.Ledgers, ledgers[key])
	}
	for _, list := range []*[]string{&out.Traits, &out.Consents, &out.Objects, &out.Segments} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}

// Facts is what conditions can look at of one person, in memory.
type Facts struct{ asked }

var _ condition.Facts = (*Facts)(nil)

// Err is why something could not be looked at; answers before it are worth nothing.
func (f *Facts) Err() error { return f.fault }

// Facts gathers what the conditions look at of some people, who are whole, in their
// order.
func (p *Panel) Facts(ctx context.Context, people []*profile.Profile) ([]*Facts, error) {
	behaviours := make([]*Behaviour, len(people))
	if p.q.reads {
		keys := make([]string, len(people))
		for i, one := range people {
			keys[i] = one.ID
		}
		for from := 0; from < len(keys); from += 500 {
			docs, err := Behaviours.GetMany(ctx, p.s.db, keys[from:min(from+500, len(keys))])
			if err != nil {
				return nil, fail(err)
			}
			copy(behaviours[from:], docs)
		}
	}
	p.q.now = p.s.clock.Now()
	out := make([]*Facts, len(people))
	for i, one := range people {
		f, err := p.q.facts(ctx, one, behaviours[i])
		if err != nil {
			return nil, fail(err)
		}
		out[i] = &Facts{*f}
	}
	return out, nil
}
