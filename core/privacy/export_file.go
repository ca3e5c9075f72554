package privacy

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
)

// exportSweep is the kind of the task that deletes a file after its time.
const exportSweep = "privacy.export.sweep"

// exports is where files for people lie, sealed.
var exports = staging.Declare(staging.Area{
	Name: "privacy_exports", Job: JobAnswer, Sweep: exportSweep, Data: core.Unclassified,
})

// ExportFile is a file that was made for a person or an officer.
type ExportFile struct {
	Format string `bson:"format"` // JSON, NDJSON, HTML or CSV
	File   string `bson:"file"`   // imp_…
	Stored int64  `bson:"stored"` // bytes as sealed
	Bytes  int64  `bson:"bytes"`
	SHA256 string `bson:"sha256"` // of the content, hex
}

func (d *Desk) files() staging.Files { return exports.In(d.o.Store, d.o.Clock) }

// frame is how many bytes are sealed at once.
const frame = 256 << 10

// sealer writes a file whose pieces are sealed one by one: each is bound to its place,
// so that none can be left out, swapped or taken into another file.
type sealer struct {
	ctx   context.Context
	d     *Desk
	ws    string
	bound string
	out   *staging.Writer
	buf   []byte
	n     int
	bytes int64
	sum   hash.Hash
}

func (d *Desk) seals(ctx context.Context, ws, bound string) *sealer {
	return &sealer{ctx: ctx, d: d, ws: ws, bound: bound, out: d.files().Create(ctx, ws), sum: sha256.New()}
}

func frameAAD(bound string, n int, last bool) []byte {
	return []byte(bound + "\x00" + strconv.Itoa(n) + "\x00" + strconv.FormatBool(last))
}

// Write implements io.Writer.
func (s *sealer) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.bytes += int64(len(p))
	s.buf = append(s.buf, p...)
	for len(s.buf) > frame {
		if err := s.cut(s.buf[:frame], false); err != nil {
			return 0, err
		}
		s.buf = s.buf[frame:]
	}
	return len(p), nil
}

func (s *sealer) cut(piece []byte, last bool) error {
	sealed, err := s.d.o.Keys.Seal(s.ctx, s.ws, piece, frameAAD(s.bound, s.n, last))
	if err != nil {
		return err
	}
	s.n++
	head := binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))
	_, err = s.out.Write(append(head, sealed...))
	return err
}

// Close seals what is left and returns the file.
func (s *sealer) Close(format string) (ExportFile, error) {
	if err := s.cut(s.buf, true); err != nil {
		return ExportFile{}, err
	}
	f, err := s.out.Close()
	return ExportFile{Format: format, File: f.ID, Stored: f.Bytes, Bytes: s.bytes, SHA256: hex.EncodeToString(s.sum.Sum(nil))}, err
}

// opener reads what a sealer wrote.
type opener struct {
	ctx   context.Context
	d     *Desk
	ws    string
	bound string
	in    io.Reader
	left  int64 // bytes not read yet, as stored
	n     int
	rest  []byte
}

func (d *Desk) opens(ctx context.Context, ws, bound string, f ExportFile) *opener {
	file := staging.File{ID: f.File, Bytes: f.Stored}
	return &opener{ctx: ctx, d: d, ws: ws, bound: bound, in: d.files().Open(ctx, ws, file, 0), left: f.Stored}
}

// Read implements io.Reader.
func (o *opener) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		if o.left == 0 {
			return 0, io.EOF
		}
		var head [4]byte
		if _, err := io.ReadFull(o.in, head[:]); err != nil {
			return 0, err
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		if o.left -= 4 + size; o.left < 0 || size > 2*frame {
			return 0, errors.New("privacy: a stored export is damaged")
		}
		sealed := make([]byte, size)
		if _, err := io.ReadFull(o.in, sealed); err != nil {
			return 0, err
		}
		plain, err := o.d.o.Keys.Open(o.ctx, o.ws, sealed, frameAAD(o.bound, o.n, o.left == 0))
		if err != nil {
			return 0, err
		}
		o.n++
		o.rest = plain
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// filesFor is how long a file can be fetched: a little less than it is kept.
const filesFor = staging.Keep - time.Hour
