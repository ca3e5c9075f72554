package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/store"
)

// best says that an hour is predicted to be somebody's best, as the sweep of predictions does:
// by the clock of Berlin, and the one six hours later is second.
func (h *house) best(profileID string, hour int) {
	h.t.Helper()
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
	_, err = h.pipeline.Commit(h.ctx, ws, event.Input{
		Type: event.System, Name: condition.PredictionComputed, MessageID: "best-" + profileID, Timestamp: h.clock.Now(), Properties: props, Sum: []byte("1"),
	}, profileID)
	require.NoError(h.t, err)
}

// Each gets it at their best hour within the day, on the days on which the clocks change too;
// those of whom nothing is known at the time that the campaign names.
func TestCampaignAtBestHours(t *testing.T) {
	h, clock := newHouse(t)
	p := h.persons(0, 4, func(int) bson.D { return bson.D{{Key: "timezone", Value: "Europe/Berlin"}} })
	for i, hour := range []int{9, 2, 22} { // of the fourth nothing is known
		h.best(p[i], hour)
	}
	list := h.list("All", p...)
	for _, c := range []struct {
		begin string
		want  [4]string
	}{
		{"2026-03-28T21:00:00Z", [4]string{"2026-03-29T07:00:00Z", "2026-03-29T06:00:00Z", "2026-03-28T21:00:00Z", "2026-03-29T08:00:00Z"}}, // there is no hour 2: the second best
		{"2026-10-24T20:00:00Z", [4]string{"2026-10-25T08:00:00Z", "2026-10-25T00:00:00Z", "2026-10-24T20:00:00Z", "2026-10-25T09:00:00Z"}}, // there are two: the first
	} {
		begin, err := time.Parse(time.RFC3339, c.begin)
		require.NoError(t, err)
		draft := h.draft([]string{list}, func(in *campaign.Input) { in.Definition.Best = &campaign.BestTime{LocalTime: "10:00"} })
		clock.Advance(begin.Add(-time.Second).Sub(clock.Now()))
		id := h.schedule(draft, campaign.When{At: begin})
		until(t, clock, 20*time.Millisecond, func() bool {
			r := h.run(id)
			return r != nil && r.Phase != campaign.Freezing
		})
		for h.run(id).Phase != campaign.Over { // to the next one who is due, and no further
			left, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
			require.NoError(t, err)
			if len(left) > 0 && left[0].Due.After(clock.Now()) {
				clock.Advance(left[0].Due.Sub(clock.Now()))
			}
			until(t, clock, 20*time.Millisecond, func() bool {
				now, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
				require.NoError(t, err)
				return len(now) < len(left) || h.run(id).Phase == campaign.Over
			})
		}
		messages := h.queued(id)
		require.Len(t, messages, 4)
		for i, want := range c.want {
			due, err := time.Parse(time.RFC3339, want)
			require.NoError(t, err)
			m := messages[p[i]]
			require.False(t, m.At.Before(due), "%d: %s is before %s", i, m.At, want)
			require.Less(t, m.At.Sub(due), 2*time.Minute, "%d: %s is long after %s", i, m.At, want)
		}
	}
}

// Who was to get it while the campaign was paused, or while no process ran, gets it at their
// time again, and not in the middle of the night in which it goes on; at once where it says so.
func TestTimesThatPassMeanwhileComeAgain(t *testing.T) {
	for _, how := range []string{"paused", "nobody there", "nobody there, as it is written down"} {
		t.Run(how, func(t *testing.T) { passMeanwhile(t, how) })
	}
}

