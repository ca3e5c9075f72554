package profile

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// unset marks an identifier that the current event brought and whose Seq is not
// known until the event's own is.
const unset = -1

// Apply resolves who an input of Begin is about, folds it into the profile, and
// returns the event to insert. It does no I/O. An error is a core.Error, INVALID,
// for the quarantine; the unit is then as before.
//
//   - NO_IDENTIFIER: nothing in it names anybody;
//   - PROFILE_TOO_LARGE: the profile would outgrow its bounds.
//
// CONFLICT with ReasonErased is about an event that is to be dropped: it happened
// before somebody whom it names was erased.
func (u *Unit) Apply(in *event.Input, source string, receivedAt time.Time) (*event.Event, error) {
	n := u.named[in]
	if n == nil {
		return nil, core.Errorf(core.Internal, "INTERNAL", "internal error")
	}
	ids := u.identifiers(n)
	if len(ids) == 0 {
		return nil, core.Errorf(core.Invalid, "NO_IDENTIFIER",
			"no usable identifier: give a userId or anonymousId that names one person, within its length and not on the blocklist")
	}
	erased, err := u.olderThanErasure(in, ids)
	if err != nil {
		return nil, err
	}
	again := !erased.IsZero() && u.fresh(ids)
	u.undo = u.undo[:0]
	applied := len(u.applied)
	e := u.newEvent(in, source, receivedAt)
	e.Identifiers = ids
	p, part := u.resolve(ids, store.Rest(e.ID), in.Type == event.Alias)
	e.Part = part
	err = u.fold(p, e)
	if err == nil && again {
		u.record(e)
		err = u.withdraw(part, erased)
	} else if err == nil {
		u.record(e)
	}
	if err != nil {
		u.rollback()
		u.applied = u.applied[:applied]
		return nil, err
	}
	return e, nil
}

// ApplyTo folds a system event into the profile with an id that Begin was given;
// nothing in it names anybody. NOT_FOUND when there is no such profile.
func (u *Unit) ApplyTo(profileID string, in *event.Input, source string, receivedAt time.Time) (*event.Event, error) {
	p := u.profile(profileID)
	if p == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	u.undo = u.undo[:0]
	e := u.newEvent(in, source, receivedAt)
	e.ID, e.Part = event.SystemKey(u.ws, in.MessageID), profileID
	if err := u.fold(p, e); err != nil {
		u.rollback()
		return nil, err
	}
	u.record(e)
	return e, nil
}

// identifiers decides what an alias's previous id means and returns all the
// identifiers, the highest priority first; the previous id comes after its equals,
// for the event is about the new one.
func (u *Unit) identifiers(n *named) []event.Identifier {
	prev := n.previousAnonymous
	if n.previousUser.Value != "" {
		if _, known := u.ids[identifierKey(u.ws, n.previousUser)]; known || prev.Value == "" {
			prev = n.previousUser
		}
	}
	if prev.Value == "" || slices.Contains(n.ids, prev) {
		return n.ids
	}
	rank := u.rules.namespaces[prev.Namespace].Priority
	at := len(n.ids)
	for i, id := range n.ids {
		if u.rules.namespaces[id.Namespace].Priority < rank {
			at = i
			break
		}
	}
	return slices.Insert(slices.Clone(n.ids), at, prev)
}

// resolve finds or makes the profile that the identifiers name and the part under
// which the event is stored: that of the first identifier.
//
// It goes through them from the highest priority down with one person in hand.
// Before any is known the person is only a list of fresh identifiers, which is
// treated as a profile would be, so that it makes no difference whether they came
// in an event of their own before.
func (u *Unit) resolve(ids []event.Identifier, eventID string, alias bool) (*Profile, string) {
	var cur *Profile
	var part string // that fresh identifiers join
	var fresh []event.Identifier
	for _, id := range ids {
		known, ok := u.ids[identifierKey(u.ws, id)]
		if !ok {
			if !cur.LetGo(id) && u.rules.room(cur, append(fresh, id)) == nil {
				if cur == nil {
					fresh = append(fresh, id)
				} else {
					cur = u.attach(cur, part, id)
				}
			}
			continue
		}
		q := u.profile(known)
		switch {
		case cur == nil && u.rules.room(q, fresh) == nil && !q.letGoAny(fresh):
			cur, part = u.attach(q, known, fresh...), known
			fresh = nil
		case cur == nil:
			cur = u.create(fresh)
			part, fresh = cur.ProfileID(), nil
			cur = u.link(cur, part, q, known, eventID, alias)
		case cur.ID != q.ID:
			cur = u.link(cur, part, q, known, eventID, alias)
		}
	}
	if cur == nil {
		cur = u.create(fresh)
		part = cur.ProfileID()
	}
	return cur, part
}

