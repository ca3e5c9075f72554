package smtp_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	sink "github.com/headwater-cdp/headwater/connectors/sandbox/smtp"
	"github.com/headwater-cdp/headwater/connectors/smtp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, config object) (sdk.Connection, error) {
	t.Helper()
	raw, err := json.Marshal(config)
	require.NoError(t, err)
	conn, err := smtp.Connector{}.Open(t.Context(), raw, nil)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// connect starts a server and opens a connection to it; more are properties and values.
func connect(t testing.TB, o sink.Options, more ...any) (*sink.Sink, sdk.Connection) {
	t.Helper()
	s, config := serve(t, o)
	for i := 0; i < len(more); i += 2 {
		config[more[i].(string)] = more[i+1]
	}
	conn, err := open(t, config)
	require.NoError(t, err)
	return s, conn
}

const key = "msg_01JD2Q3V8Z7F4M5N6P7Q8R9S0T"

func letter() sdk.Message {
	return sdk.Message{
		Key: key, Channel: "EMAIL", To: "ana@example.org", Subject: "Grüße, Ana — 你好 " + strings.Repeat("long words ", 20),
		Text: "Hello\n.\n.. dots\r\nand a line", HTML: "<p>Héllo 👋</p>\n.\n", ReplyTo: "help@example.com",
		Headers: map[string]string{
			"List-Unsubscribe": "<https://example.com/u/" + strings.Repeat("x", 300) + ">, <mailto:u@example.com>", "list-unsubscribe-post": "List-Unsubscribe=One-Click",
			"X-Campaign": "Früh",
		},
	}
}

func send(t testing.TB, conn sdk.Connection, m sdk.Message) (sdk.Sent, *sdk.Fault) {
	t.Helper()
	sent, err := conn.(sdk.Sender).Send(t.Context(), m)
	return sent, sdk.AsFault(err)
}

// parts reads the texts of a mail by their kinds.
func parts(t *testing.T, raw []byte) (*mail.Message, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return m, out
		}
		require.NoError(t, err)
		body, err := io.ReadAll(p)
		require.NoError(t, err)
		out[p.Header.Get("Content-Type")] = string(body)
	}
}

func TestAMailArrivesAsItWasMeant(t *testing.T) {
	s, conn := connect(t, sink.Options{}, "bounceAddress", "bounces@example.com", "verp", true)
	require.NoError(t, conn.Check(t.Context()))
	sent, fault := send(t, conn, letter())
	require.Nil(t, fault)
	assert.Equal(t, sdk.DeliverySent, sent.State)
	require.Len(t, s.Mails(), 1)
	got := s.Mails()[0]
	assert.Equal(t, sent.ID, got.ID)
	assert.Equal(t, []string{"ana@example.org"}, got.To)
	assert.Regexp(t, `^bounces\+hw\.pmsg_01jd2q3v8z7f4m5n6p7q8r9s0t\.[0-9a-v]{13}@example\.com$`, got.From)
	assert.Equal(t, letter().Subject, got.Subject)
	m, texts := parts(t, got.Raw)
	assert.Equal(t, map[string]string{
		"text/plain; charset=UTF-8": "Hello\r\n.\r\n.. dots\r\nand a line", "text/html; charset=UTF-8": "<p>Héllo 👋</p>\r\n.\r\n",
	}, texts)
	assert.Equal(t, []string{`"Demo shop" <shop@example.com>`, "<help@example.com>", "List-Unsubscribe=One-Click"},
		[]string{m.Header.Get("From"), m.Header.Get("Reply-To"), m.Header.Get("List-Unsubscribe-Post")})
	campaign, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("X-Campaign"))
	require.NoError(t, err)
	assert.Equal(t, "Früh", campaign)
	for line := range strings.SplitSeq(string(got.Raw), "\r\n") {
		assert.LessOrEqual(t, len(line), 998)
		assert.NotContains(t, line, "\n")
	}
	again, fault := send(t, conn, letter())
	require.Nil(t, fault)
	assert.Equal(t, sent.ID, again.ID, "of the same key")
	assert.Equal(t, 2, s.Sessions(), "the check's, and one for both mails")
}

