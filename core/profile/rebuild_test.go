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
)

// history is some people with everything that can happen to them.
func (f *fixture) history() {
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io"), consentSaid("ads", true)))
	f.unmerge(f.merge(ana, ben))
	f.send(f.in(event.Identify, user("cat")), f.in(event.Page, anon("x")))
	f.tick()
	f.send(f.in(event.Identify, user("cat"), anon("x")))
	f.merge(f.must(UserID, "cat"), ana)
}

func TestCheckTellsWhatDiffersAndNeverValues(t *testing.T) {
	f := newFixture(t)
	f.history()
	f.exact()
	broken := f.must(UserID, "ben")
	broken.Traits[0].Value = bson.RawValue{Type: bson.TypeString, Value: bsonText("secret")}
	broken.Events++
	lost := f.must(UserID, "cat")
	orphan := &Profile{Parts: []string{"prof_ORPHAN"}}
	orphan.ID = ws + "/prof_ORPHAN"
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Replace(broken), Profiles.Delete(lost), Profiles.Insert(orphan)))
	want := []Difference{
		{broken.ProfileID(), "events"}, {broken.ProfileID(), "traits." + broken.Traits[0].Path},
		{lost.ProfileID(), "profile"}, {"prof_ORPHAN", "profile"},
	}
	diffs, err := f.s.Check(f.ctx, ws, nil)
	require.NoError(t, err)
	require.ElementsMatch(t, want, diffs)
	for _, d := range diffs {
		require.NotContains(t, d.String(), "secret")
	}
	require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	f.exact()
	require.Equal(t, lost.Events, f.must(UserID, "cat").Events)
}

func TestCheckSeesAnEventThatItsProfileDoesNotCount(t *testing.T) {
	f := newFixture(t)
	f.history()
	p := f.must(UserID, "ben")
	e := f.send(f.in(event.Track, user("ben")))[0]
	now := f.must(UserID, "ben")
	p.V = now.V
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Replace(p))) // the update is lost
	diffs, err := f.s.Check(f.ctx, ws, nil)
	require.NoError(t, err)
	require.NotEmpty(t, diffs)
	require.Equal(t, p.ProfileID(), diffs[0].ProfileID)
	require.NotEmpty(t, e.Part)
}

func TestRebuildWorksWithoutAnyProfile(t *testing.T) {
	f := newFixture(t)
	f.history()
	before := f.profiles()
	for _, p := range before {
		require.NoError(t, commitOps(f.ctx, f.db, Profiles.Delete(p)))
	}
	require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	after := f.profiles()
	require.Len(t, after, len(before))
	for i := range after {
		require.Empty(t, differences(before[i], after[i]))
	}
}

func TestIngestHealsAProfileThatWasThrownAway(t *testing.T) {
	f := newFixture(t)
	f.history()
	for _, p := range f.profiles() {
		require.NoError(t, commitOps(f.ctx, f.db, Profiles.Delete(p)))
	}
	f.send(f.in(event.Track, user("ana")), f.in(event.Track, user("ben")))
	require.NotNil(t, f.must(AnonymousID, "x"))
	require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	f.exact()
}

func TestRebuildGoesOnWhereItStopped(t *testing.T) {
	f := newFixture(t)
	var inputs []*event.Input
	for i := range 3 * rebuildSlice {
		inputs = append(inputs, f.in(event.Identify, user(fmt.Sprintf("u%03d", i))))
	}
	f.send(inputs...)
	for _, p := range f.profiles() {
		require.NoError(t, commitOps(f.ctx, f.db, Profiles.Delete(p)))
	}
	stop := errors.New("stop")
	o := RebuildOptions{Workspace: ws, Mode: ModeRebuild}
	slices := 0
	for {
		looked := false
		o.Step = func(_ context.Context, p RebuildProgress) error {
			slices++
			looked = true
			o.From = p.Position
			return stop
		}
		err := f.s.Rebuild(f.ctx, o)
		if !looked {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, stop)
		if slices == 1 {
			require.Len(t, f.profiles(), rebuildSlice)
		}
	}
	require.Equal(t, 6, slices, "three of parts, three of profiles")
	f.exact()
	require.Equal(t, "MODE", reason(f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: "GUESS"})))
	require.Equal(t, core.Invalid, core.CodeOf(f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws})))
}

func TestRebuildBesideLiveIngest(t *testing.T) {
	base := newFixture(t)
	base.history()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f := *base
		f.s = NewService(f.db, f.clock)
		for i := range 150 {
			f.send(f.in(event.Identify, user([]string{"ana", "ben", "new"}[i%3]), msg(fmt.Sprint("live", i)), traits(bson.D{{Key: "n", Value: int64(i)}})))
		}
	}()
	for range 5 {
		for _, p := range base.profiles() {
			_ = commitOps(base.ctx, base.db, Profiles.Delete(p)) // may lose the race
		}
		require.NoError(t, base.s.Rebuild(base.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	}
	diffs, err := base.s.Check(base.ctx, ws, nil)
	require.NoError(t, err)
	require.Empty(t, diffs, "a profile that changes under the check is not a difference")
	<-done
	base.exact()
}
