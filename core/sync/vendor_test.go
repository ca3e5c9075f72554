package sync_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

// vendor is a vendor with an API, and the host of its connector: what the tests script.
type vendor struct {
	mu       stdsync.Mutex
	seq      int
	now      time.Time
	records  map[string]map[string]*row // by stream and id
	byMatch  map[string]*row
	lists    map[string]map[string]bool // by list: e-mail addresses
	events   map[string]sync.Event
	consents []sync.ConsentChange
	erased   map[string]int
	upserts  int // calls
	items    int // that were written
	dials    []sync.Dial
	dropped  []string

	check    error
	upsert   func(b sync.Batch) ([]sync.Result, error) // before the vendor's own
	receive  func(h sync.Webhook) (sync.Received, error)
	told     []sync.Page // without records: what the next pulls tell, from the cursor of each
	atOnce   int         // calls that the connector takes
	streams  []sync.Stream
	sent     []sync.Message
	pageSize int
	norm     func(field string, v any) any // how the vendor writes what it is sent
	erasing  int                           // answers before it is done
	pulled   func()
	pull     func(ctx context.Context, from sync.PullRequest, emit func(sync.Page) error) error // instead of the vendor's own
	address  string                                                                             // where people are sent to agree, before the parameters
	retry    time.Duration                                                                      // of an erasure under way
	version  string                                                                             // of the connector; "v1.0.0"
	after    func()                                                                             // a pull, before anybody hears that it is over
	upgrade  func(sync.Stored) (sync.Stored, error)
}

type row struct {
	id      string
	fields  map[string]any
	deleted bool
	merged  string
	updated time.Time
	seq     int
}

func newVendor() *vendor {
	return &vendor{byMatch: map[string]*row{}, records: map[string]map[string]*row{}, lists: map[string]map[string]bool{}, events: map[string]sync.Event{}, erased: map[string]int{}, pageSize: 3}
}

const shopSchema = `{"type":"object","required":["url"],"additionalProperties":false,"properties":{
	"url":{"type":"string","format":"uri"},"token":{"type":"string","writeOnly":true},"limit":{"type":"integer"}}}`

// Connectors implements sync.Host.
func (v *vendor) Connectors() []sync.Connector {
	v.mu.Lock()
	defer v.mu.Unlock()
	return []sync.Connector{{
		Name: "shop", Version: cmp.Or(v.version, "v1.0.0"), Title: "Shop", Protocol: 1, Kinds: []string{"source", "destination"}, ConfigSchema: json.RawMessage(shopSchema),
		Capabilities: []string{sync.CanPull, sync.CanReceive, sync.CanUpsert, sync.CanDelete, sync.CanLists, sync.CanForward, sync.CanConsents, sync.CanErase, sync.DedupesUpserts},
		Limits:       sync.Limits{BatchItems: 100, Concurrency: v.atOnce}, Hosts: []string{"config:url"}, Categories: []core.Category{core.Contact},
		Processor: sync.Vendor{Name: "Shop GmbH"}, OAuth: true, Webhooks: true,
	}}
}

// Dial implements sync.Host.
func (v *vendor) Dial(_ context.Context, d sync.Dial) (sync.Instance, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dials = append(v.dials, d)
	return &shop{vendor: v, dial: d}, nil
}

// Drop implements sync.Host.
func (v *vendor) Drop(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dropped = append(v.dropped, key)
}

// Process implements sync.Host.
func (v *vendor) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

// tick gives every change a time of its own.
func (v *vendor) tick() time.Time {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if !now.After(v.now) {
		now = v.now.Add(time.Millisecond)
	}
	v.now = now
	return now
}

func (v *vendor) touch(r *row) { v.seq++; r.seq, r.updated = v.seq, v.tick() }

// set is somebody at the vendor who changes a record.
func (v *vendor) set(stream, id string, fields map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.records[stream] == nil {
		v.records[stream] = map[string]*row{}
	}
	r := v.records[stream][id]
	if r == nil {
		r = &row{id: id, fields: map[string]any{}}
		v.records[stream][id] = r
	}
	r.deleted = false
	maps.Copy(r.fields, fields)
	v.touch(r)
}

