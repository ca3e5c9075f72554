package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

func tested(by campaign.Metric, change ...func(*campaign.Test)) func(*campaign.Input) {
	return func(in *campaign.Input) {
		in.Definition.Arms = []campaign.Arm{{ID: "a", Template: "tpl_spring", Share: 50}, {ID: "b", Template: "tpl_summer", Share: 50}}
		in.Definition.Test = &campaign.Test{Percent: 30, Metric: by, After: 2 * time.Hour, Minimum: 5}
		for _, f := range change {
			f(in.Definition.Test)
		}
	}
}

// connection returns the connection that reports come from.
func (h *house) connection() *sync.Connection {
	h.t.Helper()
	page, err := h.syncs.ListConnections(h.ctx, ws, core.Window{Limit: 1})
	require.NoError(h.t, err)
	return page.Items[0]
}

// The arm that is opened more goes to the rest, after the stated time and not before, and what
// it was decided by is kept.
func TestWinnerGoesToTheRest(t *testing.T) {
	h, clock := newHouse(t)
	all := h.list("All", h.persons(0, 200, nil)...)
	id := h.schedule(h.draft([]string{all}, tested(campaign.Opened)))
	until(t, clock, 20*time.Millisecond, func() bool { r := h.run(id); return r != nil && r.Phase == campaign.Deciding })
	first := h.queued(id)
	require.EqualValues(t, h.run(id).Tested, len(first))
	require.InDelta(t, 60, len(first), 30)
	until(t, clock, 20*time.Millisecond, func() bool { return h.post.total() == len(first) })
	sent := func() (a, b int64) {
		c, err := h.Get(h.ctx, ws, id)
		require.NoError(t, err)
		rep, err := h.Report(h.ctx, c)
		require.NoError(t, err)
		return rep.Arms[0].Sent, rep.Arms[1].Sent
	}
	until(t, clock, 20*time.Millisecond, func() bool { a, b := sent(); return int(a+b) == len(first) })
	a, b := sent()
	require.Greater(t, a, int64(5))
	require.Greater(t, b, int64(5))
	var told []sync.Delivery
	for _, m := range h.queued(id) {
		if m.Arm == "b" {
			told = append(told, sync.Delivery{Key: m.MessageID(), Event: "o-" + m.MessageID(), State: sync.DeliveryOpened, At: clock.Now()})
		}
	}
	require.NoError(t, h.messages.Reports(h.ctx, h.connection(), told, nil))
	decide := h.run(id).DecideAt
	clock.Advance(decide.Sub(clock.Now()) - time.Second)
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, campaign.Deciding, h.run(id).Phase)
	until(t, clock, 100*time.Millisecond, func() bool { return h.is(id, campaign.Done) })
	r := h.run(id)
	require.Equal(t, "b", r.Decision.Winner)
	require.Equal(t, campaign.WhyBest, r.Decision.Why)
	require.Equal(t, []campaign.Count{{Arm: "a", Sent: a}, {Arm: "b", Sent: b, Hits: b}}, r.Decision.Arms)
	got := h.queued(id)
	require.Len(t, got, 200)
	for part, m := range got {
		if first[part] == nil {
			require.Equal(t, "b", m.Arm)
			require.Equal(t, "tpl_summer", m.Template)
		}
	}
	require.EqualValues(t, 200, r.Queued["a"]+r.Queued["b"])
}

