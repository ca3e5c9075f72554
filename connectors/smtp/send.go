package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Send implements sdk.Sender. The id is the Message-ID.
func (c *connection) Send(ctx context.Context, m sdk.Message) (sdk.Sent, error) {
	l, err := c.compose(m)
	if err != nil {
		return sdk.Sent{}, err
	}
	err = c.pool.send(ctx, l, func(s *session) error {
		switch {
		case l.wide && !s.wide:
			return sdk.InvalidRecord("to", "the mail server takes no addresses in other scripts (SMTPUTF8)").Because("BAD_ADDRESS")
		case s.size > 0 && int64(len(l.raw)) > s.size:
			return sdk.InvalidRecord("html", fmt.Sprintf("the mail server takes messages of %d bytes at most", s.size)).Because("TOO_LARGE")
		}
		return nil
	})
	if err != nil {
		return sdk.Sent{}, faultOf(ctx, err)
	}
	return sdk.Sent{ID: l.id, State: sdk.DeliverySent}, nil
}

// faultOf is what an error means to the host.
func faultOf(ctx context.Context, err error) error {
	var told *sdk.Fault
	if errors.As(err, &told) { // such as the dialer's
		return told
	}
	var f *failure
	if !errors.As(err, &f) && ctx.Err() == nil {
		return err // a mistake here
	}
	if f == nil || f.code == 0 && f.at != stageEnd && ctx.Err() != nil {
		return sdk.RetryAfter(time.Second, "the call ended before the message was handed over").Because("NOT_BEGUN")
	}
	if f.code == 0 {
		return broken(f)
	}
	said := fmt.Sprint("its answer to ", f.at, " is ", strings.TrimSpace(fmt.Sprint(f.code, " ", f.words)))
	switch {
	case f.at == stageAuth && f.code/100 == 5, f.code == 530, f.code == 535:
		return sdk.Unauthorized("the mail server does not let us in: compare user and password; " + said).Because("BAD_CREDENTIALS")
	case f.words == "5.4.5":
		// Where mailboxes have a limit for a day, it is one of the last 24 hours.
		return sdk.QuotaUntil(time.Now().Add(time.Hour).UTC(), "the account has sent all that it may for now; "+said).Because("DAILY_LIMIT")
	case f.code/100 == 4:
		return temporary(f, said)
	case f.code/100 == 5:
		return permanent(f, said)
	}
	return sdk.Broken("the mail server answers what makes no sense; " + said)
}

// broken is the fault of a server that did not answer.
func broken(f *failure) error {
	var bad *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var nowhere *net.DNSError
	switch {
	case f.at == stageEnd:
		return sdk.UnknownOutcome("the mail server did not answer at the end of the message: it may have taken it").Because("NO_ANSWER")
	case errors.Is(f.err, errNoSTARTTLS):
		return sdk.InvalidConfig("security", "the mail server offers no STARTTLS, and mail does not go in clear: use tls, with its port").Because("NO_STARTTLS")
	case errors.Is(f.err, errNotHere):
		return sdk.InvalidConfig("security", "the mail server is not on this machine: use starttls or tls").Because("NO_TLS")
	case errors.Is(f.err, errNoWay):
		return sdk.InvalidConfig("authentication", "the mail server offers no such way to authenticate").Because("NO_AUTH")
	case errors.As(f.err, &bad):
		return sdk.InvalidConfig("host", "the mail server's certificate is not one for this host by an authority that is trusted").Because("BAD_CERTIFICATE")
	case errors.As(f.err, &plain):
		return sdk.InvalidConfig("security", "the mail server speaks no TLS at this port: compare the port, or use starttls").Because("NO_TLS")
	case errors.As(f.err, &nowhere) && nowhere.IsNotFound:
		return sdk.InvalidConfig("host", "there is no such host").Because("NO_HOST")
	}
	return sdk.RetryAfter(10*time.Second, "the mail server cannot be reached: "+f.Error()).Because("UNREACHABLE")
}

// temporary is the fault of 4xx: of the server as a whole, or of one recipient.
func temporary(f *failure, said string) error {
	switch {
	case f.code == 421 || f.at == stageGreet:
		return sdk.RetryAfter(30*time.Second, "the mail server takes nothing for now; "+said).Because("BUSY")
	case f.at == stageRcpt && f.words == "4.2.2":
		return sdk.RetryAfter(30*time.Minute, "the mailbox is full; "+said).Because("MAILBOX_FULL")
	case f.at == stageRcpt:
		// Servers that do not know us yet want to see us again after some minutes.
		return sdk.RetryAfter(5*time.Minute, "the mail server does not take the message for this address yet; "+said).Because("DEFERRED")
	}
	return sdk.RetryAfter(time.Minute, "the mail server does not take the message yet; "+said).Because("DEFERRED")
}

// permanent is the fault of 5xx.
func permanent(f *failure, said string) error {
	switch f.at {
	case stageGreet, stageTLS:
		return sdk.Unauthorized("the mail server refuses the connection; " + said).Because("REFUSED")
	case stageMail:
		if size(f) {
			return sdk.InvalidRecord("html", "the mail server does not take messages as large; "+said).Because("TOO_LARGE")
		}
		return sdk.InvalidConfig("from", "the mail server does not take the sender; "+said).Because("BAD_SENDER")
	case stageRcpt:
		if gone(f.code, f.words) {
			return sdk.InvalidRecord("to", "there is no such mailbox; "+said).Because("HARD_BOUNCE")
		}
		return sdk.InvalidRecord("to", "the mail server does not send to this address; "+said).Because("REJECTED")
	}
	switch {
	case size(f):
		return sdk.InvalidRecord("html", "the mail server does not take messages as large; "+said).Because("TOO_LARGE")
	case f.at == stageEnd && strings.HasPrefix(f.words, "5.1.") && gone(f.code, f.words):
		return sdk.InvalidRecord("to", "there is no such mailbox; "+said).Because("HARD_BOUNCE")
	}
	return sdk.InvalidRecord("", "the mail server does not take the message; "+said).Because("REJECTED")
}

func size(f *failure) bool { return f.code == 552 || f.words == "5.3.4" || f.words == "5.2.3" }

// gone reports whether a refusal says that nobody will ever be reached at the address: no
// such mailbox or domain, or one that takes no mail. Refusals by policy (5.7) are of us,
// and 5.2.2 is a mailbox that is full.
func gone(code int, words string) bool {
	switch words {
	case "5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1":
		return true
	case "", "5.0.0":
		return code == 550 || code == 551 || code == 553
	}
	return false
}
