package profile

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// tally counts, for each profile that a unit leaves, the events that went to it. It
// is a fold over the storage port, as a test's recorder.
type tally struct {
	asked               []asked
	ops                 func(u *Unit) ([]store.Op, error)
	committed, conflict int
}

// asked is what the fold was given once.
type asked struct {
	changes []Change
	merged  bool
	before  map[string]string // part → owner before
	after   map[string]string
	pending int
}

func (f *tally) Derive(_ context.Context, u *Unit, pending []store.Op) (Derived, error) {
	a := asked{changes: u.Changes(), merged: u.Merged(), before: map[string]string{}, after: map[string]string{}, pending: len(pending)}
	for _, c := range a.changes {
		for _, p := range []*Profile{c.Before, c.After} {
			if p == nil {
				continue
			}
			for _, part := range p.Parts {
				a.before[part], a.after[part] = u.OwnerBefore(part), u.ProfileOf(part)
			}
		}
	}
	f.asked = append(f.asked, a)
	d := Derived{Committed: func() { f.committed++ }, Conflicted: func() { f.conflict++ }}
	if f.ops == nil {
		return d, nil
	}
	var err error
	d.Ops, err = f.ops(u)
	return d, err
}

// last returns what the fold was given last, when it was given n in all.
func (f *tally) last(t *testing.T, n int) asked {
	t.Helper()
	require.Len(t, f.asked, n)
	return f.asked[n-1]
}

func eventNames(c Change) []string {
	var out []string
	for _, e := range c.Events {
		out = append(out, e.Name)
	}
	return out
}

func TestChangesOfAUnitOfEvents(t *testing.T) {
	f := newFixture(t)
	f.s.SetFold(&tally{})
	old := f.send(f.in(event.Identify, user("ana")), f.in(event.Identify, user("ben")))
	ana, ben := f.must(UserID, "ana"), f.must(UserID, "ben")
	require.Equal(t, ana.ProfileID(), old[0].Part)
	inputs := []*event.Input{
		f.in(event.Track, user("ben")), f.in(event.Track, user("ana")), f.in(event.Page, user("ben")), f.in(event.Identify, user("new")),
		f.in(event.Track), // names nobody
	}
	u, err := f.s.Begin(f.ctx, ws, inputs)
	require.NoError(t, err)
	require.Empty(t, u.Changes())
	require.Equal(t, ws, u.Workspace())
	require.Equal(t, epoch, u.Now())
	var events []*event.Event
	for _, in := range inputs[:4] {
		e, err := u.Apply(in, "src_web", f.clock.Now())
		require.NoError(t, err)
		events = append(events, e)
	}
	_, err = u.Apply(inputs[4], "src_web", f.clock.Now())
	require.Error(t, err)
	changes := u.Changes()
	require.Len(t, changes, 3)
	require.IsIncreasing(t, []string{changes[0].ID, changes[1].ID, changes[2].ID})
	for _, c := range changes {
		require.Equal(t, c.ID, c.After.ProfileID())
		switch c.ID {
		case ana.ProfileID():
			require.Equal(t, ana, c.Before)
			require.Len(t, c.Events, 1)
			require.Same(t, events[1], c.Events[0])
			require.EqualValues(t, 2, c.After.Events)
			require.Equal(t, ana.V, c.After.V)
		case ben.ProfileID():
			require.Len(t, c.Events, 2)
			require.Same(t, events[0], c.Events[0])
			require.Same(t, events[2], c.Events[1])
		default:
			require.Nil(t, c.Before)
			require.Same(t, events[3], c.Events[0])
			require.Empty(t, u.OwnerBefore(c.ID))
		}
	}
	require.Equal(t, ana.ProfileID(), u.OwnerBefore(ana.ProfileID()))
	require.False(t, u.Merged())
}

func TestNothingIsRecordedWithoutAFold(t *testing.T) {
	f := newFixture(t)
	in := f.in(event.Track, user("ana"))
	u, err := f.s.Begin(f.ctx, ws, []*event.Input{in})
	require.NoError(t, err)
	_, err = u.Apply(in, "src_web", epoch)
	require.NoError(t, err)
	require.Nil(t, u.applied)
	d, err := f.s.Derive(f.ctx, u, nil)
	require.NoError(t, err)
	require.Equal(t, Derived{}, d)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = f.s.Derive(f.ctx, u, nil) }))
}

