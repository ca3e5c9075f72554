package staging

import (
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core"
)

// piece is how many bytes are handed out at once where lines are bounded, and so how
// far a buffer may have read beyond the line that it looks for the end of.
const piece = 4 << 10

// Limits are what a file may be; 0 is no limit.
type Limits struct {
	Bytes int64 // of all of it
	Line  int   // bytes of a line or record; up to two pieces (8 KB) more may pass
}

// Bounded is a reader with limits. Whoever reads lines calls Begin before each.
type Bounded struct {
	r      io.Reader
	limits Limits
	total  int64
	line   int // bytes handed out since the line began
}

// Bound returns r with limits.
func Bound(r io.Reader, l Limits) *Bounded { return &Bounded{r: r, limits: l} }

// Begin says that a line or record begins with the next byte that was not used yet.
func (b *Bounded) Begin() { b.line = 0 }

// Read implements io.Reader. Beyond the limits it returns INVALID: FILE_TOO_LARGE or
// LINE_TOO_LONG.
func (b *Bounded) Read(p []byte) (int, error) {
	if b.limits.Line > 0 {
		// Who asks for more has seen all that was handed out, and no end in it.
		if b.line > b.limits.Line {
			return 0, core.Errorf(core.Invalid, "LINE_TOO_LONG",
				"a line of the file may have %d bytes; is it of the format that was said, is a quotation mark missing?", b.limits.Line)
		}
		p = p[:min(len(p), piece)]
	}
	n, err := b.r.Read(p)
	b.total += int64(n)
	b.line += n
	if b.limits.Bytes > 0 && b.total > b.limits.Bytes {
		return 0, core.Errorf(core.Invalid, "FILE_TOO_LARGE", "a file may have %d bytes; cut it into several", b.limits.Bytes)
	}
	return n, err
}

// Broken returns the error of a reader of an upload as one that may leave the domain:
// itself when it is a core.Error, else INVALID (UPLOAD_BROKEN).
func Broken(err error) error {
	var e *core.Error
	if errors.As(err, &e) {
		return err
	}
	return core.Errorf(core.Invalid, "UPLOAD_BROKEN", "the file ended before it was complete; send it again").Wrap(err)
}