func pemOf(t *testing.T, key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestSignaturesCoverWhatReceiversAskFor(t *testing.T) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(long.Public())
	require.NoError(t, err)
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for record, private := range map[string]string{
		"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public):       pemOf(t, long),
		"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic): pemOf(t, edPrivate),
	} {
		s, conn := connect(t, sink.Options{}, "dkimDomain", "example.com", "dkimSelector", "hw1", "dkimPrivateKey", private)
		m := letter()
		m.HTML = strings.Repeat("<p>Größer als ein Paket \t und mit  Leerzeichen \r und \n Zeilen</p>\n\n", 40_000)
		_, fault := send(t, conn, m)
		require.Nil(t, fault)
		verify := func(raw []byte) *dkim.Verification {
			list, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
				assert.Equal(t, "hw1._domainkey.example.com", name)
				return []string{record}, nil
			}})
			require.NoError(t, err)
			require.Len(t, list, 1)
			return list[0]
		}
		raw := s.Mails()[0].Raw
		v := verify(raw)
		require.NoError(t, v.Err)
		assert.Subset(t, v.HeaderKeys, []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post", "X-Campaign"})
		for _, forged := range []string{"Subject: Another\r\n", "From: mallory@example.com\r\n", "List-Unsubscribe: <https://evil.example>\r\n"} {
			assert.Error(t, verify(append([]byte(forged), raw...)).Err, "a field that was added")
		}
		assert.Error(t, verify(bytes.Replace(raw, []byte("One-Click"), []byte("Two-Click"), 1)).Err)
		assert.Error(t, verify(bytes.Replace(raw, []byte("Paket"), []byte("Pakte"), 1)).Err)
	}
}

func TestNothingIsInjected(t *testing.T) {
	s, conn := connect(t, sink.Options{})
	for name, change := range map[string]func(*sdk.Message){
		"a line in the subject": func(m *sdk.Message) { m.Subject = "a\r\nBcc: eve@example.com" },
		"a line in a header":    func(m *sdk.Message) { m.Headers = map[string]string{"X-A": "a\r\nBcc: eve@example.com"} },
		"a bare line feed":      func(m *sdk.Message) { m.Headers = map[string]string{"X-A": "a\nb"} },
		"a name with a line":    func(m *sdk.Message) { m.Headers = map[string]string{"X-A: b\r\nBcc": "eve@example.com"} },
		"a recipient more":      func(m *sdk.Message) { m.Headers = map[string]string{"bcc": "eve@example.com"} },
		"another signature":     func(m *sdk.Message) { m.Headers = map[string]string{"DKIM-Signature": "v=1"} },
		"another content":       func(m *sdk.Message) { m.Headers = map[string]string{"content-type": "text/html"} },
		"a header twice":        func(m *sdk.Message) { m.Headers = map[string]string{"X-A": "1", "x-a": "2"} },
		"half of RFC 8058": func(m *sdk.Message) {
			m.Headers = map[string]string{"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
		},
		"an address with a line":  func(m *sdk.Message) { m.To = "ana@example.org>\r\nRCPT TO:<eve@example.com" },
		"two addresses":           func(m *sdk.Message) { m.To = "ana@example.org, eve@example.com" },
		"a sender with a line":    func(m *sdk.Message) { m.From = "a@example.com\r\nX: y" },
		"a reply with a line":     func(m *sdk.Message) { m.ReplyTo = "a@example.com\r\nX: y" },
		"no address":              func(m *sdk.Message) { m.To = "ana" },
		"text that is not UTF-8":  func(m *sdk.Message) { m.Text = "\xff\xfe" },
		"a word that has no end":  func(m *sdk.Message) { m.Headers = map[string]string{"X-A": strings.Repeat("x", 1000)} },
		"an address that is long": func(m *sdk.Message) { m.To = strings.Repeat("x", 300) + "@example.org" },
	} {
		m := letter()
		change(&m)
		_, fault := send(t, conn, m)
		if assert.NotNil(t, fault, name) {
			assert.Equal(t, sdk.FaultInvalidRecord, fault.Kind, name)
			assert.NotContains(t, fault.Error(), "eve", name)
			assert.NotContains(t, fault.Error(), "ana", name)
		}
	}
	m := letter()
	m.Media = []string{"https://example.com/a.pdf"}
	_, fault := send(t, conn, m)
	assert.Equal(t, sdk.FaultUnsupported, fault.Kind)
	assert.Zero(t, s.Count())
}

func TestAnswersAreTheFaultsThatTheyMean(t *testing.T) {
	for _, each := range []struct {
		fault  sandbox.Fault
		kind   sdk.FaultKind
		reason string
		took   int
	}{
		{sandbox.Fault{Kind: sandbox.RateLimited, Method: "EHLO"}, sdk.FaultRetry, "BUSY", 0},
		{sandbox.Fault{Kind: sandbox.RateLimited, Method: "MAIL"}, sdk.FaultRetry, "BUSY", 0},
		{sandbox.Fault{Kind: sandbox.RateLimited, Method: "RCPT", Variant: "450 4.7.1"}, sdk.FaultRetry, "DEFERRED", 0},
		{sandbox.Fault{Kind: sandbox.RateLimited, Method: "RCPT", Variant: "452 4.2.2"}, sdk.FaultRetry, "MAILBOX_FULL", 0},
		{sandbox.Fault{Kind: sandbox.RateLimited, Method: "DATA", Variant: "451 4.3.0"}, sdk.FaultRetry, "DEFERRED", 0},
		{sandbox.Fault{Kind: sandbox.QuotaSpent}, sdk.FaultQuota, "DAILY_LIMIT", 0},
		{sandbox.Fault{Kind: sandbox.TokenExpired, Method: "AUTH"}, sdk.FaultUnauthorized, "BAD_CREDENTIALS", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "EHLO", Variant: "554 5.7.1"}, sdk.FaultUnauthorized, "REFUSED", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "MAIL", Variant: "553 5.7.1"}, sdk.FaultInvalidConfig, "BAD_SENDER", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "RCPT", Variant: "550 5.1.1"}, sdk.FaultInvalidRecord, "HARD_BOUNCE", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "RCPT", Variant: "550"}, sdk.FaultInvalidRecord, "HARD_BOUNCE", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "RCPT", Variant: "554 5.7.1"}, sdk.FaultInvalidRecord, "REJECTED", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "DATA", Variant: "552 5.3.4"}, sdk.FaultInvalidRecord, "TOO_LARGE", 0},
		{sandbox.Fault{Kind: sandbox.ServerError, Method: "DATA", Variant: "554 5.7.1"}, sdk.FaultInvalidRecord, "REJECTED", 0},
		{sandbox.Fault{Kind: sandbox.ReplyLost}, sdk.FaultUnknownOutcome, "NO_ANSWER", 1},
		{sandbox.Fault{Kind: sandbox.Truncated, Method: "DATA"}, sdk.FaultUnknownOutcome, "NO_ANSWER", 1},
		{sandbox.Fault{Kind: sandbox.Truncated, Method: "EHLO"}, sdk.FaultRetry, "UNREACHABLE", 0},
	} {
		s, conn := connect(t, sink.Options{})
		each.fault.Times = 1
		require.NoError(t, s.Desk().Faults.Add(each.fault))
		_, fault := send(t, conn, letter())
		require.NotNil(t, fault, each.fault)
		assert.Equal(t, []any{each.kind, each.reason}, []any{fault.Kind, fault.Reason}, each.fault)
		assert.NotContains(t, fault.Error(), "example.org")
		assert.Equal(t, each.took, s.Count(), each.fault)
		_, fault = send(t, conn, letter()) // one that fails is nobody else's
		assert.Nil(t, fault, each.fault)
		assert.Equal(t, each.took+1, s.Count(), each.fault)
	}
}

