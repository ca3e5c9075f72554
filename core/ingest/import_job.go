package ingest

import (
	"context"
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/work"
)

// The bounds of what an import hands to the pipeline at once.
const (
	sliceRows  = 1000
	sliceBytes = 2 << 20
)

// slice is some rows of a file.
type slice struct {
	inputs []event.Input
	lines  []int64
	next   event.Position
}

// readSlice reads the next rows; none at the end of the file.
func readSlice(rows event.Rows, limit int) (slice, error) {
	var s slice
	for size := 0; len(s.inputs) < limit && size < sliceBytes; {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, err
		}
		s.inputs, s.lines, s.next = append(s.inputs, row.Input), append(s.lines, row.Line), row.Next
		size += weigh(&row.Input)
	}
	return s, nil
}

// importPosition is where an import goes on.
type importPosition struct {
	At     event.Position `bson:"at"`
	Ended  bool           `bson:"ended,omitempty"` // every row is on disk; the staged file may be gone
	Counts ImportCounts   `bson:"counts"`
}

// outcome is what became of a slice.
type outcome struct {
	results []event.Result
	err     error
	next    event.Position
}

// ImportHandler runs import jobs. While one slice of the file is being committed
// the next is read; the position moves when a slice is on disk.
func (p *Pipeline) ImportHandler() work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in importInput
		if err := run.Input(&in); err != nil {
			return err
		}
		var pos importPosition
		if _, err := run.Position(&pos); err != nil {
			return err
		}
		ws := run.Workspace()
		if pos.Ended {
			if err := run.Result(pos.Counts); err != nil {
				return err
			}
			return p.files().Delete(ctx, ws, in.File)
		}
		rows, err := in.options().rows(p.files().Open(ctx, ws, in.file(), 0), event.FileOptions{
			ReceivedAt: run.Job().CreatedAt, IDPrefix: "import-" + in.Sum, Start: pos.At,
		})
		if err != nil {
			return err
		}
		if err := p.importRows(ctx, run, &in, &pos, rows); err != nil {
			return err
		}
		return p.files().Delete(ctx, ws, in.File)
	})
}

func (p *Pipeline) importRows(ctx context.Context, run *work.JobRun, in *importInput, pos *importPosition, rows event.Rows) error {
	var flying chan outcome
	defer func() {
		if flying != nil {
			<-flying
		}
	}()
	land := func() error {
		o := <-flying
		flying = nil
		if o.err != nil {
			return o.err
		}
		pos.Counts.add(o.results)
		pos.Counts.Bytes, pos.At = o.next.Offset, o.next
		if err := run.Result(pos.Counts); err != nil {
			return err
		}
		return run.Step(ctx, pos.Counts.Rows, max(in.Rows, pos.Counts.Rows), pos)
	}
	for {
		s, err := readSlice(rows, sliceRows)
		if flying != nil {
			if lerr := land(); lerr != nil {
				return lerr
			}
		}
		if err != nil {
			return err
		}
		if len(s.inputs) == 0 {
			pos.Counts.Bytes = in.Bytes
			if err := run.Result(pos.Counts); err != nil {
				return err
			}
			return p.endImport(ctx, run, in, pos)
		}
		flying = make(chan outcome, 1)
		go func(done chan<- outcome) {
			o := outcome{next: s.next}
			o.err = p.patiently(ctx, func() (err error) {
				o.results, err = p.ingest(ctx, run.Workspace(), in.Source, s.inputs, func(i int, it *item) { it.line = s.lines[i] })
				return err
			})
			done <- o
		}(flying)
	}
}
