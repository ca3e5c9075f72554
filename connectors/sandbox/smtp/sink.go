package smtp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// Credentials of the server, made up.
const (
	Username      = "headwater"
	Password      = "sandbox-mail-password"
	WebhookSecret = "sandbox-mail-webhook-secret"
	// From is the address that its credentials name.
	From = "Demo shop <shop@example.com>"
)

const (
	// kept is how many mails are kept, the last ones.
	kept = 1000
	// maxBytes is the largest mail.
	maxBytes = 10 << 20
)

// Options are how a server differs from the usual one. The zero value is the usual one.
type Options struct {
	Address    string   // to listen on; "" for a free port of the loopback
	Names      []string // of the certificate; nil for those of this machine
	NoSTARTTLS bool
	TLS        bool     // from the beginning, without STARTTLS
	Mechanisms []string // nil for PLAIN and LOGIN
	NoUTF8     bool     // without SMTPUTF8
}

// Mail is a mail that came.
type Mail struct {
	N       int       `json:"n"` // counts from 1
	At      time.Time `json:"at"`
	From    string    `json:"from"` // of the envelope
	To      []string  `json:"to"`
	Subject string    `json:"subject"`
	ID      string    `json:"id"` // Message-ID without brackets
	Raw     []byte    `json:"-"`
}

// Sink is the server.
type Sink struct {
	desk     *sandbox.Desk
	options  Options
	server   *smtp.Server
	listener net.Listener
	trust    string // its certificate, PEM
	done     chan struct{}
	close    sync.Once
	served   sync.WaitGroup

	mu       sync.Mutex
	mails    []Mail
	count    int // that ever came
	sessions int
	conns    []net.Conn // since the last Hangup
}

// Start listens and serves until Close.
func Start(o Options) (*Sink, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Names == nil {
		o.Names = []string{"localhost", "127.0.0.1", "::1"}
	}
	if o.Mechanisms == nil {
		o.Mechanisms = []string{"PLAIN", "LOGIN"}
	}
	s := &Sink{desk: sandbox.NewDesk(), options: o, done: make(chan struct{})}
	certificate, err := s.certificate()
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if s.listener, err = net.Listen("tcp", o.Address); err != nil {
		return nil, err
	}
	s.server = smtp.NewServer(smtp.BackendFunc(s.begin))
	s.server.Domain, s.server.ErrorLog = "sandbox.example", log.New(io.Discard, "", 0)
	s.server.MaxMessageBytes, s.server.MaxRecipients = maxBytes, 100
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	s.server.EnableSMTPUTF8 = !o.NoUTF8
	var through net.Listener = noted{s.listener, s}
	switch {
	case o.TLS:
		through = tls.NewListener(through, secure)
	case !o.NoSTARTTLS:
		s.server.TLSConfig = secure
	}
	s.server.AllowInsecureAuth = o.NoSTARTTLS
	s.served.Go(func() { _ = s.server.Serve(through) }) // it ends with Close
	return s, nil
}

// certificate makes one for the server's names, which is its own authority.
func (s *Sink) certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "sandbox"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	for _, name := range s.options.Names {
		if ip := net.ParseIP(name); ip != nil {
			form.IPAddresses = append(form.IPAddresses, ip)
		} else {
			form.DNSNames = append(form.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	s.trust = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Emulator is the server as the sandbox serves it.
func (s *Sink) Emulator() sandbox.Emulator {
	host, port, _ := net.SplitHostPort(s.Address()) // as the listener says it
	return sandbox.Emulator{
		Name: "smtp", Desk: s.desk, Handler: s.pages(),
		Credentials: map[string]string{
			"host": host, "port": port, "username": Username, "password": Password, "from": From,
			"webhookSecret": WebhookSecret, "trustedCertificates": s.trust,
		},
		Controls: map[string]http.HandlerFunc{
			"GET messages":    s.list,
			"DELETE messages": func(w http.ResponseWriter, r *http.Request) { s.reset(); s.list(w, r) },
			"POST bounce":     s.report(bounce), "POST complaint": s.report(complaint),
		},
		Reset: s.reset,
	}
}

// Address is where it listens, HOST:PORT.
func (s *Sink) Address() string { return s.listener.Addr().String() }

// Desk is the emulator's: its faults and its journal.
func (s *Sink) Desk() *sandbox.Desk { return s.desk }

// Certificate is its certificate, PEM.
func (s *Sink) Certificate() string { return s.trust }

// Mails are the mails that are kept, the newest at the end.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail{}, s.mails...)
}

// Count is how many mails ever came.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Sessions is how often somebody said who they are.
func (s *Sink) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Close ends it and every connection.
func (s *Sink) Close() {
	s.close.Do(func() {
		close(s.done)
		_ = s.server.Close()
		_ = s.listener.Close() // which the server may not know of yet
		s.served.Wait()
	})
}

// Hangup ends every connection, as a server does with those that say nothing.
func (s *Sink) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close() // or the client has
	}
	s.conns = nil
}

// noted is a listener whose connections can be ended.
type noted struct {
	net.Listener
	sink *Sink
}

// Accept implements net.Listener.
func (l noted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.sink.mu.Lock()
		defer l.sink.mu.Unlock()
		l.sink.conns = append(l.sink.conns, c)
	}
	return c, err
}

func (s *Sink) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails, s.count, s.sessions = nil, 0, 0
}

// answer is the reply that a fault stands for.
func answer(f sandbox.Fault) *smtp.SMTPError {
	form, words := "451 4.3.0", "The server has trouble of its own"
	switch f.Kind {
	case sandbox.RateLimited:
		form, words = "421 4.7.0", "Too much for now, try again later"
	case sandbox.QuotaSpent:
		form, words = "550 5.4.5", "Daily sending quota exceeded"
	case sandbox.TokenExpired:
		form, words = "535 5.7.8", "Authentication credentials invalid"
	}
	if f.Status != 0 {
		form = strconv.Itoa(f.Status) + " 5.0.0"
	}
	if f.Variant != "" {
		form = f.Variant
	}
	e := &smtp.SMTPError{Code: 554, EnhancedCode: smtp.NoEnhancedCode, Message: words}
	number, enhanced, _ := strings.Cut(form, " ")
	if n, err := strconv.Atoi(number); err == nil && n >= 200 && n <= 599 {
		e.Code = n
	}
	if n, err := fmt.Sscanf(enhanced, "%d.%d.%d", &e.EnhancedCode[0], &e.EnhancedCode[1], &e.EnhancedCode[2]); n != 3 || err != nil {
		e.EnhancedCode = smtp.NoEnhancedCode
	}
	return e
}
