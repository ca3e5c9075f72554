package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// fieldName is what an API name looks like; nothing else goes into a query.
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// apiError is one error of the API. Its message may quote values: it is never shown.
type apiError struct {
	Code    string   `json:"errorCode"`
	Status  string   `json:"statusCode"` // where results of records have the code
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

func (e apiError) code() string {
	if e.Code != "" {
		return e.Code
	}
	return e.Status
}

// refusal is an answer of 4xx whose code somebody may know what to do about.
type refusal struct {
	*sdk.Fault
	code string
}

// Unwrap makes it the fault that it is.
func (r *refusal) Unwrap() error { return r.Fault }

// do makes a call in the session. Path begins after /services/data/vNN.N, or is
// absolute when it begins with /services. One that meets the end of the session is
// made once more in a new one: nothing was done by the first.
func (c *connection) do(ctx context.Context, call vendorhttp.Call) (*vendorhttp.Answer, error) {
	if !strings.HasPrefix(call.Path, "/services/") {
		call.Path = "/services/data/v" + c.config.Version + call.Path
	}
	var stale *session
	for {
		s, err := c.signedIn(ctx, stale)
		if err != nil {
			return nil, err
		}
		header := http.Header{"Authorization": {"Bearer " + s.token}, "Accept": {"application/json"}}
		for name, values := range call.Header {
			header[name] = values
		}
		attempt := call
		attempt.Header = header
		res, err := s.http.Do(ctx, attempt)
		if err != nil {
			return nil, err
		}
		c.hint(ctx, res.Header)
		if res.OK() {
			return res, nil
		}
		fault := c.refuse(res)
		if res.Status == http.StatusUnauthorized && stale == nil && call.Stream == nil {
			stale = s
			continue
		}
		return nil, fault
	}
}

// call makes a call with JSON both ways.
func (c *connection) call(ctx context.Context, method, path string, writes bool, in, out any) error {
	_, err := c.callDated(ctx, method, path, writes, in, out)
	return err
}

// callDated also returns the vendor's time of the answer.
func (c *connection) callDated(ctx context.Context, method, path string, writes bool, in, out any) (time.Time, error) {
	call := vendorhttp.Call{Method: method, Path: path, Writes: writes}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return time.Time{}, sdk.InvalidRecord("", "a value cannot be written as JSON")
		}
		call.Body, call.Header = body, http.Header{"Content-Type": {"application/json"}}
	}
	res, err := c.do(ctx, call)
	if err != nil {
		return time.Time{}, err
	}
	at := dated(res.Header)
	if out == nil {
		res.Close()
		return at, nil
	}
	return at, res.JSON(out)
}

// dated is the vendor's time of an answer, ours when it does not say.
func dated(h http.Header) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at.UTC()
	}
	return time.Now().UTC().Truncate(time.Second)
}

// hint tells the host what is left of the day.
func (c *connection) hint(ctx context.Context, h http.Header) {
	_, text, _ := strings.Cut(h.Get("Sforce-Limit-Info"), "api-usage=")
	var used, limit int
	if n, err := fmt.Sscanf(text, "%d/%d", &used, &limit); n == 2 && err == nil {
		sdk.ReportRate(ctx, sdk.RateHint{Limit: limit, Remaining: max(limit-used, 0), Window: 24 * time.Hour})
	}
}

// refuse closes an answer that is not 2xx and says what it means.
func (c *connection) refuse(res *vendorhttp.Answer) error {
	defer res.Close()
	var errs []apiError
	if json.Unmarshal(res.Text(1<<16), &errs) != nil || len(errs) == 0 {
		return res.Failed() // a page of something before Salesforce
	}
	e := errs[0]
	if f := asked(e, time.Now()); f != nil {
		return &refusal{f, e.code()}
	}
	if res.Status >= 500 {
		return res.Failed()
	}
	return &refusal{res.Failed(), e.code()}
}

// asked is what an error of a whole request means; nil when its status says more.
func asked(e apiError, now time.Time) *sdk.Fault {
	switch e.code() {
	case "INVALID_SESSION_ID":
		return sdk.Unauthorized("Salesforce ended the session and does not take a new one: authorise the connection again").Because("INVALID_SESSION")
	case "REQUEST_LIMIT_EXCEEDED":
		if strings.Contains(e.Message, "Concurrent") {
			return sdk.RetryAfter(20*time.Second, "Salesforce works on too many long requests of this organisation").Because("CONCURRENT_LIMIT")
		}
		// The limit counts the last 24 hours, so some of it is free again in an hour.
		return sdk.QuotaUntil(now.Add(time.Hour).UTC(), "the organisation's daily API requests are used up; buy more, or let fewer programs call").Because("DAILY_LIMIT")
	case "STORAGE_LIMIT_EXCEEDED":
		return sdk.QuotaUntil(now.Add(time.Hour).UTC(), "the organisation's storage is full: free some, or buy more").Because("STORAGE_FULL")
	case "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED":
		return sdk.Unauthorized("this edition of Salesforce, or this user's profile, has no API: allow \"API Enabled\"").Because("API_DISABLED")
	case "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "FORBIDDEN":
		if strings.Contains(e.Message, "REST API") {
			return sdk.Unauthorized(`the connected app lacks the scope "Manage user data via APIs (api)": grant it and authorise again`).Because("MISSING_SCOPE")
		}
		return sdk.Unauthorized("the user as whom we work may not do this: give a permission set for the object").Because("FORBIDDEN")
	case "INVALID_FIELD":
		return sdk.SchemaChanged(column(e), "Salesforce has no such field, or it is hidden from the user as whom we work: discover again, or give access to the field")
	case "INVALID_TYPE", "INVALIDENTITY":
		return sdk.SchemaChanged("", "Salesforce has no such object, or it is hidden from the user as whom we work: discover again, or give access to the object")
	case "UNABLE_TO_LOCK_ROW":
		return sdk.RetryAfter(5*time.Second, "somebody else is writing the same records").Because("LOCKED")
	case "SERVER_UNAVAILABLE":
		return sdk.RetryAfter(30*time.Second, "Salesforce is busy or under maintenance").Because("BUSY")
	}
	return nil
}

var quotedName = regexp.MustCompile(`[Nn]o such column '([A-Za-z][A-Za-z0-9_]*)'`)

// column is the field that an error is about, by its API name; empty when it does not say.
func column(e apiError) string {
	for _, name := range e.Fields {
		if fieldName.MatchString(name) {
			return name
		}
	}
	if m := quotedName.FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}
