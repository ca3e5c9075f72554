package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/work"
)

// Whoever is in one of the segments and in none of those left out when the campaign starts
// gets one message; who enters or leaves later changes nothing.
func TestCampaignWritesOnceToThoseOfItsStart(t *testing.T) {
	h, clock := newHouse(t)
	p := h.persons(0, 40, nil)
	buyers, viewers, others := h.list("Buyers", p[:20]...), h.list("Viewers", p[10:30]...), h.list("Others", p[0], p[29])
	c := h.draft([]string{buyers, viewers}, func(in *campaign.Input) {
		in.Definition.Exclude = []string{others}
		in.Definition.PerMinute = 60 // 5 in 5 seconds
	})
	id := h.schedule(c, campaign.When{At: start.Add(time.Hour)})
	clock.Advance(time.Hour - time.Second)
	time.Sleep(50 * time.Millisecond)
	require.True(t, h.is(id, campaign.Scheduled), "never early")
	until(t, clock, time.Second, func() bool { return h.is(id, campaign.Running) && h.run(id).Phase == campaign.Sending })
	require.False(t, clock.Now().Before(start.Add(time.Hour)))
	// The list is frozen: one who enters gets nothing, and one who leaves does.
	h.join(buyers, p[35])
	_, err := h.segments.RemoveFromList(h.ctx, ws, buyers, []segment.ListItem{{ProfileID: p[1]}, {ProfileID: p[2]}})
	require.NoError(t, err)
	until(t, clock, time.Second, func() bool { return h.is(id, campaign.Done) })
	got := h.queued(id)
	require.Len(t, got, 28)
	for i, one := range p {
		require.Equal(t, i > 0 && i < 29, got[one] != nil, i)
	}
	// The pace was kept: in no minute more than 60, of which 5 at once.
	var ats []time.Time
	for _, m := range got {
		ats = append(ats, m.At)
	}
	for _, from := range ats {
		n := 0
		for _, at := range ats {
			if !at.Before(from) && at.Before(from.Add(5*time.Second)) {
				n++
			}
		}
		require.LessOrEqual(t, n, 5)
	}
	until(t, clock, time.Second, func() bool { return h.post.total() == 28 })
	r := h.run(id)
	require.EqualValues(t, 28, r.People)
	require.EqualValues(t, 28, r.Queued["a"])
	var rep *campaign.Report
	until(t, clock, time.Second, func() bool {
		c, err = h.Get(h.ctx, ws, id)
		require.NoError(t, err)
		rep, err = h.Report(h.ctx, c)
		require.NoError(t, err)
		return rep.Own.Sent == 28
	})
	require.Equal(t, rep.Own, rep.Total)
	require.EqualValues(t, 28, rep.Arms[0].Queued)
	// Retention waits for its end, and changes no figure.
	expired := func() int64 {
		var total int64
		for _, one := range p {
			ops, n, err := h.messages.Expired(h.ctx, ws, []string{one}, message.Expiry{Before: clock.Now().Add(time.Hour)}, false)
			require.NoError(t, err)
			if len(ops) > 0 {
				require.NoError(t, work.Commit(h.ctx, h.store, ops...))
			}
			total += n
		}
		return total
	}
	for _, s := range []campaign.Status{campaign.Paused, campaign.Done} { // one that runs would be ended again meanwhile
		now := *c
		now.Status = s
		require.NoError(t, work.Commit(h.ctx, h.store, campaign.Campaigns.Replace(&now)))
		c.V++
		time.Sleep(30 * time.Millisecond) // what a process knows is that old at most
		if s == campaign.Done {
			require.EqualValues(t, 28, expired())
			break
		}
		require.Zero(t, expired(), s)
	}
	after, err := h.Report(h.ctx, c)
	require.NoError(t, err)
	require.Equal(t, rep, after)
}

