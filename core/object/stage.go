package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	chunkBytes = 1 << 20
	// MaxImport is the size of a file, in bytes.
	MaxImport = 4 << 30
	// keepStaged is how long a file stays staged when its job does not end.
	keepStaged = 7 * 24 * time.Hour
)

// Chunk is a piece of a file of records that waits to be imported, by any process.
type Chunk struct {
	store.Meta `bson:",inline"` // key: workspace/imp_…/00000000
	Data       []byte           `bson:"data"`
}

// Chunks holds staged files until their import has ended.
var Chunks = store.Declare[Chunk](store.Spec{
	Name: "object_chunks",
	Data: map[string]core.Category{"data": core.Unclassified},
})

// SweepKind is the kind of the task that deletes staged files left behind.
const SweepKind = "object.sweep"

func chunkKey(ws, file string, n int64) string { return store.Key(ws, file, fmt.Sprintf("%08d", n)) }

// stage copies a file into the store and returns its size and, about, its lines.
func (s *Service) stage(ctx context.Context, ws, file string, r io.Reader) (size, lines int64, err error) {
	buf := make([]byte, chunkBytes)
	ops := []store.Op{work.Enqueue(work.Item{Kind: SweepKind, Workspace: ws, Name: file, DueAt: s.o.Clock.Now().Add(keepStaged)})}
	for n := int64(0); ; n++ {
		got, rerr := io.ReadFull(r, buf)
		size += int64(got)
		lines += int64(bytes.Count(buf[:got], []byte{'\n'}))
		last := errors.Is(rerr, io.EOF) || errors.Is(rerr, io.ErrUnexpectedEOF)
		switch {
		case rerr != nil && !last:
			return 0, 0, core.Errorf(core.Invalid, "UPLOAD_BROKEN", "the file ended before it was complete; send it again").Wrap(rerr)
		case size > MaxImport:
			return 0, 0, core.Errorf(core.Invalid, "FILE_TOO_LARGE", "a file may have %d bytes; cut it into several", int64(MaxImport))
		}
		if got > 0 {
			ops = append(ops, Chunks.Insert(&Chunk{Meta: store.Meta{ID: chunkKey(ws, file, n)}, Data: bytes.Clone(buf[:got])}))
		}
		if last || len(ops) > 2 {
			if _, err := s.o.Store.Commit(ctx, s.batch(ops)); err != nil {
				return 0, 0, outward(err)
			}
			ops = ops[:0]
		}
		if last {
			return size, lines, nil
		}
	}
}

// unstage deletes a staged file.
func (s *Service) unstage(ctx context.Context, ws, file string) error {
	for {
		docs, err := Chunks.Find(ctx, s.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", file+"/")}}, 16)
		if err != nil || len(docs) == 0 {
			return err
		}
		ops := make([]store.Op, len(docs))
		for i, d := range docs {
			ops[i] = Chunks.Delete(d)
		}
		if _, err = s.o.Store.Commit(ctx, s.batch(ops)); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (s *Service) sweepHandler() work.Handler {
	return work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		return s.unstage(ctx, l.Task().Workspace, l.Task().Name)
	})
}

// staged reads a staged file from an offset on.
type staged struct {
	ctx  context.Context
	s    store.Reader
	ws   string
	file string
	at   int64 // of the next byte
	size int64
	rest []byte
}

// Read implements io.Reader.
func (r *staged) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(r.rest) == 0 {
		d, err := Chunks.Get(r.ctx, r.s, chunkKey(r.ws, r.file, r.at/chunkBytes))
		if err != nil {
			return 0, err
		}
		if d == nil || int64(len(d.Data)) <= r.at%chunkBytes {
			return 0, work.Permanent(core.Errorf(core.NotFound, "FILE_GONE", "the staged file is no longer kept; import it again"))
		}
		r.rest = d.Data[r.at%chunkBytes:]
	}
	n := copy(p, r.rest)
	r.rest, r.at = r.rest[n:], r.at+int64(n)
	return n, nil
}
