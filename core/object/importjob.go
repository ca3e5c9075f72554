package object

import (
	"context"
	"errors"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// importSlice is how many lines are written between two steps of an import.
const importSlice = 500

// importPosition is where an import goes on.
type importPosition struct {
	At     place        `bson:"at"`
	Header []string     `bson:"header,omitempty"` // of CSV, once it was read
	Ended  bool         `bson:"ended,omitempty"`  // every line is on disk; the staged file may be gone
	Counts ImportCounts `bson:"counts"`
}

// importHandler runs ImportKind.
func (s *Service) importHandler() work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in importInput
		if err := run.Input(&in); err != nil {
			return err
		}
		var pos importPosition
		if _, err := run.Position(&pos); err != nil {
			return err
		}
		if !pos.Ended {
			if err := s.importRows(ctx, run, &in, &pos); err != nil {
				return err
			}
		}
		if err := run.Result(pos.Counts); err != nil {
			return err
		}
		return s.unstage(ctx, run.Workspace(), in.File)
	})
}

func (s *Service) importRows(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition) error {
	ws := run.Workspace()
	file := &staged{ctx: ctx, s: s.o.Store, ws: ws, file: in.File, size: in.Bytes, at: pos.At.Offset}
	t, err := s.Type(ctx, ws, in.Type)
	if err != nil {
		return err
	}
	rows, err := in.options().open(t, file, pos.Header, pos.At)
	if err != nil {
		return err
	}
	if c, ok := rows.(*csvRows); ok {
		pos.Header = c.header
	}
	for {
		some, err := readRows(rows, importSlice)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			break
		}
		w := s.writingOf(ws, in.Type, some)
		for _, wave := range waves(w.ids) {
			w.all(ctx, slices.DeleteFunc(wave, func(i int) bool { return w.results[i].Outcome != "" }))
		}
		if err := w.halted(ctx); err != nil {
			return err // the store or the process, not the lines: the slice is done again
		}
		for i := range some {
			pos.Counts.add(some[i].line, &w.results[i])
		}
		pos.At = some[len(some)-1].next
		if err := run.Result(pos.Counts); err != nil {
			return err
		}
		if err := run.Step(ctx, pos.Counts.Rows, max(in.Lines, pos.Counts.Rows), pos); err != nil {
			return err
		}
	}
	return s.endImport(ctx, run, in, pos)
}

// halted reports what stopped a call that is not the lines' fault.
func (w *writing) halted(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range w.results {
		if err := w.results[i].Err; err != nil && (err.Code == core.Unavailable || err.Code == core.Internal || errors.Is(err, errChanging)) {
			return err
		}
	}
	return nil
}

// endImport notes that the import has ended and deletes the first chunk of its file
// in the same commit: a step with operations is written at once, so that no run
// looks for lines in a file that is being deleted.
func (s *Service) endImport(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition) error {
	pos.Ended = true
	var ops []store.Op
	first, err := Chunks.Get(ctx, s.o.Store, chunkKey(run.Workspace(), in.File, 0))
	if err != nil {
		return err
	}
	if first != nil {
		ops = append(ops, Chunks.Delete(first))
	}
	return run.Step(ctx, pos.Counts.Rows, pos.Counts.Rows, pos, ops...)
}
