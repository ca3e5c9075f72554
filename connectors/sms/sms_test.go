package sms_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/spectest"
	"github.com/headwater-cdp/headwater/connectors/sandbox/twilio"
	"github.com/headwater-cdp/headwater/connectors/sms"
	"github.com/headwater-cdp/headwater/connectors/sms/segment"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

type object = map[string]any

const phone = "+393331234567"

// rig is a connection to the emulator of Twilio, and where its webhooks arrive.
type rig struct {
	t        *testing.T
	url      string
	hookURL  string
	hooks    chan sdk.Webhook
	emulator sandbox.Emulator
	sdk.Connection
}

func open(t *testing.T, config object) (sdk.Connection, error) {
	raw, err := json.Marshal(config)
	require.NoError(t, err)
	conn, err := sms.Connector{}.Open(t.Context(), sdk.Config(raw), nil)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func connect(t *testing.T, more ...any) *rig {
	e := twilio.New()
	handler := sandbox.Serve(e)
	if spectest.Here() {
		v := spectest.Load(t, "twilio/twilio_api_v2010.messages.trimmed.json")
		v.Undescribed = true
		handler = v.Handler(t, handler)
	} else {
		t.Log("without the vendor's documents: forms are not compared")
	}
	return to(t, e, handler, more...)
}

func to(t *testing.T, e sandbox.Emulator, handler http.Handler, more ...any) *rig {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r := &rig{t: t, url: server.URL, emulator: e, hooks: make(chan sdk.Webhook, 32)}
	hooks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.hooks <- sdk.Webhook{Method: req.Method, URL: "http://" + req.Host + req.URL.String(), Header: req.Header, Body: body, At: time.Now()}
	}))
	t.Cleanup(hooks.Close)
	t.Cleanup(func() { e.Desk.Outbox.Flush() })
	r.hookURL = hooks.URL
	config := object{"provider": "twilio", "accountSid": twilio.AccountSID, "authToken": twilio.AuthToken, "from": twilio.Number, "baseUrl": server.URL}
	for i := 0; i < len(more); i += 2 {
		config[more[i].(string)] = more[i+1]
	}
	var err error
	r.Connection, err = open(t, config)
	require.NoError(t, err)
	return r
}

func (r *rig) send(to, text string) (sdk.Sent, error) {
	return r.Connection.(sdk.Sender).Send(r.t.Context(), sdk.Message{Key: "key-1", Channel: "SMS", To: to, Text: text, CallbackURL: r.hookURL + "/cb?c=1"})
}

func (r *rig) receive(h sdk.Webhook) (sdk.Received, error) {
	return r.Connection.(sdk.Receiver).Receive(r.t.Context(), h)
}

func (r *rig) hook() sdk.Webhook {
	r.t.Helper()
	select {
	case h := <-r.hooks:
		return h
	case <-time.After(5 * time.Second):
		r.t.Fatal("no webhook came")
		return sdk.Webhook{}
	}
}

func (r *rig) control(method, path string, body any) {
	r.t.Helper()
	raw, _ := json.Marshal(body)
	req, _ := http.NewRequest(method, r.url+"/_sandbox/"+path, bytes.NewReader(raw))
	res, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	res.Body.Close()
	require.Equal(r.t, http.StatusOK, res.StatusCode)
}

func TestCheck(t *testing.T) {
	require.NoError(t, connect(t).Check(t.Context()))
	fault := sdk.AsFault(connect(t, "authToken", "wrong").Check(t.Context()))
	assert.Equal(t, sdk.FaultUnauthorized, fault.Kind)
	for property, config := range map[string]object{
		"provider":     {"provider": "pigeon"},
		"accountSid":   {"provider": "twilio", "authToken": "x"},
		"from":         {"provider": "twilio", "accountSid": twilio.AccountSID, "authToken": "x"},
		"smppAddress":  {"provider": "smpp", "smppAddress": "no port", "smppSystemId": "x", "from": "Shop"},
		"smppSystemId": {"provider": "smpp", "smppAddress": "a:1"},
	} {
		_, err := open(t, config)
		assert.Equal(t, property, sdk.AsFault(err).Path)
	}
	var schema object
	require.NoError(t, json.Unmarshal(sms.Connector{}.Spec().ConfigSchema, &schema))
	for _, secret := range []string{"authToken", "smppPassword"} {
		assert.Equal(t, true, schema["properties"].(object)[secret].(object)["writeOnly"])
	}
}

