package message

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// callFor is how long a call may take, and freshFor how long after its commit it may
	// begin: what comes later is given back uncalled.
	callFor  = 75 * time.Second
	freshFor = 15 * time.Second
)

// flightFor is when another process may take a message for lost. It is more than both and what
// clocks may differ by. Tests that kill processes have less patience.
var flightFor = 2 * time.Minute

// handOff commits that messages go now, on the condition that nothing that was asked has
// changed. It returns those that do; the others lost a race and are still due.
func (r *round) handOff(ctx context.Context, letters []*letter) ([]*letter, error) {
	now := r.s.now()
	for _, l := range letters {
		next := *l.m
		next.Checks, next.Reason, next.Hold, next.Status = l.checks, "", "", Handed
		if l.again && (l.m.Attempt == nil || l.m.Attempt.Fault == "") {
			next.Lost++ // nobody has said anything against it: whoever handed it over is gone
		} else {
			next.Tries++
		}
		next.Attempt = &Attempt{Number: next.Tries + next.Lost, Connection: r.route.id(), At: now, Until: now.Add(flightFor)}
		next.Due, next.Flight = next.Attempt.Until, now
		if l.made != nil {
			next.TemplateVersion = l.made.Number()
		}
		if next.To == nil && l.to != "" {
			var err error
			if next.To, err = r.s.Keys.Seal(ctx, r.ws, []byte(l.to), []byte(next.ID)); err != nil {
				return nil, err
			}
		}
		l.next = &next
	}
	for len(letters) > 0 {
		ops, err := r.handOffOps(ctx, letters, now)
		if err != nil {
			return nil, err
		}
		err = work.Commit(ctx, r.s.Store, ops...)
		if err == nil {
			for _, l := range letters {
				r.s.observe(moved{l.m, l.next})
				l.next.V++
			}
			return letters, nil
		}
		c := conflictOf(err)
		if c == nil {
			return nil, storeError("hand over", err)
		}
		if c.Collection == controls.Spec.Name {
			return nil, nil // a switch: everything is asked anew
		}
		if letters = r.without(ctx, letters, c); letters == nil {
			return nil, storeError("hand over", err)
		}
	}
	return nil, nil
}

