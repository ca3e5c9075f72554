package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSegmentSDKSeenLive subscribes to a person from the cursor of a read and sees,
// over server-sent events, what the SDK sends afterwards and what it sent between
// the read and the subscription.
func TestSegmentSDKSeenLive(t *testing.T) {
	requireNode(t)
	s, k := shop(t)
	tell(t, s, k, "ana")

	var before struct{ Profile struct{ ID, Cursor string } }
	s.query(t, k.AdminKey, `{ profile(identifier: { namespace: "user_id", value: "user-ana" }) { id cursor } }`, nil, &before)
	require.NotEmpty(t, before.Profile.Cursor)

	tell(t, s, k, "ana") // nobody listens yet
	body, err := json.Marshal(map[string]any{
		"query": `subscription Live($id: ID!, $after: Cursor) {
		  profileChanged(id: $id, after: $after) { cursor profile { id } }
		}`,
		"variables": map[string]any{"id": before.Profile.ID, "after": before.Profile.Cursor},
	})
	require.NoError(t, err)
	res := s.post(t, k.AdminKey, "text/event-stream", string(body))
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, res.Header.Get("Content-Type"), "text/event-stream")

	changes := make(chan string, 100)
	go func() {
		defer close(changes)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && strings.TrimSpace(data) != "" {
				changes <- data
			}
		}
	}()
	seen := map[string]bool{}
	next := func(when string) {
		t.Helper()
		select {
		case data, open := <-changes:
			require.True(t, open, "the stream ended %s", when)
			var answer struct {
				Data struct {
					ProfileChanged struct {
						Cursor  string
						Profile struct{ ID string }
					}
				}
				Errors json.RawMessage
			}
			require.NoError(t, json.Unmarshal([]byte(data), &answer), data)
			require.Empty(t, string(answer.Errors))
			change := answer.Data.ProfileChanged
			require.Equal(t, before.Profile.ID, change.Profile.ID)
			require.NotEmpty(t, change.Cursor)
			require.False(t, seen[change.Cursor], "told twice: %s", change.Cursor)
			seen[change.Cursor] = true
		case <-time.After(20 * time.Second):
			require.FailNow(t, "nothing was told "+when)
		}
	}
	next("of what came between the read and the subscription")
	// Whatever else was on its way: the next change is a new one.
	for quiet := false; !quiet; {
		select {
		case <-changes:
		case <-time.After(2 * time.Second):
			quiet = true
		}
	}
	tell(t, s, k, "ana")
	next("of what came while listening")
}