// obstacle is why two profiles are not joined by a rule.
type obstacle struct {
	reason    string
	namespace string
}

// The reasons of obstacles, and so of proposals.
const (
	ReasonExclusive    = "EXCLUSIVE"         // both hold a value of an exclusive namespace
	ReasonLimit        = "LIMIT"             // together they hold more than the namespace's limit
	ReasonTooManyParts = "TOO_MANY_PARTS"    // together they have more than MaxParts parts
	ReasonTooLarge     = "PROFILE_TOO_LARGE" // together they hold more than a profile may
)

// room reports what keeps p, or a new profile for nil, from holding the
// identifiers too; nil: nothing.
func (r *rules) room(p *Profile, ids []event.Identifier) *obstacle {
	for _, id := range ids {
		n := 0
		for _, o := range ids {
			if o.Namespace == id.Namespace {
				n++
			}
		}
		if n > r.namespaces[id.Namespace].Limit {
			return &obstacle{ReasonLimit, id.Namespace}
		}
		if o := r.over(id.Namespace, n, count(p, id.Namespace)); o != nil {
			return o
		}
	}
	return nil
}

// over reports whether two that hold a and b values of a namespace may not be one.
func (r *rules) over(name string, a, b int) *obstacle {
	ns := r.namespaces[name]
	switch {
	case ns == nil || a == 0 || b == 0:
		return nil
	case ns.Exclusive:
		return &obstacle{ReasonExclusive, name}
	case a+b > ns.Limit:
		return &obstacle{ReasonLimit, name}
	}
	return nil
}

func count(p *Profile, namespace string) int {
	if p == nil {
		return 0
	}
	n := 0
	for i := range p.Identifiers {
		if p.Identifiers[i].Namespace == namespace {
			n++
		}
	}
	return n
}

// against reports what keeps two profiles from being joined by a rule; nil:
// nothing. Of two namespaces the more important is named.
func (r *rules) against(a, b *Profile) *obstacle {
	var worst *obstacle
	seen := ""
	for i := range a.Identifiers { // sorted by namespace
		name := a.Identifiers[i].Namespace
		if name == seen {
			continue
		}
		seen = name
		o := r.over(name, count(a, name), count(b, name))
		if o != nil && (worst == nil || r.namespaces[name].Priority > r.namespaces[worst.namespace].Priority) {
			worst = o
		}
	}
	if worst != nil {
		return worst
	}
	if len(a.Parts)+len(b.Parts) > MaxParts {
		return &obstacle{reason: ReasonTooManyParts}
	}
	if a.together(b).oversize() != "" {
		return &obstacle{reason: ReasonTooLarge}
	}
	return nil
}

// together returns a profile with the registers of both, as far as its size goes.
// It joins only what may be too large.
func (p *Profile) together(o *Profile) *Profile {
	t := &Profile{}
	if len(p.Traits)+len(o.Traits) > MaxTraits || traitBytes(p.Traits)+traitBytes(o.Traits) > MaxTraitBytes {
		t.Traits = joinTraits(p.Traits, o.Traits)
	}
	if len(p.Consents)+len(o.Consents) > MaxConsents {
		t.Consents = joinConsents(p.Consents, o.Consents)
	}
	return t
}

// separated reports whether an unmerge put the two on opposite sides.
func separated(a, b *Profile) bool {
	for _, s := range a.Separations {
		id, side, _ := strings.Cut(s, ":")
		other := id + ":a"
		if side == "a" {
			other = id + ":b"
		}
		if _, found := slices.BinarySearch(b.Separations, other); found {
			return true
		}
	}
	return false
}

// link joins two profiles when the rules allow it, else leaves a proposal, and
// returns the profile that the event goes to.
func (u *Unit) link(cur *Profile, curPart string, q *Profile, part, eventID string, alias bool) *Profile {
	if separated(cur, q) || disowned(cur, q) || slices.ContainsFunc(cur.Proposals, func(id string) bool {
		_, found := slices.BinarySearch(q.Proposals, id)
		return found
	}) {
		return cur // a person has said no, or is asked already
	}
	if o := u.rules.against(cur, q); o != nil {
		return u.propose(cur, q, o, eventID)
	}
	m := &Merge{Rule: RuleIdentifiers, Reason: "one event names identifiers of both"}
	if alias {
		m.Rule, m.Reason = RuleAlias, "an alias event names identifiers of both"
	}
	if u.before(q, cur) {
		return u.merge(q, part, cur, curPart, m)
	}
	return u.merge(cur, curPart, q, part, m)
}