func (v *vendor) remove(stream, id, merged string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.records[stream][id]
	r.deleted, r.merged = true, merged
	v.touch(r)
}

func (v *vendor) get(stream, id string) map[string]any {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.records[stream][id]; r != nil && !r.deleted {
		return maps.Clone(r.fields)
	}
	return nil
}

// find returns the record with a value.
func (v *vendor) find(stream, field string, value any) (string, map[string]any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(v.records[stream])) {
		if r := v.records[stream][id]; !r.deleted && r.fields[field] == value {
			return id, maps.Clone(r.fields)
		}
	}
	return "", nil
}

func (v *vendor) count(stream string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, r := range v.records[stream] {
		if !r.deleted {
			n++
		}
	}
	return n
}

// shop is the instance of its connector.
type shop struct {
	*vendor
	dial sync.Dial
}

func (s *shop) Check(context.Context) error { return s.check }

func (s *shop) Discover(context.Context) ([]sync.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil { // it does not tell
		return nil, &sync.Fault{Kind: sync.FaultUnsupported}
	}
	return s.streams, nil
}

func (s *shop) Pull(ctx context.Context, from sync.PullRequest, emit func(sync.Page) error) error {
	if s.pulled != nil {
		s.pulled()
	}
	if s.pull != nil {
		return s.pull(ctx, from, emit)
	}
	since, _ := strconv.Atoi(string(from.Cursor))
	s.mu.Lock()
	told := slices.Clone(s.told)
	s.mu.Unlock()
	for _, p := range told {
		if n, _ := strconv.Atoi(string(p.Cursor)); n > since {
			since = n
			if err := emit(p); err != nil {
				return err
			}
		}
	}
	for {
		s.mu.Lock()
		var rows []*row
		for _, r := range s.records[from.Stream] {
			if r.seq > since {
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, func(a, b *row) int { return a.seq - b.seq })
		rows = rows[:min(len(rows), s.pageSize)]
		var p sync.Page
		for _, r := range rows {
			since = r.seq
			rec := sync.Record{ID: r.id, UpdatedAt: r.updated, Deleted: r.deleted, Merged: r.merged}
			if !r.deleted {
				text, _ := json.Marshal(r.fields)
				d := json.NewDecoder(strings.NewReader(string(text)))
				d.UseNumber()
				_ = d.Decode(&rec.Fields)
			}
			p.Records = append(p.Records, rec)
		}
		s.mu.Unlock()
		if len(p.Records) == 0 {
			s.mu.Lock()
			after := s.after
			s.mu.Unlock()
			if after != nil {
				after()
			}
			return nil
		}
		p.Cursor = []byte(strconv.Itoa(since))
		if err := emit(p); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (s *shop) Receive(_ context.Context, h sync.Webhook) (sync.Received, error) { return s.receive(h) }

func (s *shop) Upsert(_ context.Context, b sync.Batch) ([]sync.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upserts++
	if s.records[b.Stream] == nil {
		s.records[b.Stream] = map[string]*row{}
	}
	if s.upsert != nil {
		if out, err := s.upsert(b); out != nil || err != nil {
			return out, err
		}
	}
	out := make([]sync.Result, len(b.Items))
	for i, it := range b.Items {
		out[i] = s.write(b.Stream, it)
	}
	return out, nil
}

func (v *vendor) write(stream string, it sync.Item) sync.Result {
	var r *row
	if it.ID != "" {
		if r = v.records[stream][it.ID]; r == nil || r.deleted {
			return sync.Result{Fault: &sync.Fault{Kind: sync.FaultRecordGone, Origin: sync.FromVendor, Message: "gone"}}
		}
	} else {
		if have := v.byMatch[fmt.Sprint(stream, it.Match, it.Fields[it.Match])]; have != nil && !have.deleted && have.fields[it.Match] == it.Fields[it.Match] {
			r = have
		}
		for _, have := range v.records[stream] {
			if len(v.records[stream]) > 1000 { // the index knows
				break
			}
			if !have.deleted && have.fields[it.Match] == it.Fields[it.Match] {
				r = have
			}
		}
	}
	outcome := sync.Updated
	if r == nil {
		r = &row{id: fmt.Sprintf("r%d", len(v.records[stream])+1), fields: map[string]any{}}
		v.records[stream][r.id] = r
		outcome = sync.Created
	}
	v.items++
	if it.Delete {
		r.deleted = true
		v.touch(r)
		return sync.Result{ID: r.id, Outcome: sync.Deleted, UpdatedAt: r.updated}
	}
	for k, val := range it.Fields {
		if v.norm != nil {
			val = v.norm(k, val)
		}
		if val == nil {
			delete(r.fields, k)
		} else {
			r.fields[k] = val
		}
	}
	v.touch(r)
	if it.Match != "" {
		v.byMatch[fmt.Sprint(stream, it.Match, r.fields[it.Match])] = r
	}
	return sync.Result{ID: r.id, Outcome: outcome, UpdatedAt: r.updated}
}

func (s *shop) Members(_ context.Context, c sync.ListChange) (sync.ListResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.List == "" {
		c.List = "list-" + c.Name
	}
	if s.lists[c.List] == nil {
		s.lists[c.List] = map[string]bool{}
	}
	out := sync.ListResult{List: c.List}
	for _, it := range c.Add {
		s.lists[c.List][fmt.Sprint(it.Fields["email"])] = true
		out.Results = append(out.Results, sync.Result{Outcome: sync.Created})
	}
	for _, it := range c.Remove {
		delete(s.lists[c.List], fmt.Sprint(it.Fields["email"]))
		out.Results = append(out.Results, sync.Result{Outcome: sync.Deleted})
	}
	return out, nil
}

func (s *shop) Forward(_ context.Context, list []sync.Event) ([]sync.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range list {
		s.events[e.Key] = e
	}
	return make([]sync.Result, len(list)), nil
}

func (s *shop) SetConsents(_ context.Context, list []sync.ConsentChange) ([]sync.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consents = append(s.consents, list...)
	return make([]sync.Result, len(list)), nil
}

func (s *shop) Erase(_ context.Context, sub sync.Subject) (sync.EraseReceipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erasing > 0 {
		s.erasing--
		return sync.EraseReceipt{Known: true, Ref: "job-1", Retry: cmp.Or(s.retry, time.Second)}, nil
	}
	known := false
	for stream, id := range sub.IDs {
		if s.records[stream][id] != nil {
			known = true
			delete(s.records[stream], id)
		}
	}
	s.erased[sub.Key]++
	return sync.EraseReceipt{Done: true, Known: known, Ref: "job-1", Erased: time.Now()}, nil
}

func (s *shop) Send(_ context.Context, m sync.Message) (sync.Sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.To == "" {
		return sync.Sent{}, &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Path: "to"}
	}
	s.sent = append(s.sent, m)
	return sync.Sent{ID: fmt.Sprint("m", len(s.sent)), State: sync.DeliveryQueued, Segments: 1}, nil
}

func (s *shop) Status(_ context.Context, id, key string) (sync.Delivery, error) {
	return sync.Delivery{ID: id, Key: key, State: sync.DeliveryDelivered}, nil
}

func (s *shop) AuthorizeURL(_ context.Context, redirect, state, challenge string) (string, error) {
	return cmp.Or(s.address, "https://login.shop.example/authorize?redirect_uri=") + redirect + "&state=" + state + "&code_challenge=" + challenge, nil
}

func (s *shop) Exchange(_ context.Context, code, _, verifier string) (map[string]string, error) {
	if code != "good" || verifier == "" {
		return nil, &sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor, Message: "false code"}
	}
	return map[string]string{"token": "from-oauth"}, nil
}

func (s *shop) Upgrade(_ context.Context, from sync.Stored) (sync.Stored, error) {
	if s.upgrade != nil {
		return s.upgrade(from)
	}
	return sync.Stored{}, &sync.Fault{Kind: sync.FaultUnsupported}
}
