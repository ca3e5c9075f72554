package staging

import (
	"context"
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

// Reader reads a staged file, a chunk at a time.
type Reader struct {
	ctx   context.Context
	files Files
	ws    string
	file  File
	at    int64  // of the next byte
	rest  []byte // of the chunk read last, from at on
}

// Open reads a file from an offset on. That it is no longer kept is NOT_FOUND
// (FILE_GONE), for good, when the first chunk is missed.
func (f Files) Open(ctx context.Context, ws string, file File, at int64) *Reader {
	return &Reader{ctx: ctx, files: f, ws: ws, file: file, at: at}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.at >= r.file.Bytes {
		return 0, io.EOF
	}
	if len(r.rest) == 0 {
		d, err := r.files.area.Chunks.Get(r.ctx, r.files.store, chunkKey(r.ws, r.file.ID, r.at/ChunkBytes))
		if err != nil {
			return 0, err
		}
		if d == nil || int64(len(d.Data)) <= r.at%ChunkBytes {
			return 0, gone()
		}
		r.rest = d.Data[r.at%ChunkBytes:]
	}
	n := copy(p, r.rest)
	r.rest, r.at = r.rest[n:], r.at+int64(n)
	return n, nil
}

// Seek implements io.Seeker for positions from the start.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return r.at, errors.New("staging: a file is sought from its start only")
	}
	r.at, r.rest = offset, nil
	return offset, nil
}

func gone() error {
	return work.Permanent(core.Errorf(core.NotFound, "FILE_GONE", "the uploaded file is no longer kept; send it again"))
}
