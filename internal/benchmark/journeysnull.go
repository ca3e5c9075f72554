package benchmark

import (
	"context"
	"encoding/json"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/sync"
)

// nullName is the connector that takes every message and does nothing.
const nullName = "null"

// nullPost is a host with that connector only. It notes when messages came.
type nullPost struct {
	mu   stdsync.Mutex
	came []time.Time
}

// Connectors implements sync.Host.
func (p *nullPost) Connectors() []sync.Connector {
	return []sync.Connector{{
		Name: nullName, Version: "v1.0.0", Title: "Null", Protocol: 1, Kinds: []string{"channel"}, ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Capabilities: []string{sync.CanSend, sync.DedupesSends}, Channels: []string{message.Email}, Categories: []core.Category{core.Contact},
	}}
}

// Dial implements sync.Host.
func (p *nullPost) Dial(context.Context, sync.Dial) (sync.Instance, error) { return &null{p: p}, nil }

// Drop implements sync.Host.
func (p *nullPost) Drop(string) {}

// Process implements sync.Host.
func (p *nullPost) Process(string) sync.Process { return sync.Process{State: sync.ProcessRunning} }

// taken returns when messages came, in that order, from the one with a number on.
func (p *nullPost) taken(from int) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.came[from:]...)
}

func (p *nullPost) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.came)
}

// null is the connector; nobody asks of it what it cannot do.
type null struct {
	sync.Instance
	p *nullPost
}

// Send implements sync.Instance.
func (n *null) Send(_ context.Context, m sync.Message) (sync.Sent, error) {
	n.p.mu.Lock()
	n.p.came = append(n.p.came, time.Now())
	n.p.mu.Unlock()
	return sync.Sent{ID: "n-" + m.Key, State: sync.DeliveryQueued}, nil
}

// Check implements sync.Instance.
func (n *null) Check(context.Context) error { return nil }

// Upgrade implements sync.Instance.
func (n *null) Upgrade(context.Context, sync.Stored) (sync.Stored, error) {
	return sync.Stored{}, &sync.Fault{Kind: sync.FaultUnsupported, Origin: sync.FromConnector, Message: "nothing is to be done"}
}
