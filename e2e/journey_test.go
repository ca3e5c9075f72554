package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJourney makes a template and a journey over GraphQL, has both agreed to by somebody
// else, lets a person in by an event, and finds the message in the person's inbox, with the
// reasons why it was sent; and of somebody who agreed to nothing the reason why not.
func TestJourney(t *testing.T) {
	data := t.TempDir()
	var k keys
	require.NoError(t, json.Unmarshal(command(t, "workspace", "create", "e2e", "--data", data), &k))
	var other struct{ Key string }
	require.NoError(t, json.Unmarshal(command(t, "workspace", "key", "e2e", "owner", "--name", "somebody else", "--data", data), &other))
	second := other.Key
	s := start(t, time.Minute, "serve", "--addr", "127.0.0.1:0", "--data", data)
	type faults = []struct{ Reason, Message string }
	// What an event says may be put into messages once somebody has said what it is.
	var field struct{ SetFieldDefinition struct{ UserErrors faults } }
	s.query(t, k.AdminKey, `mutation { setFieldDefinition(input: {owner: "Signed Up", path: "plan", category: BEHAVIOUR}) { userErrors { reason message } } }`, nil, &field)
	require.Empty(t, field.SetFieldDefinition.UserErrors)

	var made struct {
		CreateTemplate struct {
			Template   struct{ ID string }
			UserErrors faults
		}
	}
	s.query(t, k.AdminKey, `mutation { createTemplate(input: {name: "Welcome", channel: IN_APP, idempotencyKey: "t", content: {defaultLocale: "en", locales: [
		{locale: "en", title: "Welcome", text: "Hello {{ profile.firstName | default: \"you\" }}, about {{ event.plan | default: \"it\" }}"}]}}) {
		template { id } userErrors { reason message } } }`, nil, &made)
	require.Empty(t, made.CreateTemplate.UserErrors)
	template := made.CreateTemplate.Template.ID

	var asked struct {
		SubmitTemplate struct {
			Approval   struct{ ID, ContentHash string }
			UserErrors faults
		}
	}
	s.query(t, k.AdminKey, `mutation ($id: ID!) { submitTemplate(input: {id: $id}) { approval { id contentHash } userErrors { reason message } } }`, map[string]any{"id": template}, &asked)
	require.Empty(t, asked.SubmitTemplate.UserErrors)
	var agreed struct {
		ApproveTemplate struct{ UserErrors faults }
	}
	s.query(t, second, `mutation ($id: ID!, $hash: String!) { approveTemplate(input: {id: $id, contentHash: $hash}) { userErrors { reason message } } }`,
		map[string]any{"id": template, "hash": asked.SubmitTemplate.Approval.ContentHash}, &agreed)
	require.Empty(t, agreed.ApproveTemplate.UserErrors)
	var published struct {
		PublishTemplate struct{ UserErrors faults }
	}
	s.query(t, k.AdminKey, `mutation ($id: ID!) { publishTemplate(input: {id: $id}) { userErrors { reason message } } }`, map[string]any{"id": template}, &published)
	require.Empty(t, published.PublishTemplate.UserErrors)

	var journey struct {
		CreateJourney struct {
			Journey    struct{ ID string }
			UserErrors faults
		}
	}
	s.query(t, k.AdminKey, `mutation ($template: ID!) { createJourney(input: {name: "Welcome", needsApproval: true, idempotencyKey: "j", definition: {
		timeZone: "UTC", reentry: ONCE, nodes: [
			{id: "in", step: {entry: {event: {name: "Signed Up"}}}},
			{id: "moment", step: {wait: {duration: "PT1S"}}},
			{id: "hello", step: {message: {templateId: $template, channel: IN_APP, purpose: "marketing"}}}
		], edges: [{from: "in", to: "moment"}, {from: "moment", to: "hello"}]}}) { journey { id } userErrors { reason message } } }`,
		map[string]any{"template": template}, &journey)
	require.Empty(t, journey.CreateJourney.UserErrors)
	id := journey.CreateJourney.Journey.ID
	publish := func() (approval string) {
		var out struct {
			PublishJourney struct {
				Approval   *struct{ ID string }
				UserErrors faults
			}
		}
		s.query(t, k.AdminKey, `mutation ($id: ID!) { publishJourney(input: {id: $id}) { approval { id } userErrors { reason message } } }`, map[string]any{"id": id}, &out)
		require.Empty(t, out.PublishJourney.UserErrors)
		if out.PublishJourney.Approval == nil {
			return ""
		}
		return out.PublishJourney.Approval.ID
	}
	approval := publish()
	require.NotEmpty(t, approval, "somebody else is asked")
	var decided struct {
		DecideApproval struct{ UserErrors faults }
	}
	s.query(t, second, `mutation ($id: ID!) { decideApproval(input: {id: $id, approve: true}) { userErrors { reason message } } }`, map[string]any{"id": approval}, &decided)
	require.Empty(t, decided.DecideApproval.UserErrors)
	require.Empty(t, publish())

	track := func(body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/batch", strings.NewReader(body))
		require.NoError(t, err)
		req.SetBasicAuth(k.WriteKey, "")
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	yes := `"context":{"consent":{"categoryPreferences":{"marketing":true}}}`
	for who, consent := range map[string]string{"ana": "," + yes, "ben": ""} {
		track(fmt.Sprintf(`{"batch":[{"type":"identify","userId":%q,"traits":{"firstName":%q}%s},{"type":"track","userId":%q,"event":"Signed Up","properties":{"plan":"pro"}}]}`, who, who, consent, who))
	}
	type person struct {
		Profile struct {
			Inbox struct {
				Edges []struct{ Node struct{ Text string } }
			}
			Messages struct {
				Edges []struct {
					Node struct {
						Status string
						Why    []struct {
							Check, Reason string
							Passed        bool
						}
					}
				}
			}
		}
	}
	read := func(who string) person {
		var out person
		s.query(t, k.AdminKey, `query ($id: String!) { profile(identifier: {namespace: "user_id", value: $id}) {
			inbox(first: 5) { edges { node { text } } } messages(first: 5) { edges { node { status why { check passed reason } } } } } }`, map[string]any{"id": who}, &out)
		return out
	}
	var ana person
	require.Eventually(t, func() bool { ana = read("ana"); return len(ana.Profile.Inbox.Edges) > 0 }, 20*time.Second, 100*time.Millisecond)
	require.Equal(t, "Hello ana, about pro", ana.Profile.Inbox.Edges[0].Node.Text)
	for _, c := range ana.Profile.Messages.Edges[0].Node.Why {
		require.True(t, c.Passed, "%+v", c)
	}
	var ben person
	require.Eventually(t, func() bool {
		ben = read("ben")
		return len(ben.Profile.Messages.Edges) > 0 && ben.Profile.Messages.Edges[0].Node.Status != "PENDING"
	}, 20*time.Second, 100*time.Millisecond)
	require.Empty(t, ben.Profile.Inbox.Edges)
	message := ben.Profile.Messages.Edges[0].Node
	require.Equal(t, "SKIPPED", message.Status)
	last := message.Why[len(message.Why)-1]
	require.Equal(t, "CONSENT", last.Check)
	require.False(t, last.Passed)
	require.NotEmpty(t, last.Reason)
}
