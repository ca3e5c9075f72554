package privacy

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestARuleIsStoredWithWhatAppliesIt(t *testing.T) {
	b := newBureau(t, dayOne)
	m := &meddled{Store: b.db}
	m.committed = func(batch store.Batch) {
		if slices.ContainsFunc(batch.Ops, func(op store.Op) bool { return op.Spec == Rules.Spec }) {
			task, err := work.Find(b.ctx, b.db, deskWS, taskRetention, dailyName)
			require.NoError(t, err)
			require.NotNil(t, task, "a process that ends now has left a rule that is applied")
		}
	}
	b.Desk.o.Store = m
	off, err := b.SetRule(b.ctx, deskWS, "", RetentionRule{Kind: RetainEvents, Action: RetainDelete, After: 90 * day}, nil)
	require.NoError(t, err)
	task := func() *work.Task {
		task, err := work.Find(b.ctx, b.db, deskWS, taskRetention, dailyName)
		require.NoError(t, err)
		return task
	}
	first := task()
	b.rule(RetentionRule{Kind: RetainTraits, After: 90 * day})
	require.Equal(t, first.DueAt, task().DueAt, "it stays as it is")
	for _, id := range []string{off.RuleID(), b.rule(RetentionRule{Kind: RetainPeople, After: 900 * day})} {
		_, err := b.SetRule(b.ctx, deskWS, id, RetentionRule{Kind: RetainEvents, Action: RetainDelete, After: 90 * day}, nil)
		require.NoError(t, err)
	}
	rules, err := b.RetentionRules(b.ctx, deskWS)
	require.NoError(t, err)
	for _, r := range rules {
		_, err := b.SetRule(b.ctx, deskWS, r.RuleID(), RetentionRule{Kind: RetainEvents, Action: RetainDelete, After: 90 * day}, nil)
		require.NoError(t, err)
	}
	b.clock.set(dayOne.Add(2 * time.Hour)) // no rule is enabled when it is due
	require.Eventually(t, func() bool { return task() != nil && task().DueAt.After(dayOne.Add(day)) }, 10*time.Second, 5*time.Millisecond, "it goes on all the same")
}

func TestOneWhoCannotBeDoneStopsNobodyElse(t *testing.T) {
	b := newBureau(t, dayOne)
	var people []string
	for _, user := range []string{"ana", "ben", "eva"} {
		people = append(people, b.send(`{"type":"track","userId":"`+user+`","event":"Page Read"}`))
	}
	slices.Sort(people)
	b.clock.set(dayOne.Add(100 * day))
	m := &meddled{Store: b.db}
	m.refuse = func(batch store.Batch) error {
		if slices.ContainsFunc(batch.Ops, func(op store.Op) bool {
			return op.Spec == profile.Profiles.Spec && op.ID == store.Key(deskWS, people[0])
		}) {
			return errors.New("this one is damaged")
		}
		return nil
	}
	b.Desk.o.Store = m
	id := b.rule(RetentionRule{Kind: RetainEvents, After: 90 * day})
	out := b.retainNow(false)
	require.EqualValues(t, 3, out.People)
	require.EqualValues(t, 2, out.Rules[id])
	require.EqualValues(t, 1, out.Failed)
	require.Equal(t, []RetentionFault{{people[0], "INTERNAL"}}, out.Faults)
	n, err := event.Events.Count(b.ctx, b.db, store.Query{Workspace: deskWS, Where: []store.Cond{store.Eq("part", people[0])}})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	m.refuse = nil
	out = b.retainNow(false)
	require.EqualValues(t, 1, out.Rules[id])
	require.Zero(t, out.Failed)
}
