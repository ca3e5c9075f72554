package segment

import (
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// outcome gathers the operations about several people that are committed together.
type outcome struct {
	s     *Service
	set   *Set
	now   time.Time
	ops   []store.Op
	sizes map[string]int64 // segment → members more

	profile       string // whom it is about, where that is one
	entered, left int64
	ended         int // memberships that ended with profiles
}

func (s *Service) newOutcome(t *Set, now time.Time) *outcome {
	return &outcome{s: s, set: t, now: now, sizes: map[string]int64{}}
}

// add adds what has become of a person.
func (o *outcome) add(w *person) {
	var before []Member
	if w.stored != nil {
		before = w.stored.Members
	}
	turned := o.members(w, before)
	w.b.tidy()
	if !turned && !w.changed && (w.stored == nil || w.stored.Rev == w.b.Rev) {
		return
	}
	o.ops = append(o.ops, w.late...)
	switch {
	case w.b.empty() && w.stored == nil:
	case w.b.empty():
		o.ops = append(o.ops, Behaviours.Delete(w.stored))
	case w.stored == nil:
		// Above every version that the id had before it was deleted: who read one of
		// those must not take this behaviour for it.
		w.b.V = o.now.UnixMilli()
		o.ops = append(o.ops, Behaviours.Insert(w.b))
	default:
		o.ops = append(o.ops, Behaviours.Replace(w.b))
	}
}

// members writes the difference between two lists of members, and what of it is
// news. It fills in the versions of the new list.
func (o *outcome) members(w *person, before []Member) (turned bool) {
	id := w.b.ProfileID()
	beside(before, w.b.Members, func(m *Member) string { return m.Segment }, func(old, m *Member) {
		switch {
		case m == nil:
			o.leave(id, *old, w.cause(old.Segment, false))
		case old == nil:
			m.V = 1
			o.ops = append(o.ops, Memberships.Insert(o.membership(id, *m, 0)))
			if _, came := w.lost[m.Segment]; !came {
				o.tell(id, m.Segment, Entered, w.cause(m.Segment, true))
			} else {
				o.tell(id, m.Segment, Entered, CauseMerge)
			}
			o.sizes[m.Segment]++
		case m.Since != old.Since:
			o.ops = append(o.ops, Memberships.Replace(o.membership(id, *m, old.V)))
			m.V = old.V + 1
		default:
			m.V = old.V
			return
		}
		turned = true
	})
	return turned
}

// cause says why a membership changed. What a definition that is being built says
// of the time before is its own doing, not that of what happens now.
func (w *person) cause(segmentID string, in bool) Cause {
	if w.caught {
		if _, was := findMember(w.first, segmentID); was == in {
			return CauseDefinition
		}
	}
	if r := w.whys[segmentID]; r != 0 {
		return r.cause()
	}
	return w.otherwise.cause() // true of everybody of whom nothing is known
}

func (o *outcome) membership(profileID string, m Member, v int64) *Membership {
	return &Membership{
		Meta:    store.Meta{ID: membershipKey(o.set.ws, m.Segment, profileID), V: v},
		Segment: m.Segment, Profile: profileID, Since: time.UnixMilli(m.Since).UTC(),
	}
}

// leave ends a membership.
func (o *outcome) leave(profileID string, m Member, why Cause) {
	o.ops = append(o.ops, Memberships.Delete(o.membership(profileID, m, m.V)))
	o.tell(profileID, m.Segment, Left, why)
	o.sizes[m.Segment]--
}

func (o *outcome) tell(profileID, segmentID string, kind ChangeKind, why Cause) {
	if kind == Entered {
		o.entered++
	} else {
		o.left++
	}
	if why == CauseErasure {
		profileID = "" // it was somebody, and nobody's to find
	}
	var version int64
	if c := o.set.byID[segmentID]; c != nil {
		version = c.def.Version
	}
	c := &Change{
		Meta:    store.Meta{ID: store.Key(o.set.ws, segmentID, core.NewID(core.PrefixChange, o.now))},
		Segment: segmentID, Profile: profileID, Change: kind, At: o.now, Cause: why, Version: version,
	}
	o.ops = append(o.ops, Changes.Insert(c))
	if o.set.follows != nil {
		o.ops = append(o.ops, o.set.follows.Moved(c)...)
	}
}

// all returns the operations, with those that change the sizes and the one that
// checks the definitions.
func (o *outcome) all() []store.Op {
	lane := int(o.s.lane.Load())
	ops := append(o.ops, o.s.check(o.set))
	for _, id := range slices.Sorted(maps.Keys(o.sizes)) {
		if n := o.sizes[id]; n != 0 {
			ops = append(ops, store.AddTo(o.set.ws, sizeCounter(id), lane, map[string]int64{"members": n}))
		}
	}
	return ops
}

// maxEnd is how many memberships end with profiles in one commit.
const maxEnd = 100

// end ends what is known of a profile that is no more. Of those who were in very
// many segments the sweep ends the rest.
func (o *outcome) end(b *Behaviour, why Cause) {
	id := b.ProfileID()
	n := len(b.Members)
	if o.set.timed() {
		n = min(n, max(0, maxEnd-o.ended))
	}
	o.ended += n
	for _, m := range b.Members[:n] {
		o.leave(id, m, why)
	}
	if n == len(b.Members) {
		o.ops = append(o.ops, Behaviours.Delete(b))
		return
	}
	rest := newBehaviour(o.set.ws, id)
	rest.V, rest.Members = b.V, b.Members[n:]
	rest.Nexts = []Next{{rest.Members[0].Segment, o.now.UnixMilli()}}
	rest.tidy()
	o.ops = append(o.ops, Behaviours.Replace(rest))
}
