package klaviyo

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// maxProblem is how much of an answer that is an error is read.
const maxProblem = 256 << 10

// mediaType is JSON:API's.
const mediaType = "application/vnd.api+json"

type object = map[string]any

// problem is an answer with a status of 400 and more.
type problem struct {
	status int
	header http.Header
	errors []vendorError
}

type vendorError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"` // may hold what was sent: never shown
	Source struct {
		Pointer string `json:"pointer"`
	} `json:"source"`
}

// first is the first error, empty when the answer had none.
func (p *problem) first() vendorError {
	if len(p.errors) == 0 {
		return vendorError{}
	}
	return p.errors[0]
}

// get reads a document into v, which may be nil.
func (c *connection) get(ctx context.Context, path string, query url.Values, v any) (*problem, error) {
	var status int
	return c.must(c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: path, Query: query}, v, &status))
}

// must makes a fault of a problem that the caller has no use for.
func (c *connection) must(p *problem, err error) (*problem, error) {
	if err == nil && p != nil {
		err = p.fault(time.Now())
	}
	return p, err
}

// post sends a document; the answer is read into v, which may be nil. A problem is an
// answer of 4xx that the caller looks at; whatever concerns no single record is an error.
func (c *connection) post(ctx context.Context, method, path string, document, v any) (*problem, error) {
	var status int
	return c.send(ctx, method, path, document, v, &status)
}

// send is post with the status of the answer.
func (c *connection) send(ctx context.Context, method, path string, document, v any, status *int) (*problem, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return nil, sdk.InvalidRecord("", "a value cannot be written as JSON")
	}
	return c.call(ctx, vendorhttp.Call{Method: method, Path: path, Body: body}, v, status)
}

// call makes a call. None is marked as one that writes: whatever is sent here may come
// twice and does no harm, so that an answer that is lost is a reason to send it again.
func (c *connection) call(ctx context.Context, call vendorhttp.Call, v any, status *int) (*problem, error) {
	call.Header = http.Header{
		"Authorization": {"Klaviyo-API-Key " + c.config.APIKey}, "Revision": {c.config.Revision}, "Accept": {mediaType},
	}
	if call.Body != nil {
		call.Header.Set("Content-Type", mediaType)
	}
	answer, err := c.client.Do(ctx, call)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	*status = answer.Status
	hint(ctx, answer.Header)
	if !answer.OK() {
		p := &problem{status: answer.Status, header: answer.Header}
		var document struct {
			Errors []vendorError `json:"errors"`
		}
		if json.Unmarshal(answer.Text(maxProblem), &document) == nil { // a proxy's page has no errors to read
			p.errors = document.Errors
		}
		if p.general() {
			return nil, p.fault(time.Now())
		}
		return p, nil
	}
	if v != nil {
		return nil, answer.JSON(v)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil { // so that a cut is noticed
		return nil, answer.Cut()
	}
	return nil, nil
}

// hint passes on what the vendor says of its limits.
func hint(ctx context.Context, h http.Header) {
	remaining, err := strconv.Atoi(h.Get("RateLimit-Remaining"))
	if err != nil {
		return // a 429 has none
	}
	// "750, 75;w=1, 750;w=60": the first is the limit of the widest window.
	text, _, _ := strings.Cut(h.Get("RateLimit-Limit"), ",")
	limit, _ := strconv.Atoi(strings.TrimSpace(text))
	reset, _ := strconv.Atoi(h.Get("RateLimit-Reset"))
	sdk.ReportRate(ctx, sdk.RateHint{
		Limit: limit, Remaining: remaining, Window: time.Minute, Reset: time.Duration(reset) * time.Second,
	})
}

// general says that a problem is not about what was sent.
func (p *problem) general() bool {
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusGone, http.StatusTooManyRequests:
		return true
	}
	return p.status >= 500
}

var (
	scopeForm   = regexp.MustCompile(`\b[a-z]+(?:-[a-z]+)*:(?:read|write)\b`)
	pointerForm = regexp.MustCompile(`/attributes/((?:location/|properties/)?[A-Za-z_0-9]+)$`)
)

// fault says what to do. It repeats nothing that was sent: the vendor's own words may.
func (p *problem) fault(now time.Time) *sdk.Fault {
	first := p.first()
	switch p.status {
	case http.StatusUnauthorized:
		return sdk.Unauthorized("Klaviyo does not know the key: put in a private API key that is still active").Because("BAD_KEY")
	case http.StatusForbidden:
		if scope := scopeForm.FindString(first.Detail); scope != "" {
			return sdk.Unauthorized("the key lacks the scope " + scope + ": make one that has it").Because("MISSING_SCOPE")
		}
		return sdk.Unauthorized("the key lacks a scope for this: make one with the scopes that its description lists").Because("MISSING_SCOPE")
	case http.StatusGone:
		return sdk.InvalidConfig("revision", "Klaviyo has retired this revision: choose a newer one, or upgrade the connector").Because("REVISION_RETIRED")
	case http.StatusTooManyRequests:
		return sdk.RetryAfter(cmp.Or(vendorhttp.RetryAfter(p.header, now), 10*time.Second), "Klaviyo takes no more for now").Because("RATE_LIMITED")
	case http.StatusNotFound:
		return sdk.RecordGone("Klaviyo does not have it any more").Because("NOT_FOUND")
	case http.StatusConflict:
		return sdk.InvalidRecord(p.field(), "its identifiers belong to two profiles at Klaviyo: merge them there, or send fewer identifiers").Because("TWO_PROFILES")
	case http.StatusRequestEntityTooLarge:
		return sdk.InvalidRecord("", "it is larger than Klaviyo takes: map fewer or shorter fields").Because("TOO_LARGE")
	}
	if p.status >= 500 {
		return sdk.RetryAfter(cmp.Or(vendorhttp.RetryAfter(p.header, now), 5*time.Second), "Klaviyo has trouble of its own").Because("VENDOR_ERROR")
	}
	return rejected(first)
}

// field is the field of ours that an error points at.
func (p *problem) field() string { return fieldOf(p.first().Source.Pointer) }

func fieldOf(pointer string) string {
	m := pointerForm.FindStringSubmatch(pointer)
	if m == nil {
		return ""
	}
	name := strings.ReplaceAll(m[1], "/", ".")
	if name == "data" || name == "profiles" || name == "profile" {
		return ""
	}
	return name
}

// rejected is the fault of one record.
func rejected(e vendorError) *sdk.Fault {
	field := fieldOf(e.Source.Pointer)
	if e.Code == "duplicate_profile" {
		return sdk.InvalidRecord(field, "its identifiers belong to two profiles at Klaviyo: merge them there, or send fewer identifiers").Because("TWO_PROFILES")
	}
	if e.Code == "not_found" {
		return sdk.RecordGone("Klaviyo does not have a profile with this id any more").Because("NOT_FOUND")
	}
	switch field {
	case "email":
		return sdk.InvalidRecord(field, "Klaviyo does not take this as an e-mail address").Because("BAD_EMAIL")
	case "phone_number":
		return sdk.InvalidRecord(field, "Klaviyo does not take this as a phone number: it wants E.164, such as +12025550123").Because("BAD_PHONE")
	case "":
		return sdk.InvalidRecord("", "Klaviyo does not take the record: check that it has an e-mail address, a phone number or an external id").Because("REJECTED")
	}
	return sdk.InvalidRecord(field, "Klaviyo does not take the value of this field").Because("REJECTED")
}
