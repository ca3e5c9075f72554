// Package loopback is a connector whose every method can be overridden, and the vendor it
// talks to. The conformance kit is tested with it; hosts are too.
package loopback

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Connector is the connector. The zero value keeps every rule.
type Connector struct {
	Page int // people in a page; 0 is 60
	// Over replaces methods. Each function is given the method that it stands for.
	Over Over
}

// Over holds overrides; nil leaves a method as it is.
type Over struct {
	Spec     func(next func() sdk.Spec) sdk.Spec
	Open     func(ctx context.Context, c sdk.Config, h sdk.Host, next func(context.Context, sdk.Config, sdk.Host) (sdk.Connection, error)) (sdk.Connection, error)
	Check    func(ctx context.Context, next func(context.Context) error) error
	Close    func(next func() error) error
	Discover func(ctx context.Context, next func(context.Context) ([]sdk.Stream, error)) ([]sdk.Stream, error)
	Pull     func(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error, next func(context.Context, sdk.PullRequest, func(sdk.Page) error) error) error
	Receive  func(ctx context.Context, w sdk.Webhook, next func(context.Context, sdk.Webhook) (sdk.Received, error)) (sdk.Received, error)
	Upsert   func(ctx context.Context, b sdk.Batch, next func(context.Context, sdk.Batch) ([]sdk.Result, error)) ([]sdk.Result, error)
	Members  func(ctx context.Context, l sdk.ListChange, next func(context.Context, sdk.ListChange) (sdk.ListResult, error)) (sdk.ListResult, error)
	Forward  func(ctx context.Context, e []sdk.Event, next func(context.Context, []sdk.Event) ([]sdk.Result, error)) ([]sdk.Result, error)
	Consents func(ctx context.Context, c []sdk.ConsentChange, next func(context.Context, []sdk.ConsentChange) ([]sdk.Result, error)) ([]sdk.Result, error)
	Erase    func(ctx context.Context, s sdk.Subject, next func(context.Context, sdk.Subject) (sdk.EraseReceipt, error)) (sdk.EraseReceipt, error)
	Send     func(ctx context.Context, m sdk.Message, next func(context.Context, sdk.Message) (sdk.Sent, error)) (sdk.Sent, error)
	Status   func(ctx context.Context, q sdk.StatusQuery, next func(context.Context, sdk.StatusQuery) (sdk.Delivery, error)) (sdk.Delivery, error)
}

var _ sdk.Connector = Connector{}

// Spec implements sdk.Connector.
func (c Connector) Spec() sdk.Spec {
	if c.Over.Spec != nil {
		return c.Over.Spec(spec)
	}
	return spec()
}

func spec() sdk.Spec {
	return sdk.Spec{
		Name: "loopback", Version: "v1.0.0", Title: "Loopback", Kinds: []sdk.Kind{sdk.Source, sdk.Destination, sdk.Channel},
		ConfigSchema: json.RawMessage(`{"type":"object","required":["url","token"],"properties":{
			"url":{"type":"string","title":"Address","format":"uri"},
			"token":{"type":"string","title":"Token","writeOnly":true},
			"webhookSecret":{"type":"string","title":"Secret of webhooks","writeOnly":true}}}`),
		Capabilities: []sdk.Capability{
			sdk.CanPull, sdk.CanReceive, sdk.CanUpsert, sdk.CanDelete, sdk.CanLists, sdk.CanForward, sdk.CanConsents,
			sdk.CanErase, sdk.CanSend, sdk.CanStatus, sdk.DedupesUpserts, sdk.DedupesEvents,
		},
		Channels: []string{"SMS"}, Hosts: []string{"config:url"}, Categories: []string{"CONTACT", "BEHAVIOUR"},
		Processor: sdk.Processor{Name: "Nobody"}, Limits: sdk.Limits{BatchItems: 250}, Webhooks: true,
	}
}

