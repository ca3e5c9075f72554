package sms_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/twilio"
	"github.com/headwater-cdp/headwater/connectors/sms"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
)

// The rules of every connector, by the way of Twilio.
func TestConformance(t *testing.T) {
	main := "./cmd/sms"
	if os.Getenv("HEADWATER_TEST_LONG") == "" {
		main = "" // in memory the rules are the same
	}
	sdktest.Run(t, sdktest.Kit{Connector: sms.Connector{}, Main: main, Vendor: emulated})
}

var faults = map[sdktest.Trouble]sandbox.Fault{
	sdktest.Busy: {Kind: sandbox.RateLimited, RetryAfter: 2}, sdktest.Spent: {Kind: sandbox.QuotaSpent}, sdktest.Down: {Kind: sandbox.ServerError},
	sdktest.Silent: {Kind: sandbox.Slow, DelayMS: 2000}, sdktest.Refusing: {Kind: sandbox.TokenExpired},
	sdktest.Losing: {Kind: sandbox.ReplyLost}, sdktest.Garbled: {Kind: sandbox.Truncated},
}

func emulated(t testing.TB) sdktest.Vendor {
	e := twilio.New()
	e.Desk.Limits.Off(true)
	server := httptest.NewServer(sandbox.Serve(e))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return sdktest.Vendor{
		Config: map[string]any{
			"provider": "twilio", "accountSid": twilio.AccountSID, "authToken": twilio.AuthToken, "from": twilio.Number, "baseUrl": server.URL,
		},
		Trouble: func(trouble sdktest.Trouble) func() {
			_ = e.Desk.Faults.Add(faults[trouble]) // of the table above: all are good
			return func() { _ = e.Desk.Faults.Replace() }
		},
		Message: func(i int) sdk.Message {
			return sdk.Message{Key: fmt.Sprint("key ", i), Channel: "SMS", To: fmt.Sprintf("+3933312%05d", i), Text: "a text of the kit"}
		},
		Messages: func() int {
			req := httptest.NewRequest(http.MethodGet, "/2010-04-01/Accounts/"+twilio.AccountSID+"/Messages.json?PageSize=1000", nil)
			req.SetBasicAuth(twilio.AccountSID, twilio.AuthToken)
			rec := httptest.NewRecorder()
			e.Handler.ServeHTTP(rec, req)
			var list struct{ Messages []any }
			if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil {
				t.Fatal(err)
			}
			return len(list.Messages)
		},
		Webhook: func(time.Time) sdk.Webhook { // the signature has no time
			const address = "https://h.example.com/hook"
			form := url.Values{"MessageSid": {"SM1"}, "SmsStatus": {"received"}, "From": {"+393331234567"}, "To": {twilio.Number}, "Body": {"STOP"}}
			return sdk.Webhook{Method: http.MethodPost, URL: address, Body: []byte(form.Encode()), Header: http.Header{
				"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {twilio.Sign(twilio.AuthToken, address, form)},
			}}
		},
	}
}
