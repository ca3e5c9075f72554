package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress draws a bar on a terminal's last line, at most ten times a second. Where
// the output is no terminal it says nothing: a file or a log wants no bar.
type progress struct {
	w     io.Writer
	quiet bool
	what  string
	begin time.Time

	mu   sync.Mutex
	last time.Time
}

func newProgress(f *os.File, what string) *progress {
	info, err := f.Stat()
	return &progress{w: f, what: what, begin: time.Now(), quiet: err != nil || info.Mode()&os.ModeCharDevice == 0}
}

// set shows done of total; a total of 0 is unknown.
func (p *progress) set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || time.Since(p.last) < 100*time.Millisecond && done != total {
		return
	}
	p.last = time.Now()
	rate := float64(done) / max(time.Since(p.begin).Seconds(), 0.001)
	if total <= 0 {
		fmt.Fprintf(p.w, "\r%s %d (%.0f/s) ", p.what, done, rate)
		return
	}
	const width = 30
	full := int(min(done, total) * width / total)
	fmt.Fprintf(p.w, "\r%s [%s%s] %d/%d (%.0f/s) ", p.what, strings.Repeat("#", full), strings.Repeat(".", width-full), done, total, rate)
}

// end leaves the last line standing.
func (p *progress) end() {
	if !p.quiet {
		fmt.Fprintln(p.w)
	}
}