// Open implements sdk.Connector.
func (c Connector) Open(ctx context.Context, config sdk.Config, host sdk.Host) (sdk.Connection, error) {
	if c.Over.Open != nil {
		return c.Over.Open(ctx, config, host, c.open)
	}
	return c.open(ctx, config, host)
}

func (c Connector) open(_ context.Context, config sdk.Config, host sdk.Host) (sdk.Connection, error) {
	var form struct{ URL, Token, WebhookSecret string }
	if err := config.Into(&form); err != nil {
		return nil, err
	}
	if form.URL == "" || form.Token == "" {
		return nil, sdk.InvalidConfig("url", "give the address and the token")
	}
	page := c.Page
	if page == 0 {
		page = 60
	}
	base := &vendorClient{url: form.URL, token: form.Token, secret: form.WebhookSecret, page: page, http: &http.Client{}, host: host}
	return &overridden{base, c.Over}, nil
}

// vendorClient is a connection that keeps every rule.
type vendorClient struct {
	url, token, secret string
	page               int
	http               *http.Client
	host               sdk.Host
}

// ask makes a request. writes tells one of which nobody knows what became of it when no
// answer comes.
func (c *vendorClient) ask(ctx context.Context, method, path string, in, out any, writes bool) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return sdk.InvalidRecord("", "a value cannot be written as JSON")
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, &body)
	if err != nil {
		return sdk.InvalidConfig("url", "the address is no URL")
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	lost := func() error {
		if writes {
			return sdk.UnknownOutcome("the vendor did not answer")
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sdk.RetryAfter(time.Second, "the vendor is not reached")
	}
	a, err := c.http.Do(r)
	if err != nil {
		return lost()
	}
	defer a.Body.Close()
	if n, err := strconv.Atoi(a.Header.Get("RateLimit-Remaining")); err == nil {
		sdk.ReportRate(ctx, sdk.RateHint{Limit: 100, Remaining: n, Window: time.Second})
	}
	switch {
	case a.StatusCode == http.StatusUnauthorized:
		return sdk.Unauthorized("the token is refused: give another one")
	case a.StatusCode == http.StatusTooManyRequests && a.Header.Get("X-Reset") != "":
		at, _ := strconv.ParseInt(a.Header.Get("X-Reset"), 10, 64)
		return sdk.QuotaUntil(time.Unix(at, 0), "the day's requests are spent")
	case a.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		return sdk.RetryAfter(time.Duration(max(1, seconds))*time.Second, "too many requests")
	case a.StatusCode >= http.StatusInternalServerError:
		return sdk.RetryAfter(time.Second, "the vendor is down")
	case a.StatusCode >= http.StatusBadRequest:
		return sdk.InvalidRecord("", "the vendor refuses the request")
	}
	if err := json.NewDecoder(a.Body).Decode(out); err != nil {
		if writes {
			return sdk.UnknownOutcome("the vendor's answer broke off")
		}
		return sdk.Broken("the vendor's answer broke off")
	}
	return nil
}

// Check implements sdk.Connection.
func (c *vendorClient) Check(ctx context.Context) error {
	var out any
	return c.ask(ctx, http.MethodGet, "/v1/me", nil, &out, false)
}

// Close implements sdk.Connection.
func (c *vendorClient) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Discover implements sdk.Discoverer.
func (c *vendorClient) Discover(context.Context) ([]sdk.Stream, error) {
	return []sdk.Stream{{
		Name: "people", Title: "People", Keys: []string{"email"}, Person: true,
		Modes:  []sdk.Mode{sdk.PullFull, sdk.PullChanges, sdk.PushUpsert, sdk.PushDelete},
		Schema: json.RawMessage(`{"type":"object","properties":{"email":{"type":"string"},"name":{"type":"string"}}}`),
	}}, nil
}

// cursor is where a pull goes on: after the change with that number.
type cursor struct {
	After int `json:"after"`
}

// Pull implements sdk.Puller.
func (c *vendorClient) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	if from.Stream != "people" {
		return sdk.SchemaChanged("", "there is no such stream")
	}
	var at cursor
	if from.Cursor != nil {
		d := json.NewDecoder(bytes.NewReader(from.Cursor))
		d.DisallowUnknownFields()
		if d.Decode(&at) != nil || at.After == 0 {
			return sdk.CursorLost("the cursor is not one of this connector's")
		}
	}
	for {
		var out struct {
			People []person
			More   bool
		}
		if err := c.ask(ctx, http.MethodGet, fmt.Sprintf("/v1/people?after=%d&limit=%d", at.After, c.page), nil, &out, false); err != nil {
			return err
		}
		if len(out.People) == 0 {
			return nil
		}
		page := sdk.Page{}
		for _, p := range out.People {
			page.Records = append(page.Records, sdk.Record{ID: p.ID, Fields: p.Fields, Deleted: p.Deleted})
			if p.Left > 0 {
				page.Consents = append(page.Consents, sdk.ConsentChange{
					Key: fmt.Sprint("left-", p.ID, "-", p.Left), Channel: "EMAIL", Identifiers: map[string]string{"email": fmt.Sprint(p.Fields["email"])},
				})
			}
			at.After = p.Seq
		}
		var err error
		if page.Cursor, err = json.Marshal(at); err != nil {
			return err
		}
		if err := emit(page); err != nil {
			return err
		}
		if !out.More {
			return nil
		}
	}
}

