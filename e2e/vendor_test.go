package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A connector is packed, signed and installed; a server runs it as a process against the
// vendor's emulator; records flow both ways, over the death of the server too, and an
// erasure reaches the vendor.
func TestConnector(t *testing.T) {
	dir := t.TempDir()
	program, data := filepath.Join(dir, "salesforce"), filepath.Join(dir, "data")
	build := exec.Command("go", "build", "-o", program, "./connectors/salesforce/cmd/salesforce")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	manifest, err := exec.Command(program, "spec").Output()
	require.NoError(t, err)
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	key := filepath.Join(dir, "key")
	public := strings.TrimSpace(string(command(t, "connector", "keygen", "acme", "--output", key)))
	command(t, "connector", "pack", "--manifest", write("manifest.json", manifest), "--binary", runtime.GOOS+"/"+runtime.GOARCH+"="+program, "--key", key, "--output", dir)
	packed, err := filepath.Glob(filepath.Join(dir, "*.hwc"))
	require.NoError(t, err)
	require.Len(t, packed, 1)
	var k keys
	require.NoError(t, json.Unmarshal(command(t, "workspace", "create", "e2e", "--data", data), &k))
	command(t, "connector", "add", "--data", data, "--trust", public, packed[0])

	crm := emulators(t)
	serve := func() *server {
		return start(t, time.Minute, "serve", "--addr", "127.0.0.1:0", "--data", data, "--allow-private-connectors")
	}
	s := serve()
	mutate := func(name, input, fields string, in map[string]any) map[string]any {
		t.Helper()
		var res map[string]any
		s.query(t, k.AdminKey, `mutation($i:`+input+`!){m:`+name+`(input:$i){`+fields+` userErrors{message path}}}`, map[string]any{"i": in}, &res)
		m, _ := res["m"].(map[string]any)
		require.Empty(t, m["userErrors"], name)
		return m
	}
	id := func(m map[string]any, of string) string { return m[of].(map[string]any)["id"].(string) }
	processor := id(mutate("setProcessor", "SetProcessorInput", "processor{id}", map[string]any{
		"name": "Salesforce", "country": "US", "purposes": []string{"operations"}, "agreement": "cabinet 3", "agreementSignedOn": "2026-01-01T00:00:00Z",
		"categories": []string{"CONTACT", "IDENTIFIER", "DEMOGRAPHIC", "UNCLASSIFIED"},
	}), "processor")
	connection := id(mutate("createConnection", "CreateConnectionInput", "connection{id}", map[string]any{
		"name": "CRM", "connector": "salesforce", "processorId": processor, "idempotencyKey": "c", "config": map[string]any{
			"loginUrl": crm.Salesforce, "grant": "client_credentials", "clientId": crm.Credentials["salesforce"]["clientId"], "clientSecret": crm.Credentials["salesforce"]["clientSecret"],
		},
	}), "connection")
	require.Nil(t, mutate("checkConnection", "CheckConnectionInput", "fault{reason message}", map[string]any{"id": connection})["fault"])
	identify := func(user string, traits map[string]any) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"userId": user, "traits": traits})
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/identify", bytes.NewReader(body))
		require.NoError(t, err)
		req.SetBasicAuth(k.WriteKey, "")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	identify("u1", map[string]any{"email": "u1@example.org", "lastName": "Berg"})
	sync := id(mutate("createSync", "CreateSyncInput", "sync{id}", map[string]any{"connectionId": connection, "idempotencyKey": "s", "sync": map[string]any{
		"name": "contacts", "stream": "contacts", "direction": "BOTH", "match": "Headwater_Id__c", "every": "PT1S", "purpose": "operations",
		"fieldMap": []map[string]any{
			{"remote": "Headwater_Id__c", "local": "id", "direction": "PUSH"}, {"remote": "Email", "local": "traits.email"}, {"remote": "LastName", "local": "traits.lastName"},
		},
	}}), "sync")
	written := func() (n int) {
		var res map[string]any
		s.query(t, k.AdminKey, `query($c:ID!){connection(id:$c){state fault{reason message} syncs{runs(first:50){edges{node{written failed fault{reason message}}}}}}}`, map[string]any{"c": connection}, &res)
		raw, err := json.Marshal(res["connection"])
		require.NoError(t, err)
		var c struct {
			State string
			Syncs []struct {
				Runs struct {
					Edges []struct{ Node struct{ Written, Failed int } }
				}
			}
		}
		require.NoError(t, json.Unmarshal(raw, &c))
		for _, e := range c.Syncs[0].Runs.Edges {
			n += e.Node.Written
			require.Zero(t, e.Node.Failed, string(raw))
		}
		return n
	}
	require.Eventually(t, func() bool { return written() == 1 }, 20*time.Second, 100*time.Millisecond, "she is there")

	// The server dies; what is changed while it comes back goes as well.
	require.NoError(t, s.cmd.Process.Kill())
	<-s.done
	s = serve()
	identify("u1", map[string]any{"lastName": "Bergmann"})
	identify("u2", map[string]any{"email": "u2@example.org", "lastName": "Zwei"})
	mutate("runSync", "RunSyncInput", "sync{id}", map[string]any{"id": sync})
	require.Eventually(t, func() bool { return written() == 3 }, 60*time.Second, 200*time.Millisecond, "both are there, once each")

	// A stream is read as what advertising cost; read again, it costs no more.
	costs := id(mutate("createSync", "CreateSyncInput", "sync{id}", map[string]any{"connectionId": connection, "idempotencyKey": "costs", "sync": map[string]any{
		"name": "costs", "kind": "COSTS", "stream": "contacts", "objectType": "acme-ads", "direction": "PULL", "every": "PT1H",
		"fieldMap": []map[string]any{
			{"remote": "Email", "local": "cost.day", "toLocal": `value == "u1@example.org" ? "2026-11-01" : "2026-11-02"`}, {"remote": "LastName", "local": "cost.amount", "toLocal": `value == "Zwei" ? 5 : 9.99 + 0.01`},
			{"remote": "Id", "local": "cost.currency", "toLocal": `"EUR"`}, {"remote": "FirstName", "local": "cost.channel", "toLocal": `"social"`},
		},
	}}), "sync")
	told := func(want ...string) {
		t.Helper()
		var raw []byte
		holds := func() bool {
			var res map[string]any
			s.query(t, k.AdminKey, `query($c:ID!){syncs(connectionId:$c,first:5){edges{node{name runs(first:1){edges{node{status read written skipped failed}}}}}}
				deadLetters(first:5){edges{node{fault{reason message path}}}} adAccounts{name first last}
				spent:metric(name:"ad_cost",from:"2026-11-01T00:00:00Z",to:"2026-12-01T00:00:00Z",grain:TOTAL,by:["channel"]){currency rows{dimensions value}}}`, map[string]any{"c": connection}, &res)
			raw, _ = json.Marshal(res)
			for _, w := range want {
				if !strings.Contains(string(raw), w) {
					return false
				}
			}
			return true
		}
		for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(200 * time.Millisecond) {
			require.False(t, time.Now().After(end), "%s", raw)
		}
	}
	spent := `"spent":{"currency":"EUR","rows":[{"dimensions":{"channel":"social"},"value":"15"}]}`
	told(`"adAccounts":[{"first":"2026-11-01","last":"2026-11-02","name":"acme-ads"}]`, `{"failed":0,"read":2,"skipped":0,"status":"SUCCEEDED","written":2}`, spent)
	mutate("resetSync", "ResetSyncInput", "sync{id}", map[string]any{"id": costs})
	mutate("runSync", "RunSyncInput", "sync{id}", map[string]any{"id": costs})
	told(`{"failed":0,"read":2,"skipped":2,"status":"SUCCEEDED","written":0}`, spent)

	mutate("requestErasure", "RequestErasureInput", "request{id}", map[string]any{
		"identifier": map[string]any{"namespace": "user_id", "value": "u1"}, "reason": "asked", "idempotencyKey": "e",
	})
	require.Eventually(t, func() bool {
		var res map[string]any
		s.query(t, k.AdminKey, `{privacyRequests(first:1){edges{node{status tasks{target status}}}}}`, nil, &res)
		raw, err := json.Marshal(res)
		require.NoError(t, err)
		return strings.Contains(string(raw), `"status":"COMPLETED"`) && strings.Contains(string(raw), `{"status":"SUCCEEDED","target":"salesforce `+connection+`"}`)
	}, 30*time.Second, 200*time.Millisecond, "the vendor was told")
}

// sandboxed is where the emulators are, and what lets a client in.
type sandboxed struct {
	Salesforce  string
	Twilio      string
	Credentials map[string]map[string]string
}

// emulators runs the vendors' emulators until the end of the test.
func emulators(t *testing.T) (out sandboxed) {
	t.Helper()
	cmd := exec.Command(binary, "sandbox")
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(pipe).ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &out))
	return out
}