// Whoever gets it at their own time gets it when their clock shows that time, before or after
// the clocks change; whose time has passed, the next day or at once.
func TestCampaignAtLocalTimes(t *testing.T) {
	zones := []string{"Pacific/Kiritimati", "Europe/Bucharest", "America/New_York", "Pacific/Pago_Pago", "", "Mars/Olympus"}
	h, clock := newHouse(t)
	p := h.persons(0, len(zones), func(n int) bson.D { return bson.D{{Key: "timezone", Value: zones[n]}} })
	list := h.list("All", p...)
	for _, passed := range []campaign.Passed{campaign.PassedNow, campaign.PassedNextDay} {
		begun := clock.Now()
		wall := time.Date(begun.Year(), begun.Month(), begun.Day(), begun.Hour(), begun.Minute(), 0, 0, time.UTC).Add(-time.Minute) // in UTC, that has passed
		c := h.draft([]string{list}, func(in *campaign.Input) { in.Definition.Local, in.Definition.Passed = true, passed })
		id := h.schedule(c, campaign.When{LocalAt: wall.Format("2006-01-02T15:04")})
		until(t, clock, 20*time.Millisecond, func() bool {
			r := h.run(id)
			return r != nil && r.Phase != campaign.Freezing
		})
		for h.run(id).Phase != campaign.Over { // to the next one who is due, and no further
			list, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
			require.NoError(t, err)
			if len(list) > 0 && list[0].Due.After(clock.Now()) {
				clock.Advance(list[0].Due.Sub(clock.Now()))
			}
			until(t, clock, 20*time.Millisecond, func() bool {
				left, err := campaign.Targets.Find(h.ctx, h.store, prefixOf(id), 0)
				require.NoError(t, err)
				return len(left) == 0 || left[0].Due.After(clock.Now())
			})
			until(t, clock, 20*time.Millisecond, func() bool { return len(list) > 1 || h.is(id, campaign.Done) })
		}
		for i, m := range h.queued(id) {
			zone := time.UTC
			for n := range p {
				if p[n] == i && zones[n] != "" && n != 5 {
					zone, _ = time.LoadLocation(zones[n])
				}
			}
			want := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, zone)
			switch {
			case want.Before(begun) && passed == campaign.PassedNow:
				want = begun
			case want.Before(begun):
				for want.Before(begun) {
					want = time.Date(want.Year(), want.Month(), want.Day()+1, wall.Hour(), wall.Minute(), 0, 0, zone)
				}
			}
			require.False(t, m.At.Before(want), "%s: %s is before %s", zone, m.At, want)
			require.Less(t, m.At.Sub(want), time.Minute, "%s: %s is long after %s", zone, m.At, want)
		}
		require.Len(t, h.queued(id), len(zones))
	}
}

// A pause that is acknowledged lets nothing through: nothing is queued, nothing handed over;
// and neither does a cancellation.
func TestPauseAndCancelAreAcknowledged(t *testing.T) {
	clock := core.SystemClock{}
	db, p := openStore(t), newPostman()
	h := houseOver(t, db, p, clock)
	h.connect()
	p.send = func() { time.Sleep(2 * time.Millisecond) }
	list := h.list("All", h.persons(0, 900, nil)...)
	h.start()
	other := houseOver(t, db, p, clock) // two processes do it
	other.start()
	id := h.schedule(h.draft([]string{list}))
	wait := func(so func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
			require.True(t, time.Now().Before(end), "it does not come to be so")
		}
	}
	handed := func() (n int) {
		for _, m := range h.queued(id) {
			if m.Attempt != nil {
				n++
			}
		}
		return n
	}
	wait(func() bool { return p.total() > 20 })
	_, err := other.Pause(h.ctx, ws, id, campaign.Edit{})
	require.NoError(t, err)
	queued, out := len(h.queued(id)), handed()
	require.Less(t, out, 900)
	time.Sleep(400 * time.Millisecond)
	require.Len(t, h.queued(id), queued)
	require.Equal(t, out, handed())
	_, err = h.Resume(h.ctx, ws, id, campaign.Edit{})
	require.NoError(t, err)
	wait(func() bool { return p.total() > out+20 })
	_, err = h.Cancel(h.ctx, ws, id, campaign.Edit{})
	require.NoError(t, err)
	out = handed()
	wait(func() bool {
		left, err := campaign.Targets.Count(h.ctx, db, prefixOf(id))
		require.NoError(t, err)
		return left == 0
	})
	wait(func() bool {
		for _, m := range h.queued(id) {
			if m.Status == message.Pending || m.Status == message.Held || m.Status == message.Handed {
				return false
			}
		}
		return true
	})
	require.Equal(t, out, handed())
	for key, n := range p.keys {
		require.Equal(t, 1, n, key)
	}
	_, err = h.Resume(h.ctx, ws, id, campaign.Edit{})
	require.Equal(t, "CAMPAIGN_STATUS", core.AsError(err).Reason)
}