func TestWhatBreaksBeforeTheEndMayBeTriedAgain(t *testing.T) {
	s, conn := connect(t, sink.Options{}, "connections", 1)
	_, fault := send(t, conn, letter())
	require.Nil(t, fault)
	s.Hangup() // while the session waits: the next message does not suffer
	_, fault = send(t, conn, letter())
	require.Nil(t, fault)
	assert.Equal(t, 2, s.Sessions())

	for command, kind := range map[string]sdk.FaultKind{"RCPT": sdk.FaultRetry, "DATA": sdk.FaultUnknownOutcome} {
		require.NoError(t, s.Desk().Faults.Add(sandbox.Fault{Kind: sandbox.Slow, Method: command, DelayMS: 500, Times: 1}))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := conn.(sdk.Sender).Send(ctx, letter())
		cancel()
		assert.Equal(t, kind, sdk.AsFault(err).Kind, command)
	}
	require.NoError(t, s.Desk().Faults.Replace())
	s.Close()
	_, fault = send(t, conn, letter())
	assert.Equal(t, []any{sdk.FaultRetry, "UNREACHABLE"}, []any{fault.Kind, fault.Reason})
}

func TestMailGoesOverTLSOnly(t *testing.T) {
	check := func(conn sdk.Connection) string {
		fault := sdk.AsFault(conn.Check(t.Context()))
		if fault == nil {
			return ""
		}
		return fault.Reason
	}
	_, conn := connect(t, sink.Options{TLS: true, Mechanisms: []string{"LOGIN"}}, "security", "tls")
	assert.Empty(t, check(conn))
	_, conn = connect(t, sink.Options{TLS: true}, "security", "starttls", "answerSeconds", 1)
	assert.Equal(t, "UNREACHABLE", check(conn))
	s, conn := connect(t, sink.Options{NoSTARTTLS: true})
	assert.Equal(t, "NO_STARTTLS", check(conn))
	_, fault := send(t, conn, letter())
	assert.Equal(t, sdk.FaultInvalidConfig, fault.Kind)
	assert.Zero(t, s.Sessions()+s.Count(), "no password went in clear")
	_, conn = connect(t, sink.Options{NoSTARTTLS: true}, "security", "none")
	assert.Empty(t, check(conn))
	_, conn = connect(t, sink.Options{}, "security", "tls")
	assert.Equal(t, "NO_TLS", check(conn))
	_, conn = connect(t, sink.Options{Names: []string{"mail.example.com"}})
	assert.Equal(t, "BAD_CERTIFICATE", check(conn))
	_, conn = connect(t, sink.Options{}, "trustedCertificates", "")
	assert.Equal(t, "BAD_CERTIFICATE", check(conn))
	_, conn = connect(t, sink.Options{Mechanisms: []string{"LOGIN"}}, "authentication", "plain")
	assert.Equal(t, "NO_AUTH", check(conn))
	_, conn = connect(t, sink.Options{}, "password", "another-password")
	assert.Equal(t, "BAD_CREDENTIALS", check(conn))
	t.Setenv(sdk.PrivateVariable, "0")
	_, conn = connect(t, sink.Options{})
	assert.Equal(t, "PRIVATE_ADDRESS", check(conn))
}

