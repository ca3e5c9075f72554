package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestARebuildFoldsExperimentsAnew(t *testing.T) {
	r := newRig(t)
	plan := small()
	plan.Kind, plan.ValuePath, plan.Baseline, plan.Deviation, plan.Effect = OfValue, "properties.total", 0, 10, 20
	e := r.started(plan)
	ana, bo := r.send(saw("ana", "green")), r.send(saw("bo", "control"))
	r.clock.Advance(time.Minute)
	r.send(bought("ana", 12), bought("bo", 7))
	_, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: ana, LoserID: bo, Reason: "one person"})
	require.NoError(t, err)
	facts := func() map[string]Fact {
		list, err := Facts.Find(r.ctx, r.db, store.Query{Workspace: rigWS}, 0)
		require.NoError(t, err)
		out := map[string]Fact{}
		for _, f := range list {
			one := *f
			one.V = 0
			out[f.ID] = one
		}
		return out
	}
	right := facts()
	require.Len(t, right, 4)
	check := func() []profile.Difference {
		found, err := r.Check(r.ctx, rigWS)
		require.NoError(t, err)
		return found
	}
	require.Empty(t, check(), "live is what a rebuild makes")

	// One is missing, one says another value, and one is of an event that tells nothing.
	list, err := Facts.Find(r.ctx, r.db, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	r.clock.Advance(time.Minute)
	other := r.send(`{"type":"track","event":"Looked","userId":"ana"}`)
	looked, err := event.Events.Find(r.ctx, r.db, store.Query{Workspace: rigWS, Where: []store.Cond{store.Eq("part", other)}, Order: []string{"-timestamp"}}, 1)
	require.NoError(t, err)
	wrong := *list[1]
	wrong.Value += 5
	wrong.Arm += "x"
	planted := &Fact{
		Meta: store.Meta{ID: store.Key(rigWS, e.ExperimentID(), store.Rest(looked[0].ID))}, Experiment: e.ExperimentID(), Part: looked[0].Part, At: looked[0].Timestamp, Hit: true,
	}
	require.NoError(t, work.Commit(r.ctx, r.db, Facts.Delete(list[0]), Facts.Replace(&wrong), Facts.Insert(planted)))
	require.Len(t, check(), 3)
	require.NotEqual(t, right, facts(), "a check changes nothing")
	fixed, err := r.Rebuild(r.ctx, rigWS)
	require.NoError(t, err)
	require.Len(t, fixed, 3)
	require.Equal(t, right, facts())
	require.Empty(t, check())

	// What was deleted counts still.
	gone, err := event.Events.Find(r.ctx, r.db, store.Query{Workspace: rigWS, Where: []store.Cond{store.Eq("part", bo)}, Order: []string{"timestamp"}}, 1)
	require.NoError(t, err)
	require.NoError(t, work.Commit(r.ctx, r.db, event.Events.Delete(gone[0])))
	require.Empty(t, check())
	require.Equal(t, right, facts())
}

func TestARebuildLeavesDrawnArms(t *testing.T) {
	r := newRig(t)
	plan := small()
	plan.Assignment = Assignment{Via: ViaBucket, Event: "Viewed", Salt: "s"}
	r.started(plan)
	// People whose ids draw different arms become one.
	byArm := map[string]string{}
	for i := 0; len(byArm) < 2; i++ {
		id := r.send(`{"type":"track","event":"Viewed","userId":"u` + string(rune('a'+i)) + `"}`)
		byArm[ArmOf(plan.Arms, "s", id)] = id
	}
	_, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: byArm["green"], LoserID: byArm["control"], Reason: "one person"})
	require.NoError(t, err)
	found, err := r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, found)
}