func TestAnEventThatIsRefusedTakesItsMergeBack(t *testing.T) {
	f := newFixture(t)
	f.s.SetFold(&tally{})
	f.send(f.in(event.Identify, user("ana")), f.in(event.Identify, anon("x")))
	in := f.in(event.Identify, user("ana"), anon("x"), traits(manyTraits(MaxTraits+1)))
	u, err := f.s.Begin(f.ctx, ws, []*event.Input{in})
	require.NoError(t, err)
	_, err = u.Apply(in, "src_web", epoch)
	require.Equal(t, "PROFILE_TOO_LARGE", reason(err))
	require.Empty(t, u.Changes())
	require.Empty(t, u.applied)
	require.False(t, u.Merged())
}

func TestARuleThatMergesTellsTheFold(t *testing.T) {
	f := newFixture(t)
	f.s.SetFold(&tally{})
	f.send(f.in(event.Identify, user("ana")))
	f.tick()
	f.send(f.in(event.Page, anon("x")))
	f.tick()
	ana, x := f.must(UserID, "ana"), f.must(AnonymousID, "x")
	in := f.in(event.Identify, user("ana"), anon("x"))
	u, err := f.s.Begin(f.ctx, ws, []*event.Input{in})
	require.NoError(t, err)
	e, err := u.Apply(in, "src_web", f.clock.Now())
	require.NoError(t, err)
	require.True(t, u.Merged())
	for _, c := range u.Changes() {
		switch c.ID {
		case ana.ProfileID():
			require.Equal(t, []string{event.NameProfileMerged, e.Name}, eventNames(c))
			require.Same(t, e, c.Events[1])
		case x.ProfileID():
			require.Nil(t, c.After)
			require.Equal(t, x, c.Before)
			require.Empty(t, c.Events)
		default:
			t.Error("nobody else changes")
		}
	}
	require.Equal(t, x.ProfileID(), u.OwnerBefore(x.ProfileID()))
	require.Equal(t, ana.ProfileID(), u.ProfileOf(x.ProfileID()))
}

func TestChangesByHandAskTheFold(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	fold := &tally{}
	f.s.SetFold(fold)

	_, err := f.s.Merge(f.ctx, ws, MergeInput{WinnerID: ana.ProfileID(), LoserID: ben.ProfileID(), Reason: "same", DryRun: true})
	require.NoError(t, err)
	require.Empty(t, fold.asked, "not on a dry run")

	m := f.merge(ana, ben)
	a := fold.last(t, 1)
	require.True(t, a.merged)
	require.Len(t, a.changes, 2)
	require.Equal(t, map[string]string{ana.ProfileID(): ana.ProfileID(), ben.ProfileID(): ben.ProfileID()}, a.before)
	require.Equal(t, map[string]string{ana.ProfileID(): ana.ProfileID(), ben.ProfileID(): ana.ProfileID()}, a.after)
	for _, c := range a.changes {
		if c.ID == ana.ProfileID() {
			require.Equal(t, []string{event.NameProfileMerged}, eventNames(c))
			require.Equal(t, ana, c.Before)
		} else {
			require.Nil(t, c.After)
		}
	}

	_, err = f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: m.MergeID(), DryRun: true})
	require.NoError(t, err)
	f.unmerge(m)
	a = fold.last(t, 2)
	require.True(t, a.merged)
	require.Len(t, a.changes, 2)
	for _, c := range a.changes {
		if c.ID == ana.ProfileID() {
			require.Len(t, c.Before.Parts, 2)
			require.Len(t, c.After.Parts, 1)
			require.Equal(t, []string{event.NameProfileUnmerged}, eventNames(c))
		} else {
			require.Nil(t, c.Before)
			require.Equal(t, []string{ben.ProfileID()}, c.After.Parts)
		}
	}
	require.Equal(t, map[string]string{ana.ProfileID(): ana.ProfileID(), ben.ProfileID(): ana.ProfileID()}, a.before)
	require.Equal(t, 2, fold.committed)
	require.Zero(t, fold.conflict)
	f.exact()
}

