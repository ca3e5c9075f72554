package profile

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// SystemSource is the source of events that Headwater itself makes.
const SystemSource = "system"

// merge joins the profile l to w over an edge between the two parts. m carries
// Reason, Rule and Actor; the rest is filled in.
func (u *Unit) merge(w *Profile, wPart string, l *Profile, lPart string, m *Merge) *Profile {
	id := core.NewID(core.PrefixMerge, u.now)
	m.ID = store.Key(u.ws, id)
	m.WinnerID, m.LoserID, m.WinnerPart, m.LoserPart = w.ProfileID(), l.ProfileID(), wPart, lPart
	m.Parts = []string{wPart, lPart}
	m.Seq = max(w.Seq, l.Seq) + 1
	m.At = later(later(u.now, w.UpdatedAt), l.UpdatedAt)
	p := join(w, l, m)
	u.tell(p, event.NameProfileMerged, "merge:"+id, wPart, m.At,
		"mergeId", id, "winnerId", m.WinnerID, "loserId", m.LoserID, "reason", m.Reason)
	for _, part := range l.Parts {
		u.move(part, m.WinnerID)
	}
	u.set(m.LoserID, nil)
	u.set(m.WinnerID, p)
	u.merges = append(u.merges, m)
	u.undo = append(u.undo, func() { u.merges = u.merges[:len(u.merges)-1] })
	return p
}

// move says which profile a part belongs to, and that its document must say so.
func (u *Unit) move(part, id string) {
	u.assign(part, id)
	_, fresh := u.newParts[part]
	if _, known := u.moved[part]; !fresh && !known {
		u.moved[part] = struct{}{}
		u.undo = append(u.undo, func() { delete(u.moved, part) })
	}
}

// tell adds a system event with the number p.Seq to p, which is changed.
func (u *Unit) tell(p *Profile, name, messageID, part string, at time.Time, pairs ...string) {
	props := properties(pairs...)
	sum := sha256.Sum256(append([]byte(name), props...))
	e := &event.Event{
		Meta: store.Meta{ID: event.SystemKey(u.ws, messageID)}, MessageID: messageID, Part: part, Seq: p.Seq,
		Type: event.System, Name: name, Timestamp: at, ReceivedAt: at, CommittedAt: at,
		Source: SystemSource, Properties: props, Sum: sum[:16],
	}
	p.apply(factOf(e), u.rules, nil)
	u.events = append(u.events, e)
	u.record(e)
	u.undo = append(u.undo, func() { u.events = u.events[:len(u.events)-1] })
}

// propose leaves the link between two profiles for a person and returns cur. Both
// remember it, so that it is not proposed again.
func (u *Unit) propose(cur, q *Profile, o *obstacle, eventID string) *Profile {
	if len(cur.Proposals) >= MaxProposals || len(q.Proposals) >= MaxProposals {
		return cur
	}
	a, b := cur.ProfileID(), q.ProfileID()
	pr := &Proposal{
		Meta:  store.Meta{ID: proposalKey(u.ws, a, b)},
		Parts: sorted([]string{a, b}), Status: Pending, Reason: o.reason, Namespace: o.namespace,
		Event: eventID, At: later(later(u.now, cur.UpdatedAt), q.UpdatedAt),
	}
	u.props = append(u.props, pr)
	u.undo = append(u.undo, func() { u.props = u.props[:len(u.props)-1] })
	mark := func(p *Profile) *Profile {
		c := *p
		c.Proposals = union(p.Proposals, []string{pr.ProposalID()})
		u.set(c.ProfileID(), &c)
		return &c
	}
	mark(q)
	return mark(cur)
}

// Ops returns what to commit in one batch with the events that Apply returned. Each
// operation is conditional: when a profile that the unit writes has changed since
// Begin, or an identifier has been taken, the batch conflicts; then call Conflicted
// and begin again.
func (u *Unit) Ops() []store.Op {
	ops := make([]store.Op, 0, len(u.slots)+len(u.newIDs)+len(u.newParts)+len(u.moved)+2*len(u.merges)+len(u.props))
	for _, id := range u.slotIDs() {
		switch sl := u.slots[id]; {
		case sl.now == sl.stored:
		case sl.now == nil:
			ops = append(ops, Profiles.Delete(sl.stored))
		case sl.stored == nil:
			ops = append(ops, Profiles.Insert(sl.now))
		default:
			ops = append(ops, Profiles.Replace(sl.now))
		}
	}
	for _, id := range u.newIDs {
		if doc := u.freed[id.ID]; doc != nil {
			id.V = doc.V
		}
		ops = append(ops, Identifiers.Put(id))
	}
	for _, id := range u.oldIDs {
		ops = append(ops, Identifiers.Delete(id))
	}
	for _, r := range u.releases {
		ops = append(ops, Releases.Put(r))
	}
	for _, part := range slices.Sorted(maps.Keys(u.newParts)) {
		ops = append(ops, Parts.Insert(&Part{Meta: store.Meta{ID: store.Key(u.ws, part)}, Profile: u.partOf[part]}))
	}
	for _, part := range slices.Sorted(maps.Keys(u.moved)) {
		doc := u.partDocs[part]
		if doc == nil {
			ops = append(ops, store.Op{Err: fmt.Errorf("profile: a part was moved that was not read")})
			continue
		}
		next := *doc
		next.Profile = u.partOf[part]
		ops = append(ops, Parts.Replace(&next))
	}
	for _, m := range u.merges {
		ops = append(ops, Merges.Put(m))
	}
	for _, p := range u.props {
		ops = append(ops, Proposals.Put(p))
	}
	for _, s := range u.seps {
		ops = append(ops, Separations.Insert(s))
	}
	for _, e := range u.events {
		ops = append(ops, event.Events.Insert(e))
	}
	return ops
}
