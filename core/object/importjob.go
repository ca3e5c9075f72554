package object

import (
	"context"
	"errors"
	"slices"

	"github.com/headwater-cdp/headwater/core"
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
		return s.files().Delete(ctx, run.Workspace(), in.File)
	})
}

func (s *Service) importRows(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition) error {
	ws := run.Workspace()
	t, err := s.Type(ctx, ws, in.Type)
	if err != nil {
		return err
	}
	rows, err := in.options().open(t, s.files().Open(ctx, ws, in.file(), pos.At.Offset), pos.Header, pos.At)
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
		w.hidden = in.Hidden
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
