package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// letter is a message as it goes over the wire.
type letter struct {
	id       string // Message-ID without brackets
	from, to string // of the envelope
	wide     bool   // an address needs SMTPUTF8
	raw      []byte
}

const (
	longestAddress = 254
	longestHeader  = 8 << 10
	// longestWord is what stands in a header without a blank: a line has 998 at most, and
	// is folded at blanks only.
	longestWord = 900
	maxHeaders  = 50
)

// own are fields that a message has its own properties for, or that servers write.
var own = []string{
	"From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Subject", "Date", "Message-Id", "Mime-Version", "Return-Path", "Received",
	"Dkim-Signature", "Domainkey-Signature", "Authentication-Results", "Delivered-To", "X-Original-To",
}

var errAddress = errors.New("no address")

// address reads one address, with or without a name; a domain in another script is
// written as its ASCII form.
func address(text string) (*netmail.Address, error) {
	if hasControl(text) || !utf8.ValidString(text) {
		return nil, errAddress
	}
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, errAddress // the parser's words repeat the address
	}
	at := strings.LastIndexByte(a.Address, '@')
	domain, err := idna.Lookup.ToASCII(a.Address[at+1:])
	if err != nil || domain == "" || !utf8.ValidString(a.Address) {
		return nil, errAddress
	}
	a.Address = a.Address[:at+1] + domain
	if len(a.Address) > longestAddress {
		return nil, errAddress
	}
	return a, nil
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e })
}

// compose makes the mail of a message. What it refuses is a fault about that message.
func (c *connection) compose(m sdk.Message) (*letter, error) {
	switch {
	case m.Channel != "EMAIL" && m.Channel != "":
		return nil, sdk.Unsupported("only e-mail is sent here").Because("CHANNEL")
	case m.Key == "":
		return nil, sdk.InvalidRecord("key", "a message needs a key")
	case m.HTML == "" && m.Text == "":
		return nil, sdk.InvalidRecord("text", "a message needs a text, or HTML")
	case len(m.Media) > 0:
		return nil, sdk.Unsupported("e-mail has no attachments here: link to them").Because("MEDIA")
	case hasControl(m.Subject):
		return nil, sdk.InvalidRecord("subject", "a subject is one line").Because("HEADER")
	}
	for field, text := range map[string]string{"subject": m.Subject, "html": m.HTML, "text": m.Text} {
		if !utf8.ValidString(text) {
			return nil, sdk.InvalidRecord(field, "it is not UTF-8")
		}
	}
	to, err := address(m.To)
	if err != nil {
		return nil, sdk.InvalidRecord("to", "this is no address of e-mail").Because("BAD_ADDRESS")
	}
	from := c.from
	if m.From != "" {
		if from, err = address(m.From); err != nil {
			return nil, sdk.InvalidRecord("from", "this is no address of e-mail").Because("BAD_SENDER")
		}
	}
	headers, err := checkHeaders(m.Headers)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP), mail.WithNoDefaultUserAgent())
	l := &letter{id: c.ids.token(m.Key) + "@" + c.idDomain(from), to: to.Address}
	l.from = c.envelope(m.Key, from)
	l.wide = !ascii(l.from + l.to + from.Address)
	msg.FromMailAddress(from)
	msg.ToMailAddress(to)
	there := []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
	if m.ReplyTo != "" {
		reply, err := address(m.ReplyTo)
		if err != nil {
			return nil, sdk.InvalidRecord("replyTo", "this is no address of e-mail").Because("BAD_ADDRESS")
		}
		l.wide = l.wide || !ascii(reply.Address)
		msg.ReplyToMailAddress(reply)
		there = append(there, "Reply-To")
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(l.id)
	msg.SetDateWithValue(c.now())
	names := slices.Sorted(maps.Keys(headers))
	for _, name := range names {
		msg.SetGenHeader(mail.Header(name), headers[name])
	}
	switch {
	case m.HTML == "":
		msg.SetBodyString(mail.TypeTextPlain, lines(m.Text))
	case m.Text == "":
		msg.SetBodyString(mail.TypeTextHTML, lines(m.HTML))
	default: // the last alternative is the best (RFC 2046, 5.1.4)
		msg.SetBodyString(mail.TypeTextPlain, lines(m.Text))
		msg.AddAlternativeString(mail.TypeTextHTML, lines(m.HTML))
	}
	if m.HTML == "" || m.Text == "" {
		there = append(there, "Content-Transfer-Encoding")
	}
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	if l.raw, err = c.sign(raw.Bytes(), there, names); err != nil {
		return nil, err
	}
	return l, nil
}

// lines ends lines in one way, so that what is signed is what a server reads.
func lines(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// idDomain is the domain of a Message-ID.
func (c *connection) idDomain(from *netmail.Address) string {
	if c.config.DKIMDomain != "" {
		return c.config.DKIMDomain
	}
	return domainOf(from.Address)
}

// envelope is the address to which reports go.
func (c *connection) envelope(key string, from *netmail.Address) string {
	bounce := c.bounce
	if bounce == "" {
		bounce = from.Address
	}
	if c.config.VERP {
		at := strings.LastIndexByte(bounce, '@')
		if local := bounce[:at] + "+" + c.ids.token(key); len(local) <= 64 { // RFC 5321, 4.5.3.1.1
			return local + bounce[at:]
		}
	}
	return bounce
}

// checkHeaders refuses fields that would be others than they seem, and those that are not
// a message's to set. Names come back in their usual form.
func checkHeaders(in map[string]string) (map[string]string, error) {
	if len(in) > maxHeaders {
		return nil, sdk.InvalidRecord("headers", fmt.Sprintf("a message has %d headers of its own at most", maxHeaders)).Because("HEADER")
	}
	refuse := func(message string) error { return sdk.InvalidRecord("headers", message).Because("HEADER") }
	out := make(map[string]string, len(in))
	for name, value := range in {
		if value == "" {
			continue
		}
		if name == "" || len(name) > 76 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
			return nil, refuse("the name of a header has letters, digits and dashes")
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if slices.Contains(own, name) || strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Arc-") || strings.HasPrefix(name, "Resent-") {
			return nil, refuse("the header " + name + " is not a message's to set")
		}
		if _, twice := out[name]; twice {
			return nil, refuse("the header " + name + " is there twice")
		}
		if hasControl(value) || !utf8.ValidString(value) || len(value) > longestHeader || slices.ContainsFunc(strings.Fields(value), func(w string) bool { return len(w) > longestWord }) {
			return nil, refuse("the header " + name + " is one line of text, of 8 KiB at most and 900 characters without a blank")
		}
		if strings.HasPrefix(name, "List-") && !ascii(value) {
			return nil, refuse("the header " + name + " has characters of ASCII only")
		}
		out[name] = value
	}
	if post, ok := out["List-Unsubscribe-Post"]; ok && (post != "List-Unsubscribe=One-Click" || !hasWeb(out["List-Unsubscribe"])) {
		return nil, refuse("List-Unsubscribe-Post is List-Unsubscribe=One-Click, beside a List-Unsubscribe with an https address (RFC 8058)")
	}
	return out, nil
}

// hasWeb reports whether a List-Unsubscribe has an address of the web. In clear it is one of
// a demo: mailboxes pass over it.
func hasWeb(value string) bool {
	return slices.ContainsFunc(strings.Split(value, ","), func(part string) bool {
		part = strings.TrimSpace(part)
		u, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(part, "<"), ">"))
		return err == nil && strings.HasPrefix(part, "<") && strings.HasSuffix(part, ">") && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
	})
}
