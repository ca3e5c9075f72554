package lead

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

func (r *rig) stage(who string) string {
	r.t.Helper()
	m, err := r.Machine(r.ctx, rigWS)
	require.NoError(r.t, err)
	_, l, err := r.ScoreOf(r.ctx, rigWS, who)
	require.NoError(r.t, err)
	key, _ := m.StageOf(l)
	return key
}

func (r *rig) walk(who, stage string) error {
	r.clock.Advance(time.Minute)
	_, err := r.MoveStage(r.ctx, rigWS, Move{ProfileID: who, Stage: stage})
	return err
}

func TestIllegalStepsAreRefused(t *testing.T) {
	r := newRig(t)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"name":"Ana"}}`)
	require.NoError(t, r.walk(ana, "lead"))
	err := core.AsError(r.walk(ana, "opportunity"))
	require.Equal(t, "TRANSITION", err.Reason)
	require.Contains(t, err.Message, "allowed are mql, sql, customer, lost")
	require.NoError(t, r.walk(ana, "mql"))
	require.NoError(t, r.walk(ana, "mql"), "it stands there")
	require.NoError(t, r.walk(ana, "lead"), "back, which is allowed")
	require.NoError(t, r.walk(ana, "customer"))
	require.Equal(t, "TRANSITION", reason(r.walk(ana, "lead")))
	require.Equal(t, "STAGE_UNKNOWN", reason(r.walk(ana, "x")))
	require.Equal(t, "PROFILE", reason(r.walk("prof_x", "lead")))

	h, e := r.History(r.ctx, rigWS, []string{ana}, 10)
	require.NoError(t, e)
	var steps []string
	for _, s := range h {
		steps = append(steps, s.From+">"+s.To)
	}
	require.Equal(t, []string{"lead>customer", "mql>lead", "lead>mql", ">lead"}, steps)
	r.clean()

	_, e = r.SetMachine(r.ctx, rigWS, 0, []Stage{{Key: "a", Name: "A", Next: []string{"b"}}, {Key: "b", Name: "B"}}, "b")
	require.NoError(t, e)
	require.NoError(t, r.walk(ana, "a"), "whoever stands at a stage that is no more may go anywhere")
	_, e = r.SetMachine(r.ctx, rigWS, 1, []Stage{{Key: "a", Name: "A", Next: []string{"c"}}}, "")
	require.Equal(t, "STAGE_UNKNOWN", reason(e))
}

// Of two steps at once, the second is computed from where the first led.
func TestStepsExcludeEachOther(t *testing.T) {
	r := newRig(t)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"name":"Ana"}}`)
	require.NoError(t, r.walk(ana, "opportunity"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 6 {
		wg.Go(func() {
			_, err := r.MoveStage(r.ctx, rigWS, Move{ProfileID: ana, Stage: []string{"customer", "lost"}[i%2]})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if reason(err) != "TRANSITION" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 3, done, "those of the side that was first")
	h, err := r.History(r.ctx, rigWS, []string{ana}, 10)
	require.NoError(t, err)
	require.Len(t, h, 2)
}

func TestConvertOnce(t *testing.T) {
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{
		Key: "deal", Name: "Deal", Plural: "Deals", Fields: []object.FieldInput{{Key: "amount", Label: "Amount", Type: object.Integer}},
		Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer"}},
	})
	require.NoError(t, err)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"name":"Ana"}}`)
	in := Conversion{ProfileID: ana, Key: "k", Record: &RecordInput{Type: "deal", ExternalID: "d1", Fields: map[string]any{"amount": 5}, Relation: "buyer"}}
	out, err := r.Convert(r.ctx, rigWS, in)
	require.NoError(t, err)
	require.True(t, out.Moved)
	require.Equal(t, "customer", out.Stage)
	require.NotNil(t, out.Record)
	again, err := r.Convert(r.ctx, rigWS, in)
	require.NoError(t, err)
	require.True(t, again.Before)
	require.Equal(t, "customer", again.Stage)
	require.Equal(t, []string{NameStageChanged, NameConverted}, r.told(ana))
	in.Stage = "lost"
	_, err = r.Convert(r.ctx, rigWS, in)
	require.Equal(t, "IDEMPOTENCY_KEY_USED", reason(err))
	in.Key, in.Record.ExternalID = "l", "d2"
	_, err = r.Convert(r.ctx, rigWS, in)
	require.Equal(t, "TRANSITION", reason(err))
	rec, err := r.objects.Get(r.ctx, rigWS, "deal", "d2")
	require.NoError(t, err)
	require.Nil(t, rec, "nothing is written for a step that is refused")
	r.clean()
}

// Whoever qualifies is moved, where that step is allowed.
func TestQualifyingMoves(t *testing.T) {
	r := newRig(t)
	m := usualModel()
	m.Stage = "mql"
	r.set(m)
	for _, from := range []string{"lead", "customer"} {
		id := r.send(`{"type":"identify","userId":%q,"traits":{"title":"CEO"}}`, from)
		require.NoError(t, r.walk(id, from))
		r.track(from, "Demo Requested")
		r.sweepAll()
		require.Equal(t, 1, count(r.told(id), NameQualified))
		require.Equal(t, map[string]string{"lead": "mql", "customer": "customer"}[from], r.stage(id))
	}
	r.clean()
}

func TestStagesAcrossAMerge(t *testing.T) {
	r := newRig(t)
	anon := r.send(`{"type":"track","anonymousId":"dev","event":"Seen"}`)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"name":"Ana"}}`)
	require.NoError(t, r.walk(ana, "sql"))
	require.NoError(t, r.walk(anon, "lead")) // later, and not as far
	merged := r.send(`{"type":"identify","userId":"ana","anonymousId":"dev"}`)
	require.Equal(t, "sql", r.stage(merged), "the furthest")
	require.NoError(t, r.walk(merged, "lead"))
	require.Equal(t, "lead", r.stage(merged), "what is said of both holds for both")
	r.clean()
	merges, err := r.people.Merges(r.ctx, rigWS, merged)
	require.NoError(t, err)
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: merges[0].MergeID()})
	require.NoError(t, err)
	got := []string{r.stage(ana), r.stage(anon)}
	require.Contains(t, [][]string{{"sql", "lead"}, {"lead", "lead"}}, got)
	r.clean()
}
