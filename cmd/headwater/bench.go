package main

import (
	"context"
	"fmt"
	"os"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/internal/benchmark"
)

// benchCmd measures the product beside a bare loop over SQLite. Stores are made in
// a folder of their own and removed at the end.
type benchCmd struct {
	Quick bool     `help:"A look at whether everything runs, in half a minute; its numbers say little."`
	Only  []string `help:"Parts to run: ingest, read, unmerge, hostile, scale; all when not given." placeholder:"PART"`
	Dir   string   `help:"Folder for the stores, on the disk to be measured; a temporary one when not given. It needs 8 GB." type:"existingdir"`
	Check bool     `help:"Fail when a promise is not kept."`
}

// Run implements the command.
func (c *benchCmd) Run(e *env) error {
	for _, part := range c.Only {
		if !benchmark.Known(part) {
			return core.Errorf(core.Invalid, "PART", "no part is called %q; they are ingest, read, unmerge, hostile and scale", part)
		}
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	dir, err := os.MkdirTemp(c.Dir, "headwater-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the stores: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	report := benchmark.NewReport(e.out)
	err = benchmark.Run(e.ctx, benchmark.Options{
		Binary: binary, Dir: dir, Report: report, Quick: c.Quick, Only: c.Only,
		Open: func(ctx context.Context, dir string) (store.Store, error) {
			quiet := *e
			quiet.ctx = ctx
			return storeFlags{Data: dir}.open(&quiet)
		},
	})
	if err != nil {
		return err
	}
	if missed := report.Missed(); c.Check && len(missed) > 0 {
		return fmt.Errorf("%d of the promises were not kept", len(missed))
	}
	return nil
}
