package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
)

// importCmd imports a file of events. The file is copied into the store first, so
// that an import goes on wherever it was cut off.
type importCmd struct {
	storeFlags
	File      string            `arg:"" help:"NDJSON (a Segment message a line) or CSV; - reads standard input." placeholder:"FILE"`
	Workspace string            `help:"Name of the workspace." required:""`
	Format    string            `help:"Form of the file; told by its name when not given." enum:",ndjson,csv" default:""`
	Type      string            `help:"Type of rows that do not say theirs: identify, track, page, screen, group or alias." placeholder:"TYPE"`
	Map       map[string]string `help:"What a CSV column is: a message's field such as userId, traits.email or properties.total:number." placeholder:"COLUMN=FIELD"`
	Separator string            `help:"What separates the cells of a CSV: one ASCII character." default:","`
	Source    string            `help:"Source of the events, src_…; the workspace's import source when not given."`
}

// Run implements the command.
func (c *importCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		f, err := c.open()
		if err != nil {
			return err
		}
		defer f.Close()
		o := ingest.ImportOptions{Format: c.format(), Source: c.Source, Type: event.Type(strings.ToUpper(c.Type)), Mapping: c.Map}
		if len(c.Separator) != 1 {
			return core.Errorf(core.Invalid, "SEPARATOR", "the separator is one ASCII character, for example ;")
		}
		o.Comma = c.Separator[0]
		if o.Format == "" {
			return core.Errorf(core.Invalid, "FORMAT", "cannot tell the form of the file by its name; give --format ndjson or csv")
		}
		if err := a.tell(ctx, w, "cli.import", "event", nil); err != nil {
			return err
		}
		j, err := a.pipeline.StageImport(ctx, a.jobs, w.ID, o, f)
		if err != nil {
			return err
		}
		if j, err = runJob(ctx, a, j, "importing"); err != nil {
			return err
		}
		var n ingest.ImportCounts
		if err := j.DecodeResult(&n); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%d rows: %d accepted, %d were there already, %d quarantined, %d rejected\n",
			n.Rows, n.Accepted, n.Duplicates, n.Quarantined, n.Rejected)
		if n.Dropped > 0 {
			fmt.Fprintf(e.out, "%d rows name people who were erased since, and were dropped\n", n.Dropped)
		}
		return nil
	})
}

func (c *importCmd) open() (*os.File, error) {
	if c.File == "-" {
		return os.Stdin, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "FILE", "cannot read the file").Wrap(err)
	}
	return f, nil
}

func (c *importCmd) format() ingest.Format {
	name := c.Format
	if name == "" {
		name = strings.TrimPrefix(filepath.Ext(c.File), ".")
	}
	switch name {
	case "ndjson", "jsonl":
		return ingest.NDJSON
	case "csv":
		return ingest.CSV
	}
	return ""
}
