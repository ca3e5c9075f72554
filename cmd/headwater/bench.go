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
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/internal/benchmark"
)

// benchCmd measures on embedded stores of its own, which it removes afterwards.
type benchCmd struct {
	Only  []string `help:"Parts to run: ingest, read, unmerge, consent, hostile, scale, segments, audit, access, connectors; all when not given." placeholder:"PART"`
	Quick bool     `help:"See in some seconds that everything runs; the numbers say little."`
	Dir   string   `help:"Folder for the stores, on the disk to measure; needs a few GB." type:"existingdir" placeholder:"DIR"`
}

// Run implements the command.
func (c *benchCmd) Run(e *env) error {
	for _, part := range c.Only {
		if !benchmark.Known(part) {
			return core.Errorf(core.Invalid, "PART", "there is no part %q; the parts are ingest, read, unmerge, consent, hostile, scale, segments, audit, access and connectors", part)
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
		Wire: func(ctx context.Context, dir string, do func(context.Context, graph.Services) error) error {
			return wire(ctx, e, dir, do)
		},
		Open: func(ctx context.Context, dir string) (store.Store, error) {
			s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, databaseFile), Clock: e.clock})
			if err != nil {
				return nil, err
			}
			return s, prepare(ctx, s, e)
		},
	})
}

// wire runs do with the services over the store in a folder, and their background work.
func wire(ctx context.Context, e *env, dir string, do func(context.Context, graph.Services) error) (err error) {
	inner := *e
	inner.ctx = ctx
	a, err := storeFlags{Data: dir}.start(&inner)
	if err != nil {
		return err
	}
	a.begin(ctx)
	hub := store.NewHub(ctx, a.store)
	defer func() { err = errors.Join(err, hub.Close(), a.close()) }()
	return do(ctx, a.services(hub))
}
