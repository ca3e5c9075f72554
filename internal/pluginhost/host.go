package pluginhost

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Host implements sync.Host with a process for each connection. Close it.
type Host struct {
	store  *install.Store
	log    *slog.Logger
	hooks  Hooks
	limits Limits
	dev    bool
	env    []string

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   stdsync.WaitGroup

	mu          stdsync.Mutex
	connections map[string]*connection
	processes   map[*process]bool
	installed   map[string]sync.Connector
	digests     map[string]string // of what is installed, by name
	attachments map[string]install.Attachment
	stamp       string // of the lock when it was read
}

var _ sync.Host = (*Host)(nil)

// New makes a host. It starts nothing until a connection is dialled.
func New(o Options) *Host {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Hooks.fill()
	h := &Host{
		store: o.Store, log: o.Logger, hooks: o.Hooks, limits: o.Limits.filled(), dev: o.Development, env: o.Env,
		connections: map[string]*connection{}, processes: map[*process]bool{},
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	endOrphans()
	h.refresh()
	h.work.Go(func() { h.watchMemory(h.ctx) })
	h.work.Go(h.follow)
	return h
}

// installInterval is how often the lock is looked at for what an operator did.
const installInterval = time.Second

// follow takes what is installed, upgraded and removed while we run.
func (h *Host) follow() {
	tick := time.NewTicker(installInterval)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
			h.refresh()
		}
	}
}

// refresh reads the lock when it has changed.
func (h *Host) refresh() {
	stamp := h.store.Stamp()
	h.mu.Lock()
	same := stamp == h.stamp && h.digests != nil
	h.mu.Unlock()
	if same {
		return
	}
	installed, digests := map[string]sync.Connector{}, map[string]string{}
	entries, _, err := h.store.List()
	if err != nil {
		h.log.Error("the installed connectors cannot be read", "reason", core.AsError(err).Reason, "error", err.Error())
	}
	for _, e := range entries {
		digests[e.Name] = e.Digest
		entry, spec, err := h.store.Manifest(e.Name)
		if err != nil {
			h.log.Error("a connector does not run", "connector", e.Name, "reason", core.AsError(err).Reason, "error", err.Error())
			continue
		}
		if e.Unsigned {
			h.log.Warn("a connector is installed that nobody trusted signed", "connector", e.Name, "version", e.Version)
		}
		installed[e.Name] = connectorOf(spec, entry)
	}
	attachments := h.store.Attachments()
	for name, a := range attachments {
		if h.dev {
			h.log.Warn("DEVELOPMENT: connections of a connector go to a process that we did not start and cannot check", "connector", name, "pid", a.PID)
			installed[name] = connectorOf(a.Spec, install.Entry{})
			digests[name] = ""
		}
	}
	h.mu.Lock()
	before := h.digests
	h.installed, h.digests, h.attachments, h.stamp = installed, digests, attachments, stamp
	all := slices.Collect(maps.Values(h.connections))
	h.mu.Unlock()
	for _, c := range all {
		c.changed(before, digests)
	}
}

// Connectors implements sync.Host.
func (h *Host) Connectors() []sync.Connector {
	h.refresh()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]sync.Connector, 0, len(h.installed))
	for _, c := range h.installed {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b sync.Connector) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// newer reports whether another package is installed than the process runs.
func (h *Host) newer(p *process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	digest, ok := h.digests[p.dial.Connector]
	return ok && digest != p.digest
}

// attached returns where a connector waits under a debugger.
func (h *Host) attached(name string) *install.Attachment {
	h.refresh()
	h.mu.Lock()
	defer h.mu.Unlock()
	if a, ok := h.attachments[name]; ok {
		return &a
	}
	return nil
}

// Dial implements sync.Host.
func (h *Host) Dial(ctx context.Context, d sync.Dial) (sync.Instance, error) {
	h.mu.Lock()
	c := h.connections[d.Key]
	if c == nil {
		c = &connection{h: h, key: d.Key, want: d}
		h.connections[d.Key] = c
	}
	h.mu.Unlock()
	c.redial(d)
	p, f := c.acquire(ctx)
	if f != nil {
		return nil, f
	}
	p.leave()
	return &instance{c}, nil
}

// Drop implements sync.Host.
func (h *Host) Drop(key string) {
	h.mu.Lock()
	c := h.connections[key]
	delete(h.connections, key)
	h.mu.Unlock()
	if c != nil {
		h.work.Go(func() { c.drop(h.limits.Drain) })
	}
}

// Process implements sync.Host.
func (h *Host) Process(key string) sync.Process {
	h.mu.Lock()
	c := h.connections[key]
	h.mu.Unlock()
	if c == nil {
		return sync.Process{State: sync.ProcessStopped}
	}
	return c.state()
}

// running lists the processes there are, whatever becomes of them.
func (h *Host) running() []*process {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*process, 0, len(h.processes))
	for p := range h.processes {
		out = append(out, p)
	}
	return out
}

// Close lets calls come to an end until ctx does, and ends every process. Nothing is
// left when it returns.
func (h *Host) Close(ctx context.Context) {
	h.cancel()
	h.mu.Lock()
	all := h.connections
	h.connections = map[string]*connection{}
	h.mu.Unlock()
	limit := h.limits.Drain
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(0, time.Until(deadline)-2*time.Second))
	}
	for _, c := range all {
		h.work.Go(func() { c.drop(limit) })
	}
	stop := context.AfterFunc(ctx, func() {
		for _, p := range h.running() {
			p.end(nil)
		}
	})
	defer stop()
	h.work.Wait()
	for _, p := range h.running() {
		p.end(nil)
		<-p.gone
	}
}

// pids are of the processes that run, for tests.
func (h *Host) pids() []int {
	var out []int
	for _, p := range h.running() {
		p.mu.Lock()
		c := p.child
		p.mu.Unlock()
		if c != nil && c.pid() > 0 {
			out = append(out, c.pid())
		}
	}
	return out
}

// attach opens the connection of a process that somebody else started.
func (p *process) attach(a install.Attachment) *sync.Fault {
	if !p.h.dev {
		close(p.gone)
		return &sync.Fault{Kind: sync.FaultInternal, Origin: sync.FromHost, Reason: reasonDevelopment,
			Message: "the connector is attached to a process under a debugger, which only a server started with --connector-development uses; headwater connector dev --detach undoes it"}
	}
	remote, closer, err := sdk.Attach(sdk.Attachment{Protocol: a.Protocol, Network: a.Network, Address: a.Address, PID: a.PID}, p.sink)
	if err != nil {
		close(p.gone)
		return crashed(reasonNoStart, "the attached process does not answer; start it again with the word dev and attach it again")
	}
	p.schema = a.Spec.ConfigSchema
	p.know(a.Spec)
	p.remote = remote
	p.closer = func() { _ = closer.Close() }
	go func() {
		<-p.dead
		_ = os.RemoveAll(p.dir)
		close(p.gone)
	}()
	return nil
}