func TestAMessageIsSentAndReportedWithItsKey(t *testing.T) {
	r := connect(t)
	sent, err := r.send(phone, strings.Repeat("€", 100))
	require.NoError(t, err)
	assert.Equal(t, sdk.DeliveryQueued, sent.State)
	assert.Equal(t, segment.Count(strings.Repeat("€", 100)), sent.Segments)
	for _, want := range []sdk.DeliveryState{sdk.DeliverySent, sdk.DeliveryDelivered} {
		got, err := r.receive(r.hook())
		require.NoError(t, err)
		require.Len(t, got.Deliveries, 1)
		d := got.Deliveries[0]
		assert.Equal(t, []any{want, sent.ID, "key-1"}, []any{d.State, d.ID, d.Key})
	}
	d, err := r.Connection.(sdk.StatusReader).Status(t.Context(), sdk.StatusQuery{ID: sent.ID, Key: "key-1"})
	require.NoError(t, err)
	assert.Equal(t, sdk.DeliveryDelivered, d.State)
	assert.False(t, d.At.IsZero())
	d, err = r.Connection.(sdk.StatusReader).Status(t.Context(), sdk.StatusQuery{Key: "key-1"})
	require.NoError(t, err)
	assert.Equal(t, sdk.DeliveryUnknown, d.State)
}

// Both count the same, though neither knows the other.
func TestSegmentsAreCountedAsTheVendorDoes(t *testing.T) {
	r := connect(t)
	for _, text := range []string{"a", strings.Repeat("a", 161), strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152), strings.Repeat("ж", 66) + "😀" + strings.Repeat("ж", 66), "`"} {
		sent, err := r.send(phone, text)
		require.NoError(t, err)
		assert.Equal(t, segment.Count(text), sent.Segments)
	}
}

func TestWhatBecameOfItHasAReason(t *testing.T) {
	r := connect(t)
	for to, want := range map[string]sdk.DeliveryState{"+39333130003": sdk.DeliverySoftBounced, "+39333130006": sdk.DeliveryHardBounced, "+39333130007": sdk.DeliveryFailed} {
		_, err := r.send(to, "x")
		require.NoError(t, err)
		r.hook()
		got, err := r.receive(r.hook())
		require.NoError(t, err)
		assert.Equal(t, want, got.Deliveries[0].State)
		assert.Contains(t, got.Deliveries[0].Reason, to[len(to)-5:])
	}
}

func TestRefusalsAreTypedAndHoldNoNumber(t *testing.T) {
	r := connect(t)
	for to, reason := range map[string]string{"+15005550001": sdk.ReasonHardBounce, "+15005550009": sdk.ReasonHardBounce, "12": "BAD_NUMBER", "": "BAD_NUMBER"} {
		_, err := r.send(to, "x")
		fault := sdk.AsFault(err)
		require.NotNil(t, fault)
		assert.Equal(t, []any{sdk.FaultInvalidRecord, reason, "to"}, []any{fault.Kind, fault.Reason, fault.Path})
		assert.NotContains(t, fault.Message, "555000")
	}
	_, err := r.send(phone, strings.Repeat("x", 1601))
	assert.Equal(t, "TOO_LONG", sdk.AsFault(err).Reason)
	_, err = r.send(phone, "")
	assert.Equal(t, "text", sdk.AsFault(err).Path)
	_, err = connect(t, "from", "+15550000000").send(phone, "x")
	assert.Equal(t, []any{sdk.FaultInvalidConfig, "from"}, []any{sdk.AsFault(err).Kind, sdk.AsFault(err).Path})
	_, err = r.Connection.(sdk.Sender).Send(t.Context(), sdk.Message{Channel: "EMAIL", To: phone})
	assert.Equal(t, sdk.FaultUnsupported, sdk.AsFault(err).Kind)
}

