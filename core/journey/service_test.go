package journey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/journey"
)

// cart is: one hour, 24 hours, 3 days, stop on order.
func cart() string {
	return drawing(`,"key":"cartId","exitWhen":{"event":{"name":"Order Completed"}}`, []string{
		`in {"entry":{"event":{"name":"Cart Updated","where":[{"path":"total","gte":10}]}}}`,
		`w1 {"wait":{"duration":"PT1H"}}`, mail("m1"),
		`w2 {"wait":{"duration":"PT23H"}}`, mail("m2"),
		`w3 {"wait":{"duration":"P2D"}}`, mail("m3"),
	}, "in next w1", "w1 next m1", "m1 next w2", "w2 next m2", "m2 next w3", "w3 next m3")
}

func TestACartIsRemindedOfExactly(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.track("ben", "Cart Updated", `{"cartId":"c2","total":5}`) // too small
	cy := h.track("cy", "Cart Updated", `{"cartId":"c3","total":50}`)
	h.after(2 * time.Hour)
	h.track("cy", "Order Completed", `{}`)
	h.after(5 * 24 * time.Hour)
	require.Equal(t, []string{"m1 1h0m0s"}, h.sent(cy), "an order at two hours means one")
	require.Equal(t, []string{"m1 1h0m0s", "m1 1h0m0s", "m2 24h0m0s", "m3 72h0m0s"}, h.sent())
	require.ElementsMatch(t, []string{"COMPLETED@m3", "EXITED@w2"}, h.statuses(j.JourneyID()))

	v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
	require.NoError(t, err)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.Entered)
	require.Equal(t, map[journey.Status]int64{journey.Completed: 1, journey.Exited: 1}, stats.Ended)
	for _, n := range stats.Nodes {
		require.Zero(t, n.Inside, n.Node)
	}
}

func TestTwoCartsAreTwoEnrollments(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.after(30 * time.Minute)
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":60}`) // the same cart: she is in already
	h.track("ana", "Cart Updated", `{"cartId":"c2","total":60}`)
	h.after(2 * time.Hour)
	require.Equal(t, []string{"m1 1h0m0s", "m1 1h30m0s"}, h.sent())
	require.Len(t, h.enrollments(j.JourneyID()), 2)
}

func TestReentryOffIsOff(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing(`,"reentry":"ONCE"`, []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, mail("m1")}, "in next m1"))
	for range 3 {
		h.track("ana", "Signed Up", `{}`)
		h.after(time.Hour)
	}
	require.Len(t, h.sent(), 1)
	require.Len(t, h.enrollments(j.JourneyID()), 1)
}

func TestAnEventEndsAWait(t *testing.T) {
	h := newHouse(t)
	h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Trial Started"}}}`,
		`w {"wait":{"event":{"event":{"name":"Invited"},"timeout":"P3D"}}}`, mail("thanks"), mail("nudge"),
	}, "in next w", "w next thanks", "w timeout nudge"))
	ana := h.track("ana", "Trial Started", `{}`)
	ben := h.track("ben", "Trial Started", `{}`)
	h.after(time.Hour)
	h.track("ana", "Invited", `{}`)
	h.after(4 * 24 * time.Hour)
	require.Equal(t, []string{"thanks 1h0m0s"}, h.sent(ana))
	require.Equal(t, []string{"nudge 72h0m0s"}, h.sent(ben))
}

func TestAPausedJourneySendsNothingAndDoesNotFlood(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	ana := h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.after(10 * time.Minute)
	_, err := h.Pause(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.track("ben", "Cart Updated", `{"cartId":"c2","total":50}`)
	h.after(30 * time.Hour)
	require.Empty(t, h.sent())
	_, job, err := h.Resume(h.ctx(), ws, j.JourneyID(), "", journey.Edit{})
	require.NoError(t, err)
	h.finish(job)
	h.after(time.Minute)
	require.Empty(t, h.sent(), "what is overdue is skipped unless somebody says otherwise")
	h.after(4 * 24 * time.Hour)
	require.Len(t, h.sent(ana), 2, "the later ones come in their time")
	require.Len(t, h.enrollments(j.JourneyID()), 1, "nobody enters a paused journey")
}

func TestOfAMergedPersonOneGoesOn(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing("", []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, `w {"wait":{"duration":"P1D"}}`, mail("m1")}, "in next w", "w next m1"))
	h.track("ana", "Signed Up", `{}`)
	h.after(time.Hour)
	h.send(`{"type":"track","anonymousId":"a-1","event":"Signed Up"}`)
	h.after(time.Hour)
	require.Len(t, h.enrollments(j.JourneyID()), 2)
	h.send(`{"type":"identify","userId":"ana","anonymousId":"a-1","traits":{}}`)
	h.after(3 * 24 * time.Hour)
	require.Equal(t, []string{"m1 24h0m0s"}, h.sent())
	require.ElementsMatch(t, []string{"COMPLETED@m1", "REMOVED@w"}, h.statuses(j.JourneyID()))
}

