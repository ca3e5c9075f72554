package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// WebhookPath and CallbackPath are the paths of the edge that vendors call: before the
// token of a connection, and whole.
const (
	WebhookPath  = "/hooks/"
	CallbackPath = "/oauth/callback"
)

// MaxWebhook is how many bytes the body of a webhook has at most.
const MaxWebhook = 5 << 20

// answerIn is how long a connector may take to read a webhook: vendors give up after five
// seconds.
const answerIn = 4 * time.Second

// routeKey is the key of a route: the store does not hold the token itself there.
func routeKey(token string) string {
	sum := sha256.Sum256([]byte("webhook\x00" + token))
	return hex.EncodeToString(sum[:16])
}

// WebhookURL returns the address that the vendor is told; "" where the connector takes no
// webhooks.
func (s *Service) WebhookURL(c *Connection) string {
	if c.Webhook == "" {
		return ""
	}
	return s.URL() + WebhookPath + c.Webhook
}

// ShownWebhook is WebhookURL for those who may set it up; "" for others.
func (s *Service) ShownWebhook(ctx context.Context, c *Connection) string {
	if connect(ctx) != nil {
		return ""
	}
	return s.WebhookURL(c)
}

// Reply is the answer to a webhook.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Receive takes a webhook. When it says 200, what came is on disk and will be carried out
// once; the same body again, within a day, changes nothing. An unknown token is NOT_FOUND, a
// false signature UNAUTHENTICATED, an old one INVALID with the reason STALE.
func (s *Service) Receive(ctx context.Context, token string, hook Webhook) (*Reply, error) {
	notFound := core.Errorf(core.NotFound, "WEBHOOK", "nobody listens here")
	if len(token) != 40 {
		return nil, notFound
	}
	route, err := Routes.Get(ctx, s.Store, routeKey(token))
	if err != nil {
		return nil, storeError("find the connection", err)
	}
	if route == nil {
		return nil, notFound
	}
	c, err := s.Connection(ctx, route.Workspace, route.Connection)
	if err != nil {
		return nil, err
	}
	if c == nil || c.Webhook != token {
		return nil, notFound
	}
	ctx = core.WithActor(ctx, access.System(c.Workspace(), "webhook"))
	sum := sha256.Sum256(append([]byte(hook.Method+"\x00"+hook.URL+"\x00"), hook.Body...))
	id := core.HashID(core.PrefixHook, c.ConnectionID(), hex.EncodeToString(sum[:]))
	call, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	in, _, err := s.dial(call, c)
	if err != nil {
		return nil, hookError(err)
	}
	hook.At = s.now()
	got, err := in.Receive(call, hook)
	if err != nil {
		return nil, hookError(err)
	}
	reply := &Reply{Status: got.Status, Header: got.Header, Body: got.Body}
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	if len(got.Records)+len(got.Events)+len(got.Consents)+len(got.Deliveries)+len(got.Inbound)+len(got.Pull) == 0 {
		return reply, nil // a challenge
	}
	key := store.Key(c.Workspace(), id)
	if have, err := Hooks.Get(ctx, s.Store, key); err != nil || have != nil {
		return reply, storeError("read the webhook", err)
	}
	s.believedHook(&got)
	plain, err := json.Marshal(got)
	if err != nil || len(plain) > maxReceived {
		return nil, core.Errorf(core.Invalid, "WEBHOOK", "the connector read something that cannot be kept").Wrap(err)
	}
	h := &Hook{Meta: store.Meta{ID: key}, Connection: c.ConnectionID(), At: s.now()}
	if h.Received, err = s.Keys.Seal(ctx, c.Workspace(), plain, []byte(key)); err != nil {
		return nil, err
	}
	err = work.Commit(ctx, s.Store, Hooks.Insert(h), work.Enqueue(work.Item{Kind: hookKind, Workspace: c.Workspace(), Name: id, DueAt: s.now()}))
	if errors.Is(err, store.ErrConflict) { // the vendor sent it twice at once
		return reply, nil
	}
	if err != nil {
		return nil, storeError("keep the webhook", err)
	}
	s.Runner.Wake()
	return reply, nil
}

// hookError says to a vendor why its webhook was not taken.
func hookError(err error) error {
	f := AsFault(err)
	switch f.Kind {
	case FaultUnauthorized:
		return core.Errorf(core.Unauthenticated, "SIGNATURE", "the signature is false")
	case FaultStale:
		return core.Errorf(core.Invalid, "STALE", "the signature is too old, or the clocks differ")
	case FaultInvalidRecord, FaultUnsupported:
		return core.Errorf(core.Invalid, "WEBHOOK", "this is no webhook that the connector knows")
	}
	return core.Errorf(core.Unavailable, "CONNECTOR", "the connector cannot read this now; send it again").After(max(f.After, time.Second))
}

