// Package vendorhttp is how the connectors here call their vendors.
//
// A Client belongs to one host: it follows no redirect, and a link that a vendor
// hands out ("next page") is only followed to the same host, so that no credential
// leaves for another. Answers are bounded and never read further than that. An error
// is an sdk.Fault that says whether something may have happened: a write whose
// answer was lost is UnknownOutcome, a read is tried again.
package vendorhttp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// MaxBody is how many bytes of an answer are read, unless it is refilled.
const MaxBody = 64 << 20

// Client calls one vendor's API. It may be used by several goroutines.
type Client struct {
	vendor string
	base   *url.URL
	http   *http.Client
}

// New returns a client of the API at base, an http or https URL. Vendor is its name
// for messages, property where base stands in the configuration.
func New(vendor, property, base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, sdk.InvalidConfig(property, "write the whole address, as in https://example.com, without a user, query or fragment")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, sdk.InvalidConfig(property, "use https: a credential would be readable on its way")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           sdk.Dialer().DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     true,
	}
	return &Client{vendor: vendor, base: u, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Base is the address that paths are relative to.
func (c *Client) Base() string { return c.base.String() }

// Call is one request.
type Call struct {
	Method string
	Path   string // relative to the base, escaped, beginning with "/"
	Query  url.Values
	Header http.Header
	Body   []byte
	// Stream is a body that is not held in memory; it is read once.
	Stream io.Reader
	// Writes says that the call may change something at the vendor.
	Writes bool
}

// Answer is what came back. Its Body is bounded; the caller closes it.
type Answer struct {
	Status int
	Header http.Header
	Body   io.ReadCloser

	vendor  string
	writes  bool
	bounded *bounded
}

// Refill lets another MaxBody be read: who reads an answer piece by piece, keeping
// none, calls it after each.
func (a *Answer) Refill() { a.bounded.left = MaxBody }

// Do makes a call. Any status is an Answer but a redirect, which is a Fault.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	target := c.base.String() + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	body := call.Stream
	if body == nil {
		body = bytes.NewReader(call.Body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, body)
	if err != nil {
		// The error would quote the address, which may name a person.
		return nil, &sdk.Fault{Kind: sdk.FaultInternal, Origin: sdk.FromConnector, Message: "the request to " + c.vendor + " cannot be made"}
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err, call.Writes)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		res.Body.Close()
		return nil, &sdk.Fault{Kind: sdk.FaultInvalidConfig, Origin: sdk.FromVendor, Reason: "REDIRECTED",
			Message: c.vendor + " sends us to another address, which is not followed with a credential: put the account's final address into the configuration"}
	}
	held := &bounded{ReadCloser: res.Body, left: MaxBody}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: held, vendor: c.vendor, writes: call.Writes, bounded: held}, nil
}

// bounded ends with an error, not as if the answer had ended.
type bounded struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the answer is longer than anybody should read")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// lost is the fault of a call without an answer.
func (c *Client) lost(ctx context.Context, err error, writes bool) error {
	// The dialer's own words: an address where no vendor can be.
	var fault *sdk.Fault
	if errors.As(err, &fault) {
		return fault
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sdk.RetryAfter(15*time.Second, c.vendor+" cannot be reached; the network or the address may be wrong").Because("UNREACHABLE")
	}
	switch {
	case writes:
		return sdk.UnknownOutcome(c.vendor + " did not answer; the change may have been made")
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return sdk.RetryAfter(10*time.Second, c.vendor+" closed the connection without an answer").Because("UNREACHABLE")
}

// Path turns a link that the vendor handed out into a path for a Call: a path of the
// API, or a whole address on the same host. Any other host is a Fault.
func (c *Client) Path(link string) (string, error) {
	u, err := url.Parse(link)
	foreign := &sdk.Fault{Kind: sdk.FaultRetry, Origin: sdk.FromVendor, Reason: "FOREIGN_LINK", After: time.Minute,
		Message: c.vendor + " names a page on another host, which is not followed with a credential"}
	if err != nil || u.User != nil || strings.HasPrefix(link, "//") || strings.Contains(link, "\\") {
		return "", foreign
	}
	if u.IsAbs() || u.Host != "" {
		if u.Scheme != c.base.Scheme || u.Host != c.base.Host {
			return "", foreign
		}
		path, ok := strings.CutPrefix(u.EscapedPath(), c.base.EscapedPath())
		if !ok {
			return "", foreign
		}
		return withQuery(path, u.RawQuery), nil
	}
	if !strings.HasPrefix(link, "/") {
		return "", foreign
	}
	return withQuery(u.EscapedPath(), u.RawQuery), nil
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// Close closes the body.
func (a *Answer) Close() { a.Body.Close() }

// OK says that the status is 2xx.
func (a *Answer) OK() bool { return a.Status/100 == 2 }

// JSON decodes the body and closes it; numbers in an any are json.Number.
func (a *Answer) JSON(v any) error {
	defer a.Close()
	dec := json.NewDecoder(a.Body)
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return a.Cut()
	}
	return nil
}

// Cut is the fault of a body that ended early or made no sense.
func (a *Answer) Cut() error {
	if a.writes {
		return sdk.UnknownOutcome("the answer of " + a.vendor + " was cut off or not of the form that is documented; the change may have been made").Because("BROKEN_ANSWER")
	}
	return sdk.Broken("the answer of " + a.vendor + " was cut off or not of the form that is documented; it is asked again")
}

// Text reads up to n bytes of the body, for an error.
func (a *Answer) Text(n int64) []byte {
	b, _ := io.ReadAll(io.LimitReader(a.Body, n)) // as much as there is
	return b
}

// Failed is the fault of a status that no rule of the vendor's own explains.
func (a *Answer) Failed() *sdk.Fault {
	after := RetryAfter(a.Header, time.Now())
	switch {
	case a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable:
		return sdk.RetryAfter(cmp.Or(after, 30*time.Second), a.vendor+" is busy and asks to come back later").Because("BUSY")
	case a.Status >= 500 && a.writes:
		return sdk.UnknownOutcome(fmt.Sprintf("%s failed with status %d; the change may have been made", a.vendor, a.Status))
	case a.Status >= 500:
		return sdk.RetryAfter(cmp.Or(after, 10*time.Second), fmt.Sprintf("%s failed with status %d; it is asked again", a.vendor, a.Status)).Because("VENDOR_FAILED")
	case a.Status == http.StatusUnauthorized:
		return sdk.Unauthorized(a.vendor + " refuses the credential: check it, or authorise the connection again")
	case a.Status == http.StatusForbidden:
		return sdk.Unauthorized(a.vendor + " does not allow this: grant what the connector's documentation lists").Because("FORBIDDEN")
	}
	return &sdk.Fault{Kind: sdk.FaultInternal, Origin: sdk.FromConnector, Reason: "REFUSED",
		Message: fmt.Sprintf("%s refused the request with status %d; the connector may be older than the API", a.vendor, a.Status)}
}

// RetryAfter is what a Retry-After header says, seconds or a date, from a second to an
// hour; 0 when there is none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	d := time.Duration(0)
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(n, 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, time.Second), time.Hour)
}
