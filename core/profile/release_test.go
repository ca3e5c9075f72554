package profile

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func mail(v string) event.Identifier { return event.Identifier{Namespace: Email, Value: v} }

// release lets go of an address, by hand.
func (f *fixture) release(p *Profile, ids ...event.Identifier) *Release {
	f.t.Helper()
	out, err := f.s.Correct(f.ctx, f.ws, CorrectInput{ProfileID: p.ProfileID(), Release: ids, Reason: "not theirs"})
	require.NoError(f.t, err)
	f.tick()
	return out.Releases[0]
}

func (f *fixture) restore(r *Release) *Profile {
	f.t.Helper()
	out, err := f.s.Restore(f.ctx, f.ws, RestoreInput{ReleaseID: r.ReleaseID(), Reason: "it was theirs"})
	require.NoError(f.t, err)
	f.tick()
	return out.Profile
}

func TestAReleasedIdentifierLeadsToNobodyAndIsFree(t *testing.T) {
	f := newFixture(t)
	ana, _ := f.two()
	other := NewService(f.db, f.clock) // another process, which remembers
	_, err := other.ByIdentifier(f.ctx, ws, mail("ana@x.io"))
	require.NoError(t, err)
	before := f.clock.Now()
	f.tick()

	in := CorrectInput{ProfileID: ana.ProfileID(), Release: []event.Identifier{mail(" Ana@X.io")}, Reason: "a stranger's", DryRun: true}
	dry, err := f.s.Correct(core.WithActor(f.ctx, &core.Actor{ID: "key_1"}), ws, in)
	require.NoError(t, err)
	require.Equal(t, []string{"email"}, dry.Traits, "the trait says it still")
	require.False(t, dry.Bare)
	require.Empty(t, dry.Releases[0].ID)
	require.NotNil(t, f.by(Email, "ana@x.io"), "a dry run writes nothing")

	r := f.release(ana, mail("ana@x.io"))
	require.Nil(t, f.by(Email, "ana@x.io"))
	gone, err := other.ByIdentifier(f.ctx, ws, mail("ana@x.io"))
	require.NoError(t, err)
	require.Nil(t, gone, "what another process remembers is no longer true")
	now := f.must(UserID, "ana")
	require.Equal(t, []string{"user_id:ana"}, names(now))
	require.True(t, LetGoOf(now, Email, "ANA@x.io"))
	require.Contains(t, now.ChangedSince(ana.Seq), "identifiers")
	f.exact()

	// Who is seen with it next has it, and neither the old person's own events nor
	// events that name both bring the two together.
	f.send(f.in(event.Identify, user("eve"), email("ana@x.io")))
	eve := f.must(UserID, "eve")
	require.Equal(t, eve.ID, f.must(Email, "ana@x.io").ID)
	stale := f.send(f.in(event.Identify, user("ana"), email("ana@x.io")))[0]
	require.Equal(t, ana.ProfileID(), stale.Part)
	require.NotEqual(t, f.must(UserID, "ana").ID, f.must(Email, "ana@x.io").ID)
	require.Empty(t, f.pending())
	f.exact()

	_, err = f.s.Restore(f.ctx, ws, RestoreInput{ReleaseID: r.ReleaseID(), Reason: "sorry"})
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, "IDENTIFIER_TAKEN", reason(err))

	find := func(at time.Time) *Profile {
		p, err := f.s.AsOfIdentifier(f.ctx, ws, mail("ana@x.io"), at)
		require.NoError(t, err)
		return p
	}
	require.Equal(t, ana.ID, find(before).ID, "then it was ana's")
	require.Nil(t, find(r.At), "nobody's")
	require.Equal(t, eve.ID, find(f.clock.Now()).ID)
	was, err := f.s.AsOf(f.ctx, ws, ana.ProfileID(), before)
	require.NoError(t, err)
	require.Contains(t, names(was), "email:ana@x.io")
	require.Empty(t, was.Released)
	list, err := f.s.ReleasesOf(f.ctx, was)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestARuleDoesNotGiveBackWhatWasLetGoOf(t *testing.T) {
	f := newFixture(t)
	ana, _ := f.two()
	f.send(f.in(event.Page, user("ana"), anon("laptop")))
	r := f.release(ana, mail("ana@x.io"))
	f.send(f.in(event.Identify, user("ana"), email("ana@x.io"))) // a source that has not heard
	require.Nil(t, f.by(Email, "ana@x.io"))
	f.exact()
	// The address with a name of less weight begins somebody else.
	e := f.send(f.in(event.Identify, anon("laptop"), email("ana@x.io")))[0]
	require.NotEqual(t, ana.ProfileID(), f.owner(e))
	require.Equal(t, ana.ID, f.must(AnonymousID, "laptop").ID)
	require.Empty(t, f.pending())
	f.exact()
	// By hand the two are one, and can be parted again with what each let go of.
	m := f.merge(f.must(UserID, "ana"), f.must(Email, "ana@x.io"))
	require.False(t, f.must(UserID, "ana").LetGo(mail("ana@x.io")), "by the other part it is theirs")
	f.exact()
	_, err := f.s.Restore(f.ctx, ws, RestoreInput{ReleaseID: r.ReleaseID(), Reason: "sorry"})
	require.Equal(t, "IDENTIFIER_TAKEN", reason(err))
	f.unmerge(m)
	require.True(t, f.must(UserID, "ana").LetGo(mail("ana@x.io")))
	require.Empty(t, f.must(Email, "ana@x.io").Released)
	f.exact()
}