// A test with too few waits for somebody where it says so, and a test of the goal counts
// those who met it.
func TestSomebodyDecides(t *testing.T) {
	h, clock := newHouse(t)
	ids := h.persons(0, 40, nil)
	c := h.draft([]string{h.list("All", ids...)}, tested(campaign.Goal, func(s *campaign.Test) { s.Percent, s.Minimum, s.Few = 50, 1000, campaign.FewWait }), func(in *campaign.Input) {
		in.Goal = map[string]any{"trait": map[string]any{"path": "email", "eq": "p1@example.com"}}
	})
	id := h.schedule(c)
	until(t, clock, time.Second, func() bool { r := h.run(id); return r != nil && r.Phase == campaign.Deciding })
	n := len(h.queued(id))
	until(t, clock, 20*time.Millisecond, func() bool { return h.post.total() == n })
	clock.Advance(3 * time.Hour)
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, campaign.Deciding, h.run(id).Phase)
	_, err := h.Decide(h.ctx, ws, id, "c", campaign.Edit{})
	require.Equal(t, "ARM", core.AsError(err).Reason)
	_, err = h.Decide(h.ctx, ws, id, "a", campaign.Edit{})
	require.NoError(t, err)
	until(t, clock, 20*time.Millisecond, func() bool { return h.is(id, campaign.Done) })
	d := h.run(id).Decision
	require.Equal(t, campaign.WhyByHand, d.Why)
	require.Equal(t, "system:ana", d.By)
	require.Len(t, h.queued(id), 40)
	until(t, clock, 20*time.Millisecond, func() bool { return h.post.total() == 40 })
	c, err = h.Get(h.ctx, ws, id)
	require.NoError(t, err)
	until(t, clock, 20*time.Millisecond, func() bool {
		reached, err := h.Reached(h.ctx, c)
		require.NoError(t, err)
		return reached["a"]+reached["b"] == 1
	})
}

// Two who turn out to be one person get one message, whenever that turns out.
func TestMergedMidCampaignIsWrittenToOnce(t *testing.T) {
	clock := core.NewVirtualClock(start)
	h := houseOver(t, openStore(t), newPostman(), clock) // no connection yet: nothing is handed over
	p := h.persons(0, 8, nil)
	c := h.draft([]string{h.list("All", p...)}, func(in *campaign.Input) { in.Definition.PerMinute = 1 })
	merge := func(a, b int) {
		_, err := h.people.Merge(h.ctx, ws, profile.MergeInput{WinnerID: p[a], LoserID: p[b], Reason: "the same"})
		require.NoError(t, err)
	}
	h.start()
	id := h.schedule(c)
	until(t, clock, 100*time.Millisecond, func() bool { r := h.run(id); return r != nil && len(h.queued(id)) == 1 })
	targets, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
	require.NoError(t, err)
	require.Len(t, targets, 7)
	merge(6, 7) // neither has theirs yet, or one has
	merge(0, 1)
	until(t, clock, 5*time.Second, func() bool { return h.is(id, campaign.Done) })
	require.Len(t, h.queued(id), 6)
	require.EqualValues(t, 2, h.run(id).Merged)
	merge(2, 3) // both are queued
	h.connect()
	until(t, clock, time.Second, func() bool {
		for _, m := range h.queued(id) {
			if !m.Status.Over() {
				return false
			}
		}
		return true
	})
	sent, merged := 0, 0
	for _, m := range h.queued(id) {
		switch {
		case m.Status == message.Sent:
			sent++
		case m.Status == message.Cancelled && m.Reason == "MERGED":
			merged++
		}
	}
	require.Equal(t, []int{5, 1}, []int{sent, merged})
	require.Equal(t, 5, h.post.total())
	for _, pair := range [][2]int{{2, 3}} { // just one of theirs
		n := 0
		for _, one := range pair {
			m, err := message.Messages.Get(h.ctx, h.store, store.Key(ws, campaign.MessageID(ws, id, p[one])))
			require.NoError(t, err)
			if m.Status == message.Sent {
				n++
			}
		}
		require.Equal(t, 1, n)
	}
}

