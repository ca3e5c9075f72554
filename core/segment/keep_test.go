package segment

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

const keeper = "jrn_KEEPER"

// checked is a condition as its owner keeps it.
func (r *rig) checked(where string) Checked {
	r.t.Helper()
	tree, err := whereTree(condition.Version, where)
	require.NoError(r.t, err)
	c, err := r.CheckCondition(r.ctx(), rigWS, Condition{Where: tree})
	require.NoError(r.t, err)
	return *c
}

func (r *rig) ctx() context.Context {
	return core.WithActor(r.t.Context(), &core.Actor{Workspace: rigWS, ID: "system:test"})
}

func (r *rig) keep(list ...Checked) {
	r.t.Helper()
	job, err := r.Publish(r.ctx(), rigWS, keeper, list, func(int64) ([]store.Op, error) { return nil, nil })
	require.NoError(r.t, err)
	if job != "" {
		require.Empty(r.t, r.finish(job).Error)
	}
}

// asks returns what conditions say of a person.
func (r *rig) asks(profileID string, list ...Checked) []bool {
	r.t.Helper()
	var programs []*condition.Program
	for _, c := range list {
		programs = append(programs, c.Program)
	}
	panel, err := r.Panel(r.ctx(), rigWS, programs...)
	require.NoError(r.t, err)
	p, err := profile.Profiles.Get(r.t.Context(), r.store, store.Key(rigWS, profileID))
	require.NoError(r.t, err)
	facts, err := panel.Facts(r.ctx(), []*profile.Profile{p})
	require.NoError(r.t, err)
	out := make([]bool, len(list))
	for i, c := range list {
		out[i] = c.Program.Evaluate(facts[0], r.clock.Now()).Value
	}
	require.NoError(r.t, facts[0].Err())
	require.NoError(r.t, r.commit(r.t.Context(), []store.Op{panel.Stands}))
	return out
}