// What is refused at once, or said to have failed in the answer, says of the number what a
// report would say.
func TestRefusalsSayWhatTheyMakeOfTheNumber(t *testing.T) {
	var answer string
	status := http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	c, err := open(t, object{"provider": "twilio", "accountSid": twilio.AccountSID, "authToken": twilio.AuthToken, "from": twilio.Number, "baseUrl": server.URL})
	require.NoError(t, err)
	for code, want := range map[int][2]string{
		21211: {string(sdk.FaultInvalidRecord), sdk.ReasonHardBounce}, 21614: {string(sdk.FaultInvalidRecord), sdk.ReasonHardBounce},
		21610: {string(sdk.FaultInvalidRecord), sdk.ReasonStopWord}, 30003: {string(sdk.FaultRetry), "UNREACHABLE"},
		30005: {string(sdk.FaultInvalidRecord), sdk.ReasonHardBounce}, 30006: {string(sdk.FaultInvalidRecord), sdk.ReasonHardBounce},
		30004: {string(sdk.FaultInvalidRecord), "REJECTED"}, 30007: {string(sdk.FaultInvalidRecord), "REJECTED"},
	} {
		answers := map[int]string{http.StatusBadRequest: fmt.Sprintf(`{"code":%d,"message":"Number +39333 is bad","status":400}`, code)}
		if code > 30000 || code == 21610 {
			answers[http.StatusCreated] = fmt.Sprintf(`{"sid":"SM1","status":"failed","num_segments":"1","error_code":%d}`, code)
		}
		for status, answer = range answers {
			_, err := c.(sdk.Sender).Send(t.Context(), sdk.Message{Key: "k", Channel: "SMS", To: phone, Text: "x"})
			fault := sdk.AsFault(err)
			require.NotNil(t, fault, code)
			assert.Equal(t, want, [2]string{string(fault.Kind), fault.Reason}, "%d with status %d", code, status)
			assert.NotContains(t, fault.Message, "+39333")
		}
	}
}

func TestFaultsOfTheVendorAreTyped(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed with the credential") }))
	defer thief.Close()
	for _, each := range []struct {
		fault  sandbox.Fault
		kind   sdk.FaultKind
		reason string
		sent   int
	}{
		{sandbox.Fault{Kind: sandbox.RateLimited, RetryAfter: 3}, sdk.FaultRetry, "RATE_LIMITED", 0},
		{sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota, "DAILY_LIMIT", 0},
		{sandbox.Fault{Kind: sandbox.TokenExpired}, sdk.FaultUnauthorized, "BAD_CREDENTIALS", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Status: 503}, sdk.FaultRetry, "VENDOR_ERROR", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Status: 500}, sdk.FaultUnknownOutcome, "VENDOR_ERROR", 0},
		{sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultUnknownOutcome, "", 1},
		{sandbox.Fault{Kind: sandbox.Truncated}, sdk.FaultUnknownOutcome, "BROKEN_ANSWER", 1},
		{sandbox.Fault{Kind: sandbox.Redirected, To: thief.URL}, sdk.FaultInvalidConfig, "REDIRECTED", 0},
	} {
		e := twilio.New()
		r := to(t, e, sandbox.Serve(e))
		each.fault.Times = 1
		require.NoError(t, e.Desk.Faults.Add(each.fault))
		_, err := r.send(phone, "x")
		fault := sdk.AsFault(err)
		require.NotNil(t, fault, each.fault.Kind)
		assert.Equal(t, []any{each.kind, each.reason}, []any{fault.Kind, fault.Reason}, each.fault.Kind)
		if each.sent > 0 { // the report tells after all
			got, err := r.receive(r.hook())
			require.NoError(t, err)
			assert.Equal(t, "key-1", got.Deliveries[0].Key)
			assert.NotEmpty(t, got.Deliveries[0].ID)
		}
	}
}

