package smtp

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	maxParts = 20      // of a report
	maxPart  = 1 << 20 // of which so many bytes are read
	maxAbout = 50      // recipients that a report is about
)

// tokens finds what codes.token wrote, and what stands behind it.
var tokens = regexp.MustCompile(`(?i)hw\.[kp][0-9a-z_-]+\.[0-9a-v]{13}(@[a-z0-9.-]+)?`)

// report is what a mail says of a message.
type report struct {
	id, key string // of the message
	at      time.Time
	about   []outcome
}

// outcome is what became of a message at one recipient.
type outcome struct {
	state  sdk.DeliveryState
	reason string
}

// read reads a report of delivery (RFC 3464) or a complaint (RFC 5965). What is neither, or is
// about no message of ours, gives nothing.
func read(raw []byte, ids codes, now time.Time) []sdk.Delivery {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["boundary"] == "" {
		return nil
	}
	r := &report{at: now}
	if sent, err := m.Header.Date(); err == nil && sent.Before(now) {
		r.at = sent
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for range maxParts {
		p, err := parts.NextPart()
		if err != nil {
			break
		}
		r.part(p, ids)
	}
	// Of a report that returns no header its own ones may tell: an answer's, or our address.
	for _, name := range []string{"In-Reply-To", "References"} {
		r.find(m.Header.Get(name), ids, true)
	}
	for _, name := range []string{"To", "Delivered-To", "X-Original-To"} {
		r.find(m.Header.Get(name), ids, false)
	}
	if r.key == "" {
		return nil
	}
	var out []sdk.Delivery
	for _, o := range r.about {
		sum := sha256.Sum256([]byte(r.key + "\n" + string(o.state) + "\n" + o.reason))
		out = append(out, sdk.Delivery{Event: hex.EncodeToString(sum[:16]), ID: r.id, Key: r.key, State: o.state, Reason: o.reason, At: r.at.UTC()})
	}
	return out
}

// part reads one part of a report.
func (r *report) part(p *multipart.Part, ids codes) {
	var body io.Reader = p
	if strings.EqualFold(p.Header.Get("Content-Transfer-Encoding"), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, p)
	}
	text := textproto.NewReader(bufio.NewReader(io.LimitReader(body, maxPart)))
	kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")) // "" is none of these
	switch kind {
	case "message/delivery-status", "message/global-delivery-status":
		for len(r.about) < maxAbout { // the fields of the whole, then those of each recipient
			fields, err := text.ReadMIMEHeader()
			if o, ok := delivered(fields); ok {
				r.about = append(r.about, o)
			}
			if err != nil {
				break
			}
		}
	case "message/feedback-report":
		fields, _ := text.ReadMIMEHeader() // as far as it goes
		switch strings.ToLower(fields.Get("Feedback-Type")) {
		case "abuse", "fraud":
			r.about = append(r.about, outcome{sdk.DeliveryComplained, "complaint: " + strings.ToLower(fields.Get("Feedback-Type"))})
		case "opt-out", "opt-out-list", "unsubscribe":
			r.about = append(r.about, outcome{sdk.DeliveryUnsubscribed, "asked not to be written to"})
		}
		r.find(fields.Get("Original-Mail-From"), ids, false)
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		fields, _ := text.ReadMIMEHeader()
		r.find(fields.Get("Message-Id"), ids, true)
		r.find(fields.Get("Return-Path"), ids, false)
	}
}

// find looks for a token that this connection made.
func (r *report) find(text string, ids codes, messageID bool) {
	for _, found := range tokens.FindAllString(text, 20) {
		token, _, _ := strings.Cut(found, "@")
		key, ok := ids.key(token)
		if !ok || r.key != "" && r.key != key {
			continue
		}
		r.key = key
		if messageID && r.id == "" {
			r.id = found
		}
	}
}

// delivered reads the fields of a recipient. What the other server wrote is not repeated.
func delivered(fields textproto.MIMEHeader) (outcome, bool) {
	action := strings.ToLower(strings.TrimSpace(fields.Get("Action")))
	status := enhanced(strings.TrimSpace(fields.Get("Status")))
	switch action {
	case "delivered":
		return outcome{sdk.DeliveryDelivered, ""}, true
	case "failed":
	default: // delayed, relayed, expanded: nothing is decided
		return outcome{}, false
	}
	code := 0
	if kind, said, ok := strings.Cut(fields.Get("Diagnostic-Code"), ";"); ok && strings.EqualFold(strings.TrimSpace(kind), "smtp") {
		first, rest, _ := strings.Cut(strings.TrimSpace(said), " ")
		first, _, _ = strings.Cut(first, "-")
		code, _ = strconv.Atoi(first) // 0 when it is none
		if word := enhanced(rest); word != "" && (status == "" || strings.HasSuffix(status, ".0.0")) {
			status = word // it says more
		}
	}
	state, words := bounced(code, status)
	reason := strings.TrimSpace(cmp.Or(status, strconv.Itoa(code)) + " " + words)
	return outcome{state, reason}, true
}

// bounced is what a failure makes of a message, with what it means.
func bounced(code int, status string) (sdk.DeliveryState, string) {
	_, detail, _ := strings.Cut(status, ".")
	switch {
	case gone(code, status):
		return sdk.DeliveryHardBounced, "no such mailbox"
	case detail == "2.2":
		return sdk.DeliverySoftBounced, "the mailbox is full"
	case strings.HasPrefix(detail, "7."):
		return sdk.DeliveryFailed, "refused by policy"
	case strings.HasPrefix(detail, "6."), detail == "2.3", detail == "3.4":
		return sdk.DeliveryFailed, "the message was not taken"
	case strings.HasPrefix(detail, "4."):
		return sdk.DeliverySoftBounced, "the server could not be reached"
	}
	return sdk.DeliverySoftBounced, "not delivered"
}
