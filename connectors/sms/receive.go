package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // the vendor's choice
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Receive implements sdk.Receiver: reports on messages, and messages from people. The
// signature has no time: that a request comes again shows in the keys of what it says.
func (c *rest) Receive(_ context.Context, hook sdk.Webhook) (sdk.Received, error) {
	form, err := c.believed(hook)
	if err != nil {
		return sdk.Received{}, err
	}
	sid := form.Get("MessageSid")
	if sid == "" {
		return sdk.Received{}, sdk.Broken("the webhook names no message")
	}
	if form.Get("SmsStatus") == "received" {
		return inbound(form, hook.At), nil
	}
	var code *int
	if n, err := strconv.Atoi(form.Get("ErrorCode")); err == nil && n != 0 {
		code = &n
	}
	status := form.Get("MessageStatus")
	state, reason := stateOf(status, code)
	var key string
	if u, err := url.Parse(hook.URL); err == nil {
		key = u.Query().Get(keyParameter)
	}
	return sdk.Received{Deliveries: []sdk.Delivery{{
		Event: sid + " " + status, ID: sid, Key: key, State: state, Reason: reason, At: hook.At,
	}}}, nil
}

// inbound is a message from a person, and what it says of their consent.
func inbound(form url.Values, at time.Time) sdk.Received {
	sid, from := form.Get("MessageSid"), form.Get("From")
	out := sdk.Received{
		// An empty document: Twilio answers nobody in our name.
		Header: http.Header{"Content-Type": {"text/xml"}}, Body: []byte(`<?xml version="1.0" encoding="UTF-8"?><Response/>`),
		Inbound: []sdk.Inbound{{ID: sid, Channel: "SMS", From: from, To: form.Get("To"), Text: form.Get("Body"), At: at}},
	}
	kind := form.Get("OptOutType") // of the vendor's own list of words, in many languages
	if kind == "" {
		kind = keyword(form.Get("Body"))
	}
	if kind == "STOP" || kind == "START" {
		out.Consents = []sdk.ConsentChange{consent(sid, from, kind, at)}
	}
	return out
}

// consent is what STOP and START say. The person says it now: it is fresh.
func consent(key, phone, kind string, at time.Time) sdk.ConsentChange {
	out := sdk.ConsentChange{
		Key: key, Identifiers: map[string]string{"phone": phone}, Channel: "SMS", Granted: kind == "START", Fresh: kind == "START",
		At: at, Source: kind + " reply",
	}
	if kind == "STOP" {
		out.Reason = sdk.ReasonStopWord
	}
	return out
}

// believed checks the signature and reads the parameters of a webhook.
func (c *rest) believed(hook sdk.Webhook) (url.Values, error) {
	bad := sdk.Unauthorized("the signature does not fit: compare authToken with the console, and the webhook's address with the one that Twilio was given").Because("BAD_SIGNATURE")
	given, err := base64.StdEncoding.DecodeString(hook.Header.Get("X-Twilio-Signature"))
	if err != nil {
		return nil, bad
	}
	u, err := url.Parse(hook.URL)
	if err != nil {
		return nil, bad
	}
	signed, form := url.Values{}, url.Values{}
	if sum := u.Query().Get("bodySHA256"); sum != "" {
		hash := sha256.Sum256(hook.Body)
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(sum)), []byte(hex.EncodeToString(hash[:]))) != 1 {
			return nil, bad
		}
		var flat map[string]any
		if err := json.Unmarshal(hook.Body, &flat); err != nil {
			return nil, sdk.Broken("the webhook is not the JSON that Twilio describes")
		}
		for name, value := range flat {
			if text, is := value.(string); is {
				form.Set(name, text)
			}
		}
	} else {
		if form, err = url.ParseQuery(string(hook.Body)); err != nil {
			return nil, bad
		}
		signed = form
	}
	fits := false
	for _, address := range spellings(hook.URL) {
		if hmac.Equal(signature(c.config.AuthToken, address, signed), given) {
			fits = true
		}
	}
	if !fits {
		return nil, bad
	}
	return form, nil
}

// signature is HMAC-SHA1 over the address and each name and value in order; of a name
// with several values each counts once.
func signature(secret, address string, form url.Values) []byte {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			mac.Write([]byte(name + value))
		}
	}
	return mac.Sum(nil)
}

// spellings are the ways in which the vendor may have written an address: as it is,
// without its port, and with the usual one.
func spellings(address string) []string {
	scheme, rest, is := strings.Cut(address, "://")
	if !is {
		return []string{address}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	bare := host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		bare = host[:i]
	}
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return []string{address, scheme + "://" + bare + path, scheme + "://" + bare + port + path}
}