// Receive implements sdk.Receiver.
func (c *vendorClient) Receive(_ context.Context, w sdk.Webhook) (sdk.Received, error) {
	stamp := w.Header.Get("X-Timestamp")
	if !hmac.Equal([]byte(sign(c.secret, stamp, w.Body)), []byte(w.Header.Get("X-Signature"))) {
		return sdk.Received{}, sdk.Unauthorized("the signature does not fit")
	}
	at, _ := strconv.ParseInt(stamp, 10, 64)
	if age := w.At.Sub(time.Unix(at, 0)); age.Abs() > 5*time.Minute {
		return sdk.Received{}, sdk.Stale("the webhook is older than 5 minutes")
	}
	var body struct {
		Event  string
		Person person
	}
	if err := json.Unmarshal(w.Body, &body); err != nil {
		return sdk.Received{}, sdk.Broken("the webhook is not JSON")
	}
	return sdk.Received{Records: []sdk.StreamRecord{{
		Key: body.Event, Stream: "people", Record: sdk.Record{ID: body.Person.ID, Fields: body.Person.Fields},
	}}}, nil
}

// atOnce is how many people the vendor takes in a request.
const atOnce = 100

// Upsert implements sdk.Upserter.
func (c *vendorClient) Upsert(ctx context.Context, b sdk.Batch) ([]sdk.Result, error) {
	if b.Stream != "people" {
		return nil, sdk.SchemaChanged("", "there is no such stream")
	}
	results := make([]sdk.Result, 0, len(b.Items))
	for begin := 0; begin < len(b.Items); begin += atOnce {
		part := b.Items[begin:min(begin+atOnce, len(b.Items))]
		in := make([]written, len(part))
		for i, item := range part {
			in[i] = written{ID: item.ID, Fields: item.Fields, Delete: item.Delete}
		}
		var out []written
		err := c.ask(ctx, http.MethodPost, "/v1/people", in, &out, true)
		if err != nil && begin == 0 {
			return nil, err
		}
		for i := range part {
			results = append(results, partResult(out, i, err))
		}
	}
	return results, nil
}

// partResult is the result of one item of a part, or of a part that failed after others
// were written.
func partResult(out []written, i int, err error) sdk.Result {
	if err != nil {
		return sdk.Result{Fault: sdk.AsFault(err)}
	}
	done := map[string]sdk.Outcome{"created": sdk.Created, "updated": sdk.Updated, "deleted": sdk.Deleted}
	switch {
	case out[i].Wrong == "id":
		return sdk.Result{Fault: sdk.RecordGone("there is no such person")}
	case out[i].Wrong != "":
		return sdk.Result{Fault: sdk.InvalidRecord(out[i].Wrong, "the vendor does not take it")}
	}
	return sdk.Result{ID: out[i].ID, Outcome: done[out[i].Done]}
}