func TestARestoredIdentifierIsAsItWas(t *testing.T) {
	f := newFixture(t)
	f.two()
	ana := f.must(UserID, "ana")
	r := f.release(ana, mail("ana@x.io"))
	during := f.clock.Now()
	f.tick()
	p := f.restore(r)
	require.Equal(t, ana.Identifiers, p.Identifiers)
	require.Equal(t, ana.Traits, p.Traits)
	require.Nil(t, p.Released)
	require.Equal(t, ana.ID, f.must(Email, "ana@x.io").ID)
	f.exact()
	gap, err := f.s.AsOfIdentifier(f.ctx, ws, mail("ana@x.io"), during)
	require.NoError(t, err)
	require.Nil(t, gap)
	_, err = f.s.Restore(f.ctx, ws, RestoreInput{ReleaseID: r.ReleaseID(), Reason: "again"})
	require.Equal(t, "ALREADY_RESTORED", reason(err))
	_, err = f.s.Restore(f.ctx, ws, RestoreInput{ReleaseID: "rel_NONE", Reason: "again"})
	require.Equal(t, core.NotFound, core.CodeOf(err))
	second := f.release(ana, mail("ana@x.io"))
	require.NotEqual(t, r.ID, second.ID)
	f.exact()
	list, err := f.s.ReleasesOf(f.ctx, f.must(UserID, "ana"))
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Nil(t, list[0].RestoredAt)
}

func TestACorrectionTakesAndGivesInOneCommit(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	_, err := f.s.Correct(f.ctx, ws, CorrectInput{ProfileID: ana.ProfileID(), Add: []event.Identifier{{Namespace: UserID, Value: "ana2"}}, Reason: "r"})
	require.Equal(t, ReasonExclusive, reason(err))
	require.Equal(t, []string{"add", "0"}, core.AsError(err).Path)
	in := CorrectInput{
		ProfileID: ana.ProfileID(), Reason: "misspelt", Request: "dsr_1", Key: "k1",
		Release: []event.Identifier{{Namespace: UserID, Value: "ana"}, mail("ana@x.io")},
		Add:     []event.Identifier{{Namespace: UserID, Value: "anna"}, mail("Anna@x.io")},
	}
	done, err := f.s.Correct(f.ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, []string{"email:anna@x.io", "user_id:anna"}, names(done.Profile))
	require.Equal(t, ana.ID, f.must(UserID, "anna").ID)
	require.Nil(t, f.by(UserID, "ana"))
	f.exact()
	again, err := f.s.Correct(f.ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, done.Releases[0].ID, again.Releases[0].ID)
	require.Equal(t, done.Profile.Seq, f.must(UserID, "anna").Seq, "the same key changes nothing more")
	in.Reason = "another"
	_, err = f.s.Correct(f.ctx, ws, in)
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", reason(err))

	for path, bad := range map[string]CorrectInput{
		"IDENTIFIER_TAKEN":    {Add: []event.Identifier{mail("ben@x.io")}},
		"IDENTIFIER_NOT_HELD": {Release: []event.Identifier{mail("ben@x.io")}},
		"IDENTIFIER":          {Release: []event.Identifier{mail("no address")}},
		"IDENTIFIERS":         {},
	} {
		bad.ProfileID, bad.Reason = ana.ProfileID(), "r"
		_, err := f.s.Correct(f.ctx, ws, bad)
		require.Equal(t, path, reason(err))
	}
	_, err = f.s.Correct(f.ctx, ws, CorrectInput{ProfileID: "prof_NOBODY", Release: []event.Identifier{mail("ben@x.io")}, Reason: "r"})
	require.Equal(t, core.NotFound, core.CodeOf(err))

	// Restoring the exclusive value would make two of them.
	_, err = f.s.Restore(f.ctx, ws, RestoreInput{ReleaseID: done.Releases[0].ReleaseID(), Reason: "r"})
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, ReasonExclusive, reason(err))
	// Adding what was let go of gives it back.
	back, err := f.s.Correct(f.ctx, ws, CorrectInput{ProfileID: ana.ProfileID(), Add: []event.Identifier{mail("ana@x.io")}, Reason: "both"})
	require.NoError(t, err)
	require.Equal(t, done.Releases[1].ID, back.Restored[0].ID)
	f.exact()

	// Without any identifier a person is found by the id of the profile alone.
	bare, err := f.s.Correct(f.ctx, ws, CorrectInput{ProfileID: ben.ProfileID(), Release: []event.Identifier{{Namespace: UserID, Value: "ben"}, mail("ben@x.io")}, Reason: "r"})
	require.NoError(t, err)
	require.True(t, bare.Bare)
	p, err := f.s.Get(f.ctx, ws, ben.ProfileID())
	require.NoError(t, err)
	require.Empty(t, p.Identifiers)
	f.exact()
	f.restore(bare.Releases[0])
	require.Equal(t, ben.ID, f.must(UserID, "ben").ID)
	f.exact()
}

