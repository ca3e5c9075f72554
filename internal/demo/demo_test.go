package demo

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var lastDay = time.Date(2026, 6, 1, 15, 4, 5, 0, time.UTC)

func TestMessagesAreAFunctionOfTheDay(t *testing.T) {
	a, err := Messages(50, lastDay)
	require.NoError(t, err)
	b, err := Messages(50, lastDay.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, a, b)
	more, err := Messages(51, lastDay)
	require.NoError(t, err)
	require.Greater(t, len(more), len(a))
}

func TestMessagesTellAStory(t *testing.T) {
	all, err := Messages(People, lastDay)
	require.NoError(t, err)
	require.Greater(t, len(all), 30_000)
	require.Less(t, len(all), 90_000)

	type body struct {
		Type, Event, MessageID, UserID, AnonymousID string
		Timestamp                                   time.Time
	}
	seen, names, devices := map[string]bool{}, map[string]int{}, map[string]map[string]bool{}
	previous := time.Time{}
	for _, raw := range all {
		var b body
		require.NoError(t, json.Unmarshal(raw, &b))
		require.False(t, seen[b.MessageID], "message ids are unique")
		seen[b.MessageID] = true
		require.False(t, b.Timestamp.Before(previous), "in the order of time")
		require.False(t, b.Timestamp.After(lastDay))
		previous = b.Timestamp
		names[b.Type+" "+b.Event]++
		if b.UserID != "" {
			if devices[b.UserID] == nil {
				devices[b.UserID] = map[string]bool{}
			}
			devices[b.UserID][b.AnonymousID] = true
		}
	}
	for _, name := range []string{"identify ", "page ", "screen ", "track Signed Up", "track Product Viewed", "track Product Added",
		"track Order Completed", "track Order Refunded", "track Support Ticket Opened", "track Email Opened", "track Email Link Clicked"} {
		require.Positive(t, names[name], name)
	}
	two := 0
	for _, d := range devices {
		if len(d) == 2 {
			two++
		}
	}
	require.Greater(t, two, 500, "people with two devices")
	t.Logf("%d messages: %v; %d people on two devices", len(all), names, two)
}
