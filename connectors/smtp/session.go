package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	wire "github.com/wneessen/go-mail/smtp"
)

// dialer makes sessions with one mail server.
type dialer struct {
	address, host      string
	security           string
	username, password string
	way                string // plain, login, or whichever the server offers
	helo               string
	connect, answer    time.Duration
	tls                *tls.Config
	net                *net.Dialer
}

// stage is how far a session, or a message, came.
type stage string

// The stages. Before stageEnd nothing has happened to a message.
const (
	stageConnect stage = "the connection"
	stageGreet   stage = "the greeting"
	stageTLS     stage = "STARTTLS"
	stageAuth    stage = "AUTH"
	stageMail    stage = "MAIL"
	stageRcpt    stage = "RCPT"
	stageData    stage = "DATA"
	stageEnd     stage = "the end of the message"
)

// failure is what went wrong at a stage: what the server answered, or that it did not.
type failure struct {
	at    stage
	code  int    // of the server's answer; 0 when there was none
	words string // its enhanced code, such as "5.1.1"; "" when it gave none
	err   error
}

// Error implements error. It never repeats what the server wrote.
func (f *failure) Error() string {
	if f.code == 0 {
		return fmt.Sprintf("%s broke off", f.at)
	}
	return strings.TrimSpace(fmt.Sprintf("%s was answered %d %s", f.at, f.code, f.words))
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// failed is the failure of an error at a stage; nil stays nil.
func failed(at stage, err error) error {
	if err == nil {
		return nil
	}
	f := &failure{at: at, err: err}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		f.code, f.words = answer.Code, enhanced(answer.Msg)
	}
	return f
}

// enhanced reads the enhanced status code (RFC 3463) that an answer begins with.
func enhanced(text string) string {
	word, _, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || len(word) > 11 || !slices.Contains([]string{"2", "4", "5"}, parts[0]) {
		return ""
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return ""
		}
	}
	return word
}

// session is a connection to the server that is ready for messages.
type session struct {
	client *wire.Client
	conn   net.Conn // beneath TLS
	answer time.Duration
	size   int64       // the largest message that the server takes; 0 when it does not say
	wide   bool        // it takes addresses that are not ASCII
	used   int         // messages
	dirty  bool        // a message was begun and not ended
	idle   *time.Timer // closes it when nobody takes it
	since  time.Time   // it is idle

	mu    sync.Mutex
	ended bool // the context of what runs has ended
}

// dial connects, encrypts and authenticates.
func (d *dialer) dial(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*d.connect+d.answer)
	defer cancel()
	reach, stop := context.WithTimeout(ctx, d.connect)
	defer stop()
	conn, err := d.net.DialContext(reach, "tcp", d.address)
	if err != nil {
		return nil, failed(stageConnect, err)
	}
	s := &session{conn: conn, answer: d.answer}
	err = s.during(ctx, func() error { return d.enter(s) })
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errNotHere    = errors.New("the server is not on this machine")
	errNoWay      = errors.New("the server offers no way to authenticate that is known")
)

// enter does what comes before the first message.
func (d *dialer) enter(s *session) error {
	through := s.conn
	switch d.security {
	case noTLS: // a name may have come to mean another machine
		if a, ok := s.conn.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return failed(stageTLS, errNotHere)
		}
	case fullTLS:
		secured := tls.Client(s.conn, d.tls)
		if err := secured.Handshake(); err != nil {
			return failed(stageTLS, err)
		}
		through = secured
	}
	client, err := wire.NewClient(through, d.host)
	if err != nil {
		return failed(stageGreet, err)
	}
	s.client = client
	// Asked by ourselves first: the library falls back to HELO, after which a busy server
	// looks like one without STARTTLS.
	id, err := client.Text.Cmd("EHLO %s", d.helo)
	if err != nil {
		return failed(stageGreet, err)
	}
	client.Text.StartResponse(id)
	_, _, err = client.Text.ReadResponse(250)
	client.Text.EndResponse(id)
	if err != nil {
		return failed(stageGreet, err)
	}
	if err := client.Hello(d.helo); err != nil {
		return failed(stageGreet, err)
	}
	if d.security == startTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return failed(stageTLS, errNoSTARTTLS)
		}
		if err := client.StartTLS(d.tls); err != nil {
			return failed(stageTLS, err)
		}
	}
	if d.username != "" {
		auth, err := d.auth(client)
		if err != nil {
			return failed(stageAuth, err)
		}
		if err := client.Auth(auth); err != nil {
			return failed(stageAuth, err)
		}
	}
	if ok, most := client.Extension("SIZE"); ok {
		s.size, _ = strconv.ParseInt(most, 10, 64) // 0 when it is no number
	}
	s.wide, _ = client.Extension("SMTPUTF8")
	return nil
}

// auth chooses the way to authenticate. Without TLS the server is on this machine.
func (d *dialer) auth(client *wire.Client) (wire.Auth, error) {
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	for _, way := range []string{"PLAIN", "LOGIN"} {
		if d.way != "auto" && d.way != "" && !strings.EqualFold(way, d.way) || !slices.Contains(ways, way) {
			continue
		}
		if way == "PLAIN" {
			return wire.PlainAuth("", d.username, d.password, d.host, d.security == noTLS), nil
		}
		return wire.LoginAuth(d.username, d.password, d.host, d.security == noTLS), nil
	}
	return nil, errNoWay
}

// during runs what talks to the server until the context ends.
func (s *session) during(ctx context.Context, do func() error) error {
	s.mu.Lock()
	s.ended = false
	s.mu.Unlock()
	s.extend()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
		_ = s.conn.SetDeadline(time.Unix(1, 0))
	})
	err := do()
	if !stop() { // its deadline may be set yet: nobody uses it again
		s.conn.Close()
	}
	return err
}

// extend gives the server time for its next answer, unless the context has ended.
func (s *session) extend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_ = s.conn.SetDeadline(time.Now().Add(s.answer))
	}
}

// send hands a message over. An error is a *failure.
func (s *session) send(ctx context.Context, l *letter) error {
	return s.during(ctx, func() error {
		if s.dirty {
			if err := s.client.Reset(); err != nil {
				return failed(stageMail, err)
			}
		}
		s.used, s.dirty = s.used+1, true
		s.extend()
		s.client.SkipSMTPUTF8(!l.wide) // else the next server must take them, too
		if err := s.client.Mail("<" + l.from + ">"); err != nil {
			return failed(stageMail, err)
		}
		s.extend()
		if err := s.client.Rcpt("<" + l.to + ">"); err != nil {
			return failed(stageRcpt, err)
		}
		s.extend()
		w, err := s.client.Data()
		if err != nil {
			return failed(stageData, err)
		}
		s.extend()
		if _, err := w.Write(l.raw); err != nil {
			return failed(stageData, err)
		}
		s.extend()
		err = w.Close()
		var answer *textproto.Error
		if errors.As(err, &answer) && answer.Code/100 == 2 {
			err = nil // 250 is not the only yes
		}
		s.dirty = err != nil
		return failed(stageEnd, err)
	})
}

// alive asks whether the server is still there.
func (s *session) alive(ctx context.Context) bool {
	return s.during(ctx, func() error { return s.client.Reset() }) == nil
}

// leaveFor is how long a server has to answer a goodbye.
const leaveFor = 300 * time.Millisecond

// leave says goodbye.
func (s *session) leave() {
	_ = s.conn.SetDeadline(time.Now().Add(leaveFor))
	_ = s.client.Quit() // nothing depends on it
	s.conn.Close()
}
