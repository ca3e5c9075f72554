package twilio_test

import (
	"encoding/json"
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
)

const account = "/2010-04-01/Accounts/" + twilio.AccountSID

type object = map[string]any

type client struct {
	t        *testing.T
	url      string
	token    string
	emulator sandbox.Emulator
	hooks    chan hook
	hookURL  string
}

// hook is a webhook as it came.
type hook struct {
	url    string
	header http.Header
	body   string
	form   url.Values
}

// start serves an emulator whose traffic is held to the vendor's documents, where they
// are here.
func start(t *testing.T) *client {
	e := twilio.New()
	handler := sandbox.Serve(e)
	if spectest.Here() {
		v := spectest.Load(t, "twilio/twilio_api_v2010.messages.trimmed.json", "twilio/twilio_verify_v2.trimmed.json")
		v.BadRequests, v.Undescribed = true, true
		handler = v.Handler(t, handler)
	} else {
		t.Log("without the vendor's documents: forms are not compared")
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := &client{t: t, url: server.URL, token: twilio.AuthToken, emulator: e, hooks: make(chan hook, 32)}
	hooks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		c.hooks <- hook{"http://" + r.Host + r.URL.String(), r.Header, string(body), form}
	}))
	t.Cleanup(hooks.Close)
	t.Cleanup(func() { e.Desk.Outbox.Flush() })
	c.hookURL = hooks.URL
	return c
}

func (c *client) do(method, path string, form url.Values) (int, object, http.Header) {
	c.t.Helper()
	var in io.Reader
	if form != nil {
		in = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, c.url+path, in)
	require.NoError(c.t, err)
	req.SetBasicAuth(twilio.AccountSID, c.token)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	var body object
	if len(raw) > 0 {
		require.NoError(c.t, json.Unmarshal(raw, &body), string(raw))
	}
	return res.StatusCode, body, res.Header
}

func (c *client) send(to, body string, more ...string) (int, object) {
	c.t.Helper()
	form := url.Values{"To": {to}, "From": {twilio.Number}, "Body": {body}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	status, answer, _ := c.do("POST", account+"/Messages.json", form)
	return status, answer
}

func (c *client) control(method, path string, body any) {
	c.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(c.t, err)
	req, err := http.NewRequest(method, c.url+"/_sandbox/"+path, strings.NewReader(string(raw)))
	require.NoError(c.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	res.Body.Close()
	require.Equal(c.t, http.StatusOK, res.StatusCode)
}

func (c *client) next() hook {
	c.t.Helper()
	select {
	case h := <-c.hooks:
		return h
	case <-time.After(5 * time.Second):
		c.t.Fatal("no webhook came")
		return hook{}
	}
}

func TestAMessageGoesItsWayAndTellsIt(t *testing.T) {
	c := start(t)
	status, m := c.send("+393331234567", "Ciao", "StatusCallback", c.hookURL+"/status?k=1")
	require.Equal(t, 201, status)
	assert.Equal(t, "queued", m["status"])
	assert.Equal(t, "1", m["num_segments"])
	for _, want := range []string{"sent", "delivered"} {
		h := c.next()
		assert.Equal(t, want, h.form.Get("MessageStatus"))
		assert.Equal(t, m["sid"], h.form.Get("MessageSid"))
		assert.Equal(t, twilio.Sign(twilio.AuthToken, c.hookURL+"/status?k=1", h.form), h.header.Get("X-Twilio-Signature"))
	}
	status, m, _ = c.do("GET", account+"/Messages/"+m["sid"].(string)+".json", nil)
	require.Equal(t, 200, status)
	assert.Equal(t, "delivered", m["status"])
	assert.NotNil(t, m["price"])

	// Redacting empties the text and keeps the rest; removing leaves nothing.
	path := account + "/Messages/" + m["sid"].(string) + ".json"
	status, m, _ = c.do("POST", path, url.Values{"Body": {""}})
	require.Equal(t, 200, status)
	assert.Equal(t, "", m["body"])
	status, _, _ = c.do("DELETE", path, nil)
	require.Equal(t, 204, status)
	status, m, _ = c.do("GET", path, nil)
	require.Equal(t, 404, status)
	assert.Equal(t, 20404.0, m["code"])
}

func TestEndsOfNumbersDecide(t *testing.T) {
	c := start(t)
	for to, want := range map[string]object{
		"+39333130003": {"status": "undelivered", "code": 30003.0}, "+39333130008": {"status": "failed", "code": 30008.0},
	} {
		_, m := c.send(to, "x", "StatusCallback", c.hookURL)
		c.next()
		assert.Equal(t, want["status"], c.next().form.Get("MessageStatus"))
		_, m, _ = c.do("GET", account+"/Messages/"+m["sid"].(string)+".json", nil)
		assert.Equal(t, want["code"], m["error_code"])
	}
	for to, want := range map[string]float64{"+15005550001": 21211, "+15005550009": 21614, "12": 21211} {
		status, m := c.send(to, "x")
		assert.Equal(t, 400, status)
		assert.Equal(t, want, m["code"])
	}
	_, m := c.send("+393331234567", "")
	assert.Equal(t, 21602.0, m["code"])
	_, m = c.send("+393331234567", strings.Repeat("x", 1601))
	assert.Equal(t, 21617.0, m["code"])
	_, m = c.send("+393331234567", "x", "From", "+15550000000")
	assert.Equal(t, 21659.0, m["code"])
}

func TestWhoWroteStopIsNotWrittenTo(t *testing.T) {
	c := start(t)
	const who = "+393331234567"
	c.control("PUT", "webhook", object{"url": c.hookURL + "/in"})
	for word, kind := range map[string]string{"Stop": "STOP", "start": "START", "HELP": "HELP", "hello": ""} {
		c.control("POST", "inbound", object{"from": who, "body": word})
		h := c.next()
		assert.Equal(t, kind, h.form.Get("OptOutType"), word)
		assert.Equal(t, who, h.form.Get("From"))
		assert.Equal(t, twilio.Sign(twilio.AuthToken, c.hookURL+"/in", h.form), h.header.Get("X-Twilio-Signature"))
	}
	c.control("POST", "inbound", object{"from": who, "body": "STOP"})
	status, m := c.send(who, "x")
	assert.Equal(t, 400, status)
	assert.Equal(t, 21610.0, m["code"])
	c.control("POST", "inbound", object{"from": who, "body": "START"})
	status, _ = c.send(who, "x")
	assert.Equal(t, 201, status)
}

func TestJSONWebhooksAreSignedByTheirAddress(t *testing.T) {
	c := start(t)
	c.control("PUT", "callbacks", object{"json": true})
	c.send("+393331234567", "x", "StatusCallback", c.hookURL+"/s")
	h := c.next()
	assert.Contains(t, h.url, "bodySHA256=")
	assert.Equal(t, twilio.Sign(twilio.AuthToken, h.url, nil), h.header.Get("X-Twilio-Signature"))
	assert.JSONEq(t, `"sent"`, string(must(t, h.body)["MessageStatus"]))
	c.next()
}

func must(t *testing.T, body string) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(body), &o))
	return o
}

