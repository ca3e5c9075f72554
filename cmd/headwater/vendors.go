package main

import (
	"context"
	"strings"
	gosync "sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/internal/pluginhost"
)

// vendorFlags configure the connectors of a server.
type vendorFlags struct {
	connectorFlags
	AllowPrivateConnectors bool `help:"Let connections lead to this machine and to private networks: for sandboxes."`
}

// vendors is the host of connectors, from the moment at which the server has one: what only
// looks into a store runs no connectors.
type vendors struct {
	host atomic.Pointer[pluginhost.Host]
	once gosync.Once
}

var _ sync.Host = (*vendors)(nil)

// Connectors implements sync.Host.
func (v *vendors) Connectors() []sync.Connector {
	if h := v.host.Load(); h != nil {
		return h.Connectors()
	}
	return nil
}

// Dial implements sync.Host.
func (v *vendors) Dial(ctx context.Context, d sync.Dial) (sync.Instance, error) {
	if h := v.host.Load(); h != nil {
		return h.Dial(ctx, d)
	}
	return nil, &sync.Fault{
		Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: "NO_HOST", Message: "this process runs no connectors; a server does", After: time.Minute,
	}
}

// Drop implements sync.Host.
func (v *vendors) Drop(key string) {
	if h := v.host.Load(); h != nil {
		h.Drop(key)
	}
}

// Process implements sync.Host.
func (v *vendors) Process(key string) sync.Process {
	if h := v.host.Load(); h != nil {
		return h.Process(key)
	}
	return sync.Process{State: sync.ProcessStopped}
}

// open starts the host over the folder of installed connectors; the returned function ends
// every process.
func (f vendorFlags) open(a *app) (func(), error) {
	if f.Connectors == "" && a.flags.Data == "" {
		return func() {}, nil
	}
	installed, err := f.installed(a.e, a.flags, a.store)
	if err != nil {
		return nil, err
	}
	h := pluginhost.New(pluginhost.Options{Store: installed, Clock: a.e.clock, Logger: a.e.log})
	a.syncs.Private = f.AllowPrivateConnectors
	a.vendors.host.Store(h)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		a.vendors.once.Do(func() { h.Close(ctx) })
	}, nil
}

// destinations lists where data of a workspace's people was handed to.
func (a *app) destinations(ctx context.Context, ws string) ([]privacy.Destination, error) {
	list, err := a.syncs.Destinations(ctx, ws)
	out := make([]privacy.Destination, len(list))
	for i, c := range list {
		out[i] = destination{a.syncs, c}
	}
	return out, err
}

// destination is a connection as an erasure sees it.
type destination struct {
	syncs *sync.Service
	c     *sync.Connection
}

// Name implements privacy.Destination: the id stays when somebody renames the connection.
func (d destination) Name() string { return d.c.Connector + " " + d.c.ConnectionID() }

// Erase implements privacy.Destination. While the vendor is at work it is asked with the
// same key again, which is why there is no reference for Check.
func (d destination) Erase(ctx context.Context, s privacy.Subject) (privacy.Answer, error) {
	e, err := d.syncs.Erase(ctx, s.Workspace, d.c.ConnectionID(), s.Request, s.Parts, s.Identifiers)
	if err != nil {
		return privacy.Answer{}, err
	}
	out := privacy.Answer{Status: work.Running, Evidence: e.Evidence, After: e.After}
	switch {
	case e.Failed:
		out.Status = work.Failed
	case e.Done:
		out.Status = work.Succeeded
		out.Evidence = strings.TrimPrefix(e.Evidence+"; done", "; ")
	}
	return out, nil
}

// Check implements privacy.Destination. Erase gives no reference, so that nothing asks.
func (d destination) Check(context.Context, string, string) (privacy.Answer, error) {
	return privacy.Answer{Status: work.Running, Evidence: "asked again"}, nil
}
