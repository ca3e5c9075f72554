package e2e

import (
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

// A text message goes through the SMS connector, as a process, to the vendor's emulator: its
// template is made, agreed to by somebody else and published; a withdrawal ends the next one.
func TestMessageBySMS(t *testing.T) {
	dir := t.TempDir()
	program, data := filepath.Join(dir, "sms"), filepath.Join(dir, "data")
	build := exec.Command("go", "build", "-o", program, "./connectors/sms/cmd/sms")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	manifest, err := exec.Command(program, "spec").Output()
	require.NoError(t, err)
	spec := filepath.Join(dir, "manifest.json")
	require.NoError(t, os.WriteFile(spec, manifest, 0o600))
	key := filepath.Join(dir, "key")
	public := strings.TrimSpace(string(command(t, "connector", "keygen", "acme", "--output", key)))
	command(t, "connector", "pack", "--manifest", spec, "--binary", runtime.GOOS+"/"+runtime.GOARCH+"="+program, "--key", key, "--output", dir)
	packed, err := filepath.Glob(filepath.Join(dir, "*.hwc"))
	require.NoError(t, err)
	var k keys
	require.NoError(t, json.Unmarshal(command(t, "workspace", "create", "e2e", "--data", data), &k))
	command(t, "connector", "add", "--data", data, "--trust", public, packed[0])
	vendors := emulators(t)
	s := start(t, time.Minute, "serve", "--addr", "127.0.0.1:0", "--data", data, "--allow-private-connectors")

	as := k.AdminKey
	mutate := func(name, input, fields string, in map[string]any) map[string]any {
		t.Helper()
		var res map[string]any
		s.query(t, as, `mutation($i:`+input+`!){m:`+name+`(input:$i){`+fields+` userErrors{message path}}}`, map[string]any{"i": in}, &res)
		m, _ := res["m"].(map[string]any)
		require.Empty(t, m["userErrors"], name)
		return m
	}
	of := func(m map[string]any, thing, field string) any { return m[thing].(map[string]any)[field] }
	processor := of(mutate("setProcessor", "SetProcessorInput", "processor{id}", map[string]any{
		"name": "Twilio", "country": "US", "purposes": []string{"operations", "marketing"}, "agreement": "cabinet 3", "agreementSignedOn": "2026-01-01T00:00:00Z",
		"categories": []string{"CONTACT"},
	}), "processor", "id")
	login := vendors.Credentials["twilio"]
	connection := of(mutate("createConnection", "CreateConnectionInput", "connection{id}", map[string]any{
		"name": "SMS", "connector": "sms", "processorId": processor, "config": map[string]any{
			"provider": "twilio", "baseUrl": vendors.Twilio, "accountSid": login["accountSid"], "authToken": login["authToken"], "from": login["from"],
		},
	}), "connection", "id")
	require.Nil(t, mutate("checkConnection", "CheckConnectionInput", "fault{reason message}", map[string]any{"id": connection})["fault"])
	person := func(name string) string {
		secret, _ := mutate("createKey", "CreateKeyInput", "secret", map[string]any{"name": name, "roles": []string{"marketer"}})["secret"].(string)
		return secret
	}
	author, reviewer := person("author"), person("reviewer")
	as = author
	template := of(mutate("createTemplate", "CreateTemplateInput", "template{id}", map[string]any{
		"name": "Ready", "channel": "SMS", "content": map[string]any{"defaultLocale": "en", "locales": []map[string]any{{"locale": "en", "text": "Hello {{ profile.firstName | default: 'you' }}, your order is ready."}}},
	}), "template", "id")
	hash := of(mutate("submitTemplate", "SubmitTemplateInput", "approval{contentHash}", map[string]any{"id": template}), "approval", "contentHash")
	as = reviewer
	mutate("approveTemplate", "ApproveTemplateInput", "approval{status}", map[string]any{"id": template, "contentHash": hash})
	mutate("publishTemplate", "PublishTemplateInput", "published{number}", map[string]any{"id": template})
	as = k.AdminKey

	body, err := json.Marshal(map[string]any{"userId": "ana", "traits": map[string]any{"phone": "+40722000001", "firstName": "Ana"},
		"context": map[string]any{"consent": map[string]any{"categoryPreferences": map[string]bool{"marketing": true}}}})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/identify", bytes.NewReader(body))
	require.NoError(t, err)
	req.SetBasicAuth(k.WriteKey, "")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())

	send := func(key string) any {
		t.Helper()
		return of(mutate("sendMessage", "SendMessageInput", "message{id}", map[string]any{
			"identifier": map[string]any{"namespace": "user_id", "value": "ana"}, "channel": "SMS", "purpose": "marketing", "templateId": template, "idempotencyKey": key,
		}), "message", "id")
	}
	becomes := func(id any, want ...string) {
		t.Helper()
		var got map[string]any
		ok := func() bool {
			for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				var res map[string]any
				s.query(t, k.AdminKey, `query($id:ID!){message(id:$id){status reason why{check passed reason} attempt{fault}}}`, map[string]any{"id": id}, &res)
				got, _ = res["message"].(map[string]any)
				for _, w := range want {
					if got["status"] == w {
						return true
					}
				}
			}
			return false
		}()
		require.True(t, ok, "%v", got)
	}
	first := send("1")
	require.Equal(t, first, send("1"))
	becomes(first, "SENT", "DELIVERED")
	sent := func() (texts []string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, vendors.Twilio+"/2010-04-01/Accounts/"+login["accountSid"]+"/Messages.json", nil)
		require.NoError(t, err)
		req.SetBasicAuth(login["accountSid"], login["authToken"])
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		var list struct {
			Messages []struct{ Body, To string }
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&list))
		for _, m := range list.Messages {
			if m.To == "+40722000001" {
				texts = append(texts, m.Body)
			}
		}
		return texts
	}
	require.Equal(t, []string{"Hello Ana, your order is ready."}, sent())
	mutate("withdrawConsent", "WithdrawConsentInput", "inFlight{id}", map[string]any{"identifier": map[string]any{"namespace": "user_id", "value": "ana"}, "purpose": "marketing"})
	becomes(send("2"), "CANCELLED")
	require.Len(t, sent(), 1)
}
