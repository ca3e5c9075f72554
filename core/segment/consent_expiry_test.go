package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// A consent with an end takes its people out of segments in the second in which it ends,
// though nobody says anything then; those who wait for their confirmation too.
func TestTheSweepEndsConsents(t *testing.T) {
	r := newRig(t)
	r.live("seg_marketing", `{"consent":{"purpose":"marketing","channel":"EMAIL","status":"GRANTED"}}`)
	r.live("seg_asked", `{"consent":{"purpose":"marketing","channel":"EMAIL","status":"PENDING"}}`)
	ana, ben, eva := r.identify("ana", `{}`), r.identify("ben", `{}`), r.identify("eva", `{}`)
	ends := r.clock.Now().Add(36 * time.Hour).Truncate(time.Second)
	say := func(id, status string, until time.Time) {
		t.Helper()
		s := consent.Saying{Purpose: consent.Marketing, Channel: consent.Email, Status: status, ExpiresAt: until}
		in := event.Input{Type: event.System, MessageID: "say-" + id, Name: consent.NameRecorded, Timestamp: r.clock.Now(), Context: s.Context()}
		_, err := r.pipeline.Commit(t.Context(), rigWS, in, id)
		require.NoError(t, err)
	}
	say(ana, consent.Granted, ends)
	say(ben, consent.Granted, time.Time{})
	say(eva, consent.Pending, ends)
	r.clock.Advance(ends.Sub(r.clock.Now()) - time.Millisecond)
	r.sweepAll()
	require.True(t, r.in("seg_marketing", ana))
	require.True(t, r.in("seg_asked", eva))
	r.clock.Advance(time.Millisecond)
	r.sweepAll()
	require.False(t, r.in("seg_marketing", ana))
	require.False(t, r.in("seg_asked", eva))
	require.True(t, r.in("seg_marketing", ben), "a consent without an end goes on")
	require.Equal(t, []string{"ENTERED CONSENT", "LEFT TIME"}, r.news("seg_marketing", ana))
	r.consistent()
}
