package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/smtp"
	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/internal/demo"
)

// demoSeeds is how many records the emulators of CRMs begin with.
var demoSeeds = map[string]int{"salesforce": 60, "hubspot": 40}

// demoVendors are the emulators of a demo. They forget everything when it ends.
type demoVendors struct {
	url     string
	server  *http.Server
	mails   *smtp.Sink
	vendors map[string]demo.Vendor
}

// startVendors serves the emulators of the demo, which have some records.
func startVendors(ctx context.Context) (*demoVendors, error) {
	d, all, err := serveVendors(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if n := demoSeeds[v.Name]; n > 0 {
			if err := v.Seed(n); err != nil {
				d.close()
				return nil, fmt.Errorf("fill the emulator of %s: %w", v.Name, err)
			}
		}
	}
	return d, nil
}

// serveVendors serves the emulators on a port of this machine.
func serveVendors(ctx context.Context) (*demoVendors, []sandbox.Emulator, error) {
	all, mails, err := emulators()
	if err != nil {
		return nil, nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		mails.Close()
		return nil, nil, fmt.Errorf("listen for the vendors: %w", err)
	}
	d := &demoVendors{
		url: "http://" + listener.Addr().String(), vendors: map[string]demo.Vendor{}, mails: mails,
		server: &http.Server{Handler: sandbox.Mount(all...), ReadHeaderTimeout: 10 * time.Second},
	}
	for _, v := range all {
		d.vendors[v.Name] = demo.Vendor{URL: d.url + "/" + v.Name, Credentials: v.Credentials}
	}
	go func() { _ = d.server.Serve(listener) }()
	return d, all, nil
}

func (d *demoVendors) close() {
	if d != nil {
		_ = d.server.Close()
		d.mails.Close()
	}
}

// connect makes the demo's connections, when its connectors are installed.
func (d *demoVendors) connect(a *app, keys *demoKeys) ([]demo.Connected, error) {
	if d == nil || len(a.syncs.Connectors()) == 0 {
		return nil, nil
	}
	ctx := core.WithActor(a.e.ctx, access.Operator("demo"))
	return demo.Connect(ctx, keys.place(a), a.syncs, a.consent, d.vendors)
}