// Members implements sdk.Lister.
func (c *vendorClient) Members(ctx context.Context, l sdk.ListChange) (sdk.ListResult, error) {
	in := map[string]any{"name": l.Name, "add": emails(l.Add), "remove": emails(l.Remove)}
	var out struct{ ID string }
	if err := c.ask(ctx, http.MethodPost, "/v1/lists", in, &out, true); err != nil {
		return sdk.ListResult{}, err
	}
	return sdk.ListResult{List: out.ID, Results: done(len(l.Add)+len(l.Remove), sdk.Updated)}, nil
}

func emails(items []sdk.Item) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i], _ = item.Fields["email"].(string)
	}
	return out
}

func done(n int, o sdk.Outcome) []sdk.Result {
	out := make([]sdk.Result, n)
	for i := range out {
		out[i].Outcome = o
	}
	return out
}

// Forward implements sdk.Forwarder.
func (c *vendorClient) Forward(ctx context.Context, events []sdk.Event) ([]sdk.Result, error) {
	keys := make([]string, len(events))
	for i, e := range events {
		keys[i] = e.Key
	}
	var out any
	if err := c.ask(ctx, http.MethodPost, "/v1/events", keys, &out, true); err != nil {
		return nil, err
	}
	return done(len(events), sdk.Accepted), nil
}

// SetConsents implements sdk.ConsentSetter.
func (c *vendorClient) SetConsents(ctx context.Context, changes []sdk.ConsentChange) ([]sdk.Result, error) {
	results := make([]sdk.Result, len(changes))
	for i, change := range changes {
		if change.Granted && !change.Fresh {
			results[i].Fault = sdk.InvalidRecord("granted", "the person has to agree again first").Because("NOT_FRESH")
			continue
		}
		var out any
		in := map[string]any{"email": change.Identifiers["email"], "granted": change.Granted}
		if err := c.ask(ctx, http.MethodPost, "/v1/consents", in, &out, true); err != nil {
			results[i].Fault = sdk.AsFault(err)
			continue
		}
		results[i].Outcome = sdk.Updated
	}
	return results, nil
}

// Erase implements sdk.Eraser.
func (c *vendorClient) Erase(ctx context.Context, s sdk.Subject) (sdk.EraseReceipt, error) {
	in := map[string]any{"id": s.IDs["people"], "email": s.Identifiers["email"]}
	var out struct{ Known bool }
	if err := c.ask(ctx, http.MethodPost, "/v1/forget", in, &out, true); err != nil {
		return sdk.EraseReceipt{}, err
	}
	receipt := sdk.EraseReceipt{Done: true, Known: out.Known, Ref: s.Key, Detail: "the person was deleted"}
	if out.Known {
		receipt.Erased = time.Now()
	}
	return receipt, nil
}

// Send implements sdk.Sender.
func (c *vendorClient) Send(ctx context.Context, m sdk.Message) (sdk.Sent, error) {
	var out struct{ ID string }
	in := map[string]any{"key": m.Key, "to": m.To, "text": m.Text}
	if err := c.ask(ctx, http.MethodPost, "/v1/messages", in, &out, true); err != nil {
		return sdk.Sent{}, err
	}
	return sdk.Sent{ID: out.ID, State: sdk.DeliveryQueued, Segments: 1}, nil
}

// Status implements sdk.StatusReader.
func (c *vendorClient) Status(_ context.Context, q sdk.StatusQuery) (sdk.Delivery, error) {
	if q.ID == "" {
		return sdk.Delivery{}, sdk.RecordGone("there is no such message")
	}
	return sdk.Delivery{ID: q.ID, Key: q.Key, State: sdk.DeliverySent}, nil
}
