package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// connectorServeFlags are those of a server, which runs connectors.
type connectorServeFlags struct {
	connectorFlags
	AllowPrivateConnectors bool     `help:"Let connections lead to this machine and to private networks: for sandboxes."`
	ConnectorDevelopment   bool     `help:"Use connectors that headwater connector dev attached to a process under a debugger. Never with real people's data."`
	ConnectorEnv           []string `help:"Names in the environment that connectors see too, such as HTTPS_PROXY." placeholder:"NAME"`
}

// lateHost is the host of connectors for services that are made before it, and on the
// command line, where no connector runs.
type lateHost struct {
	host atomic.Pointer[pluginhost.Host]
}

var _ sync.Host = (*lateHost)(nil)

// Connectors implements sync.Host.
func (l *lateHost) Connectors() []sync.Connector {
	if h := l.host.Load(); h != nil {
		return h.Connectors()
	}
	return nil
}

// Dial implements sync.Host.
func (l *lateHost) Dial(ctx context.Context, d sync.Dial) (sync.Instance, error) {
	if h := l.host.Load(); h != nil {
		return h.Dial(ctx, d)
	}
	return nil, &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: "NO_HOST", Message: "this process runs no connectors; a server does", After: time.Minute}
}

// Drop implements sync.Host.
func (l *lateHost) Drop(key string) {
	if h := l.host.Load(); h != nil {
		h.Drop(key)
	}
}

// Process implements sync.Host.
func (l *lateHost) Process(key string) sync.Process {
	if h := l.host.Load(); h != nil {
		return h.Process(key)
	}
	return sync.Process{State: sync.ProcessStopped}
}

// close ends every connector, giving what they do some seconds.
func (l *lateHost) close() {
	h := l.host.Swap(nil)
	if h == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h.Close(ctx)
}

// runConnectors begins to run connectors, until close. A server without a folder for them
// has none. prepare may install some before.
func (a *app) runConnectors(f connectorServeFlags, sf storeFlags, prepare ...func(*env, *install.Store) error) error {
	if f.Connectors == "" && sf.Data == "" {
		return nil
	}
	installed, err := f.installed(a.e, sf, a.store)
	if err != nil {
		return err
	}
	for _, p := range prepare {
		if err := p(a.e, installed); err != nil {
			return err
		}
	}
	if f.ConnectorDevelopment {
		a.e.log.Warn("DEVELOPMENT: connectors may be processes that nobody checked; never with real people's data")
	} else if attached := installed.Attachments(); len(attached) > 0 {
		for name := range attached {
			err = errors.Join(err, developmentOnly(name))
		}
		return err
	}
	a.syncs.Private = f.AllowPrivateConnectors
	a.connectors.host.Store(pluginhost.New(pluginhost.Options{
		Store: installed, Clock: a.e.clock, Logger: a.e.log, Development: f.ConnectorDevelopment, Env: f.ConnectorEnv,
		Hooks: pluginhost.Hooks{
			Processes: a.metrics.ConnectorProcesses, Started: a.metrics.ConnectorStart, Ended: a.metrics.ConnectorEnd,
			Call: a.metrics.ConnectorCall, Dropped: a.metrics.ConnectorLinesDropped,
		},
	}))
	return nil
}
