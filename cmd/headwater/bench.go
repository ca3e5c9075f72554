package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/internal/benchmark"
	"github.com/headwater-cdp/headwater/internal/demo"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// benchCmd measures on embedded stores of its own, which it removes afterwards.
type benchCmd struct {
	Only  []string `help:"Parts to run: ingest, read, unmerge, consent, hostile, scale, segments, audit, access, connectors, journeys, predict, figures; all when not given." placeholder:"PART"`
	Quick bool     `help:"See in some seconds that everything runs; the numbers say little."`
	Dir   string   `help:"Folder for the stores, on the disk to measure; needs a few GB." type:"existingdir" placeholder:"DIR"`
}

// Run implements the command.
func (c *benchCmd) Run(e *env) error {
	for _, part := range c.Only {
		if !benchmark.Known(part) {
			return core.Errorf(core.Invalid, "PART", "there is no part %q; the parts are ingest, read, unmerge, consent, hostile, scale, segments, audit, access, connectors, journeys, predict and figures", part)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp(c.Dir, "headwater-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the stores: %w", err)
	}
	defer os.RemoveAll(dir)
	return benchmark.Run(e.ctx, benchmark.Options{
		Binary: self, Dir: dir, Quick: c.Quick, Only: c.Only, Report: benchmark.NewReport(e.out),
		Groups: func(s store.Store) int64 { return s.(*sqlite.Store).Stats().Groups },
		Wire: func(ctx context.Context, dir string, host sync.Host, do func(context.Context, graph.Services) error) error {
			return wire(ctx, e, dir, host, do)
		},
		Vendors: func(ctx context.Context, dir string) (*benchmark.Vendors, error) { return benchVendors(ctx, e, dir) },
		Open: func(ctx context.Context, dir string) (store.Store, error) {
			s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, databaseFile), Clock: e.clock})
			if err != nil {
				return nil, err
			}
			return s, prepare(ctx, s, e)
		},
	})
}

// benchVendors serves the emulators without limits, and installs the connectors that were
// built with this program.
func benchVendors(ctx context.Context, e *env, dir string) (*benchmark.Vendors, error) {
	installed, err := install.Open(install.Options{Dir: dir, MAC: install.MAC([]byte("bench")), Clock: e.clock})
	if err == nil {
		err = installBeside(e, installed)
	}
	if err != nil {
		return nil, err
	}
	if entries, _, err := installed.List(); err != nil || len(entries) == 0 {
		return nil, errors.Join(err, core.Errorf(core.Invalid, "NO_CONNECTORS", "no connectors are beside this program: make connectors builds them"))
	}
	d, all, err := serveVendors(ctx)
	if err != nil {
		return nil, err
	}
	v := &benchmark.Vendors{Installed: installed, Stop: d.close, Configs: map[string]map[string]any{}}
	for _, one := range all {
		one.Desk.Limits.Off(true)
	}
	for connector, vendor := range d.vendors {
		v.Configs[connector] = demo.Config(connector, vendor)
	}
	v.Seed = func(emulator string, n int) error {
		for _, one := range all {
			if one.Name == emulator {
				return one.Seed(n)
			}
		}
		return core.Errorf(core.NotFound, "EMULATOR", "there is no emulator of %q", emulator)
	}
	return v, nil
}

// wire runs do with the services over the store in a folder, and their background work;
// connections lead to host, or nowhere.
func wire(ctx context.Context, e *env, dir string, host sync.Host, do func(context.Context, graph.Services) error) (err error) {
	inner := *e
	inner.ctx = ctx
	a, err := storeFlags{Data: dir}.start(&inner)
	if err != nil {
		return err
	}
	if host != nil {
		a.syncs.Host = host
		a.url = "https://cdp.example" // what letters lead to
		a.consent.URL = a.url
	}
	a.begin(ctx)
	hub := store.NewHub(ctx, a.store)
	defer func() { err = errors.Join(err, hub.Close(), a.close()) }()
	return do(ctx, a.services(hub))
}