func TestMigrationTakesPeopleAlong(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.after(10 * time.Minute)
	next := drawing(`,"key":"cartId"`, []string{
		`in {"entry":{"event":{"name":"Cart Updated"}}}`, `w1 {"wait":{"duration":"PT1H"}}`, mail("other"),
	}, "in next w1", "w1 next other")
	_, v, _, err := h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, next), journey.Edit{})
	require.NoError(t, err)
	require.EqualValues(t, 2, v.Number)
	dry, err := h.Publish(h.ctx(), ws, journey.PublishInput{ID: j.JourneyID(), Inside: journey.InsideMigrate, Edit: journey.Edit{DryRun: true}})
	require.NoError(t, err)
	require.Equal(t, []journey.Inside{{Version: 1, Node: "w1", Count: 1, To: "w1", Goes: "MOVES"}}, dry.Inside)
	h.publish(j.JourneyID(), journey.InsideMigrate)
	h.after(2 * time.Hour)
	require.Equal(t, []string{"other 1h0m0s"}, h.sent())
}

func TestStoppingLeadsEverybodyOut(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	for _, who := range []string{"ana", "ben", "cy"} {
		h.track(who, "Cart Updated", `{"cartId":"c1","total":50}`)
	}
	h.after(10 * time.Minute)
	_, job, err := h.Stop(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.finish(job)
	h.after(2 * time.Hour)
	require.Empty(t, h.sent())
	require.Equal(t, []string{"REMOVED@w1", "REMOVED@w1", "REMOVED@w1"}, h.statuses(j.JourneyID()))
}

func TestSomebodyElseApproves(t *testing.T) {
	h := newHouse(t)
	author, other := h.as("mem_AUTHOR", access.Admin), h.as("mem_OTHER", access.Admin)
	j, _, err := h.Create(author, ws, journey.CreateInput{Name: "risky", Approval: true, Definition: decoded(t, cart())})
	require.NoError(t, err)
	ask := func() *access.Approval {
		out, err := h.Publish(other, ws, journey.PublishInput{ID: j.JourneyID()}) // asked by somebody else, even
		require.NoError(t, err)
		require.NotNil(t, out.Approval)
		require.Equal(t, journey.Draft, out.Journey.Mode)
		return out.Approval
	}
	a := ask()
	_, err = h.access.DecideApproval(author, a.ApprovalID, true, "")
	require.Equal(t, core.Forbidden, core.CodeOf(err), "the author does not approve alone")
	_, _, _, err = h.Save(author, ws, j.JourneyID(), decoded(t, cart()), journey.Edit{})
	require.NoError(t, err)
	third := h.as("mem_THIRD", access.Admin)
	_, err = h.access.DecideApproval(third, a.ApprovalID, true, "")
	require.NoError(t, err, "the same drawing is the same version")
	out, err := h.Publish(author, ws, journey.PublishInput{ID: j.JourneyID()})
	require.NoError(t, err)
	require.Equal(t, journey.Live, out.Journey.Mode)

	changed := drawing("", []string{`in {"entry":{"event":{"name":"Cart Updated"}}}`, mail("m9")}, "in next m9")
	_, v, _, err := h.Save(author, ws, j.JourneyID(), decoded(t, changed), journey.Edit{})
	require.NoError(t, err)
	out, err = h.Publish(author, ws, journey.PublishInput{ID: j.JourneyID(), Number: v.Number})
	require.NoError(t, err)
	require.NotNil(t, out.Approval, "what was agreed to was another version")
	_, err = h.access.DecideApproval(author, out.Approval.ApprovalID, true, "")
	require.Error(t, err)
}
