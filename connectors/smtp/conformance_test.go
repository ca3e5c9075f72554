package smtp_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	sink "github.com/headwater-cdp/headwater/connectors/sandbox/smtp"
	"github.com/headwater-cdp/headwater/connectors/smtp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/headwater-cdp/headwater/plugins/sdktest"
)

// The rules of every connector.
func TestConformance(t *testing.T) {
	main := "./cmd/smtp"
	if os.Getenv("HEADWATER_TEST_LONG") == "" {
		main = "" // in memory the rules are the same
	}
	sdktest.Run(t, sdktest.Kit{Connector: smtp.Connector{}, Main: main, Vendor: emulated})
}

type object = map[string]any

// serve starts a mail server, and makes a configuration for it.
func serve(t testing.TB, o sink.Options) (*sink.Sink, object) {
	t.Helper()
	s, err := sink.Start(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	c := s.Emulator().Credentials
	port, err := strconv.Atoi(c["port"])
	require.NoError(t, err)
	config := object{"port": port}
	for name, value := range c {
		if name != "port" {
			config[name] = value
		}
	}
	return s, config
}

var faults = map[sdktest.Trouble]sandbox.Fault{
	sdktest.Busy: {Kind: sandbox.RateLimited}, sdktest.Down: {Kind: sandbox.ServerError},
	sdktest.Silent: {Kind: sandbox.Slow, DelayMS: 2000}, sdktest.Refusing: {Kind: sandbox.TokenExpired},
	sdktest.Losing: {Kind: sandbox.ReplyLost}, sdktest.Garbled: {Kind: sandbox.Truncated},
}

func emulated(t testing.TB) sdktest.Vendor {
	s, config := serve(t, sink.Options{})
	return sdktest.Vendor{
		Config: maps.Clone(config),
		Trouble: func(trouble sdktest.Trouble) func() {
			fault, ok := faults[trouble]
			if !ok { // no answer of SMTP says that a day's quota is spent
				return nil
			}
			_ = s.Desk().Faults.Add(fault) // of the table above: all are good
			return func() { _ = s.Desk().Faults.Replace() }
		},
		Message: func(i int) sdk.Message {
			return sdk.Message{
				Key: fmt.Sprint("key ", i), Channel: "EMAIL", To: fmt.Sprintf("kit.recipient.%05d@example.com", i),
				Subject: "a subject of the kit", Text: "a text of the kit", HTML: "<p>a text of the kit</p>",
			}
		},
		Messages: s.Count,
		Webhook: func(at time.Time) sdk.Webhook {
			body := sink.Bounce(sink.Mail{From: "shop@example.com", To: []string{"nobody@example.com"}, Raw: []byte("Message-ID: <x@example.com>\r\n\r\n")}, "5.1.1", at)
			return sdk.Webhook{Method: http.MethodPost, URL: "https://h.example.com/hook", Body: body, Header: http.Header{smtp.SignatureHeader: {sink.Sign(body, at)}}}
		},
	}
}
