package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withConnectors returns a copy of the binary that has the repository's connectors beside it,
// as `make build` leaves them.
func withConnectors(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	beside := filepath.Join(dir, "headwater")
	require.NoError(t, os.Link(binary, beside))
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "connectors")+"/", "./connectors/salesforce/cmd/salesforce",
		"./connectors/hubspot/cmd/hubspot", "./connectors/klaviyo/cmd/klaviyo", "./connectors/sms/cmd/sms", "./connectors/smtp/cmd/smtp")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return beside
}

// checkConnections asks the demo for its connections: each has its process and works with its
// emulator, people come from the CRMs and go there, and no change comes back as an echo.
func checkConnections(t *testing.T, s *server, k keys) {
	t.Helper()
	type fault struct{ Reason, Message string }
	type connection struct {
		Name, State string
		Fault       *fault
		Syncs       []struct {
			Name string
			Runs struct {
				Edges []struct {
					Node struct {
						Status          string
						Written, Failed int
						Fault           *fault
					}
				}
			}
		}
	}
	// look returns the connections by name, and how much each sync has written.
	look := func() (map[string]connection, map[string]int) {
		var all struct {
			Connections struct{ Edges []struct{ Node connection } }
		}
		s.query(t, k.AdminKey, `{ connections(first: 5) { edges { node { name state fault { reason message }
			syncs { name runs(first: 30) { edges { node { status written failed fault { reason message } } } } } } } } }`, nil, &all)
		by, written := map[string]connection{}, map[string]int{}
		for _, e := range all.Connections.Edges {
			by[e.Node.Name] = e.Node
			for _, y := range e.Node.Syncs {
				for _, r := range y.Runs.Edges {
					require.Zero(t, r.Node.Failed, "%s: %+v", y.Name, r.Node)
					require.NotEqual(t, "FAILED", r.Node.Status, "%s: %+v", y.Name, r.Node.Fault)
					written[y.Name] += r.Node.Written
				}
			}
		}
		return by, written
	}
	// eventually asks on this goroutine, so that a refused question ends the test.
	eventually := func(holds func() bool, within time.Duration, what string) {
		t.Helper()
		for end := time.Now().Add(within); !holds(); time.Sleep(300 * time.Millisecond) {
			require.False(t, time.Now().After(end), what)
		}
	}
	eventually(func() bool {
		by, written := look()
		for _, name := range []string{"Salesforce (emulated)", "HubSpot (emulated)", "Klaviyo (emulated)", "Text messages (emulated)", "E-mail (emulated)"} {
			require.Contains(t, by, name)
			require.Equal(t, "READY", by[name].State, "%+v", by[name].Fault)
		}
		return written["Contacts, both ways"] > 60 && written["Contacts, from HubSpot"] >= 40 && written["Loyal people"] > 0 && written["Loyal people, as a list"] > 0
	}, 2*time.Minute, "people come from both CRMs and go to one, and to the ESP")

	// Somebody whom the CRM has changes here: the CRM hears of it, once.
	var valued struct {
		Segments struct {
			Edges []struct {
				Node struct {
					Members struct {
						Edges []struct {
							Node struct {
								Identifiers []struct{ Namespace, Value string }
							}
						}
					}
				}
			}
		}
	}
	s.query(t, k.AdminKey, `{ segments(first: 1, where: {text: "High lifetime"}) { edges { node { members(first: 1) { edges { node { identifiers { namespace value } } } } } } } }`, nil, &valued)
	require.NotEmpty(t, valued.Segments.Edges)
	user := ""
	for _, id := range valued.Segments.Edges[0].Node.Members.Edges[0].Node.Identifiers {
		if id.Namespace == "user_id" {
			user = id.Value
		}
	}
	require.NotEmpty(t, user)
	_, before := look()
	last := time.Now()
	eventually(func() bool {
		if _, now := look(); !maps.Equal(now, before) {
			before, last = now, time.Now()
		}
		return time.Since(last) > 6*time.Second
	}, time.Minute, "each sync has run once more and found nothing")
	body, err := json.Marshal(map[string]any{"userId": user, "traits": map[string]any{"lastName": "Hinundher"}})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/identify", bytes.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth(k.WriteKey, "")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	rose := func() int { _, now := look(); return now["Contacts, both ways"] - before["Contacts, both ways"] }
	eventually(func() bool { return rose() == 1 }, 30*time.Second, "the CRM hears of it")
	if os.Getenv("HEADWATER_TEST_LONG") == "" {
		return
	}
	time.Sleep(11 * time.Second) // two more runs
	require.Equal(t, 1, rose(), "it does not echo")
}
