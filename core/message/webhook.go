package message

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

// SignatureHeader holds "t=SECONDS,v1=HEX": an HMAC-SHA-256 over SECONDS, a dot and the body,
// under a webhook secret. While two are valid there is a v1 for each.
const SignatureHeader = "Headwater-Signature"

// Signature returns what stands in SignatureHeader.
func Signature(at time.Time, body []byte, secrets ...string) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	out := "t=" + seconds
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(seconds + "."))
		mac.Write(body)
		out += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return out
}

// webhookSecret names the secret of the signatures.
const webhookSecret = "message-webhook"

// WebhookSecrets returns the secrets of a workspace's own, the newest first: those that it
// keeps, and else one that nobody knows.
func (s *Service) WebhookSecrets(ctx context.Context, ws string) ([]string, error) {
	if s.Signing != nil {
		if list, err := s.Signing(ctx, ws); err != nil || len(list) > 0 {
			return list, err
		}
	}
	key, err := s.Keys.MAC(ctx, ws, webhookSecret, []byte("receiver"))
	return []string{hex.EncodeToString(key)}, err
}

// posted is the body of a webhook.
type posted struct {
	ID      string          `json:"id"`
	Purpose string          `json:"purpose"`
	Profile string          `json:"profileId,omitempty"`
	Title   string          `json:"title,omitempty"`
	Text    string          `json:"text,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"` // the text, where it is JSON
}

// post sends a message to the workspace's own system. The id is the key: what comes twice is
// the same.
func (s *Service) post(ctx context.Context, ws string, w Way, l *letter) (f *sync.Fault, unsure bool) {
	body := posted{ID: l.m.MessageID(), Purpose: l.m.Purpose, Title: l.content.Title, Text: l.content.Text}
	if l.p != nil {
		body.Profile = l.p.ProfileID()
	}
	if json.Valid([]byte(body.Text)) {
		body.Data, body.Text = json.RawMessage(body.Text), ""
	}
	text, err := json.Marshal(body)
	if err != nil {
		return &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromHost, Message: "the message cannot be written as JSON"}, false
	}
	secrets, err := s.WebhookSecrets(ctx, ws)
	if err != nil {
		return sync.AsFault(err), false
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(text))
	if err != nil {
		return &sync.Fault{Kind: sync.FaultInvalidConfig, Origin: sync.FromConfig, Reason: "URL", Message: "the URL of the channel is none"}, false
	}
	if err := s.Vendors.Reachable(ctx, req.URL); err != nil {
		e := core.AsError(err)
		return &sync.Fault{Kind: sync.FaultInvalidConfig, Origin: sync.FromConfig, Reason: e.Reason, Message: e.Message}, false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", l.m.MessageID())
	req.Header.Set(SignatureHeader, Signature(s.now(), text, secrets...))
	resp, err := s.client.Do(req)
	if err != nil {
		return &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, Reason: "UNREACHED", Message: "the receiver could not be reached"}, true
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode < 300:
		return nil, false
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		f := &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, Reason: "HTTP_" + strconv.Itoa(resp.StatusCode), Message: "the receiver is busy"}
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			f.After = min(time.Duration(n)*time.Second, time.Hour)
		}
		return f, false
	case resp.StatusCode >= 500:
		return &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, Reason: "HTTP_" + strconv.Itoa(resp.StatusCode), Message: "the receiver failed"}, true
	}
	return &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: "HTTP_" + strconv.Itoa(resp.StatusCode), Message: "the receiver refused the message"}, false
}

// poster returns a client that follows no redirect, and that checks each address which a name
// leads to when it connects.
func (s *Service) poster() *http.Client {
	dial := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip := net.ParseIP(host)
		if ip == nil {
			return errors.New("message: not an address")
		}
		return s.Vendors.Dialable(ip)
	}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 15 * time.Second,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 32 << 10,
		},
	}
}