func TestMessagesByPages(t *testing.T) {
	c := start(t)
	for range 5 {
		status, _ := c.send("+393331234567", "x")
		require.Equal(t, 201, status)
	}
	c.send("+393330000000", "other")
	seen := map[any]bool{}
	path, pages := account+"/Messages.json?PageSize=2&To="+url.QueryEscape("+393331234567"), 0
	for path != "" {
		status, a, _ := c.do("GET", path, nil)
		require.Equal(t, 200, status)
		for _, m := range a["messages"].([]any) {
			seen[m.(object)["sid"]] = true
		}
		pages++
		path, _ = a["next_page_uri"].(string)
		c.send("+393331234567", "later") // does not move what is read
	}
	assert.Len(t, seen, 5)
	assert.Equal(t, 3, pages)
}

func TestCredentialsLimitsAndFaults(t *testing.T) {
	c := start(t)
	status, a, _ := c.do("GET", account+".json", nil)
	require.Equal(t, 200, status)
	assert.Equal(t, "active", a["status"])
	c.token = "wrong"
	status, a, _ = c.do("GET", account+".json", nil)
	assert.Equal(t, 401, status)
	assert.Equal(t, 20003.0, a["code"])
	c.token = twilio.AuthToken
	c.control("PUT", "limits", object{"window": "burst", "limit": 0})
	status, a, h := c.do("GET", account+".json", nil)
	assert.Equal(t, 429, status)
	assert.Equal(t, 20429.0, a["code"])
	assert.Equal(t, "1", h.Get("Retry-After"))
	c.control("PUT", "limits", object{"off": true})
	require.NoError(t, c.emulator.Desk.Faults.Add(sandbox.Fault{Kind: sandbox.ServerError, Times: 1}))
	status, a, _ = c.do("GET", account+".json", nil)
	assert.Equal(t, 503, status)
	assert.Equal(t, 20500.0, a["code"])
}

func TestVerify(t *testing.T) {
	c := start(t)
	status, service, _ := c.do("POST", "/v2/Services", url.Values{"FriendlyName": {"Shop"}, "CodeLength": {"4"}})
	require.Equal(t, 201, status)
	base := "/v2/Services/" + service["sid"].(string)
	const who = "+393331234567"
	status, v, _ := c.do("POST", base+"/Verifications", url.Values{"To": {who}, "Channel": {"sms"}})
	require.Equal(t, 201, status)
	assert.Equal(t, "pending", v["status"])
	req, err := http.Get(c.url + "/_sandbox/code?to=" + url.QueryEscape(who))
	require.NoError(t, err)
	defer req.Body.Close()
	var sent struct{ Code string }
	require.NoError(t, json.NewDecoder(req.Body).Decode(&sent))
	require.Len(t, sent.Code, 4)

	_, a, _ := c.do("POST", base+"/VerificationCheck", url.Values{"To": {who}, "Code": {"x" + sent.Code}})
	assert.Equal(t, false, a["valid"])
	status, a, _ = c.do("POST", base+"/VerificationCheck", url.Values{"To": {who}, "Code": {sent.Code}})
	require.Equal(t, 201, status)
	assert.Equal(t, "approved", a["status"])
	status, _, _ = c.do("POST", base+"/VerificationCheck", url.Values{"To": {who}, "Code": {sent.Code}})
	assert.Equal(t, 404, status, "a code holds once")

	for i := range 6 {
		status, a, _ = c.do("POST", base+"/Verifications", url.Values{"To": {who}, "Channel": {"sms"}})
		assert.Equal(t, i == 5, status == 429)
	}
	assert.Equal(t, 60203.0, a["code"])
	status, v, _ = c.do("GET", base+"/Verifications/"+who, nil)
	require.Equal(t, 200, status)
	status, v, _ = c.do("POST", base+"/Verifications/"+v["sid"].(string), url.Values{"Status": {"canceled"}})
	require.Equal(t, 200, status)
	assert.Equal(t, "canceled", v["status"])
}
