package condition

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePeriod(t *testing.T) {
	for in, want := range map[string]Period{
		"P30D": {Elapsed: 30 * oneDay}, "P4W": {Elapsed: 28 * oneDay}, "P1M": {Months: 1}, "P1Y": {Months: 12}, "PT1M": {Elapsed: time.Minute},
		"P1Y2M3W4DT5H6M7.89S": {Months: 14, Elapsed: 25*oneDay + 5*time.Hour + 6*time.Minute + 7890*time.Millisecond},
		"PT0.001S":            {Elapsed: time.Millisecond}, "PT48H": {Elapsed: 2 * oneDay}, "P100Y": {Months: 1200}, "P36525D": {Elapsed: 36525 * oneDay},
	} {
		p, ok := ParsePeriod(in)
		require.True(t, ok, in)
		require.Equal(t, want, p, in)
	}
	for _, in := range []string{
		"", "P", "PT", "P1DT", "1D", "P-1D", "-P1D", "P0D", "PT0S", "P1.5D", "p1d", "P1D ", "P1H", "PT1D", "P1M1Y", "PT0.0001S", "P101Y", "P36526D",
		"P1201M", "PT99999999999S", "P999999W", "PT9999999999S", "P99Y36525D", "P１D",
	} {
		_, ok := ParsePeriod(in)
		require.False(t, ok, in)
	}
}

func TestPeriodString(t *testing.T) {
	for in, want := range map[string]string{
		"P2W": "P14D", "PT24H": "P1D", "P12M": "P1Y", "P18M": "P1Y6M", "PT90M": "PT1H30M", "PT0.5S": "PT0.5S", "P1DT61S": "P1DT1M1S", "PT36H": "P1DT12H",
	} {
		p, ok := ParsePeriod(in)
		require.True(t, ok, in)
		require.Equal(t, want, p.String())
	}
	rapid.Check(t, func(t *rapid.T) {
		p := *drawPeriod(t)
		back, ok := ParsePeriod(p.String())
		require.True(t, ok, p.String())
		require.Equal(t, p, back)
	})
}

// TestPeriodBounds: whatever the day a period is taken from, it is no longer than
// its longest and no shorter than its shortest.
func TestPeriodBounds(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Bucharest")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		p, q := *drawPeriod(t), *drawPeriod(t)
		day := time.Date(2024, 1, rapid.IntRange(1, 1500).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), 30, 0, 0, zone)
		length := func(p Period) time.Duration {
			return time.Duration(day.UnixMilli()-p.minus(day.UnixMilli(), zone)) * time.Millisecond
		}
		require.LessOrEqual(t, length(p), p.longest())
		require.GreaterOrEqual(t, length(p), p.shortest())
		if p.exceeds(q) {
			require.GreaterOrEqual(t, length(p), length(q))
			require.False(t, q.exceeds(p))
		}
	})
}