// Inbox is records that a webhook brought and that wait for the next run of a sync.
type Inbox struct {
	store.Meta `bson:",inline"` // key: workspace/hok_….syn_…
	Sync       string           `bson:"sync"`
	At         time.Time        `bson:"at"`
	Sealed     []byte           `bson:"sealed"`
}

var inboxes = store.Declare[Inbox](store.Spec{
	Name: "sync_inbox", Reach: store.ReachNobody, // sealed, and gone with the next run
	Indexes: []store.Index{store.On("sync", "at")},
})

// handleHook carries out what a webhook brought: events and consents at once, records by
// the syncs of their streams.
func (s *Service) handleHook(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	ws := t.Workspace
	ctx = core.WithActor(ctx, access.System(ws, "webhook"))
	h, err := Hooks.Get(ctx, s.Store, store.Key(ws, t.Name))
	if err != nil {
		return err
	}
	if h == nil || h.Done {
		return l.Complete(ctx)
	}
	c, err := s.Connection(ctx, ws, h.Connection)
	if err != nil {
		return err
	}
	if c == nil {
		return l.Complete(ctx, Hooks.Delete(h))
	}
	if c.Paused {
		return l.Reschedule(ctx, s.now().Add(time.Minute), nil)
	}
	plain, err := s.Keys.Open(ctx, ws, h.Received, []byte(h.ID))
	if err != nil {
		return work.Permanent(err)
	}
	var got Received
	if err := decodeJSON(plain, &got); err != nil {
		return work.Permanent(err)
	}
	list, err := s.syncsOf(ctx, ws, c.ConnectionID())
	if err != nil {
		return err
	}
	if err := s.hookEvents(ctx, c, got.Events); err != nil {
		return err
	}
	if err := s.takeConsents(ctx, c, list, got.Consents); err != nil {
		return err
	}
	if err := s.report(ctx, c, got.Deliveries, got.Inbound, h.At); err != nil {
		return err
	}
	h.Received, h.Done = nil, true
	ops := []store.Op{Hooks.Replace(h)}
	var ask []string
	for _, y := range list {
		if !y.Direction.pulls() {
			continue
		}
		var records []Record
		for _, r := range got.Records {
			if r.Stream == y.Stream {
				records = append(records, r.Record)
			}
		}
		if len(records) > 0 {
			text, err := json.Marshal(records)
			if err != nil {
				return work.Permanent(err)
			}
			box := &Inbox{Meta: store.Meta{ID: h.ID + "." + y.SyncID()}, Sync: y.SyncID(), At: h.At}
			if box.Sealed, err = s.Keys.Seal(ctx, ws, text, []byte(box.ID)); err != nil {
				return err
			}
			ops = append(ops, inboxes.Insert(box))
		}
		if len(records) > 0 || slices.Contains(got.Pull, y.Stream) {
			ask = append(ask, y.SyncID())
		}
	}
	if err := l.Complete(ctx, ops...); err != nil {
		return err
	}
	for _, id := range ask { // were this process to die here, the next run by schedule has them
		if err := s.soon(ctx, ws, id); err != nil {
			return err
		}
	}
	return nil
}

// inbox takes the records that webhooks brought.
func (j *job) inbox(ctx context.Context) error {
	for {
		list, err := inboxes.Find(ctx, j.Store, store.Query{
			Workspace: j.ws, Where: []store.Cond{store.Eq("sync", j.sync.SyncID())}, Order: []string{"at"},
		}, 50)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, box := range list {
			plain, err := j.Keys.Open(ctx, j.ws, box.Sealed, []byte(box.ID))
			if err != nil {
				return err
			}
			var records []Record
			if err := decodeJSON(plain, &records); err != nil {
				return err
			}
			for part := range slices.Chunk(records, slice) {
				if err := j.take(ctx, part); err != nil {
					return err
				}
			}
			if err := j.save(ctx, inboxes.Delete(box)); err != nil {
				return err
			}
		}
	}
}

func (s *Service) hookEvents(ctx context.Context, c *Connection, list []Event) error {
	if len(list) == 0 {
		return nil
	}
	hash, err := s.hashes(ctx, c.Workspace())
	if err != nil {
		return err
	}
	var inputs []event.Input
	for i := range list {
		if in, ok := s.eventInput(c, &list[i], hash); ok {
			inputs = append(inputs, in)
		}
	}
	if len(inputs) == 0 {
		return nil
	}
	_, err = s.Committer.Ingest(ctx, c.Workspace(), c.Source, inputs)
	return err
}
