package object

import (
	"bytes"
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// MaxImport is the size of a file, in bytes.
	MaxImport = 4 << 30
	// SweepKind is the kind of the task that deletes staged files left behind.
	SweepKind = "object.sweep"
)

// Files is where files of records lie until their import has ended.
var Files = staging.Declare(staging.Area{
	Name: "object_chunks", Job: ImportKind, Sweep: SweepKind, Max: MaxImport, Data: core.Unclassified,
})

func (s *Service) files() staging.Files { return Files.In(s.o.Store, s.o.Clock) }

// file is the staged file of an import.
func (in *importInput) file() staging.File { return staging.File{ID: in.File, Bytes: in.Bytes} }

// endImport notes that the import has ended, and makes its file unreadable in the
// same commit: a step with operations is written at once.
func (s *Service) endImport(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition) error {
	pos.Ended = true
	ops, err := s.files().Ending(ctx, run.Workspace(), in.File)
	if err != nil {
		return err
	}
	return run.Step(ctx, pos.Counts.Rows, pos.Counts.Rows, pos, ops...)
}

// lineCounter counts the ends of lines as a file passes.
type lineCounter int64

// Write implements io.Writer.
func (c *lineCounter) Write(b []byte) (int, error) {
	*c += lineCounter(bytes.Count(b, []byte{'\n'}))
	return len(b), nil
}
