package campaign_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/campaign"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return out.UTC()
}

func TestLocalTimeOverTheClockChanges(t *testing.T) {
	for _, c := range []struct{ zone, wall, want string }{
		{"Europe/Bucharest", "2026-06-01T09:00", "2026-06-01T06:00:00Z"},
		{"Europe/Bucharest", "2026-03-29T02:59", "2026-03-29T00:59:00Z"},
		{"Europe/Bucharest", "2026-03-29T03:30", "2026-03-29T01:00:00Z"}, // skipped: when the clock passes it
		{"Europe/Bucharest", "2026-03-29T04:00", "2026-03-29T01:00:00Z"},
		{"Europe/Bucharest", "2026-10-25T03:30", "2026-10-25T00:30:00Z"}, // shown twice: the first time
		{"Europe/Bucharest", "2026-10-25T04:00", "2026-10-25T02:00:00Z"},
		{"America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z"}, // a day that was none
		{"Pacific/Kiritimati", "2026-01-01T00:00", "2025-12-31T10:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z"}, // half an hour is skipped
		{"UTC", "2026-01-01T00:00", "2026-01-01T00:00:00Z"},
	} {
		wall, err := time.Parse("2006-01-02T15:04", c.wall)
		require.NoError(t, err)
		require.Equal(t, at(t, c.want), campaign.LocalTime(wall, zone(t, c.zone)), "%s %s", c.zone, c.wall)
	}
}

func TestWhoIsLate(t *testing.T) {
	wall, _ := time.Parse("2006-01-02T15:04", "2026-10-24T09:00")
	bucharest := zone(t, "Europe/Bucharest")
	now := at(t, "2026-10-24T12:00:00Z")
	require.Equal(t, now, campaign.LocalDue(wall, bucharest, campaign.PassedNow, now))
	require.Equal(t, at(t, "2026-10-25T07:00:00Z"), campaign.LocalDue(wall, bucharest, campaign.PassedNextDay, now), "the clock was set back meanwhile")
	require.Equal(t, at(t, "2026-10-24T13:00:00Z"), campaign.LocalDue(wall, zone(t, "America/New_York"), campaign.PassedNow, now))
	later := at(t, "2026-11-20T05:00:00Z")
	require.Equal(t, at(t, "2026-11-20T07:00:00Z"), campaign.LocalDue(wall, bucharest, campaign.PassedNextDay, later), "today, where it is still to come")
}

func TestWhichArmWins(t *testing.T) {
	for i, c := range []struct {
		a, b        campaign.Count
		minimum     int64
		few         campaign.Few
		winner, why string
	}{
		{campaign.Count{Sent: 100, Hits: 20}, campaign.Count{Sent: 50, Hits: 11}, 50, campaign.FewFirst, "b", campaign.WhyBest},
		{campaign.Count{Sent: 100, Hits: 23}, campaign.Count{Sent: 50, Hits: 11}, 50, campaign.FewFirst, "a", campaign.WhyBest},
		{campaign.Count{Sent: 100, Hits: 20}, campaign.Count{Sent: 50, Hits: 10}, 50, campaign.FewFirst, "a", campaign.WhyTie},
		{campaign.Count{Sent: 100, Hits: 0}, campaign.Count{Sent: 49, Hits: 49}, 50, campaign.FewFirst, "a", campaign.WhyTooFew},
		{campaign.Count{Sent: 100, Hits: 0}, campaign.Count{Sent: 49, Hits: 49}, 50, campaign.FewWait, "", campaign.WhyTooFew},
		{campaign.Count{Sent: 0, Hits: 0}, campaign.Count{Sent: 0, Hits: 0}, 0, campaign.FewFirst, "a", campaign.WhyTooFew},
	} {
		c.a.Arm, c.b.Arm = "a", "b"
		test := &campaign.Test{Minimum: c.minimum, Few: c.few}
		winner, why := test.Judge([]campaign.Count{c.a, c.b})
		require.Equal(t, c.winner+" "+c.why, winner+" "+why, fmt.Sprint(i))
	}
}