// TestProcessesReleaseOnce lets two processes release, restore and send at the same time.
func TestProcessesReleaseOnce(t *testing.T) {
	f := newFixture(t)
	ana, _ := f.two()
	var wg sync.WaitGroup
	made := make([]string, 4)
	for i := range made {
		wg.Go(func() {
			s := NewService(f.db, f.clock)
			out, err := s.Correct(f.ctx, ws, CorrectInput{ProfileID: ana.ProfileID(), Release: []event.Identifier{mail("ana@x.io")}, Reason: "r", Key: "one"})
			if err == nil {
				made[i] = out.Releases[0].ID
			}
		})
	}
	wg.Go(func() {
		g := *f
		g.s, g.n = NewService(f.db, f.clock), 1000
		for range 10 {
			g.send(g.in(event.Identify, anon("x"), email("ana@x.io")))
		}
	})
	wg.Wait()
	require.NotEmpty(t, made[0])
	for _, id := range made {
		require.Equal(t, made[0], id)
	}
	f.exact()
	n, err := Releases.Count(f.ctx, f.db, store.Query{Workspace: ws})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// derived is what a release and its restoration must not leave a trace in.
func derived(t require.TestingT, p *Profile) string {
	c := *p
	c.V, c.Seq, c.ReleasedSeq, c.Events, c.UpdatedAt = 0, 0, 0, 0, time.Time{}
	raw, err := c.MarshalBSON()
	require.NoError(t, err)
	return string(raw)
}

// TestReleaseAndRestoreLeaveNoTrace releases and restores identifiers of people that
// random events, merges and unmerges made.
func TestReleaseAndRestoreLeaveNoTrace(t *testing.T) {
	f := newFixture(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		f := *f
		f.t, f.ws, f.n = rt, fmt.Sprintf("ws_TEST1%05d", round), 0
		for range rapid.IntRange(1, 6).Draw(rt, "events") {
			edits := []edit{user(fmt.Sprint("u", rapid.IntRange(0, 2).Draw(rt, "u")))}
			edits = append(edits, email(fmt.Sprintf("e%d@x.io", rapid.IntRange(0, 3).Draw(rt, "e"))))
			f.send(f.in(event.Identify, edits...))
			f.tick()
		}
		people := f.profiles()
		if len(people) > 1 && rapid.Bool().Draw(rt, "merge") {
			m := f.merge(people[0], people[1])
			if rapid.Bool().Draw(rt, "unmerge") {
				f.unmerge(m)
			}
			people = f.profiles()
		}
		p := people[rapid.IntRange(0, len(people)-1).Draw(rt, "who")]
		if len(p.Identifiers) == 0 {
			return
		}
		h := p.Identifiers[rapid.IntRange(0, len(p.Identifiers)-1).Draw(rt, "which")]
		was := derived(rt, p)
		r := f.release(p, event.Identifier{Namespace: h.Namespace, Value: h.Value})
		require.Nil(rt, f.by(h.Namespace, h.Value))
		f.exact()
		require.Equal(rt, was, derived(rt, f.restore(r)))
		f.exact()
	})
}

func TestAChangeThatIsLostIsNoChange(t *testing.T) {
	f := newFixture(t)
	ana, _ := f.two()
	boom := errors.New("boom")
	in := CorrectInput{
		ProfileID: ana.ProfileID(), Release: []event.Identifier{mail("ana@x.io")}, Reason: "r",
		With: func(*Correction) ([]store.Op, error) { return nil, boom },
	}
	_, err := f.s.Correct(f.ctx, ws, in)
	require.Equal(t, core.Internal, core.CodeOf(err))
	require.Equal(t, ana.ID, f.must(Email, "ana@x.io").ID)
	f.exact()
	raw, err := bson.Marshal(f.must(UserID, "ana"))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "released")
}
