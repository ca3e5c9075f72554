package journey_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/predict"
)

// best says that an hour is predicted to be somebody's best, as the sweep of predictions does:
// by 20 engagements, in Berlin, and the one six hours later is second.
func (h *house) best(profileID string, hour int) {
	h.t.Helper()
	h.ids++
	shares := make(bson.A, 24)
	for i := range shares {
		shares[i] = int32(100)
	}
	shares[hour], shares[(hour+6)%24] = int32(5000), int32(2800)
	props, err := bson.Marshal(bson.D{
		{Key: "name", Value: predict.BestHour}, {Key: "of", Value: int64(0)}, {Key: "value", Value: float64(hour)},
		{Key: "hours", Value: shares}, {Key: "zone", Value: "Europe/Berlin"}, {Key: "signals", Value: int64(20)},
	})
	require.NoError(h.t, err)
	_, err = h.pipeline.Commit(h.ctx(), ws, event.Input{
		Type: event.System, Name: condition.PredictionComputed, MessageID: fmt.Sprintf("best-%p-%d", h, h.ids), Timestamp: h.clock.Now(), Properties: props, Sum: []byte("1"),
	}, profileID)
	require.NoError(h.t, err)
}

func bestTime(within string) string {
	return drawing("", []string{
		`in {"entry":{"event":{"name":"Signed Up"}}}`, `w {"wait":{"bestTime":{"within":"` + within + `","localTime":"15:00"}}}`, mail("m1"),
	}, "in next w", "w next m1")
}

// Each gets it at their own hour; of whom nothing is known at the time that the node names; and
// the history says why.
func TestBestTime(t *testing.T) {
	h := newHouse(t) // it is 12:00 UTC, 13:00 in Berlin
	j := h.published(bestTime("P1D"))
	short := h.published(bestTime("PT8H"))
	ana := h.send(`{"type":"identify","userId":"ana","traits":{"timezone":"Europe/Berlin"}}`)
	ben := h.send(`{"type":"identify","userId":"ben","traits":{"timezone":"Europe/Berlin"}}`)
	now := h.send(`{"type":"identify","userId":"now","traits":{"timezone":"Europe/Berlin"}}`)
	h.best(ana, 9)
	h.best(now, 13)
	h.clock.Advance(time.Second) // of two things at one instant neither is the earlier
	for _, who := range []string{"ana", "ben", "now"} {
		h.track(who, "Signed Up", `{}`)
	}
	h.after(30 * time.Hour)
	require.ElementsMatch(t, []string{"m1 2h0m0s", "m1 20h0m0s"}, h.sent(ana), "at 9 tomorrow, or, within eight hours, at 15 today")
	require.Equal(t, []string{"m1 2h0m0s", "m1 2h0m0s"}, h.sent(ben))
	require.Equal(t, []string{"m1 0s", "m1 0s"}, h.sent(now), "it is that hour")
	told := map[string]string{}
	for _, id := range []string{j.JourneyID(), short.JourneyID()} {
		for _, e := range h.enrollments(id) {
			list, err := h.Timeline(h.ctx(), e)
			require.NoError(t, err)
			told[e.Part+id] = list[1].Did + " " + list[1].Detail
		}
	}
	require.Equal(t, "WAITS 2026-03-11T08:00:00Z HOUR 09 OF 20 ENGAGEMENTS", told[ana+j.JourneyID()])
	require.Equal(t, "WAITS 2026-03-10T14:00:00Z HOUR 15 OF 20 ENGAGEMENTS", told[ana+short.JourneyID()])
	require.Equal(t, "WAITS 2026-03-10T14:00:00Z INSUFFICIENT_DATA 15:00", told[ben+j.JourneyID()])
	require.Equal(t, "WENT_ON HOUR 13 OF 20 ENGAGEMENTS", told[now+j.JourneyID()])

	s, err := h.Rehearse(h.ctx(), ws, journey.RehearseInput{Journey: j.JourneyID(), From: start, To: start.Add(48 * time.Hour), People: 10})
	require.NoError(t, err)
	require.Equal(t, []journey.DayCount{{Node: "m1", Day: "2026-03-10", Sent: 2}, {Node: "m1", Day: "2026-03-11", Sent: 1}}, s.Sends, "a simulation sends at the same hours")
}

// On the days on which the clocks change, and round and round.
func TestBestTimeAndTheClocks(t *testing.T) {
	h := newHouse(t)
	h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Signed Up"}}}`, mail("m1"), `w {"wait":{"bestTime":{"within":"P1D","localTime":"15:00"}}}`,
	}, "in next m1", "m1 next w", "w next m1"))
	ana := h.send(`{"type":"identify","userId":"ana","traits":{"timezone":"Europe/Berlin"}}`)
	two := h.send(`{"type":"identify","userId":"two","traits":{"timezone":"Europe/Berlin"}}`)
	h.best(ana, 9)
	h.best(two, 2)
	h.clock.Advance(time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC).Sub(h.clock.Now()))
	h.track("ana", "Signed Up", `{}`)
	h.track("two", "Signed Up", `{}`)
	h.after(3*24*time.Hour - time.Hour)
	at := func(day, hour int) string {
		return "m1 " + time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC).Sub(start).String()
	}
	require.Equal(t, []string{at(27, 12), at(28, 8), at(29, 7), at(30, 7)}, h.sent(ana), "once a day, at 9 by her clock")
	require.Equal(t, []string{at(27, 12), at(28, 1), at(28, 7), at(29, 6), at(30, 0)}, h.sent(two), "at 2 there is no hour on the 29th: the second best within the day is taken")
}
