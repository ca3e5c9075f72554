package event_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	milli := want.Add(678 * time.Millisecond)
	for text, want := range map[string]time.Time{
		"2026-01-02T03:04:05Z":          want,
		"2026-01-02T03:04:05.678Z":      milli,
		"2026-01-02T05:04:05.678+02:00": milli,
		"2026-01-02T05:04:05.678+0200":  milli,
		"2026-01-02T05:04:05+02":        want,
		"2026-01-02T03:04:05":           want,
		"2026-01-02T03:04:05.678":       milli,
		"2026-01-02 03:04:05":           want,
		"2026-01-02 03:04:05.678":       milli,
		"2026-01-02 03:04:05Z":          want,
		"2026-01-02 03:04:05 UTC":       want,
		"2026-01-02 05:04:05 +0200":     want,
		"2026-01-02":                    want.Truncate(24 * time.Hour),
		"2026-01-02T03:04":              want.Truncate(time.Minute),
		"2026-01-02T03:04:05.678901Z":   milli.Add(901 * time.Microsecond),
	} {
		at, ok := event.ParseTime(text)
		assert.True(t, ok, text)
		assert.True(t, want.Equal(at), "%s: %s", text, at)
		assert.Equal(t, time.UTC, at.Location())
	}
	for _, text := range []string{"", "now", "02/01/2026", "2026-13-02T03:04:05Z", "2026-02-30", "1700000000", "2026-01-02T03:04:05Zjunk"} {
		_, ok := event.ParseTime(text)
		assert.False(t, ok, text)
	}
}

func TestClockCorrection(t *testing.T) {
	// The device is an hour behind; it noted the event 10 s before it sent it.
	const original, sent = `"2026-11-21T08:59:50Z"`, `"2026-11-21T09:00:00Z"`
	tenBefore := receipt.Add(-10 * time.Second)
	asWritten := time.Date(2026, 11, 21, 8, 59, 50, 0, time.UTC)
	envelope := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	wrong := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		members string
		sentAt  *time.Time
		past    bool
		want    time.Time
	}{
		"nothing":                    {``, nil, false, receipt},
		"only sentAt":                {`,"sentAt":` + sent, nil, false, receipt},
		"timestamp and sentAt":       {`,"timestamp":` + original + `,"sentAt":` + sent, nil, false, tenBefore},
		"originalTimestamp":          {`,"originalTimestamp":` + original + `,"sentAt":` + sent, nil, false, tenBefore},
		"both: the original counts":  {`,"originalTimestamp":` + original + `,"timestamp":"2026-01-01T00:00:00Z","sentAt":` + sent, nil, false, tenBefore},
		"sentAt of the batch":        {`,"timestamp":` + original, &envelope, false, tenBefore},
		"the message's sentAt wins":  {`,"timestamp":` + original + `,"sentAt":` + sent, &wrong, false, tenBefore},
		"no sentAt: as written":      {`,"timestamp":` + original, nil, false, asWritten},
		"milliseconds":               {`,"timestamp":1795251590000,"sentAt":1795251600000`, nil, false, tenBefore},
		"history is not corrected":   {`,"timestamp":` + original + `,"sentAt":` + sent, nil, true, asWritten},
		"history: corrected already": {`,"originalTimestamp":"2026-01-01T00:00:00Z","timestamp":` + original + `,"sentAt":` + sent, nil, true, asWritten},
		"a clock in the future":      {`,"timestamp":"2031-11-21T08:59:50Z","sentAt":"2031-11-21T09:00:00Z"`, nil, false, tenBefore},
		"a clock at 1970":            {`,"timestamp":"1970-01-01T00:00:50Z","sentAt":"1970-01-01T00:01:00Z"`, nil, false, tenBefore},
		"a day ahead, not more":      {`,"timestamp":"2026-11-22T10:00:05Z"`, nil, false, receipt.Add(24 * time.Hour)},
		"the first instant":          {`,"timestamp":"1970-01-01T00:00:00Z"`, nil, false, time.Unix(0, 0).UTC()},
	} {
		t.Run(name, func(t *testing.T) {
			raw := `{"type":"identify","userId":"u"` + c.members + `}`
			in := event.DecodeMessage([]byte(raw), event.Defaults{ReceivedAt: receipt, SentAt: c.sentAt, Historical: c.past})
			require.Nil(t, in.Err)
			assert.Equal(t, c.want, in.Timestamp)
		})
	}
}

func TestSecondsAreNotTakenForMilliseconds(t *testing.T) {
	in := decode(`{"type":"identify","userId":"u","timestamp":1795251590}`)
	require.NotNil(t, in.Err)
	assert.Equal(t, event.ReasonTimestamp, in.Err.Reason)
	assert.Contains(t, in.Err.Message, "milliseconds")
}

func TestAReplayKnowsThePresent(t *testing.T) {
	raw := []byte(`{"type":"identify","userId":"u","timestamp":"2026-12-01T00:00:00Z"}`)
	assert.NotNil(t, ptr(event.DecodeMessage(raw, event.Defaults{ReceivedAt: receipt})).Err)
	in := event.DecodeMessage(raw, event.Defaults{ReceivedAt: receipt, Now: receipt.AddDate(0, 1, 0)})
	assert.Nil(t, in.Err)
}

func ptr[T any](v T) *T { return &v }
