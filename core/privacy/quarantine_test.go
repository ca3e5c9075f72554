package privacy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// TestWhatWasKeptAsideIsFoundByEveryIdentifier sends payloads that cannot be taken and
// name the person in one way each, as people write it.
func TestWhatWasKeptAsideIsFoundByEveryIdentifier(t *testing.T) {
	r := newRig(t)
	_, err := r.people.SetRegion(r.ctx, rigWS, "CH")
	require.NoError(t, err)
	for _, name := range []string{"card", "device_id"} {
		_, err = r.people.SetNamespace(r.ctx, rigWS, profile.Namespace{Name: name, Priority: 50, Limit: 5})
		require.NoError(t, err)
	}
	id := r.send(`{"type":"identify","userId":"ana 7","traits":{"email":"ana@example.com","phone":"044 668 18 00"},
		"context":{"device":{"id":"dev-7"},"externalIds":[{"type":"card","id":"C 77","collection":"users","encoding":"none"}]}}`)[0].ProfileID
	bad := `"event":"Bad","timestamp":"2999-01-01T00:00:00Z"`
	theirs := []string{
		`{"type":"track",` + bad + `,"anonymousId":"x1","context":{"traits":{"phone":"+41 44/668 18 00"}}}`,
		`{"type":"track",` + bad + `,"anonymousId":"x2","traits":{"phone":"0446681800"}}`,
		`{"type":"track",` + bad + `,"anonymousId":"x3","context":{"externalIds":[{"type":"card","id":" C 77","collection":"users","encoding":"none"}]}}`,
		`{"type":"track",` + bad + `,"anonymousId":"x4","context":{"device":{"id":"dev-7"}}}`,
		`{"type":"track",` + bad + `,"userId":" ana 7 "}`,
		`{"type":"nothing","context":{"traits":{"email":" ANA@example.com"}}}`,
	}
	others := []string{
		`{"type":"track",` + bad + `,"anonymousId":"x5","context":{"traits":{"phone":"+41 44 668 18 01"}}}`,
		`{"type":"track",` + bad + `,"anonymousId":"x6","context":{"externalIds":[{"type":"card","id":"C 78","collection":"users","encoding":"none"}]}}`,
	}
	for _, m := range append(theirs, others...) {
		require.Equal(t, event.Quarantined, r.send(m)[0].Status, m)
	}
	q := r.erase(EraseInput{ProfileID: id})
	require.Contains(t, q.Counts, Count{"quarantine", int64(len(theirs))})
	left, err := event.Quarantine.Find(r.ctx, r.store, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	require.Len(t, left, len(others))
}
