package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What of a process's log is read, and what of that is written.
const (
	longestLine  = 2 << 10
	mostAttrs    = 16
	readBytes    = 1 << 20 // a second
	readLines    = 2000    // a second
	shownLines   = 20      // a second
	shownBurst   = 400
	tellInterval = 10 * time.Second // of lines that were dropped
)

// logSink takes everything that a process says beside its answers. Beyond a rate it reads
// no faster, so that the process waits for us and not we for it; beyond a lower one it
// drops lines and counts them. A log that never pauses ends the process.
type logSink struct {
	log     *slog.Logger
	redact  *redactor
	flood   time.Duration
	ended   <-chan struct{}
	over    func()          // it floods
	dropped func(lines int) // for the metrics

	bytes, lines, shown *rate.Limiter

	mu        sync.Mutex
	since     time.Time // of saturation; zero while there is none
	left      int       // lines dropped since they were last told
	told      time.Time
	panicked  bool
	outOfRoom bool
}

func newLogSink(log *slog.Logger, r *redactor, flood time.Duration, ended <-chan struct{}, over func(), dropped func(int)) *logSink {
	return &logSink{
		log: log, redact: r, flood: flood, ended: ended, over: over, dropped: dropped,
		bytes: rate.NewLimiter(readBytes, readBytes), lines: rate.NewLimiter(readLines, readLines), shown: rate.NewLimiter(shownLines, shownBurst),
	}
}

// admit waits until n bytes of log may be read; false when the process has ended.
func (s *logSink) admit(n int) bool {
	now := time.Now()
	// A pause is when half of what may come at once could: waking late is none.
	paused := s.bytes.TokensAt(now) > readBytes/2 && s.lines.TokensAt(now) > readLines/2
	wait := max(s.bytes.ReserveN(now, min(n, readBytes)).DelayFrom(now), s.lines.ReserveN(now, 1).DelayFrom(now))
	s.mu.Lock()
	flooding := false
	switch {
	case paused:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	default:
		flooding = now.Sub(s.since) >= s.flood
	}
	s.mu.Unlock()
	if flooding {
		s.over()
	}
	if wait == 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ended:
		return false
	}
}

// show reports whether a line is written or only counted.
func (s *logSink) show() bool {
	ok := s.shown.Allow()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		s.left++
		s.dropped(1)
	}
	if s.left > 0 && time.Since(s.told) > tellInterval {
		s.tell()
	}
	return ok
}

// tell says how many lines were dropped since it was last said.
func (s *logSink) tell() {
	s.log.Warn("lines of a connector's log were dropped", "lines", s.left)
	s.left, s.told = 0, time.Now()
}

// close tells what is left to tell.
func (s *logSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		s.tell()
	}
}

// line takes a line of standard output or error.
func (s *logSink) line(stream, text string) {
	switch {
	case strings.HasPrefix(text, "panic:"), strings.HasPrefix(text, "fatal error:"), strings.HasPrefix(text, "runtime: "):
		s.mu.Lock()
		s.panicked = s.panicked || strings.HasPrefix(text, "panic:")
		s.outOfRoom = s.outOfRoom || strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory")
		s.mu.Unlock()
	}
	if s.show() {
		s.log.Info(s.clip(text), "stream", stream)
	}
}

// saw tells what standard error said about the end.
func (s *logSink) saw() (panicked, outOfRoom bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.panicked, s.outOfRoom
}

func (s *logSink) clip(text string) string {
	text = s.redact.text(strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > longestLine {
		return strings.ToValidUTF8(text[:longestLine], "") + "…"
	}
	return text
}

// read takes lines until the end; of a long one it takes the beginning.
func (s *logSink) read(stream string, r io.Reader) {
	b := bufio.NewReaderSize(r, 4*longestLine) // what is cut off the end was never shown
	long := false
	for {
		text, err := b.ReadSlice('\n')
		if len(text) > 0 {
			if !s.admit(len(text)) {
				return
			}
			if t := strings.TrimRight(string(text), "\r\n"); !long && t != "" {
				s.line(stream, t)
			}
		}
		long = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long {
			return
		}
	}
}

// writer takes what go-plugin carries of standard output and error by itself.
func (s *logSink) writer(stream string) io.WriteCloser {
	r, w := io.Pipe()
	go func() {
		s.read(stream, r)
		_ = r.CloseWithError(io.ErrClosedPipe)
	}()
	return w
}

// Enabled implements slog.Handler: what a connector logs goes where our log goes.
func (s *logSink) Enabled(ctx context.Context, l slog.Level) bool { return s.log.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (s *logSink) Handle(ctx context.Context, r slog.Record) error {
	size := len(r.Message)
	r.Attrs(func(a slog.Attr) bool { size += len(a.Key) + 16; return true })
	if !s.admit(size) || !s.show() {
		return nil
	}
	attrs := make([]slog.Attr, 0, min(r.NumAttrs(), mostAttrs))
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, slog.String(s.clip(a.Key), s.clip(fmt.Sprint(a.Value.Resolve().Any()))))
		return len(attrs) < mostAttrs
	})
	s.log.LogAttrs(ctx, r.Level, s.clip(r.Message), slog.Attr{Key: "connector_attrs", Value: slog.GroupValue(attrs...)})
	return nil
}

// WithAttrs implements slog.Handler; records come whole.
func (s *logSink) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup implements slog.Handler.
func (s *logSink) WithGroup(string) slog.Handler { return s }
