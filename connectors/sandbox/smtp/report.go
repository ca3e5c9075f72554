package smtp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// asked is a control request for a report.
type asked struct {
	ID     string `json:"id"`     // Message-ID
	Status string `json:"status"` // of a bounce; "" is 5.1.1
}

// report answers a control request by posting a report on a mail to the webhook.
func (s *Sink) report(write func(Mail, asked, time.Time) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in asked
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "the body is JSON as the documentation says: " + err.Error()})
			return
		}
		all := s.Mails()
		i := slices.IndexFunc(all, func(m Mail) bool { return m.ID == in.ID })
		if i < 0 {
			sandbox.WriteJSON(w, http.StatusNotFound, map[string]string{"error": "no mail with that id is kept"})
			return
		}
		url := s.desk.Outbox.URL()
		s.desk.Outbox.Send(func(now time.Time) sandbox.Delivery {
			body := write(all[i], in, now)
			return sandbox.Delivery{URL: url, Body: body, Header: http.Header{
				"Content-Type": {"message/rfc822"}, "X-Headwater-Signature": {Sign(body, now)},
			}}
		})
		sandbox.WriteJSON(w, http.StatusOK, in)
	}
}

// Sign is the signature of a webhook's body.
func Sign(body []byte, at time.Time) string {
	mac := hmac.New(sha256.New, []byte(WebhookSecret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body) // a hash does not fail
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// Bounce is a report (RFC 3464) that a mail did not arrive.
func Bounce(m Mail, status string, at time.Time) []byte { return bounce(m, asked{Status: status}, at) }

func bounce(m Mail, in asked, at time.Time) []byte {
	if in.Status == "" {
		in.Status = "5.1.1"
	}
	return multipartReport(m, at, "delivery-status", "Undelivered Mail Returned to Sender", fmt.Sprintf(
		"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; sandbox.example\r\nArrival-Date: %s\r\n\r\n"+
			"Final-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: %s\r\nDiagnostic-Code: smtp; 550 %s <%s>: refused\r\n",
		m.At.Format(time.RFC1123Z), m.To[0], in.Status, in.Status, m.To[0]))
}

// Complaint is a report (RFC 5965) that somebody took a mail for spam.
func Complaint(m Mail, at time.Time) []byte { return complaint(m, asked{}, at) }

func complaint(m Mail, _ asked, at time.Time) []byte {
	return multipartReport(m, at, "feedback-report", "Complaint about a message",
		"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: sandbox/1\r\nVersion: 1\r\n")
}

func multipartReport(m Mail, at time.Time, kind, subject, machine string) []byte {
	const edge = "sandbox-report"
	head := m.Raw
	if i := bytes.Index(head, []byte("\r\n\r\n")); i >= 0 {
		head = head[:i+4]
	}
	return fmt.Appendf(nil, "From: MAILER-DAEMON@sandbox.example\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=%s; boundary=%q\r\n\r\n--%s\r\nContent-Type: text/plain\r\n\r\n%s.\r\n--%s\r\n%s\r\n--%s\r\n"+
		"Content-Type: text/rfc822-headers\r\n\r\n%s\r\n--%s--\r\n",
		m.From, subject, at.Format(time.RFC1123Z), kind, edge, edge, subject, edge, machine, edge, head, edge)
}