func TestConditionsOfOthersAreKept(t *testing.T) {
	r := newRig(t)
	ana := r.identify("ana", `{"country":"RO"}`)
	r.track("ana", "Order Completed", time.Hour, `{"total":80}`)
	bought := r.checked(`{"event":{"name":"Order Completed","where":[{"path":"total","gte":50}],"window":{"last":"P7D"}}}`)
	twice := r.checked(`{"event":{"name":"Order Completed","count":{"gte":2},"window":{"last":"P7D"}}}`)
	trait := r.checked(`{"trait":{"path":"country","eq":"RO"}}`)
	require.Equal(t, []bool{true, false, true}, r.asks(ana, bought, twice, trait), "from the events")

	r.keep(bought, twice, trait)
	set, err := r.fresh(r.ctx(), rigWS)
	require.NoError(t, err)
	require.Len(t, set.ledgers, 2)
	panel, err := r.Panel(r.ctx(), rigWS, bought.Program, twice.Program)
	require.NoError(t, err)
	require.Len(t, panel.q.kept, 2, "from what is kept")
	require.Equal(t, []bool{true, false, true}, r.asks(ana, bought, twice, trait))
	r.track("ana", "Order Completed", 0, `{"total":10}`)
	require.Equal(t, []bool{true, true, true}, r.asks(ana, bought, twice, trait))
	r.clock.Advance(7 * 24 * time.Hour)
	require.Equal(t, []bool{false, false, true}, r.asks(ana, bought, twice, trait))
	r.consistent()

	// They are nobody's segments.
	page, n, err := r.List(r.ctx(), rigWS, Filter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	require.Zero(t, n)

	// Anew: what is not asked any more goes, what stays is not built again.
	r.keep(twice)
	set, err = r.fresh(r.ctx(), rigWS)
	require.NoError(t, err)
	require.Len(t, set.ledgers, 1)
	r.keep()
	set, err = r.fresh(r.ctx(), rigWS)
	require.NoError(t, err)
	require.Empty(t, set.ledgers)
}

func TestWhatRestsOnOlderDefinitionsIsNotCommitted(t *testing.T) {
	r := newRig(t)
	bought := r.checked(`{"event":{"name":"Order Completed"}}`)
	panel, err := r.Panel(r.ctx(), rigWS, bought.Program)
	require.NoError(t, err)
	r.keep(bought)
	require.ErrorIs(t, r.commit(t.Context(), []store.Op{panel.Stands}), store.ErrConflict)
}

// follower writes a claim for each change that it is told of.
type follower struct{ reads int }

func (f *follower) Follow(context.Context, string) (Following, error) { f.reads++; return f, nil }

func (f *follower) Moved(c *Change) []store.Op {
	return []store.Op{store.Claim(rigWS, "moved", c.Segment+"."+c.Profile+"."+string(c.Change)+"."+string(c.Cause), c.Profile)}
}

func TestAFollowerIsToldInTheCommitOfTheMove(t *testing.T) {
	f := &follower{}
	r := newRig(t)
	r.SetFollower(f)
	r.live("seg_BUYERS", `{"event":{"name":"Order Completed","window":{"last":"P1D"}}}`)
	ana := r.identify("ana", `{}`)
	r.track("ana", "Order Completed", 0, `{}`)
	r.clock.Advance(24*time.Hour + time.Second)
	r.sweepAll()
	for _, name := range []string{"seg_BUYERS." + ana + ".ENTERED.EVENT", "seg_BUYERS." + ana + ".LEFT.TIME"} {
		c, err := store.Claims.Get(t.Context(), r.store, store.Claim(rigWS, "moved", name, "").ID)
		require.NoError(t, err)
		require.NotNil(t, c, name)
	}
	require.LessOrEqual(t, f.reads, 3, "only with the definitions")
}

// Of a condition that is being built, who came to meet it since it was published does so by
// time: whether the backfill comes to them, or something else happens to them first.
func TestWhoComesToMeetAConditionBeforeTheBackfillComesByIsTold(t *testing.T) {
	r := newRig(t)
	r.SetFollower(&follower{})
	before, backfilled := r.identify("ana", `{"seen":"2026-03-10T06:00:00Z"}`), r.identify("ben", `{"seen":"2026-03-10T11:00:00Z"}`)
	caught, moved := r.identify("cem", `{"seen":"2026-03-10T11:00:00Z"}`), r.identify("dia", `{"seen":"2026-03-10T11:00:00Z"}`)
	due := r.checked(`{"trait":{"path":"seen","olderThan":"PT3H"}}`)
	due.Watch = true
	job, err := r.Publish(r.ctx(), rigWS, keeper, []Checked{due}, func(int64) ([]store.Op, error) { return nil, nil })
	require.NoError(t, err)
	r.clock.Advance(4 * time.Hour)
	r.identify("cem", `{"seen":"2026-03-10T11:30:00Z"}`) // still over three hours
	r.identify("dia", `{"seen":"2026-03-10T15:00:00Z"}`) // no longer
	r.finish(job)
	id := WatchID(keeper, &due)
	for who, cause := range map[string]Cause{before: CauseDefinition, backfilled: CauseTime, caught: CauseTime} {
		c, err := store.Claims.Get(t.Context(), r.store, store.Claim(rigWS, "moved", id+"."+who+".ENTERED."+string(cause), "").ID)
		require.NoError(t, err)
		require.NotNil(t, c, "%s %v", cause, r.news(id, who))
	}
	require.False(t, r.in(id, moved))
	require.Empty(t, r.news(id, moved))
	r.consistent()
}

func TestWhoMeetsAConditionIsWatched(t *testing.T) {
	r := newRig(t)
	r.SetFollower(&follower{})
	ana, ben := r.identify("ana", `{"renewal":"2026-03-20T00:00:00Z"}`), r.identify("ben", `{}`)
	due := r.checked(`{"trait":{"path":"renewal","within":{"next":"P7D"}}}`)
	due.Watch = true
	r.keep(due)
	r.clock.Advance(4 * 24 * time.Hour)
	r.sweepAll()
	id := WatchID(keeper, &due)
	c, err := store.Claims.Get(t.Context(), r.store, store.Claim(rigWS, "moved", id+"."+ana+".ENTERED.TIME", "").ID)
	require.NoError(t, err)
	require.NotNil(t, c)
	require.False(t, r.in(id, ben))
	stays, err := r.MembershipsOf(r.ctx(), rigWS, ana, true)
	require.NoError(t, err)
	require.Empty(t, stays, "it is nobody's segment")
	r.keep()
	r.identify("ana", `{"renewal":"2027-03-20T00:00:00Z"}`)
	r.consistent()
}
