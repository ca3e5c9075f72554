package staging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Writer stages a file as it is written. It holds perBatch chunks at most in memory.
type Writer struct {
	ctx   context.Context
	files Files
	ws    string
	file  File

	rest    []byte     // of the chunk that is being filled
	ops     []store.Op // chunks that are full, and the sweep
	chunks  int64
	swept   time.Time // when the sweep was last put off
	started bool
}

// Create begins a file. Nothing of it is stored before the first chunks are full or
// Close is called; whoever gives up calls Discard.
func (f Files) Create(ctx context.Context, ws string) *Writer {
	return &Writer{ctx: ctx, files: f, ws: ws, file: File{ID: core.NewID(core.PrefixImport, f.clock.Now())}}
}

// Write implements io.Writer. An error is the store's.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		some := min(len(p), ChunkBytes-len(w.rest))
		w.rest, p = append(w.rest, p[:some]...), p[some:]
		if len(w.rest) < ChunkBytes {
			break
		}
		if w.cut(); w.chunks%perBatch == 0 {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	w.file.Bytes += int64(n)
	return n, nil
}

// cut makes a chunk of what was gathered.
func (w *Writer) cut() {
	w.ops = append(w.ops, w.files.area.Chunks.Insert(&Chunk{
		Meta: store.Meta{ID: chunkKey(w.ws, w.file.ID, w.chunks)}, Data: bytes.Clone(w.rest),
	}))
	w.chunks++
	w.rest = w.rest[:0]
}

// flush stores the chunks that were cut. The first come with the sweep, later ones
// put it off now and then.
func (w *Writer) flush() error {
	now := w.files.clock.Now()
	switch {
	case !w.started:
		w.ops = append(w.ops, w.files.sweep(w.ws, w.file.ID))
		w.started, w.swept = true, now
	case now.Sub(w.swept) > Keep/2:
		op, err := w.files.postpone(w.ctx, w.ws, w.file.ID)
		if err != nil {
			return err
		}
		w.ops, w.swept = append(w.ops, op), now
	}
	if err := work.Commit(w.ctx, w.files.store, w.ops...); err != nil {
		return err
	}
	w.ops = w.ops[:0]
	return nil
}

// Close stores what is left and returns the file, which is complete then.
func (w *Writer) Close() (File, error) {
	if len(w.rest) > 0 {
		w.cut()
	}
	if len(w.ops) > 0 {
		if err := w.flush(); err != nil {
			return File{}, err
		}
	}
	return w.file, nil
}

// Discard deletes what was stored of the file, also when the context has ended. What
// it cannot delete the sweep will.
func (w *Writer) Discard() error {
	if !w.started {
		return nil
	}
	return w.files.Delete(context.WithoutCancel(w.ctx), w.ws, w.file.ID)
}

// Put stages what r holds. A file of more bytes than the area takes is INVALID
// (FILE_TOO_LARGE), as is one whose reader fails (UPLOAD_BROKEN); nothing is kept of
// it.
func (f Files) Put(ctx context.Context, ws string, r io.Reader) (File, error) {
	w := f.Create(ctx, ws)
	err := w.all(Bound(r, Limits{Bytes: f.area.Max}))
	var file File
	if err == nil {
		file, err = w.Close()
	}
	if err != nil {
		return File{}, errors.Join(err, w.Discard())
	}
	return file, nil
}

// all writes what r holds.
func (w *Writer) all(r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		n, rerr := r.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(rerr, io.EOF):
			return nil
		case rerr != nil:
			return Broken(rerr)
		}
	}
}