func passMeanwhile(t *testing.T, how string) {
	t.Helper()
	h, clock := newHouse(t)
	p := h.persons(0, 4, func(int) bson.D { return bson.D{{Key: "timezone", Value: "Europe/Berlin"}} })
	h.best(p[0], 14)
	list := h.list("All", p...)
	for _, c := range []struct {
		name   string
		passed campaign.Passed // "": at best hours
		again  bool
	}{{"best", "", true}, {"next day", campaign.PassedNextDay, true}, {"now", campaign.PassedNow, false}} {
		begin := time.Date(2026, 11, 2+clock.Now().Day()+1, 5, 0, 0, 0, time.UTC)
		clock.Advance(begin.Sub(clock.Now()))
		when := campaign.When{LocalAt: begin.Format("2006-01-02") + "T10:00"} // 09:00 in UTC
		if c.passed == "" {
			when = campaign.When{}
		}
		id := h.schedule(h.draft([]string{list}, func(in *campaign.Input) {
			if c.passed == "" {
				in.Definition.Best = &campaign.BestTime{LocalTime: "10:00"}
				return
			}
			in.Definition.Local, in.Definition.Passed = true, c.passed
		}), when)
		until(t, clock, 20*time.Millisecond, func() bool { r := h.run(id); return r != nil && r.Phase == campaign.Sending })
		meanwhile := func() { clock.Advance(21 * time.Hour) } // 03:00 in Berlin
		if how == "paused" {
			_, err := h.Pause(h.ctx, ws, id, campaign.Edit{})
			require.NoError(t, err)
			meanwhile()
			_, err = h.Resume(h.ctx, ws, id, campaign.Edit{})
			require.NoError(t, err)
		} else {
			h.end()
			if how != "nobody there" { // as if it had ended just after the beginning
				targets, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
				require.NoError(t, err)
				run := *h.run(id)
				run.Phase, run.People = campaign.Freezing, 0
				ops := []store.Op{campaign.Runs.Replace(&run)}
				for _, x := range targets {
					ops = append(ops, campaign.Targets.Delete(x))
				}
				_, err = h.store.Commit(h.ctx, store.Batch{ID: "again " + id, Ops: ops})
				require.NoError(t, err)
			}
			meanwhile()
			h = houseOver(t, h.store, h.post, clock)
			h.start()
		}
		resumed := clock.Now()
		until(t, clock, time.Minute, func() bool { return h.is(id, campaign.Done) })
		got := h.queued(id)
		require.Len(t, got, 4, c.name)
		for i, who := range p {
			hour := got[who].At.In(time.FixedZone("Berlin", 3600)).Hour()
			switch {
			case !c.again:
				require.Less(t, got[who].At.Sub(resumed), time.Hour, c.name)
			case i == 0 && c.passed == "":
				require.Equal(t, 14, hour, c.name)
			default:
				require.Equal(t, 10, hour, c.name)
			}
		}
	}
}

func TestPreviewOfBestHours(t *testing.T) {
	h, clock := newHouse(t)
	p := h.persons(0, 4, func(int) bson.D { return bson.D{{Key: "timezone", Value: "Europe/Berlin"}} })
	for i, hour := range []int{9, 9, 22} {
		h.best(p[i], hour)
	}
	c := h.draft([]string{h.list("All", p...)}, func(in *campaign.Input) { in.Definition.Best = &campaign.BestTime{LocalTime: "10:30"} })
	clock.Advance(time.Second)
	got, err := h.Preview(h.ctx, ws, c.CampaignID())
	require.NoError(t, err)
	require.Equal(t, []campaign.Reason{{Name: "09", Count: 2, Estimate: 2}, {Name: "10", Count: 1, Estimate: 1}, {Name: "22", Count: 1, Estimate: 1}}, got.Hours)
	for _, bad := range []campaign.Definition{{Local: true, Best: &campaign.BestTime{LocalTime: "10:00"}}, {Best: &campaign.BestTime{LocalTime: "9:00"}}, {Best: &campaign.BestTime{}}} {
		in := campaign.Input{Name: "Bad", Definition: c.Definition}
		in.Definition.Local, in.Definition.Best = bad.Local, bad.Best
		_, err := h.Create(h.ctx, ws, in)
		require.Equal(t, "BEST_TIME", core.AsError(err).Reason)
	}
}
