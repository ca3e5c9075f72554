package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// propertyName is what the internal name of a property looks like.
var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// secondly is how often a call is made again that met the limit of a second: such a
// wait is too short to bother the host with.
const secondly = 3

// call makes a call with JSON both ways.
func (c *connection) call(ctx context.Context, method, path string, writes bool, in, out any) error {
	_, err := c.callDated(ctx, method, path, writes, in, out)
	return err
}

// callDated also returns the vendor's time of the answer. A call that meets the end
// of the token is made once more with a new one: nothing was done by the first.
func (c *connection) callDated(ctx context.Context, method, path string, writes bool, in, out any) (time.Time, error) {
	call := vendorhttp.Call{Method: method, Path: path, Writes: writes}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return time.Time{}, sdk.InvalidRecord("", "a value cannot be written as JSON")
		}
		call.Body = body
	}
	stale := ""
	for waits := 0; ; {
		token, err := c.bearer(ctx, stale)
		if err != nil {
			return time.Time{}, err
		}
		call.Header = http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}}
		if in != nil {
			call.Header.Set("Content-Type", "application/json")
		}
		if err := c.pace.wait(ctx); err != nil {
			return time.Time{}, err
		}
		res, err := c.http.Do(ctx, call)
		if err != nil {
			return time.Time{}, err
		}
		c.pace.learn(ctx, res.Header)
		if res.OK() {
			at := dated(res.Header)
			if out == nil || res.Status == http.StatusNoContent {
				res.Close()
				return at, nil
			}
			return at, res.JSON(out)
		}
		fault := c.refuse(res)
		switch f := sdk.AsFault(fault); {
		case res.Status == http.StatusUnauthorized && stale == "":
			stale = token
		case f.Reason == "SECONDLY_LIMIT" && waits < secondly:
			waits++
			if err := sleep(ctx, time.Duration(waits)*time.Second); err != nil {
				return time.Time{}, err
			}
		default:
			return time.Time{}, fault
		}
	}
}

// dated is the vendor's time of an answer, ours when it does not say.
func dated(h http.Header) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at.UTC()
	}
	return time.Now().UTC()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pace goes slower when the window of the account's limit is nearly full.
type pace struct {
	mu    sync.Mutex
	pause time.Duration
}

// reserve is how many calls of a window are left to others.
const reserve = 10

func (p *pace) learn(ctx context.Context, h http.Header) {
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(h.Get("X-HubSpot-RateLimit-" + name))
		return n, err == nil
	}
	left, known := number("Remaining")
	most, _ := number("Max")
	ms, _ := number("Interval-Milliseconds")
	interval := time.Duration(ms) * time.Millisecond
	p.mu.Lock()
	p.pause = 0
	if known && left < reserve {
		p.pause = min(interval/10, time.Second)
	}
	p.mu.Unlock()
	// The day tells the host more when it is nearer to its end than the window.
	if day, ok := number("Daily-Remaining"); ok && day < most {
		all, _ := number("Daily")
		sdk.ReportRate(ctx, sdk.RateHint{Limit: all, Remaining: day, Window: 24 * time.Hour})
	} else if known {
		sdk.ReportRate(ctx, sdk.RateHint{Limit: most, Remaining: left, Window: interval})
	}
}

func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	pause := p.pause
	p.mu.Unlock()
	if pause == 0 {
		return ctx.Err()
	}
	return sleep(ctx, pause)
}

// apiError is an error of the API, of a whole request or of one input of a batch. Its
// message may quote values: it is never shown.
type apiError struct {
	Category string              `json:"category"`
	Message  string              `json:"message"`
	Policy   string              `json:"policyName"`
	Context  map[string][]string `json:"context"`
	Errors   []struct {
		Code    string              `json:"code"`
		Context map[string][]string `json:"context"`
	} `json:"errors"`
}

// refusal is an answer of 4xx of which a batch may know more.
type refusal struct {
	*sdk.Fault
	category string
}

// Unwrap makes it the fault that it is.
func (r *refusal) Unwrap() error { return r.Fault }

// refuse closes an answer that is not 2xx and says what it means.
func (c *connection) refuse(res *vendorhttp.Answer) error {
	defer res.Close()
	var e apiError
	if json.Unmarshal(res.Text(1<<18), &e) != nil {
		return res.Failed() // a page of something before HubSpot
	}
	after := vendorhttp.RetryAfter(res.Header, time.Now())
	switch {
	case res.Status == http.StatusTooManyRequests:
		return c.limited(&e, after)
	case e.Category == "MISSING_SCOPES":
		return sdk.Unauthorized("the app lacks a scope: " + e.scopes() + "; add it to the app and authorise again").Because("MISSING_SCOPE")
	case e.Category == "EXPIRED_AUTHENTICATION" || e.Category == "INVALID_AUTHENTICATION":
		return sdk.Unauthorized("HubSpot refuses the credential: authorise the connection again").Because("INVALID_TOKEN")
	case res.Status == http.StatusNotFound:
		return &refusal{sdk.RecordGone("HubSpot has nothing with this id or name any more").Because("NOT_FOUND"), e.Category}
	case res.Status == http.StatusBadRequest || res.Status == http.StatusConflict:
		return &refusal{e.of(), e.Category}
	}
	return res.Failed()
}

// limited tells the limits apart.
func (c *connection) limited(e *apiError, after time.Duration) error {
	switch {
	case e.Policy == "DAILY" || strings.Contains(e.Message, "daily limit"):
		return sdk.QuotaUntil(c.midnight(time.Now()), "the account's requests of the day are used up; they begin again at its midnight").Because("DAILY_LIMIT")
	case e.Policy == "TEN_SECONDLY_ROLLING":
		return sdk.RetryAfter(max(after, 10*time.Second), "the account's requests of ten seconds are used up").Because("TEN_SECONDLY_LIMIT")
	case strings.Contains(e.Message, "secondly limit"):
		return sdk.RetryAfter(max(after, time.Second), "the account's searches of this second are used up").Because("SECONDLY_LIMIT")
	}
	return sdk.RetryAfter(max(after, 10*time.Second), "HubSpot asks to come back later").Because("BUSY")
}

var scopeName = regexp.MustCompile(`^[a-z][a-z0-9._]*$`)

// scopes are those that an error says are missing.
func (e *apiError) scopes() string {
	var names []string
	for _, one := range e.Errors {
		for _, name := range one.Context["requiredGranularScopes"] {
			if scopeName.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return "the connector's documentation lists them"
	}
	return strings.Join(names, ", ")
}