func TestATimeOutIsUnknown(t *testing.T) {
	r := connect(t)
	require.NoError(t, r.emulator.Desk.Faults.Add(sandbox.Fault{Kind: sandbox.Slow, DelayMS: 2000, Times: 1}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := r.Connection.(sdk.Sender).Send(ctx, sdk.Message{Channel: "SMS", To: phone, Text: "x"})
	assert.Equal(t, sdk.FaultUnknownOutcome, sdk.AsFault(err).Kind)
}

func TestStopStartAndHelp(t *testing.T) {
	r := connect(t)
	r.control("PUT", "webhook", object{"url": r.hookURL + "/in"})
	say := func(text string) sdk.Received {
		t.Helper()
		r.control("POST", "inbound", object{"from": phone, "body": text})
		got, err := r.receive(r.hook())
		require.NoError(t, err)
		require.Len(t, got.Inbound, 1)
		assert.Equal(t, []string{phone, text}, []string{got.Inbound[0].From, got.Inbound[0].Text})
		assert.Contains(t, string(got.Body), "<Response/>")
		return got
	}
	got := say("stop")
	require.Len(t, got.Consents, 1)
	assert.Equal(t, []any{phone, "SMS", false, "STOP reply"}, []any{got.Consents[0].Identifiers["phone"], got.Consents[0].Channel, got.Consents[0].Granted, got.Consents[0].Source})
	assert.Equal(t, got.Inbound[0].ID, got.Consents[0].Key)
	_, err := r.send(phone, "x")
	assert.Equal(t, sdk.ReasonStopWord, sdk.AsFault(err).Reason)
	assert.Len(t, say("Basta!").Consents, 1, "a word that the vendor does not know")
	got = say("START")
	assert.True(t, got.Consents[0].Granted && got.Consents[0].Fresh)
	_, err = r.send(phone, "x")
	require.NoError(t, err)
	for range 2 { // what became of it
		_, err = r.receive(r.hook())
		require.NoError(t, err)
	}
	assert.Empty(t, say("HELP").Consents)
	assert.Empty(t, say("please stop by the shop").Consents)
}

func TestWebhooksAreBelievedOnlyWhenSigned(t *testing.T) {
	r := connect(t)
	_, err := r.send(phone, "x")
	require.NoError(t, err)
	good := r.hook()
	_, err = r.receive(good)
	require.NoError(t, err)
	r.hook()
	forged := func(change func(*sdk.Webhook)) {
		t.Helper()
		h := good
		h.Header = good.Header.Clone()
		change(&h)
		_, err := r.receive(h)
		assert.Equal(t, "BAD_SIGNATURE", sdk.AsFault(err).Reason)
	}
	forged(func(h *sdk.Webhook) { h.Body = append(bytes.Clone(h.Body), "&MessageStatus=delivered"...) })
	forged(func(h *sdk.Webhook) { h.URL += "&hwkey=another" })
	forged(func(h *sdk.Webhook) { h.Header.Del("X-Twilio-Signature") })
	forged(func(h *sdk.Webhook) { h.Header.Set("X-Twilio-Signature", "no base64!") })

	// Signed with and without the usual port, and values that are there twice.
	form := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"sent"}, "Tag": {"b", "a", "b"}}
	for signed, called := range map[string]string{"https://h.example.com/x": "https://h.example.com:443/x", "https://h.example.com:443/x?q=1": "https://h.example.com/x?q=1"} {
		_, err = r.receive(sdk.Webhook{URL: called, Body: []byte(form.Encode()), Header: http.Header{"X-Twilio-Signature": {twilio.Sign(twilio.AuthToken, signed, form)}}})
		require.NoError(t, err)
	}

	r.control("PUT", "callbacks", object{"json": true})
	_, err = r.send(phone, "x")
	require.NoError(t, err)
	good = r.hook()
	got, err := r.receive(good)
	require.NoError(t, err)
	assert.Equal(t, sdk.DeliverySent, got.Deliveries[0].State)
	forged(func(h *sdk.Webhook) { h.Body = bytes.Replace(h.Body, []byte("sent"), []byte("read"), 1) })

	r.hook()
	require.NoError(t, r.emulator.Desk.Faults.Add(sandbox.Fault{Kind: sandbox.WebhookForged, Times: 1}))
	_, err = r.send(phone, "x")
	require.NoError(t, err)
	_, err = r.receive(r.hook())
	assert.Equal(t, "BAD_SIGNATURE", sdk.AsFault(err).Reason)
}

