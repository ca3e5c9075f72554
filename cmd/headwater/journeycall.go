package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/work"
)

// caller carries out the calls of webhook nodes.
type caller struct {
	a      *app
	client *http.Client
}

// newCaller makes one that follows no redirect, and checks each address which a name leads
// to when it connects.
func newCaller(a *app) *caller {
	dial := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip := net.ParseIP(host)
		if ip == nil {
			return errors.New("journey: not an address")
		}
		return a.syncs.Dialable(ip)
	}}
	return &caller{a, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 15 * time.Second,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 32 << 10,
		},
	}}
}

// Call implements journey.Caller: it signs the body as messages over the channel WEBHOOK are
// signed, with the secrets of the name that the node says, else the workspace's. What the receiver refuses is not tried
// again; no error says where the call went or what it said.
func (c *caller) Call(ctx context.Context, ws, key string, in journey.CallWebhook, secrets []string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return work.Permanent(err)
	}
	if len(secrets) == 0 {
		if secrets, err = c.a.messages.WebhookSecrets(ctx, ws); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, bytes.NewReader(text))
	if err != nil {
		return work.Permanent(errors.New("journey: the address of a webhook is none"))
	}
	if err := c.a.syncs.Reachable(ctx, req.URL); err != nil {
		return work.Permanent(err)
	}
	for name, value := range in.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set(message.SignatureHeader, message.Signature(c.a.e.clock.Now(), text, secrets...))
	resp, err := c.client.Do(req)
	if err != nil {
		return errors.New("journey: the receiver of a webhook could not be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("journey: the receiver of a webhook answered %d", resp.StatusCode)
	}
	return work.Permanent(fmt.Errorf("journey: the receiver of a webhook refused it with %d", resp.StatusCode))
}
