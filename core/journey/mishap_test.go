package journey_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// day is a journey of one message after a day.
func day(more string) string {
	return drawing(more, []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, `w {"wait":{"duration":"P1D"}}`, mail("m1")}, "in next w", "w next m1")
}

// Two carts of one person: one stands where the new version has no place, and stays; the
// other moves all the same.
func TestMigrationOfOneWhoStaysAndMovesAtOnce(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.after(90 * time.Minute) // c1 waits at w2
	h.track("ana", "Cart Updated", `{"cartId":"c2","total":50}`)
	h.after(10 * time.Minute)                    // c2 at w1
	for _, keeps := range []string{"w1", "w2"} { // whichever comes first in the list
		next := drawing(`,"key":"cartId"`, []string{
			`in {"entry":{"event":{"name":"Cart Updated"}}}`, keeps + ` {"wait":{"duration":"P20D"}}`, mail("other" + keeps),
		}, "in next "+keeps, keeps+" next other"+keeps)
		_, _, _, err := h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, next), journey.Edit{})
		require.NoError(t, err)
		h.publish(j.JourneyID(), journey.InsideMigrate)
	}
	versions := map[string]int64{}
	for _, e := range h.enrollments(j.JourneyID()) {
		versions[e.State.Node] = e.Version
	}
	require.Equal(t, map[string]int64{"w1": 2, "w2": 3}, versions)
}

