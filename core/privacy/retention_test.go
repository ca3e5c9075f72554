package privacy

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const day = 24 * time.Hour

func (b *bureau) rule(r RetentionRule) string {
	b.t.Helper()
	r.Action, r.Enabled = RetainDelete, true
	made, err := b.SetRule(b.ctx, deskWS, "", r, nil)
	require.NoError(b.t, err)
	return made.RuleID()
}

func (b *bureau) retainNow(dryRun bool) RetentionResult {
	b.t.Helper()
	j, err := b.RunRetention(b.ctx, deskWS, dryRun, "")
	require.NoError(b.t, err)
	return b.result(j.JobID())
}

func (b *bureau) result(id string) RetentionResult {
	b.t.Helper()
	var out RetentionResult
	require.Eventually(b.t, func() bool {
		j, err := b.o.Jobs.Get(b.ctx, deskWS, id)
		require.NoError(b.t, err)
		require.NotEqual(b.t, work.Failed, j.Status, "%+v", j.Error)
		if j.Status != work.Succeeded {
			return false
		}
		require.NoError(b.t, j.DecodeResult(&out))
		return true
	}, 20*time.Second, 5*time.Millisecond)
	return out
}

func (b *bureau) get(id string) *profile.Profile {
	b.t.Helper()
	p, err := b.people.Get(b.ctx, deskWS, id)
	require.NoError(b.t, err)
	return p
}

func (b *bureau) same() {
	b.t.Helper()
	diffs, err := b.people.Check(b.ctx, deskWS, nil)
	require.NoError(b.t, err)
	require.Empty(b.t, diffs, "what is stored is what the log folds to")
}