func TestTextsAreReadThatNoWebhookBrought(t *testing.T) {
	r := connect(t)
	say := func(text string) { r.control("POST", "inbound", object{"from": phone, "body": text}) }
	pull := func(cursor []byte) (texts []any, next []byte) {
		t.Helper()
		next = cursor
		err := r.Connection.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "inbound", Cursor: cursor}, func(p sdk.Page) error {
			for _, e := range p.Events {
				texts = append(texts, e.Properties["text"])
				assert.Equal(t, phone, e.Identifiers["phone"])
			}
			next = p.Cursor
			return nil
		})
		require.NoError(t, err)
		return texts, next
	}
	say("one")
	say("STOP")
	_, err := r.send("+393330000000", "not from a person")
	require.NoError(t, err)
	texts, cursor := pull(nil)
	assert.ElementsMatch(t, []any{"one", "STOP"}, texts)
	texts, cursor = pull(cursor)
	assert.Empty(t, texts)
	r.emulator.Desk.Clock.Advance(2 * time.Second)
	say("three")
	texts, _ = pull(cursor)
	assert.Equal(t, []any{"three"}, texts)
	err = r.Connection.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "inbound", Cursor: []byte("?")}, nil)
	assert.Equal(t, sdk.FaultCursorLost, sdk.AsFault(err).Kind)
}

func TestErasureFollowsThePages(t *testing.T) {
	e := twilio.New()
	e.Desk.Limits.Off(true)
	server := httptest.NewServer(sandbox.Mount(e)) // beneath a name, as in a demo
	defer server.Close()
	conn, err := open(t, object{"provider": "twilio", "accountSid": twilio.AccountSID, "authToken": twilio.AuthToken, "from": twilio.Number, "baseUrl": server.URL + "/twilio"})
	require.NoError(t, err)
	for range 230 {
		_, err := conn.(sdk.Sender).Send(t.Context(), sdk.Message{To: phone, Text: "x"})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		receipt, err := conn.(sdk.Eraser).Erase(t.Context(), sdk.Subject{Key: "e", Identifiers: map[string]string{"phone": phone}})
		require.NoError(t, err)
		return receipt.Done && receipt.Known
	}, 10*time.Second, 20*time.Millisecond)
	receipt, err := conn.(sdk.Eraser).Erase(t.Context(), sdk.Subject{Key: "e2", Identifiers: map[string]string{"phone": phone}})
	require.NoError(t, err)
	assert.False(t, receipt.Known, "nothing is left")
}

func TestErasureRemovesTheMessages(t *testing.T) {
	r := connect(t)
	for range 3 {
		_, err := r.send(phone, "x")
		require.NoError(t, err)
	}
	other, err := r.send("+393330000000", "x")
	require.NoError(t, err)
	r.control("POST", "inbound", object{"from": phone, "body": "hello"})
	eraser := r.Connection.(sdk.Eraser)
	subject := sdk.Subject{Key: "e", Identifiers: map[string]string{"phone": phone}}
	var receipt sdk.EraseReceipt
	require.Eventually(t, func() bool { // what is on its way has to arrive first
		receipt, err = eraser.Erase(t.Context(), subject)
		return err != nil || receipt.Done
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, err)
	assert.NotContains(t, receipt.Detail, phone)
	receipt, err = eraser.Erase(t.Context(), subject)
	require.NoError(t, err)
	assert.True(t, receipt.Done && !receipt.Known)
	_, err = r.Connection.(sdk.StatusReader).Status(t.Context(), sdk.StatusQuery{ID: other.ID})
	require.NoError(t, err)
}
