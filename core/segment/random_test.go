package segment

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core/profile"
)

// deed is one thing that happens in a random history.
type deed struct {
	Kind    int
	User    int
	Other   int
	Name    int
	Hours   int
	Value   int
	Segment int
	Where   int
}

var deeds = rapid.Custom(func(t *rapid.T) deed {
	return deed{
		Kind:    rapid.SampledFrom([]int{0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 10}).Draw(t, "kind"),
		User:    rapid.IntRange(0, 3).Draw(t, "user"),
		Other:   rapid.IntRange(0, 3).Draw(t, "other"),
		Name:    rapid.IntRange(0, 1).Draw(t, "name"),
		Hours:   rapid.IntRange(-20, 1200).Draw(t, "hours"),
		Value:   rapid.IntRange(0, 4).Draw(t, "value"),
		Segment: rapid.IntRange(0, 6).Draw(t, "segment"),
		Where:   rapid.IntRange(0, len(wheres)-1).Draw(t, "where"),
	}
})

var wheres = []string{
	whereRecent, whereLoyal, whereLapsed, whereCountry, whereSpender,
	`{"event":{"name":"Visit","where":[{"path":"total","gte":2}],"count":{"gte":2}}}`,
	`{"and":[{"segment":{"id":"seg_0"}},{"not":{"event":{"name":"Visit","window":{"last":"P14D"}}}}]}`,
	`{"firstTime":{"name":"Order","window":{"last":"P10D"}}}`,
	`{"stopped":{"name":"Order","count":{"gte":1},"window":{"last":"P5D"}}}`,
	`{"lastEvent":{"name":"Order","where":[{"path":"total","gte":3}]}}`,
	`{"sequence":{"steps":[{"name":"Visit"},{"name":"Order"}],"within":"P3D","window":{"last":"P30D"}}}`,
	`{"aggregate":{"event":{"name":"Order","window":{"last":"P20D"}},"fn":"DISTINCT","path":"total","value":{"gte":2}}}`,
	`{"list":{"id":"seg_list"}}`,
	`{"consent":{"purpose":"marketing","status":"GRANTED"}}`,
	`{"segment":{"id":"seg_0","entered":{"last":"P2D"}}}`,
	`{"bucket":{"salt":"s","from":0,"to":5000}}`,
	`{"trait":{"path":"at","olderThan":"P7D"}}`,
	`{"event":{"name":"Order","window":{"ago":{"from":"P20D","to":"P10D"}}}}`,
}

// Whatever happens in whatever order, what is kept is what a fold from nothing says.
func TestRandomHistories(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	rapid.Check(t, func(rt *rapid.T) {
		history := rapid.SliceOfN(deeds, 5, 40).Draw(rt, "history")
		if !t.Run("history", func(t *testing.T) { runHistory(t, history) }) {
			rt.FailNow()
		}
	})
}

func runHistory(t *testing.T, history []deed) {
	r := newRig(t)
	r.define("seg_list", whereRecent, Live, func(d *Segment) { d.Kind, d.Where = Static, "" })
	for i := range 7 {
		r.live(fmt.Sprintf("seg_%d", i), wheres[(i*5)%len(wheres)])
	}
	var merges []string
	for _, d := range history {
		r.clock.Advance(time.Second)
		user := fmt.Sprintf("u%d", d.User)
		switch d.Kind {
		case 0:
			r.track(user, []string{"Order", "Visit"}[d.Name], time.Duration(d.Hours)*time.Hour, fmt.Sprintf(`{"total":%d}`, d.Value*20+d.Value))
		case 1:
			r.identify(user, fmt.Sprintf(`{"address":{"country":%q},"at":%q}`, []string{"RO", "FR", "DE", "", "IT"}[d.Value], r.clock.Now().Add(-time.Duration(d.Hours)*time.Hour).Format(time.RFC3339)))
		case 2:
			r.send(fmt.Sprintf(`{"type":"track","userId":%q,"event":"Visit","properties":{"total":%d},"context":{"consent":{"categoryPreferences":{"marketing":%v}}}}`, user, d.Value, d.Value%2 == 0))
		case 3:
			a, b := r.identify(user, `{}`), r.identify(fmt.Sprintf("u%d", d.Other), `{}`)
			if a == b {
				continue
			}
			m, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: a, LoserID: b, Reason: "test"})
			require.NoError(t, err)
			merges = append(merges, m.Merge.MergeID())
		case 4:
			if len(merges) > 0 {
				_, err := r.people.Unmerge(t.Context(), rigWS, profile.UnmergeInput{MergeID: merges[len(merges)-1]})
				require.NoError(t, err)
				merges = merges[:len(merges)-1]
			}
		case 5:
			r.system(r.identify(user, `{}`), []string{NameListJoined, NameListLeft}[d.Name], "segmentId", "seg_list")
		case 6:
			r.clock.Advance(time.Duration(max(d.Hours, 1)) * time.Hour / 4)
			r.sweepAll()
		case 7:
			// A new definition: what happens until its backfill is caught up inline.
			if d.Segment > 0 {
				r.define(fmt.Sprintf("seg_%d", d.Segment), wheres[d.Where], Building)
			}
		case 8:
			_, err := r.Rebuild(t.Context(), rigWS)
			require.NoError(t, err)
		case 9, 10:
			// Nobody knows yet who that is; the second kind tells, in the same unit.
			visit := fmt.Sprintf(`{"type":"track","anonymousId":"a%d","event":%q,"timestamp":%q,"properties":{"total":%d}}`,
				d.Other, []string{"Order", "Visit"}[d.Name], r.clock.Now().Add(-time.Duration(d.Hours)*time.Hour).Format(time.RFC3339), d.Value)
			messages := []string{visit}
			if d.Kind == 10 {
				messages = append(messages, fmt.Sprintf(`{"type":"identify","anonymousId":"a%d","userId":%q,"traits":{"address":{"country":"RO"}}}`, d.Other, user),
					r.message(user, "Order", time.Hour, `{"total":50}`), r.message("u3", "Visit", 0, `{}`))
			}
			r.send(messages...)
		}
		r.consistent()
	}
	job, err := r.startBackfill(t.Context(), rigWS, "seg_0")
	require.NoError(t, err)
	r.finish(job)
	r.sweepAll()
	r.consistent()
}