// What asks for approval waits for somebody else's, of just what is sent.
func TestSomebodyElseApproves(t *testing.T) {
	h, clock := newHouse(t)
	c := h.draft([]string{h.list("All", h.persons(0, 3, nil)...)}, func(in *campaign.Input) { in.Approval = true })
	id := c.CampaignID()
	c, a, err := h.Schedule(h.ctx, ws, id, campaign.When{}, campaign.Edit{})
	require.NoError(t, err)
	require.Equal(t, campaign.Draft, c.Status)
	require.NotNil(t, a)
	_, err = h.access.DecideApproval(h.ctx, a.ApprovalID, true, "")
	require.Error(t, err)
	_, err = h.access.DecideApproval(as("ben"), a.ApprovalID, true, "")
	require.NoError(t, err)
	d := c.Definition
	d.PerMinute = 1000
	_, err = h.Update(h.ctx, ws, campaign.Update{ID: id, Definition: &d}) // voids it
	require.NoError(t, err)
	_, a, err = h.Schedule(h.ctx, ws, id, campaign.When{}, campaign.Edit{})
	require.NoError(t, err)
	require.NotNil(t, a)
	_, err = h.access.DecideApproval(as("ben"), a.ApprovalID, true, "")
	require.NoError(t, err)
	c, a, err = h.Schedule(h.ctx, ws, id, campaign.When{}, campaign.Edit{})
	require.NoError(t, err)
	require.Nil(t, a)
	require.Equal(t, campaign.Scheduled, c.Status)
	until(t, clock, time.Second, func() bool { return h.is(id, campaign.Done) })
}

// The totals of a container are the sum of its own and its parts, and a part belongs to one.
func TestTotalsEqualTheParts(t *testing.T) {
	h, clock := newHouse(t)
	p := h.persons(0, 30, nil)
	one := h.schedule(h.draft([]string{h.list("One", p[:10]...)}))
	two := h.schedule(h.draft([]string{h.list("Two", p[10:15]...)}))
	whole := h.draft([]string{h.list("Three", p[15:]...)}, func(in *campaign.Input) {
		in.Parts, in.Cost, in.Tags = []string{one, two}, &campaign.Cost{Minor: 10_000, Currency: "EUR"}, []string{"spring", "b2c", "spring"}
	})
	require.Equal(t, []string{"b2c", "spring"}, whole.Tags)
	id := h.schedule(whole)
	until(t, clock, 20*time.Millisecond, func() bool { return h.post.total() == 30 })
	var rep *campaign.Report
	until(t, clock, 20*time.Millisecond, func() bool {
		c, err := h.Get(h.ctx, ws, id)
		require.NoError(t, err)
		rep, err = h.Report(h.ctx, c)
		require.NoError(t, err)
		return rep.Total.Sent == 30
	})
	require.EqualValues(t, 15, rep.Own.Sent)
	require.EqualValues(t, 10, rep.Parts[0].Sent)
	require.EqualValues(t, 5, rep.Parts[1].Sent)
	require.EqualValues(t, 30, rep.Total.Queued)
	_, err := h.Create(h.ctx, ws, campaign.Input{Name: "Thief", Definition: whole.Definition, Parts: []string{two}})
	require.Equal(t, "PART_TAKEN", core.AsError(err).Reason)
	parts := []string{one}
	_, err = h.Update(h.ctx, ws, campaign.Update{ID: id, Parts: &parts})
	require.NoError(t, err)
	_, err = h.Create(h.ctx, ws, campaign.Input{Name: "Owner", Definition: whole.Definition, Parts: []string{two}})
	require.NoError(t, err)
}

// A preview counts, asks a sample and stores nothing.
func TestPreview(t *testing.T) {
	h, _ := newHouse(t)
	p := h.persons(0, 20, nil)
	_, err := h.consent.Suppress(h.ctx, ws, []consent.SuppressInput{{Channel: consent.Email, Identifier: event.Identifier{Namespace: "email", Value: "p3@example.com"}, Reason: "MANUAL"}}, false)
	require.NoError(t, err)
	c := h.draft([]string{h.list("All", p...)}, func(in *campaign.Input) { in.Definition.Exclude = []string{h.list("Some", p[:2]...)} })
	got, err := h.Preview(h.ctx, ws, c.CampaignID())
	require.NoError(t, err)
	require.EqualValues(t, 18, got.People)
	require.EqualValues(t, 17, got.Goes)
	require.Len(t, got.Skipped, 1)
	require.Equal(t, "SUPPRESSION", got.Skipped[0].Check)
	require.EqualValues(t, 1, got.Skipped[0].Estimate)
	require.Empty(t, h.queued(c.CampaignID()))
}
