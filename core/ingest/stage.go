package ingest

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// MaxImport is the size of a file, in bytes.
	MaxImport = 16 << 30
	// SweepKind is the kind of the task that deletes what an import left behind.
	SweepKind = "import.sweep"
)

// Files is where files lie until their import has ended.
var Files = staging.Declare(staging.Area{
	Name: "import_chunks", Job: ImportKind, Sweep: SweepKind, Max: MaxImport, Data: core.Unclassified,
})

// Specs lists the package's collections.
func Specs() []*store.Spec { return []*store.Spec{Files.Chunks.Spec} }

func (p *Pipeline) files() staging.Files { return Files.In(p.Store, p.Clock) }

// file is the staged file of an import.
func (in *importInput) file() staging.File { return staging.File{ID: in.File, Bytes: in.Bytes} }

// SweepHandler handles tasks of SweepKind.
func (p *Pipeline) SweepHandler() work.Handler { return p.files().Sweeper(nil) }

// endImport notes that the import has ended, and makes its file unreadable in the
// same commit: a step with operations is written at once.
func (p *Pipeline) endImport(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition) error {
	pos.Ended = true
	ops, err := p.files().Ending(ctx, run.Workspace(), in.File)
	if err != nil {
		return err
	}
	return run.Step(ctx, pos.Counts.Rows, pos.Counts.Rows, pos, ops...)
}
