package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// chunkBytes is the size of a staged piece of a file.
	chunkBytes = 1 << 20
	// MaxImport is the size of a file, in bytes.
	MaxImport = 16 << 30
	// keepStaged is how long a file stays staged when its job does not end.
	keepStaged = 7 * 24 * time.Hour
)

// Chunk is a piece of a file that waits to be imported. Files are staged in the
// store so that any process can go on with an import.
type Chunk struct {
	store.Meta `bson:",inline"` // key: workspace/imp_…/00000000
	Data       []byte           `bson:"data"`
}

// Chunks holds staged files until their import has ended.
var Chunks = store.Declare[Chunk](store.Spec{
	Name: "import_chunks",
	Data: map[string]core.Category{"data": core.Unclassified},
})

// Specs lists the package's collections.
func Specs() []*store.Spec { return []*store.Spec{Chunks.Spec} }

func chunkKey(ws, file string, n int64) string {
	return store.Key(ws, file, fmt.Sprintf("%08d", n))
}

// stage copies r into the store in pieces and returns its size and the hash of its
// content. What is left behind by a process that dies meanwhile is swept later.
func stage(ctx context.Context, s work.Store, ws, file string, r io.Reader, at time.Time) (size int64, sum string, err error) {
	h := sha256.New()
	buf := make([]byte, chunkBytes)
	ops := []store.Op{work.Enqueue(work.Item{
		Kind: SweepKind, Workspace: ws, Name: file, DueAt: at.Add(keepStaged),
	})}
	bytesHeld := 0
	for n := int64(0); ; n++ {
		got, rerr := io.ReadFull(r, buf)
		if got > 0 {
			h.Write(buf[:got])
			size += int64(got)
			bytesHeld += got
			ops = append(ops, Chunks.Insert(&Chunk{Meta: store.Meta{ID: chunkKey(ws, file, n)}, Data: bytes.Clone(buf[:got])}))
		}
		last := errors.Is(rerr, io.EOF) || errors.Is(rerr, io.ErrUnexpectedEOF)
		switch {
		case rerr != nil && !last:
			return 0, "", core.Errorf(core.Invalid, "UPLOAD_BROKEN", "the file ended before it was complete; send it again").Wrap(rerr)
		case size > MaxImport:
			return 0, "", core.Errorf(core.Invalid, "FILE_TOO_LARGE", "a file may have %d bytes; cut it into several", int64(MaxImport))
		}
		if last || bytesHeld+chunkBytes > store.MaxBytes-chunkBytes/2 {
			if _, err := s.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops}); err != nil {
				return 0, "", outward(err)
			}
			ops, bytesHeld = ops[:0], 0
		}
		if last {
			return size, hex.EncodeToString(h.Sum(nil)[:12]), nil
		}
	}
}

// unstage deletes a staged file.
func unstage(ctx context.Context, s work.Store, ws, file string) error {
	for {
		// One document at a time would read them all: a chunk is as large as a batch
		// may be, so few are read at once.
		docs, err := Chunks.Find(ctx, s, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", file+"/")}}, 16)
		if err != nil || len(docs) == 0 {
			return err
		}
		ops := make([]store.Op, len(docs))
		for i, d := range docs {
			ops[i] = Chunks.Delete(d)
		}
		_, err = s.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// staged reads a staged file from an offset on.
type staged struct {
	ctx  context.Context
	s    store.Reader
	ws   string
	file string
	at   int64 // of the next byte
	size int64
	rest []byte // of the chunk read last
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
	r.rest = r.rest[n:]
	r.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker for positions from the start.
func (r *staged) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return r.at, fmt.Errorf("ingest: a staged file is sought from its start only")
	}
	r.at, r.rest = offset, nil
	return offset, nil
}

// SweepKind is the kind of the task that deletes what an import left behind.
const SweepKind = "import.sweep"

// SweepHandler handles tasks of SweepKind.
func SweepHandler(s work.Store) work.Handler {
	return work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		t := l.Task()
		return unstage(ctx, s, t.Workspace, t.Name)
	})
}
