package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/work"
)

// vendor is a destination over HTTP, as a connector is one.
type vendor struct{ url string }

func (v *vendor) Name() string { return "mailer" }

func (v *vendor) Erase(ctx context.Context, s Subject) (Answer, error) {
	body, err := json.Marshal(map[string]any{"identifiers": s.Identifiers, "ids": s.Parts})
	if err != nil {
		return Answer{}, err
	}
	return v.ask(ctx, http.MethodPost, "/erasures", s.Request, body)
}

func (v *vendor) Check(ctx context.Context, _, ref string) (Answer, error) {
	return v.ask(ctx, http.MethodGet, "/erasures/"+ref, "", nil)
}

func (v *vendor) ask(ctx context.Context, method, path, key string, body []byte) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.url+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Idempotency-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, err
	}
	var said struct{ State, Ref, Proof string }
	switch {
	case res.StatusCode >= 500: // what a vendor says may hold anything
		return Answer{}, core.Errorf(core.Unavailable, "VENDOR_DOWN", "%s", text).After(20 * time.Millisecond)
	case json.Unmarshal(text, &said) != nil:
		return Answer{}, core.Errorf(core.Internal, "VENDOR", "%s", text)
	}
	return Answer{Status: work.Status(said.State), Ref: said.Ref, Evidence: said.Proof, After: 20 * time.Millisecond}, nil
}

// TestADestinationOverHTTPIsAskedUntilItHasErased fails twice, works on it, and is done.
func TestADestinationOverHTTPIsAskedUntilItHasErased(t *testing.T) {
	var mu sync.Mutex
	var keys, paths []string
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		keys, paths, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(paths, r.Method+" "+r.URL.Path), append(bodies, string(body))
		switch len(paths) {
		case 1, 2:
			http.Error(w, "cannot find ana@example.com just now", http.StatusBadGateway)
		case 3:
			_, _ = io.WriteString(w, `{"state":"RUNNING","ref":"r-9"}`)
		default:
			_, _ = io.WriteString(w, `{"state":"SUCCEEDED","ref":"r-9","proof":"certificate 77"}`)
		}
	}))
	defer server.Close()
	r := newRig(t)
	r.dests = []Destination{&vendor{server.URL}}
	id := r.identify("ana", `{"email":"ana@example.com"}`)
	q := r.erase(EraseInput{ProfileID: id})
	require.Equal(t, Completed, q.Status)
	require.Equal(t, []string{"POST /erasures", "POST /erasures", "POST /erasures", "GET /erasures/r-9"}, paths)
	require.Equal(t, []string{q.RequestID(), q.RequestID(), q.RequestID()}, keys[:3], "the same work each time")
	require.Contains(t, bodies[2], "ana@example.com")
	require.Contains(t, bodies[2], id)
	require.Equal(t, "certificate 77", q.Receipt.Destinations[0].Evidence)
	signer, err := r.ring.VerifierKeys(r.ctx, rigWS, signerName)
	require.NoError(t, err)
	st, err := VerifyReceipt([]byte(q.Receipt.SignedNote), signer[0].Key)
	require.NoError(t, err)
	require.Equal(t, "certificate 77", st.Destinations[0].Evidence)
	require.Equal(t, "SUCCEEDED", st.Destinations[0].Status)
	require.NotContains(t, q.Receipt.SignedNote, "ana@example.com")
}

// TestErasuresAreAppliedAgainAfterAnOldBackupIsRestored goes back to the file as it was
// before the erasure.
func TestErasuresAreAppliedAgainAfterAnOldBackupIsRestored(t *testing.T) {
	r := newRig(t)
	ana := r.identify("ana", `{"email":"`+canaryMark+`@example.com"}`)
	ben := r.identify("ben", `{"email":"ben@example.com"}`)
	r.close()
	backup := filepath.Join(t.TempDir(), "restored.db")
	raw, err := os.ReadFile(r.path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(backup, raw, 0o600))

	r = rigAt(t, r.path)
	r.erase(EraseInput{ProfileID: ana})
	require.Equal(t, event.Accepted, r.send(`{"type":"identify","userId":"eva","traits":{"email":"` + canaryMark + `2@example.com"}}`)[0].Status)
	eva, err := r.people.ByIdentifier(r.ctx, rigWS, event.Identifier{Namespace: "user_id", Value: "eva"})
	require.NoError(t, err)
	r.erase(EraseInput{ProfileID: eva.ProfileID()}) // nobody whom the backup knows
	var list bytes.Buffer
	lines, err := r.ExportErasures(r.ctx, rigWS, &list)
	require.NoError(t, err)
	require.NotContains(t, list.String(), canaryMark)
	r.close()

	r = rigAt(t, backup)
	p, err := r.people.Get(r.ctx, rigWS, ana)
	require.NoError(t, err)
	require.NotNil(t, p, "the backup brought the person back")
	done, err := r.Reapply(r.ctx, rigWS, bytes.NewReader(list.Bytes()))
	require.NoError(t, err)
	require.Equal(t, lines, done.Lines)
	require.Len(t, done.Requests, 1)
	require.NoError(t, r.Wait(r.ctx, rigWS, done.Requests[0]))
	_, err = r.people.Get(r.ctx, rigWS, ana)
	require.Equal(t, "ERASED", reason(err))
	old := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, user := range []string{"ana", "eva"} {
		require.Equal(t, event.Dropped, r.send(`{"type":"track","userId":"` + user + `","event":"Seen","timestamp":"` + old + `"}`)[0].Status, user)
	}
	done, err = r.Reapply(r.ctx, rigWS, bytes.NewReader(list.Bytes()))
	require.NoError(t, err)
	require.Empty(t, done.Requests, "once is enough")
	r.clean(ben)
	r.close()
	require.Zero(t, r.hits())
}
