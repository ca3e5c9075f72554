package privacy

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFiguresOfRequests answers ten requests after 1 to 9 and after 40 days, and leaves
// one open. Of the ten, the fifth longest is the median and the ninth the ninth decile;
// nine are in time, for the month from 31 January ends on 28 February.
func TestFiguresOfRequests(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	before := dayOne.Add(-time.Hour)
	var open []*Request
	for range 11 {
		open = append(open, b.open(OpenInput{Type: Access, ProfileID: ana}))
	}
	b.open(OpenInput{Type: Access, ProfileID: ana, ReceivedAt: &before}) // before the time that is asked about
	for i, days := range []int{7, 1, 9, 3, 40, 5, 2, 8, 4, 6} {
		b.clock.set(dayOne.Add(time.Duration(days) * day))
		_, err := b.Refuse(b.ctx, deskWS, RefuseInput{Step: Step{ID: open[i].RequestID()}, Reason: "excessive"})
		require.NoError(t, err)
	}
	b.clock.set(dayOne.Add(40 * day))
	f, err := b.Figures(b.ctx, deskWS, dayOne, dayOne.Add(day))
	require.NoError(t, err)
	require.EqualValues(t, 11, f.Received)
	require.EqualValues(t, 10, f.Answered)
	require.EqualValues(t, 1, f.Overdue)
	require.Equal(t, 5*day, *f.Median)
	require.Equal(t, 9*day, *f.P90)
	require.InDelta(t, 0.9, *f.InTime, 1e-9)

	none, err := b.Figures(b.ctx, deskWS, dayOne.Add(day), dayOne.Add(2*day))
	require.NoError(t, err)
	require.Zero(t, none.Received+none.Answered+none.Overdue)
	require.Nil(t, none.Median)
	require.Nil(t, none.P90)
	require.Nil(t, none.InTime)
	_, err = b.Figures(b.ctx, deskWS, dayOne, dayOne)
	require.Equal(t, "PERIOD", whyNot(err))
}

// TestFiguresOfConsents: of 30 people 18 agree to marketing and 12 do not: 0.6. Of the 25
// and 5 who said anything of personalisation the few are not told, and five who were
// asked about analytics are too few altogether.
func TestFiguresOfConsents(t *testing.T) {
	b := newBureau(t, dayOne)
	for i := range 30 {
		said := fmt.Sprintf(`"marketing":%t,"personalisation":%t`, i < 18, i >= 5)
		if i < 5 {
			said += `,"analytics":true`
		}
		b.send(fmt.Sprintf(`{"type":"identify","userId":"u%d","context":{"consent":{"categoryPreferences":{%s}}}}`, i, said))
	}
	rates := func() map[string]ConsentRate {
		t.Helper()
		f, err := b.Figures(b.ctx, deskWS, dayOne, dayOne.Add(day))
		require.NoError(t, err)
		out := map[string]ConsentRate{}
		for _, c := range f.Consents {
			out[c.Purpose+c.Channel] = c
		}
		require.Equal(t, len(f.Consents), len(out))
		require.LessOrEqual(t, b.clock.Now().Sub(f.ConsentsAt), countedFor)
		return out
	}
	got := rates()
	require.EqualValues(t, 30, *got["marketing"].Asked)
	require.InDelta(t, 0.6, *got["marketing"].Rate, 1e-9)
	require.EqualValues(t, 30, *got["personalisation"].Asked)
	require.Nil(t, got["personalisation"].Rate)
	require.Contains(t, got, "analytics")
	require.Nil(t, got["analytics"].Asked)
	require.Nil(t, got["analytics"].Rate)

	// The count is kept for a while: whoever asks again does not read everybody again.
	b.clock.set(dayOne.Add(time.Minute))
	for i := range 3 {
		b.send(fmt.Sprintf(`{"type":"identify","userId":"u%d","context":{"consent":{"categoryPreferences":{"marketing":false}}}}`, i))
	}
	require.InDelta(t, 0.6, *rates()["marketing"].Rate, 1e-9)
	b.clock.set(dayOne.Add(countedFor + time.Second))
	require.InDelta(t, 0.5, *rates()["marketing"].Rate, 1e-9, "15 of 30")
}
