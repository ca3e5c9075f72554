package smtp

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Connector implements sdk.Connector.
type Connector struct{}

var _ sdk.Connector = Connector{}

//go:embed config.schema.json
var configSchema []byte

// atOnce is how many messages are taken at the same time; the most connections that a
// configuration may ask for.
const atOnce = 20

// Spec implements sdk.Connector. It claims no "dedupe.send", because SMTP has no key by
// which a message is known, and no "status", because no server can be asked.
func (Connector) Spec() sdk.Spec {
	return sdk.Spec{
		Name: "smtp", Version: "v1.0.0", Title: "E-mail (SMTP)",
		Description:  "E-mail through any mail server, signed with DKIM; bounces and complaints from reports that are posted to its webhook.",
		Kinds:        []sdk.Kind{sdk.Channel, sdk.Source},
		Channels:     []string{"EMAIL"},
		ConfigSchema: json.RawMessage(configSchema),
		Capabilities: []sdk.Capability{sdk.CanSend, sdk.CanReceive, sdk.CanErase},
		Limits:       sdk.Limits{Concurrency: atOnce, MemoryMiB: 256},
		Hosts:        []string{"config:host"},
		Categories:   []string{"IDENTIFIER", "CONTACT", "FREE_TEXT"},
		Processor:    sdk.Processor{Name: "Operator of the mail server"},
		Webhooks:     true,
	}
}

type config struct {
	Host           string `json:"host"`
	Port           int    `json:"port"`
	Security       string `json:"security"`
	Trusted        string `json:"trustedCertificates"`
	Username       string `json:"username"`
	Password       string `json:"password"`
	Authentication string `json:"authentication"`
	From           string `json:"from"`
	BounceAddress  string `json:"bounceAddress"`
	VERP           bool   `json:"verp"`
	WebhookSecret  string `json:"webhookSecret"`
	DKIMDomain     string `json:"dkimDomain"`
	DKIMSelector   string `json:"dkimSelector"`
	DKIMKey        string `json:"dkimPrivateKey"`
	HELO           string `json:"heloName"`
	Connections    int    `json:"connections"`
	PerConnection  int    `json:"maxPerConnection"`
	ConnectSeconds int    `json:"connectSeconds"`
	AnswerSeconds  int    `json:"answerSeconds"`
}

// The ways to encrypt.
const (
	startTLS = "starttls"
	fullTLS  = "tls"
	noTLS    = "none"
)

// connection implements sdk.Connection.
type connection struct {
	config config
	from   *mail.Address
	bounce string        // "" for the sender's
	signer crypto.Signer // nil: not signed
	pool   *pool
	ids    codes
	now    func() time.Time
}

var (
	_ sdk.Connection = (*connection)(nil)
	_ sdk.Sender     = (*connection)(nil)
	_ sdk.Receiver   = (*connection)(nil)
	_ sdk.Eraser     = (*connection)(nil)
)

// Open implements sdk.Connector.
func (Connector) Open(_ context.Context, raw sdk.Config, _ sdk.Host) (sdk.Connection, error) {
	c := config{Security: startTLS, Authentication: "auto", Connections: 4, PerConnection: 100, ConnectSeconds: 10, AnswerSeconds: 60}
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	o := &connection{config: c, now: time.Now, ids: codes{secret: c.WebhookSecret}}
	var err error
	if o.from, err = address(c.From); err != nil {
		return nil, sdk.InvalidConfig("from", "an address is needed, such as Shop <hello@example.com>")
	}
	if c.BounceAddress != "" {
		a, err := address(c.BounceAddress)
		if err != nil {
			return nil, sdk.InvalidConfig("bounceAddress", "give an address, such as bounces@example.com")
		}
		o.bounce = a.Address
	}
	if o.signer, err = signer(c); err != nil {
		return nil, err
	}
	d, err := newDialer(c, o.from.Address)
	if err != nil {
		return nil, err
	}
	o.pool = newPool(d, within(c.Connections, 1, atOnce), max(c.PerConnection, 1))
	return o, nil
}

func within(n, least, most int) int { return min(max(n, least), most) }

// newDialer makes what connects to the server of a configuration.
func newDialer(c config, from string) (*dialer, error) {
	d := &dialer{
		host: c.Host, security: c.Security, username: c.Username, password: c.Password, way: c.Authentication, helo: c.HELO,
		connect: time.Duration(max(c.ConnectSeconds, 1)) * time.Second, answer: time.Duration(max(c.AnswerSeconds, 1)) * time.Second, net: sdk.Dialer(),
	}
	port := c.Port
	switch c.Security {
	case startTLS:
		port = orElse(port, 587)
	case fullTLS:
		port = orElse(port, 465)
	case noTLS:
		port = orElse(port, 25)
		if ip := net.ParseIP(c.Host); c.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, sdk.InvalidConfig("security", "mail goes over TLS: use starttls or tls; none is only for a server on the same machine").Because("NO_TLS")
		}
	default:
		return nil, sdk.InvalidConfig("security", "it is starttls, tls or none")
	}
	switch {
	case c.Host == "" || strings.ContainsAny(c.Host, " \t\r\n/@"):
		return nil, sdk.InvalidConfig("host", "give the name of the mail server, such as smtp.example.com")
	case port < 1 || port > 65535:
		return nil, sdk.InvalidConfig("port", "a port is from 1 to 65535")
	case c.Username != "" && c.Password == "":
		return nil, sdk.InvalidConfig("password", "a user needs a password")
	case c.Username == "" && c.Password != "":
		return nil, sdk.InvalidConfig("username", "a password needs a user")
	}
	d.address = net.JoinHostPort(c.Host, strconv.Itoa(port))
	if d.helo == "" {
		d.helo = domainOf(from)
	}
	if strings.ContainsAny(d.helo, " \t\r\n") {
		return nil, sdk.InvalidConfig("heloName", "give a host name")
	}
	d.tls = &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.Trusted != "" {
		d.tls.RootCAs = x509.NewCertPool()
		if !d.tls.RootCAs.AppendCertsFromPEM([]byte(c.Trusted)) {
			return nil, sdk.InvalidConfig("trustedCertificates", "give certificates as PEM")
		}
	}
	return d, nil
}

func orElse(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}

// Check implements sdk.Connection: it connects anew, encrypts, authenticates, and leaves.
func (c *connection) Check(ctx context.Context) error {
	s, err := c.pool.dialer.dial(ctx)
	if err != nil {
		return faultOf(ctx, err)
	}
	s.leave()
	return nil
}

// Close implements sdk.Connection.
func (c *connection) Close() error {
	c.pool.close()
	return nil
}

// Erase implements sdk.Eraser: nothing is kept here, and SMTP has no word for it.
func (c *connection) Erase(context.Context, sdk.Subject) (sdk.EraseReceipt, error) {
	return sdk.EraseReceipt{
		Done: true, Erased: c.now().UTC(),
		Detail: "The connector stores nothing, and a mail server cannot be told to forget: how long it logs what it sent is between you and its operator.",
	}, nil
}