// handOffOps are the operations of a hand-off. What several messages demand is demanded once.
func (r *round) handOffOps(ctx context.Context, letters []*letter, now time.Time) ([]store.Op, error) {
	type target struct{ coll, id string }
	seen := map[target]bool{}
	var ops []store.Op
	add := func(op store.Op) {
		t := target{op.Spec.Name, op.ID}
		if op.Kind == store.OpAdd || !seen[t] {
			seen[t] = true
			ops = append(ops, op)
		}
	}
	add(r.stands)
	byPurpose := map[string][]string{}
	for _, l := range letters {
		add(Messages.Replace(l.next))
		for _, op := range l.ops {
			add(op)
		}
		if l.places != nil {
			add(Reservations.Put(l.places.reserve(l.m, now)))
		}
		if _, ok := byPurpose[l.m.Purpose]; !ok {
			byPurpose[l.m.Purpose] = nil
		}
		if l.p != nil && !l.m.Test {
			byPurpose[l.m.Purpose] = append(byPurpose[l.m.Purpose], l.p.ProfileID())
		}
	}
	if r.s.Audit == nil {
		return ops, nil
	}
	for purpose, who := range byPurpose {
		e := audit.Entry{
			Workspace: r.ws, Action: "message.handOff", Resource: "messages", Purpose: purpose, Subjects: who, SubjectCount: len(who),
			Details: map[string]string{"channel": r.channel, "connection": r.route.id()},
		}
		op, err := r.s.Audit.Op(ctx, e)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// without leaves out those that lost a race: whoever the conflict names, and all others of
// whom something is known to have moved, for a commit tells of one at a time. nil when it
// is about none of them.
func (r *round) without(ctx context.Context, letters []*letter, c *store.ConflictError) []*letter {
	kept, found := make([]*letter, 0, len(letters)), false
	for _, l := range letters {
		if !l.names(c) {
			kept = append(kept, l)
			continue
		}
		found = true
		if c.Kind == store.OpInsert { // the same receipt is there already
			l.ops = dropOp(l.ops, c)
			kept = append(kept, l)
		}
	}
	if !found {
		return nil
	}
	return r.unmoved(ctx, kept)
}

func dropOp(ops []store.Op, c *store.ConflictError) []store.Op {
	var out []store.Op
	for _, op := range ops {
		if op.Spec.Name != c.Collection || op.ID != c.ID {
			out = append(out, op)
		}
	}
	return out
}

// names reports whether what a hand-off writes or demands includes the document of a conflict.
func (l *letter) names(c *store.ConflictError) bool {
	if c.Collection == Messages.Spec.Name && c.ID == l.m.ID || c.Collection == Reservations.Spec.Name && l.places != nil && l.places.ID == c.ID {
		return true
	}
	for i := range l.ops {
		if l.ops[i].ID == c.ID && l.ops[i].Spec.Name == c.Collection {
			return true
		}
	}
	return false
}

// unmoved leaves out those whose message, or whose person, is another version now.
func (r *round) unmoved(ctx context.Context, letters []*letter) []*letter {
	keys := make([]string, len(letters))
	for i, l := range letters {
		keys[i] = l.m.ID
	}
	now, err := Messages.GetMany(ctx, r.s.Store, keys)
	if err != nil {
		return letters // the commit tells
	}
	kept := make([]*letter, 0, len(letters))
	for i, l := range letters {
		if now[i] != nil && now[i].V == l.m.V {
			kept = append(kept, l)
		}
	}
	return kept
}

// settleAside commits what became of messages that do not go.
func (r *round) settleAside(ctx context.Context, letters []*letter) error {
	if len(letters) == 0 {
		return nil
	}
	var ops []store.Op
	for _, l := range letters {
		ops = append(ops, r.asideOps(l)...)
	}
	err := work.Commit(ctx, r.s.Store, ops...)
	if err == nil {
		for _, l := range letters {
			r.s.observe(moved{l.m, l.outcome(r.now)})
		}
	}
	if conflictOf(err) == nil {
		return storeError("write what became of messages", err)
	}
	for _, l := range letters { // one lost a race: each by itself
		err := work.Commit(ctx, r.s.Store, r.asideOps(l)...)
		if err == nil {
			r.s.observe(moved{l.m, l.outcome(r.now)})
		}
		if err != nil && conflictOf(err) == nil {
			return storeError("write what became of messages", err)
		}
	}
	return nil
}

func (r *round) asideOps(l *letter) []store.Op {
	next := l.outcome(r.now)
	ops := []store.Op{Messages.Replace(next)}
	if !l.goes() && l.check == CheckConsent { // what its reason says is kept
		for _, op := range l.ops {
			if op.Kind == store.OpInsert {
				ops = append(ops, op)
			}
		}
	}
	t := tally{}
	if next.Status != l.m.Status {
		t.add(next, string(next.Status))
		if next.Status == Skipped || next.Status == Cancelled {
			t.add(next, string(next.Status)+":"+next.Reason)
		}
	}
	return append(ops, t.ops(r.ws)...)
}

// tally adds up the figures of what messages belong to.
type tally map[string]map[string]int64

// add counts one message's new status, or another word about it.
func (t tally) add(m *Message, name string) {
	if m.Test {
		return
	}
	arm := ""
	if m.Campaign != "" && m.Arm != "" {
		arm = ArmOf(m.Campaign, m.Arm)
	}
	for _, owner := range []string{m.Campaign, arm, m.Journey, m.Template} {
		if owner == "" {
			continue
		}
		if t[owner] == nil {
			t[owner] = map[string]int64{}
		}
		t[owner][name]++
	}
}

// ops returns the operations that add it.
func (t tally) ops(ws string) []store.Op {
	var ops []store.Op
	for owner, add := range t {
		ops = append(ops, store.AddTo(ws, counterOf(owner), rand.IntN(store.Lanes), add))
	}
	return ops
}

func counterOf(owner string) string { return "message-" + owner }

// ArmOf names the messages of one arm of a campaign, for Figures.
func ArmOf(campaign, arm string) string { return campaign + ":" + arm }

// Figures returns how many messages of a campaign, an arm of one (ArmOf), a journey or a
// template went through each status (SENT, DELIVERED, SKIPPED, …; SKIPPED:REASON and
// CANCELLED:REASON say why not) and how many were opened and clicked by people.
func (s *Service) Figures(ctx context.Context, ws, owner string) (map[string]int64, error) {
	if owner == "" || len(owner) > 64 {
		return nil, core.Errorf(core.Invalid, "OWNER", "name a campaign, an arm of one, a journey or a template")
	}
	out, err := store.Sum(ctx, s.Store, ws, counterOf(owner))
	return out, storeError("read the figures", err)
}
