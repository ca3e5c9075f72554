package pluginhost

import (
	"log/slog"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// Options say what a Host runs.
type Options struct {
	Store  *install.Store
	Clock  core.Clock
	Logger *slog.Logger
	Hooks  Hooks
	Limits Limits // zero values: DefaultLimits
	// Development allows connectors that are attached to a process under a debugger and not
	// started (see Attach). Without it they are refused.
	Development bool
	// Env lists names of our environment that are passed on, beside SSL_CERT_FILE and
	// SSL_CERT_DIR: those of a proxy, say. Never one with a secret that is not the
	// connectors' business.
	Env []string
}

// Limits bound what a process may do and how long things may take.
type Limits struct {
	Start       time.Duration // until the process answers
	Open        time.Duration // until it has taken its configuration
	Grace       time.Duration // after a call's deadline before the process is taken to hang
	Page        time.Duration // between two pages of a pull
	Ping        time.Duration // between two questions whether it is there
	Silence     time.Duration // without an answer to such a question, until it is killed
	Drain       time.Duration // for calls that run when a process is replaced or dropped
	BackoffMin  time.Duration // before a start that follows a crash
	BackoffMax  time.Duration // after many of them
	Healthy     time.Duration // running so long forgets earlier crashes
	Failures    int           // faults of the connector's own in a row that end a process
	Loop        int           // crashes in a row that make a crash loop
	Flood       time.Duration // of a log that never pauses, until the process is killed
	Memory      int           // MiB, where the manifest says nothing
	MaxMemory   int           // MiB, whatever the manifest says
	Files       uint64        // open files
	Concurrency int           // calls at the same time, where the manifest says nothing
	Calls       map[string]time.Duration
}

// DefaultLimits are those that fit most machines.
func DefaultLimits() Limits {
	return Limits{
		Start: 10 * time.Second, Open: 15 * time.Second, Grace: 3 * time.Second, Page: 2 * time.Minute,
		Ping: time.Second, Silence: 3 * time.Second, Drain: 30 * time.Second,
		BackoffMin: time.Second, BackoffMax: 5 * time.Minute, Healthy: time.Minute,
		Failures: 5, Loop: 5, Flood: 3 * time.Second, Memory: 512, MaxMemory: 2048, Files: 1024, Concurrency: 16,
		Calls: map[string]time.Duration{
			"check": 30 * time.Second, "discover": time.Minute, "receive": 5 * time.Second, "upsert": 10 * time.Minute,
			"members": 5 * time.Minute, "forward": 2 * time.Minute, "consents": 2 * time.Minute, "erase": time.Minute,
			"send": time.Minute, "status": 30 * time.Second, "authorize": 10 * time.Second, "exchange": 30 * time.Second,
			"upgrade": time.Minute,
		},
	}
}

// filled puts the defaults where nothing stands.
func (l Limits) filled() Limits {
	d := DefaultLimits()
	for _, p := range []struct{ v, d *time.Duration }{
		{&l.Start, &d.Start}, {&l.Open, &d.Open}, {&l.Grace, &d.Grace}, {&l.Page, &d.Page}, {&l.Ping, &d.Ping}, {&l.Silence, &d.Silence},
		{&l.Drain, &d.Drain}, {&l.BackoffMin, &d.BackoffMin}, {&l.BackoffMax, &d.BackoffMax}, {&l.Healthy, &d.Healthy}, {&l.Flood, &d.Flood},
	} {
		if *p.v == 0 {
			*p.v = *p.d
		}
	}
	for _, p := range []struct{ v, d *int }{
		{&l.Failures, &d.Failures}, {&l.Loop, &d.Loop}, {&l.Memory, &d.Memory}, {&l.MaxMemory, &d.MaxMemory}, {&l.Concurrency, &d.Concurrency},
	} {
		if *p.v == 0 {
			*p.v = *p.d
		}
	}
	if l.Files == 0 {
		l.Files = d.Files
	}
	for name, limit := range l.Calls {
		d.Calls[name] = limit
	}
	l.Calls = d.Calls
	return l
}

// Hooks tell of what happens; nil ones are not called. Words are of fixed sets.
type Hooks struct {
	Processes func(delta int)                                  // that run
	Started   func(outcome string)                             // RUNNING or the reason why not
	Ended     func(reason string)                              // DONE or why
	Call      func(method, outcome string, took time.Duration) // OK or the kind of the fault
	Dropped   func(lines int)                                  // of log
}

func (h *Hooks) fill() {
	if h.Processes == nil {
		h.Processes = func(int) {}
	}
	if h.Started == nil {
		h.Started = func(string) {}
	}
	if h.Ended == nil {
		h.Ended = func(string) {}
	}
	if h.Call == nil {
		h.Call = func(string, string, time.Duration) {}
	}
	if h.Dropped == nil {
		h.Dropped = func(int) {}
	}
}
