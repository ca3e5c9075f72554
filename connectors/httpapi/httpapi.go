// Package httpapi is how connectors call a vendor over HTTP.
//
// It is careful in the ways that every connector must be: the credential goes to the
// configured host and nowhere else, whatever a redirect or a link to the next page says;
// answers are bounded; a write of which nobody knows whether it arrived is told apart
// from one that was never sent; and no error holds a URL, a value or a secret.
package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	// callTime is how long one call may take.
	callTime = 60 * time.Second
	// maxAnswer is the most that is read of one answer.
	maxAnswer = 16 << 20
)

// Client calls one vendor with one credential.
type Client struct {
	vendor string
	base   *url.URL
	sign   func(*http.Request)
	http   *http.Client
}

// New returns a client of the vendor at base. sign puts the credential on a request. A
// base that is no address is a Fault that names the property "baseUrl"; plain http is
// taken only to this machine.
func New(vendor, base string, sign func(*http.Request)) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, sdk.InvalidConfig("baseUrl", "give the address of the API, such as https://api.example.com")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && local(u.Hostname())) {
		return nil, sdk.InvalidConfig("baseUrl", "the address must begin with https://")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	transport.ResponseHeaderTimeout = callTime
	return &Client{vendor: vendor, base: u, sign: sign, http: &http.Client{
		Transport: transport, Timeout: callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close lets go of connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call is one request.
type Call struct {
	Method string
	// Path is beneath the base: "/api/things"; what stands in it is escaped already.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Once says that doing it twice does harm: when nobody knows whether it arrived, the
	// error is UnknownOutcome and not RetryAfter.
	Once bool
}

// Answer is what the vendor said, whatever the status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK says whether the status is 2xx.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Do makes a call. Errors are Faults, or the context's.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	address := c.base.String() + call.Path
	if len(call.Query) > 0 {
		address += "?" + call.Query.Encode()
	}
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := http.NewRequestWithContext(traced, call.Method, address, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, sdk.Broken("a request to " + c.vendor + " could not be made: an id holds what no address can")
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	c.sign(req)
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, c.lost(ctx, call, sent.Load(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, c.lost(ctx, call, true, err)
	case len(body) > maxAnswer:
		return Answer{}, sdk.Broken(c.vendor + " answered more than 16 MiB; its answer was not read")
	case res.StatusCode/100 == 3:
		return Answer{}, sdk.Broken(c.vendor + " redirects to another address; it is not followed: check baseUrl").Because("REDIRECTED")
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// lost is the error of a call without an answer.
func (c *Client) lost(ctx context.Context, call Call, sent bool, err error) error {
	if call.Once && sent {
		return sdk.UnknownOutcome(c.vendor + " did not answer: it may or may not have done what was asked").Because("NO_ANSWER")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return sdk.RetryAfter(10*time.Second, c.vendor+" did not answer in time").Because("TIMEOUT")
	}
	return sdk.RetryAfter(5*time.Second, c.vendor+" could not be reached, or broke off its answer").Because("UNREACHABLE")
}

// Beneath turns a link of an answer into the path and query of a next call. A link that
// leads away from the base is refused: the credential would go with it.
func (c *Client) Beneath(link string) (path string, query url.Values, err error) {
	elsewhere := sdk.Broken(c.vendor + " links to another address; it is not followed").Because("FOREIGN_LINK")
	u, err := c.base.Parse(link)
	if err != nil || u.Scheme != c.base.Scheme || u.Host != c.base.Host || u.User != nil {
		return "", nil, elsewhere
	}
	rest, beneath := strings.CutPrefix(u.EscapedPath(), c.base.EscapedPath())
	if !beneath || !strings.HasPrefix(rest, "/") || strings.Contains(rest, "..") {
		return "", nil, elsewhere
	}
	query, err = url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, elsewhere
	}
	return rest, query, nil
}

// RetryAfter reads the header of that name, in seconds or as a date; usual when it is
// missing or makes no sense.
func RetryAfter(h http.Header, now time.Time, usual time.Duration) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return usual
}