func TestRetentionFoldsWhatItDeletes(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"city":"Bern","plan":"free"},"context":{"consent":{"categoryPreferences":{"marketing":true}}}}`)
	b.send(`{"type":"identify","userId":"ana","traits":{"city":"Basel","age":30}}`)
	for range 450 { // more than two slices
		b.send(`{"type":"track","userId":"ana","event":"Page Read","properties":{"n":1}}`)
	}
	b.send(`{"type":"track","userId":"ana","event":"Order Completed","properties":{"total":12.5,"currency":"EUR"}}`)
	b.clock.set(dayOne.Add(50 * day))
	b.send(`{"type":"identify","userId":"ana","traits":{"plan":"pro"}}`)
	b.clock.set(dayOne.Add(100 * day))
	before := b.get(ana)
	then, err := b.people.AsOf(b.ctx, deskWS, ana, dayOne.Add(60*day))
	require.NoError(t, err)

	reads := b.rule(RetentionRule{Kind: RetainEvents, Names: []string{"Page Read", "Order Completed"}, After: 90 * day})
	b.clock.set(dayOne.Add(100*day + time.Second)) // rules are applied in the order in which they were made
	all := b.rule(RetentionRule{Kind: RetainEvents, After: 95 * day, Purpose: "analytics"})
	dry := b.retainNow(true)
	require.Equal(t, map[string]int64{reads: 451, all: 452}, dry.Rules)
	require.Equal(t, before.V, b.get(ana).V, "a dry run changes nothing")
	done := b.retainNow(false)
	require.EqualValues(t, 451, done.Rules[reads])
	require.EqualValues(t, 1, done.Rules[all], "the one with a consent is evidence and stays")
	b.same()
	after := b.get(ana)
	require.Equal(t, before.Events, after.Events)
	require.Equal(t, before.Traits, after.Traits)
	n, err := event.Events.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "the evidence, the latest, and the snapshot")

	again, err := b.people.AsOf(b.ctx, deskWS, ana, dayOne.Add(60*day))
	require.NoError(t, err)
	require.Equal(t, then.Traits, again.Traits)
	require.Equal(t, then.Events, again.Events)
	_, err = b.people.AsOf(b.ctx, deskWS, ana, dayOne.Add(-time.Hour))
	require.Equal(t, "RETENTION", whyNot(err))
	require.Contains(t, core.AsError(err).Message, dayOne.Format(time.RFC3339))

	totals, err := b.eraser.Totals(b.ctx, deskWS, dayOne, dayOne)
	require.NoError(t, err)
	counted := map[string]int64{}
	for _, one := range totals {
		counted[one.Name] = one.Events
	}
	require.EqualValues(t, 450, counted["Page Read"])

	// What comes later is folded into the same snapshot.
	b.clock.set(dayOne.Add(200 * day))
	done = b.retainNow(false)
	require.EqualValues(t, 1, done.Rules[all]+done.Rules[reads])
	b.same()
	require.Equal(t, before.Traits, b.get(ana).Traits)
	require.Zero(t, b.retainNow(false).Rules[all], "nothing is left to delete")
}

func TestRetentionSurvivesMergesAndUnmerges(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"city":"Bern"}}`)
	anon := b.send(`{"type":"identify","anonymousId":"a1","traits":{"plan":"free"}}`)
	b.clock.set(dayOne.Add(day))
	merged, err := b.people.Merge(b.ctx, deskWS, profile.MergeInput{WinnerID: ana, LoserID: anon, Reason: "same"})
	require.NoError(t, err)
	b.clock.set(dayOne.Add(100 * day))
	b.rule(RetentionRule{Kind: RetainEvents, After: 90 * day})
	b.retainNow(false)
	b.same()
	_, err = b.people.Unmerge(b.ctx, deskWS, profile.UnmergeInput{MergeID: merged.Merge.MergeID()})
	require.NoError(t, err)
	b.same()
	text, err := profile.TraitsJSON(b.get(anon), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"plan":"free"}`, string(text))
}

func TestTraitsPeopleAndHolds(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"address":{"city":"Bern"},"plan":"free"}}`)
	ben := b.send(`{"type":"identify","userId":"ben","traits":{"address":{"city":"Basel"}}}`)
	eva := b.send(`{"type":"identify","userId":"eva","traits":{"plan":"pro"}}`)
	_, err := b.eraser.PlaceHold(b.ctx, deskWS, HoldInput{ProfileID: ben, Reason: "case 7"})
	require.NoError(t, err)
	b.clock.set(dayOne.Add(100 * day))
	b.send(`{"type":"track","userId":"ana","event":"Page Read"}`)
	places := b.rule(RetentionRule{Kind: RetainTraits, Category: core.Location, After: 90 * day})
	people := b.rule(RetentionRule{Kind: RetainPeople, After: 90 * day})
	require.Equal(t, map[string]int64{places: 1, people: 1}, b.retainNow(true).Rules)
	out := b.retainNow(false)
	require.EqualValues(t, 1, out.Held)
	text, err := profile.TraitsJSON(b.get(ana), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"plan":"free"}`, string(text))
	require.NotNil(t, b.get(ben), "a legal hold protects")
	_, err = b.people.Get(b.ctx, deskWS, eva)
	require.Equal(t, "ERASED", whyNot(err))
}

func TestRetentionRunsDailyByItself(t *testing.T) {
	b := newBureau(t, dayOne)
	for i := range 120 { // more than two pages of people
		b.send(fmt.Sprintf(`{"type":"track","userId":"u%d","event":"Page Read"}`, i))
	}
	b.rule(RetentionRule{Kind: RetainEvents, After: 30 * day})
	b.clock.set(dayOne.Add(40 * day))
	require.Eventually(t, func() bool {
		n, err := event.Events.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
		jobs, _ := work.JobDocs.Find(b.ctx, b.db, store.Query{Workspace: deskWS, Where: []store.Cond{store.Eq("kind", JobRetention), store.Eq("status", "SUCCEEDED")}}, 0)
		return err == nil && n == 120 && len(jobs) == 1
	}, 20*time.Second, 10*time.Millisecond)
	b.same()
	p, err := b.people.ByIdentifier(b.ctx, deskWS, event.Identifier{Namespace: "user_id", Value: "u7"})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Events)
	_, err = b.SetRule(b.ctx, deskWS, "", RetentionRule{Kind: RetainEvents, Action: RetainDelete, After: time.Hour}, nil)
	require.Equal(t, "AFTER", whyNot(err))
}