// before is older, but that what is stored comes before what began in this unit,
// whatever the clocks of two processes say.
func (u *Unit) before(a, b *Profile) bool {
	_, newA := u.newParts[a.ProfileID()]
	_, newB := u.newParts[b.ProfileID()]
	if newA != newB {
		return newB
	}
	return older(a, b)
}

// older reports whether a wins over b when a rule joins them: the one that began
// first, of two at one time the smaller id.
func older(a, b *Profile) bool {
	if (a.Events == 0) != (b.Events == 0) {
		return a.Events > 0
	}
	if d := a.CreatedAt.Compare(b.CreatedAt); d != 0 {
		return d < 0
	}
	return a.ID < b.ID
}

// attach adds fresh identifiers to a profile under one of its parts.
func (u *Unit) attach(p *Profile, part string, ids ...event.Identifier) *Profile {
	if len(ids) == 0 {
		return p
	}
	c := *p
	c.Identifiers = slices.Clone(p.Identifiers)
	for _, id := range ids {
		h := Held{Namespace: id.Namespace, Value: id.Value, Part: part, Seq: unset}
		i, _ := slices.BinarySearchFunc(c.Identifiers, h, compareHeld)
		c.Identifiers = slices.Insert(c.Identifiers, i, h)
		key := identifierKey(u.ws, id)
		u.ids[key] = part
		u.undo = append(u.undo, func() { delete(u.ids, key) })
	}
	u.set(c.ProfileID(), &c)
	return &c
}

// create makes a profile that holds fresh identifiers.
func (u *Unit) create(ids []event.Identifier) *Profile {
	id := core.NewID(core.PrefixProfile, u.now)
	p := &Profile{Meta: store.Meta{ID: store.Key(u.ws, id)}, Parts: []string{id}, Bucket: bucket(id)}
	u.newParts[id] = struct{}{}
	u.undo = append(u.undo, func() { delete(u.newParts, id) })
	u.assign(id, id)
	u.set(id, p)
	return u.attach(p, id, ids...)
}

// newEvent returns the event of an input, as far as it does not depend on who it
// is about.
func (u *Unit) newEvent(in *event.Input, source string, receivedAt time.Time) *event.Event {
	e := &event.Event{
		Meta: store.Meta{ID: event.Key(u.ws, in.MessageID)}, MessageID: in.MessageID, Type: in.Type, Name: in.Name,
		Timestamp: millis(in.Timestamp), ReceivedAt: millis(receivedAt), Source: source,
		UserID: in.UserID, AnonymousID: in.AnonymousID, GroupID: in.GroupID, PreviousID: in.PreviousID,
		Properties: in.Properties, Traits: in.Traits, Context: in.Context, Sum: in.Sum,
	}
	if in.Timestamp.IsZero() {
		e.Timestamp = e.ReceivedAt
	}
	return e
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// fold gives the event its place in the order of its profile and folds it in.
func (u *Unit) fold(p *Profile, e *event.Event) error {
	e.Seq = p.Seq + 1
	e.CommittedAt = later(u.now, p.UpdatedAt)
	next := p.clone()
	cover := next.Parts
	if len(cover) > 1 {
		cover = sorted(cover)
	}
	u.settle(next, e)
	next.apply(factOf(e), u.rules, cover)
	if what := next.oversize(); what != "" {
		return errTooLarge(what)
	}
	u.set(next.ProfileID(), next)
	return nil
}

// settle writes the event's place into the identifiers that it brought.
func (u *Unit) settle(p *Profile, e *event.Event) {
	before := len(u.newIDs)
	for i := range p.Identifiers {
		if p.Identifiers[i].Seq != unset {
			continue
		}
		if len(u.newIDs) == before {
			p.Identifiers = slices.Clone(p.Identifiers)
		}
		h := &p.Identifiers[i]
		h.At, h.Seq = e.CommittedAt, e.Seq
		u.newIDs = append(u.newIDs, &Identifier{
			Meta: store.Meta{ID: identifierKey(u.ws, event.Identifier{Namespace: h.Namespace, Value: h.Value})},
			Part: h.Part, At: h.At, Seq: h.Seq, Event: store.Rest(e.ID),
		})
	}
	if len(u.newIDs) > before {
		u.undo = append(u.undo, func() { u.newIDs = u.newIDs[:before] })
	}
}

// properties is a document of text fields.
func properties(pairs ...string) bson.Raw {
	d := make(bson.D, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i], Value: pairs[i+1]})
	}
	raw, _ := bson.Marshal(d) // strings only: cannot fail
	return raw
}