// Who enters a journey that was stopped and published again is not led out by the stop.
func TestAStopLeadsNobodyOutWhoComesLater(t *testing.T) {
	h := newHouse(t)
	j := h.published(day(""))
	before := h.track("before", "Signed Up", `{}`)
	h.after(time.Minute)
	_, job, err := h.Stop(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.publish(j.JourneyID(), "")
	h.clock.Advance(time.Minute)
	later := h.track("later", "Signed Up", `{}`)
	h.after(time.Minute)
	h.finish(job)
	h.after(26 * time.Hour)
	require.Empty(t, h.sent(before))
	require.Len(t, h.sent(later), 1)
}

// A sub-journey that is stopped while somebody is about to enter it leaves nobody waiting.
func TestASubJourneyThatNobodyEntersAnyMore(t *testing.T) {
	h := newHouse(t)
	sub := h.published(drawing("", []string{`in {"entry":{"api":true}}`, mail("s1")}, "in next s1"))
	main := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`, fmt.Sprintf(`s {"subJourney":%q}`, sub.JourneyID()), mail("m1"),
	}, "in next s", "s next m1"))
	ana := h.track("ana", "Start", `{}`)
	_, err := h.Pause(h.ctx(), ws, sub.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	// It is paused between the wish to enter and the entering.
	_, _, err = h.Resume(h.ctx(), ws, sub.JourneyID(), "", journey.Edit{})
	require.NoError(t, err)
	trigger, err := journey.Triggers.Find(h.ctx(), h.store, store.Query{Workspace: ws, Order: []string{"lane", "due"}}, 0)
	require.NoError(t, err)
	require.Len(t, trigger, 1)
	_, err = h.TurnOnce(h.ctx(), ws, trigger) // she stands at s, and is about to enter
	require.NoError(t, err)
	_, err = h.Pause(h.ctx(), ws, sub.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.after(time.Minute)
	require.Equal(t, []string{"WAITING@s"}, h.statuses(main.JourneyID()))
	_, job, err := h.Stop(h.ctx(), ws, sub.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.finish(job)
	h.after(time.Minute)
	require.Equal(t, []string{"COMPLETED@m1"}, h.statuses(main.JourneyID()))
	require.Len(t, h.sent(ana), 1)
}

// What was asked about somebody who is led out is asked no more.
func TestNobodyIsAskedAboutWhoHasLeft(t *testing.T) {
	h := newHouse(t)
	asks := drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `a {"approval":{"role":"admin"}}`, mail("m1"), `x {"exit":true}`,
	}, "in next a", "a next m1", "a else x", "m1 next x")
	j := h.published(asks)
	h.track("ana", "Start", `{}`)
	h.track("ben", "Start", `{}`)
	h.after(time.Minute)
	require.Equal(t, 2, h.open(j.JourneyID()))
	_, err := h.Leave(h.ctx(), ws, h.enrollments(j.JourneyID())[0].EnrollmentID())
	require.NoError(t, err)
	require.Equal(t, 1, h.open(j.JourneyID()))
	next := drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, mail("m2"), `x {"exit":true}`}, "in next m2", "m2 next x")
	_, _, _, err = h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, next), journey.Edit{})
	require.NoError(t, err)
	x := "x"
	out, err := h.Publish(h.ctx(), ws, journey.PublishInput{ID: j.JourneyID(), Inside: journey.InsideMigrate, NodeMap: map[string]*string{"a": &x}})
	require.NoError(t, err)
	h.finish(out.Job)
	require.Zero(t, h.open(j.JourneyID()))
	h.after(time.Minute)
	require.Empty(t, h.sent())
}

// open counts what is asked of people in the company.
func (h *house) open(id string) int {
	h.t.Helper()
	n, err := h.CountToDos(h.ctx(), ws, journey.ToDoFilter{Journey: id})
	require.NoError(h.t, err)
	return int(n)
}

// What is overdue and ASKs is held until somebody says so, one by one or all, and however much
// else is asked of the journey.
func TestOverdueIsAsked(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing(`,"onOverdue":"ASK"`, []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `k {"task":{"title":"call","assignee":"sales"}}`, `w {"wait":{"duration":"PT1H"}}`, mail("m1"),
		`w2 {"wait":{"duration":"PT1H"}}`, mail("m2"),
	}, "in next k", "k next w", "w next m1", "m1 next w2", "w2 next m2"))
	var who []string
	for i := range 4 {
		who = append(who, h.track(fmt.Sprint("u", i), "Start", `{}`))
	}
	h.after(time.Minute)
	_, err := h.Pause(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.after(5 * time.Hour)
	_, job, err := h.Resume(h.ctx(), ws, j.JourneyID(), "", journey.Edit{})
	require.NoError(t, err)
	h.finish(job)
	h.after(10 * time.Minute)
	require.Empty(t, h.sent())
	todos, err := h.ListToDos(h.ctx(), ws, journey.ToDoFilter{Journey: j.JourneyID()}, core.Window{Limit: 100})
	require.NoError(t, err)
	kinds := map[string]int{}
	var first string
	for _, one := range todos.Items {
		kinds[one.Kind]++
		if one.Kind == journey.ToDoOverdue && one.Part == who[0] {
			first = one.ToDoID()
		}
	}
	require.Equal(t, map[string]int{journey.ToDoOverdue: 4, journey.ToDoTask: 4}, kinds)
	_, err = h.Decide(h.ctx(), ws, first, true, "")
	require.NoError(t, err)
	h.after(time.Minute)
	require.Len(t, h.sent(who[0]), 1, "said yes")
	n, err := h.DecideOverdue(h.ctx(), ws, j.JourneyID(), false)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	h.after(3 * time.Hour)
	require.Len(t, h.sent(who[0]), 2)
	require.Len(t, h.sent(who[1]), 1, "said no to the first, and the second was in time")
	for _, s := range h.statuses(j.JourneyID()) {
		require.Equal(t, "COMPLETED@m2", s)
	}
}

// A merge is taken back: both go on from where they stood.
func TestAnUnmergeLetsBothGoOn(t *testing.T) {
	h := newHouse(t)
	j := h.published(day(""))
	ana := h.track("ana", "Signed Up", `{}`)
	h.after(time.Hour)
	h.send(`{"type":"track","anonymousId":"a-1","event":"Signed Up"}`)
	h.after(time.Hour)
	h.send(`{"type":"identify","userId":"ana","anonymousId":"a-1","traits":{}}`)
	h.after(time.Hour)
	require.ElementsMatch(t, []string{"WAITING@w", "SUSPENDED@w"}, h.statuses(j.JourneyID()))
	merges, err := profile.Merges.Find(h.ctx(), h.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("parts", ana)}, Order: []string{"-at"}}, 0)
	require.NoError(t, err)
	require.Len(t, merges, 1)
	_, err = h.people.Unmerge(h.ctx(), ws, profile.UnmergeInput{MergeID: merges[0].MergeID()})
	require.NoError(t, err)
	h.after(10 * time.Minute)
	require.Equal(t, []string{"WAITING@w", "WAITING@w"}, h.statuses(j.JourneyID()))
	h.after(3 * 24 * time.Hour)
	require.Equal(t, []string{"m1 24h0m0s", "m1 25h0m0s"}, h.sent())
}

// Whoever is erased inside a journey is gone from it, and what waited for them ends.
func TestErasedInsideAJourney(t *testing.T) {
	h := newHouse(t)
	j := h.published(day(""))
	ana := h.track("ana", "Signed Up", `{}`)
	h.track("ben", "Signed Up", `{}`)
	h.after(time.Hour)
	h.erase(ana)
	h.after(3 * 24 * time.Hour)
	require.Len(t, h.sent(), 1, "only ben's")
	for _, e := range h.enrollments(j.JourneyID()) {
		require.NotEqual(t, ana, e.Part)
	}
	v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
	require.NoError(t, err)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(t, err)
	require.Equal(t, int64(2), stats.Entered)
	require.Equal(t, map[journey.Status]int64{journey.Removed: 1, journey.Completed: 1}, stats.Ended, "who was erased has left, and nobody says who it was")
	for _, n := range stats.Nodes {
		require.Zero(t, n.Inside, n.Node)
		require.Equal(t, n.Entered, n.Left, n.Node)
	}
	for _, n := range []func() (int64, error){
		func() (int64, error) { return journey.Presences.Count(h.ctx(), h.store, store.Query{Workspace: ws}) },
		func() (int64, error) {
			return journey.Triggers.Count(h.ctx(), h.store, store.Query{Workspace: ws, Order: []string{"lane", "due"}})
		},
	} {
		left, err := n()
		require.NoError(t, err)
		require.Zero(t, left)
	}
}

// Saving a definition anew changes neither who stands where nor the figures.
func TestEditingLeavesTheFigures(t *testing.T) {
	h := newHouse(t)
	j := h.published(cart())
	h.track("ana", "Cart Updated", `{"cartId":"c1","total":50}`)
	h.after(2 * time.Hour)
	stats := func() *journey.Stats {
		v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
		require.NoError(t, err)
		s, err := h.Stats(h.ctx(), ws, v)
		require.NoError(t, err)
		return s
	}
	before := stats()
	require.EqualValues(t, 1, before.Entered)
	_, _, _, err := h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, day("")), journey.Edit{})
	require.NoError(t, err)
	require.Equal(t, before, stats())
	h.publish(j.JourneyID(), journey.InsidePin)
	require.Equal(t, before, stats())
	h.after(30 * time.Hour)
	require.Equal(t, []string{"m1 1h0m0s", "m2 24h0m0s"}, h.sent(), "who is inside goes on as it was")
}

// Republishing after a pause sends nothing of what fell due meanwhile, whatever is chosen for
// those inside.
func TestRepublishingAfterAPauseDoesNotFlood(t *testing.T) {
	for _, inside := range []string{journey.InsidePin, journey.InsideDrain, journey.InsideMigrate} {
		t.Run(inside, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			j := h.published(cart())
			for i := range 5 {
				h.track(fmt.Sprint("u", i), "Cart Updated", `{"cartId":"c1","total":50}`)
			}
			h.after(10 * time.Minute)
			_, err := h.Pause(h.ctx(), ws, j.JourneyID(), journey.Edit{})
			require.NoError(t, err)
			h.leap(30 * time.Hour)
			next := cart()[:len(cart())-1] + `,"goal":{"event":{"name":"Upgraded"}}}`
			_, _, _, err = h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, next), journey.Edit{})
			require.NoError(t, err)
			h.publish(j.JourneyID(), inside)
			h.after(time.Minute)
			require.Empty(t, h.sent(), "it is paused still")
			_, job, err := h.Resume(h.ctx(), ws, j.JourneyID(), "", journey.Edit{})
			require.NoError(t, err)
			h.finish(job)
			h.after(10 * time.Minute)
			require.Empty(t, h.sent())
			h.leap(5 * 24 * time.Hour)
			want := 10 // the second and third of each, in their time
			if inside == journey.InsideDrain {
				want = 0
			}
			require.Len(t, h.sent(), want)
			for _, e := range h.enrollments(j.JourneyID()) {
				require.True(t, e.Ended(), e.Status)
			}
		})
	}
}

// A journey that is entered by a segment, and takes the person out of it and in again, does
// not run round at one instant.
func TestEnteringByASegmentDoesNotLoopOnItsOwnUpdate(t *testing.T) {
	h := newHouse(t)
	seg, err := h.segments.Create(h.ctx(), ws, segment.CreateInput{Name: "new", Kind: segment.Dynamic, Where: decoded(t, `{"trait":{"path":"state","eq":"new"}}`)})
	require.NoError(t, err)
	h.finish(seg.Job)
	j := h.published(drawing("", []string{
		fmt.Sprintf(`in {"entry":{"segmentEntered":%q}}`, seg.Segment.SegmentID()), `w {"wait":{"duration":"PT1S"}}`, mail("m1"),
		`a {"updateTrait":{"path":"state","value":"old"}}`, `b {"wait":{"duration":"PT1S"}}`, `c {"updateTrait":{"path":"state","value":"new"}}`,
	}, "in next w", "w next m1", "m1 next a", "a next b", "b next c"))
	h.send(`{"type":"identify","userId":"ana","traits":{"state":"new"}}`)
	for range 2*journey.MaxRounds + 10 {
		h.clock.Advance(time.Second)
		require.NoError(t, h.Turn(h.ctx(), ws))
	}
	require.Len(t, h.sent(), journey.MaxRounds)
	v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
	require.NoError(t, err)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(t, err)
	t.Logf("%d rounds, refused %v", len(h.sent()), stats.Refused)
	for _, e := range h.enrollments(j.JourneyID()) {
		require.True(t, e.Ended())
	}
}

// leap lets time pass, half an hour at a time, and does what is due.
func (h *house) leap(d time.Duration) {
	h.t.Helper()
	for end := h.clock.Now().Add(d); h.clock.Now().Before(end); {
		h.clock.Advance(30 * time.Minute)
		require.NoError(h.t, h.Turn(h.ctx(), ws))
	}
}

// An empty pool leads by its own edge, and by the next one where there is none.
func TestAnEmptyPool(t *testing.T) {
	h := newHouse(t)
	h.Coupons = &pool{codes: 2}
	j := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `c {"coupon":{"pool":"summer"}}`, mail("code"), mail("sorry"),
		`c2 {"coupon":{"pool":"summer"}}`, `x {"exit":true}`,
	}, "in next c", "c next code", "c else sorry", "sorry next c2", "c2 next x"))
	for i := range 5 {
		h.track(fmt.Sprint("u", i), "Start", `{}`)
		h.after(time.Minute)
	}
	count := map[string]int{}
	for _, s := range h.sent() {
		count[s[:4]]++
	}
	require.Equal(t, map[string]int{"code": 2, "sorr": 3}, count)
	for _, e := range h.enrollments(j.JourneyID()) {
		require.Equal(t, journey.Completed, e.Status)
	}
}

// erase erases somebody, as a request does.
func (h *house) erase(id string) {
	h.t.Helper()
	events := event.NewService(h.store, h.clock)
	desk := privacy.New(privacy.Options{
		Store: h.store, Clock: h.clock, Keys: h.Keys.(*keyring.Ring), Events: events, Profiles: h.people, Objects: h.objects,
		Segments: h.segments, Jobs: h.jobs, Runner: h.runner, Specs: specsOf(), Logger: slog.New(slog.DiscardHandler),
	})
	out, err := desk.Erase(h.ctx(), ws, privacy.EraseInput{ProfileID: id})
	require.NoError(h.t, err)
	h.finish(out.Job.JobID())
}
