package klaviyo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	vendor "github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func TestWebhooksAreBelievedOnlyWhenSigned(t *testing.T) {
	r := connect(t)
	receiver := r.Connection.(sdk.Receiver)
	hooks := make(chan sdk.Webhook, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		hooks <- sdk.Webhook{Method: req.Method, URL: req.URL.String(), Header: req.Header, Body: body, At: time.Now()}
	}))
	defer server.Close()
	topics := []object{}
	for _, name := range []string{"unsubscribed_from_email_marketing", "subscribed_to_email_marketing", "marked_email_as_spam", "bounced_email"} {
		topics = append(topics, object{"type": "webhook-topic", "id": "event:klaviyo." + name})
	}
	body, _ := json.Marshal(object{"data": object{
		"type": "webhook", "attributes": object{"name": "h", "endpoint_url": server.URL, "secret_key": "secret-of-a-webhook"},
		"relationships": object{"webhook-topics": object{"data": topics}},
	}})
	plain := httptest.NewServer(sandbox.Serve(r.emulator))
	defer plain.Close()
	req, _ := http.NewRequest(http.MethodPost, plain.URL+"/api/webhooks", bytes.NewReader(body))
	req.Header = http.Header{"Authorization": {"Klaviyo-API-Key " + vendor.Key}, "Revision": {"2026-07-15"}, "Content-Type": {"application/vnd.api+json"}}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusCreated, res.StatusCode)

	r.upsert(false, person("w@example.com"))
	r.does("w@example.com", "unsubscribe")
	hook := <-hooks
	got, err := receiver.Receive(t.Context(), hook)
	require.NoError(t, err)
	require.Len(t, got.Consents, 1)
	assert.Equal(t, "w@example.com", got.Consents[0].Identifiers["email"])
	assert.False(t, got.Consents[0].Granted)
	assert.Equal(t, got.Events[0].Key, got.Consents[0].Key)
	assert.Equal(t, "Unsubscribed from Email Marketing", got.Events[0].Name)

	changed := hook
	changed.Body = append(bytes.Clone(hook.Body), ' ')
	_, err = receiver.Receive(t.Context(), changed)
	assert.Equal(t, "BAD_SIGNATURE", sdk.AsFault(err).Reason)
	for _, off := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		late := hook
		late.At = hook.At.Add(off)
		_, err = receiver.Receive(t.Context(), late)
		assert.Equal(t, sdk.FaultStale, sdk.AsFault(err).Kind)
	}
	other := hook
	other.Header = hook.Header.Clone()
	other.Header.Set("Klaviyo-Webhook-Id", "another")
	_, err = receiver.Receive(t.Context(), other)
	assert.Equal(t, "WRONG_WEBHOOK", sdk.AsFault(err).Reason)

	for kind, want := range map[sandbox.Kind]sdk.FaultKind{sandbox.WebhookForged: sdk.FaultUnauthorized, sandbox.WebhookStale: sdk.FaultStale} {
		r.fault(sandbox.Fault{Kind: kind, Times: 1})
		r.does("w@example.com", "complain")
		_, err = receiver.Receive(t.Context(), <-hooks)
		assert.Equal(t, want, sdk.AsFault(err).Kind)
	}
	r.does("w@example.com", "bounce")
	got, err = receiver.Receive(t.Context(), <-hooks)
	require.NoError(t, err)
	assert.Empty(t, got.Consents, "a bounce is no decision of the person")

	// What we wrote ourselves does not come back as somebody's consent.
	_, err = r.Connection.(sdk.ConsentSetter).SetConsents(t.Context(), []sdk.ConsentChange{{Identifiers: map[string]string{"email": "n@example.com"}, Channel: "EMAIL", Granted: true}})
	require.NoError(t, err)
	r.settle()
	r.profile("n@example.com")
	got, err = receiver.Receive(t.Context(), <-hooks)
	require.NoError(t, err)
	assert.Len(t, got.Events, 1)
	assert.Empty(t, got.Consents)
}
