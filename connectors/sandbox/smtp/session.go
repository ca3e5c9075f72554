package smtp

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// session is what one client does.
type session struct {
	sink *Sink
	conn *smtp.Conn
	in   bool // it said who it is
	from string
	to   []string
}

// begin answers EHLO.
func (s *Sink) begin(c *smtp.Conn) (smtp.Session, error) {
	out := &session{sink: s, conn: c}
	if err := out.meet("EHLO", "", sandbox.RateLimited, sandbox.ServerError, sandbox.Slow, sandbox.Truncated); err != nil {
		return nil, err
	}
	return out, nil
}

// meet lets a command meet its faults; the error is the answer of the first that replaces it.
func (c *session) meet(command, about string, kinds ...sandbox.Kind) error {
	code := 250
	defer func() {
		c.sink.desk.Journal.Add(sandbox.Request{At: c.sink.desk.Clock.Now(), Method: command, Path: "/", Status: code})
	}()
	for _, f := range c.sink.desk.Faults.Meet(command, about, kinds...) {
		switch f.Kind {
		case sandbox.Slow:
			select {
			case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
			case <-c.sink.done:
			}
		case sandbox.Truncated:
			_, _ = c.conn.Conn().Write([]byte("25")) // who has gone is not told
			fallthrough
		case sandbox.ReplyLost:
			code = 0
			_ = c.conn.Conn().Close()
			return errors.New("no answer")
		default:
			e := answer(f)
			code = e.Code
			return e
		}
	}
	return nil
}

// AuthMechanisms implements smtp.AuthSession.
func (c *session) AuthMechanisms() []string { return c.sink.options.Mechanisms }

// Auth implements smtp.AuthSession.
func (c *session) Auth(way string) (sasl.Server, error) {
	if err := c.meet("AUTH", "", sandbox.TokenExpired, sandbox.Slow); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(c.sink.options.Mechanisms, way):
	case way == sasl.Plain:
		return sasl.NewPlainServer(func(_, username, password string) error { return c.enter(username, password) }), nil
	case way == sasl.Login:
		return &login{enter: c.enter}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (c *session) enter(username, password string) error {
	if subtle.ConstantTimeCompare([]byte(username+"\x00"+password), []byte(Username+"\x00"+Password)) != 1 {
		return smtp.ErrAuthFailed
	}
	c.in = true
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.sessions++
	return nil
}

// login is LOGIN: the user is asked for, then the password.
type login struct {
	enter    func(username, password string) error
	step     int
	username string
}

// Next implements sasl.Server.
func (l *login) Next(answer []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && answer != nil {
		l.step = 1 // the user came along
	}
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.username = string(answer)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.enter(l.username, string(answer))
}

// Mail implements smtp.Session.
func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	if err := c.meet("MAIL", from, sandbox.RateLimited, sandbox.QuotaSpent, sandbox.TokenExpired, sandbox.ServerError, sandbox.Slow); err != nil {
		return err
	}
	if !c.in {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	c.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.meet("RCPT", to, sandbox.RateLimited, sandbox.ServerError, sandbox.Slow); err != nil {
		return err
	}
	c.to = append(c.to, to)
	return nil
}

// Data implements smtp.Session.
func (c *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	broken := []sandbox.Kind{sandbox.ReplyLost, sandbox.Truncated}
	if err := c.meet("DATA", "", sandbox.RateLimited, sandbox.ServerError, sandbox.Slow); err != nil {
		return err
	}
	c.sink.keep(c.from, c.to, raw)
	return c.meet("DATA", "", broken...)
}

// Reset implements smtp.Session.
func (c *session) Reset() { c.from, c.to = "", nil }

// Logout implements smtp.Session.
func (c *session) Logout() error { return nil }

// keep keeps a mail.
func (s *Sink) keep(from string, to []string, raw []byte) {
	m := Mail{At: s.desk.Clock.Now(), From: from, To: slices.Clone(to), Raw: raw}
	if read, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		m.ID = strings.Trim(read.Header.Get("Message-Id"), "<> ")
		m.Subject = read.Header.Get("Subject")
		if text, err := new(mime.WordDecoder).DecodeHeader(m.Subject); err == nil {
			m.Subject = text
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	m.N = s.count
	s.mails = append(s.mails, m)
	if len(s.mails) >= 2*kept { // not each time
		s.mails = append([]Mail{}, s.mails[len(s.mails)-kept:]...)
	}
}