func TestDecisionsAskTheFold(t *testing.T) {
	f := newFixture(t)
	f.two()
	propose := func() *Proposal {
		f.send(f.in(event.Identify, user("ben"), email("ana@x.io")))
		require.Len(t, f.pending(), 1)
		return f.pending()[0]
	}
	fold := &tally{}
	pr := propose()
	f.s.SetFold(fold)
	_, err := f.s.DecideProposal(f.ctx, ws, pr.ProposalID(), true)
	require.NoError(t, err)
	a := fold.last(t, 1)
	require.True(t, a.merged)
	require.Equal(t, 1, fold.committed)

	f.tick()
	f.send(f.in(event.Identify, user("cat"), email("cat@x.io")))
	f.tick()
	f.send(f.in(event.Identify, user("dan"), email("dan@x.io")))
	f.tick()
	f.send(f.in(event.Identify, user("dan"), email("cat@x.io")))
	_, err = f.s.DecideProposal(f.ctx, ws, f.pending()[0].ProposalID(), false)
	require.NoError(t, err)
	require.Len(t, fold.asked, 1, "a rejection changes no profile")
}

func TestALostRaceOfTheFoldIsRunAgain(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	key := store.Key(ws, "mark", "1")
	rival := true
	fold := &tally{}
	fold.ops = func(*Unit) ([]store.Op, error) {
		n := int64(len(fold.asked))
		if rival {
			// Somebody else takes the key between the reads of the fold and its commit.
			rival = false
			require.NoError(t, commitOps(f.ctx, f.db, Parts.Insert(&Part{Meta: store.Meta{ID: key}})))
			return []store.Op{Parts.Absent(key)}, nil
		}
		if n == 2 {
			return nil, &store.ConflictError{Collection: Parts.Spec.Name, ID: key} // what it has read is stale
		}
		return []store.Op{Parts.Delete(&Part{Meta: store.Meta{ID: key, V: 1}})}, nil
	}
	f.s.SetFold(fold)
	f.merge(ana, ben)
	require.GreaterOrEqual(t, len(fold.asked), 3)
	require.Equal(t, 1, fold.conflict, "the one whose batch lost")
	require.Equal(t, 1, fold.committed)
	left, err := Parts.Get(f.ctx, f.db, key)
	require.NoError(t, err)
	require.Nil(t, left)
	f.exact()
}

func TestAFoldThatFailsFailsTheChange(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	fold := &tally{ops: func(*Unit) ([]store.Op, error) { return nil, store.ErrUnavailable }}
	f.s.SetFold(fold)
	_, err := f.s.Merge(f.ctx, ws, MergeInput{WinnerID: ana.ProfileID(), LoserID: ben.ProfileID(), Reason: "same"})
	require.Equal(t, core.Unavailable, core.CodeOf(err))
	fold.ops = func(*Unit) ([]store.Op, error) { return nil, errors.New("a mistake") }
	_, err = f.s.Merge(f.ctx, ws, MergeInput{WinnerID: ana.ProfileID(), LoserID: ben.ProfileID(), Reason: "same"})
	require.Equal(t, core.Internal, core.CodeOf(err))
	require.Len(t, fold.asked, 2)
	require.NotNil(t, f.must(UserID, "ben"))
	require.Len(t, f.profiles(), 2)
	f.exact()
}

func TestMoreThanOneCommitHoldsIsAClearError(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	fold := &tally{ops: func(*Unit) (ops []store.Op, err error) {
		for i := range store.MaxOps {
			ops = append(ops, Parts.Absent(store.Key(ws, "mark", fmt.Sprint(i))))
		}
		return ops, nil
	}}
	f.s.SetFold(fold)
	_, err := f.s.Merge(f.ctx, ws, MergeInput{WinnerID: ana.ProfileID(), LoserID: ben.ProfileID(), Reason: "same"})
	require.Equal(t, core.Invalid, core.CodeOf(err))
	require.Equal(t, "CHANGE_TOO_LARGE", reason(err))
	require.ErrorIs(t, err, store.ErrTooLarge)
	require.Len(t, fold.asked, 1, "it is not tried again")
	require.Equal(t, 1, fold.conflict)
	require.Len(t, f.profiles(), 2)
	f.exact()
}

func TestAHoldDerivesNothing(t *testing.T) {
	f := newFixture(t)
	ana, _ := f.two()
	fold := &tally{}
	f.s.SetFold(fold)
	require.NoError(t, f.s.hold(f.ctx, ws, ana.Parts))
	require.NotZero(t, f.must(UserID, "ana").HeldUntil)
	require.Empty(t, fold.asked)
}

func manyTraits(n int) (d bson.D) {
	for i := range n {
		d = append(d, bson.E{Key: fmt.Sprint("t", i), Value: int64(i)})
	}
	return d
}