func TestConfigurationsThatMeanNothingAreRefused(t *testing.T) {
	for property, config := range map[string]object{
		"security": {"security": "none", "host": "mail.example.com"}, "from": {"from": "nobody"}, "bounceAddress": {"bounceAddress": "x"},
		"dkimSelector":   {"dkimDomain": "example.com"},
		"dkimPrivateKey": {"dkimDomain": "example.com", "dkimSelector": "a", "dkimPrivateKey": "canary-of-a-key"},
		"username":       {"password": "x"}, "password": {"username": "x"}, "trustedCertificates": {"trustedCertificates": "x"},
		"host": {"host": "a b"}, "port": {"port": 70000}, "heloName": {"heloName": "a\r\nb"},
	} {
		whole := object{"host": "127.0.0.1", "from": "shop@example.com"}
		for k, v := range config {
			whole[k] = v
		}
		_, err := open(t, whole)
		fault := sdk.AsFault(err)
		require.NotNil(t, fault, property)
		assert.Equal(t, []any{sdk.FaultInvalidConfig, property}, []any{fault.Kind, fault.Path})
		assert.NotContains(t, fault.Error(), "canary")
	}
}

func TestAddressesInOtherScripts(t *testing.T) {
	s, conn := connect(t, sink.Options{})
	m := letter()
	m.To = "用户@bücher.example"
	_, fault := send(t, conn, m)
	require.Nil(t, fault)
	assert.Equal(t, []string{"用户@xn--bcher-kva.example"}, s.Mails()[0].To)
	_, conn = connect(t, sink.Options{NoUTF8: true})
	_, fault = send(t, conn, m)
	assert.Equal(t, "BAD_ADDRESS", fault.Reason)
	m.To = "ana@bücher.example"
	_, fault = send(t, conn, m)
	assert.Nil(t, fault)
}

func TestSessionsAreUsedAgainAndEnd(t *testing.T) {
	s, conn := connect(t, sink.Options{}, "connections", 2, "maxPerConnection", 5)
	errs := make(chan error, 4)
	for w := range 4 {
		go func() {
			for i := range 5 {
				m := letter()
				m.Key = fmt.Sprintf("msg_%d_%d", w, i)
				if _, err := conn.(sdk.Sender).Send(t.Context(), m); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	assert.Equal(t, 20, s.Count())
	assert.GreaterOrEqual(t, s.Sessions(), 4)
	assert.LessOrEqual(t, s.Sessions(), 8) // a session may be at its end while another waits
}

func TestAHostThatAnswersNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := open(t, object{"host": "127.0.0.1", "port": l.Addr().(*net.TCPAddr).Port, "from": "shop@example.com", "answerSeconds": 1})
	require.NoError(t, err)
	_, fault := send(t, conn, letter())
	assert.Equal(t, []any{sdk.FaultRetry, "UNREACHABLE"}, []any{fault.Kind, fault.Reason})
	receipt, err := conn.(sdk.Eraser).Erase(t.Context(), sdk.Subject{Key: "e"})
	require.NoError(t, err)
	assert.True(t, receipt.Done && !receipt.Known)
}

func BenchmarkSend(b *testing.B) {
	_, conn := connect(b, sink.Options{}, "connections", 4, "maxPerConnection", 10000)
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := conn.(sdk.Sender).Send(b.Context(), letter()); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
