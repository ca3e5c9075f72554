package template

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// runKey is where the tags find their run: no template can name it.
const runKey = " run"

// run is one render: what it may still do, and what it made. It is the writer that the
// library writes to.
type run struct {
	ctx     context.Context
	kind    Kind
	strict  bool
	until   time.Time
	steps   int
	out     *bytes.Buffer
	at      *part // what is being evaluated
	missing []string
	ended   error // why the render may not go on
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func newRun(ctx context.Context, kind Kind, strict bool) *run {
	out := buffers.Get().(*bytes.Buffer)
	out.Reset()
	return &run{ctx: ctx, kind: kind, strict: strict, until: time.Now().Add(MaxTime), out: out}
}

func (r *run) free() {
	if r.out.Cap() <= 256<<10 {
		buffers.Put(r.out)
	}
	r.out = nil
}

// errEnded stops the library; run.ended says why.
var errEnded = errors.New("template: the render may not go on")

func (r *run) end(err error) error {
	if r.ended == nil {
		r.ended = err
	}
	return errEnded
}

// step counts one step and looks at the clock now and then.
func (r *run) step() error {
	r.steps++
	if r.steps > MaxSteps {
		return r.end(r.fail(ReasonLimit, "the template takes more than %d steps with this data", MaxSteps))
	}
	if r.steps&7 == 0 {
		return r.look()
	}
	return nil
}

func (r *run) look() error {
	if err := r.ctx.Err(); err != nil {
		return r.end(core.AsError(err))
	}
	if time.Now().After(r.until) {
		return r.end(r.fail(ReasonLimit, "the template takes longer than %s with this data", MaxTime))
	}
	return nil
}

// fail makes an error that says where.
func (r *run) fail(reason, format string, args ...any) *core.Error {
	e := invalid(reason, format, args...)
	if r.at != nil {
		line, column := r.at.origin.place(r.at.offset)
		where := fmt.Sprintf("line %d, column %d", line, column)
		if r.at.origin.name != "" {
			where = "block " + r.at.origin.name + ", " + where
		}
		e.Message = where + ": " + e.Message
	}
	return e
}

// Write implements io.Writer.
func (r *run) Write(b []byte) (int, error) {
	if r.out.Len()+len(b) > MaxOutput {
		return 0, r.end(r.fail(ReasonLimit, "the output is larger than %d bytes", MaxOutput))
	}
	return r.out.Write(b)
}

// text returns what was written, in the form of its kind.
func (r *run) text() string {
	s := r.out.String()
	switch r.kind {
	case Line:
		return oneLine(s)
	case Text:
		return plainText(s)
	}
	return s
}

// oneLine makes one line of a text: what could end a header, or cannot be seen, is a
// space.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(c rune) bool { return isControl(c) || c == ' ' }), " ")
	if n := 0; len(s) > MaxLine {
		for i := range s {
			if n++; n > MaxLine {
				return s[:i]
			}
		}
	}
	return s
}

// isControl reports whether a character is a control character or a line end of
// Unicode's.
func isControl(c rune) bool {
	return c < ' ' || c >= 0x7f && c <= 0x9f || c == '\u2028' || c == '\u2029'
}

// plainText drops what is no text.
func plainText(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return isControl(c) && c != '\n' }) {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\r' || c == '\u2028' || c == '\u2029':
			return '\n'
		case isControl(c) && c != '\n' && c != '\t':
			return -1
		}
		return c
	}, s)
}
