package sdk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// full is a connector that has every method and gives back what a test put into it.
type full struct {
	spec   Spec
	host   Host
	opened Config
	closed int

	mu   sync.Mutex
	got  []any
	kept []string

	rate       RateHint
	check      func(ctx context.Context) error
	streams    []Stream
	pages      []Page
	received   Received
	results    []Result
	list       ListResult
	receipt    EraseReceipt
	sent       Sent
	delivery   Delivery
	url        string
	secrets    map[string]string
	stored     Stored
	upsertFunc func(ctx context.Context, b Batch) ([]Result, error)
	sendFunc   func(ctx context.Context, m Message) (Sent, error)
	pullFunc   func(ctx context.Context, from PullRequest, emit func(Page) error) error
}

func (f *full) Spec() Spec { return f.spec }

func (f *full) Open(ctx context.Context, config Config, host Host) (Connection, error) {
	f.hear(ctx, "Open", config)
	f.opened, f.host = config, host
	return f, nil
}

// hear keeps what a method was called with, and hints.
func (f *full) hear(ctx context.Context, _ string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, v)
	if f.rate != (RateHint{}) {
		ReportRate(ctx, f.rate)
	}
}

func (f *full) last() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got[len(f.got)-1]
}

func (f *full) Check(ctx context.Context) error {
	f.hear(ctx, "Check", nil)
	if f.check != nil {
		return f.check(ctx)
	}
	return nil
}

func (f *full) Close() error { f.closed++; return nil }

func (f *full) Discover(ctx context.Context) ([]Stream, error) {
	f.hear(ctx, "Discover", nil)
	return f.streams, nil
}

func (f *full) Pull(ctx context.Context, from PullRequest, emit func(Page) error) error {
	f.hear(ctx, "Pull", from)
	if f.pullFunc != nil {
		return f.pullFunc(ctx, from, emit)
	}
	for _, p := range f.pages {
		if err := emit(p); err != nil {
			return err
		}
	}
	return nil
}

func (f *full) Kept(ctx context.Context, stream string, cursor []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, stream+" "+string(cursor))
	return ctx.Err()
}

func (f *full) Receive(ctx context.Context, hook Webhook) (Received, error) {
	f.hear(ctx, "Receive", hook)
	return f.received, nil
}

func (f *full) Upsert(ctx context.Context, b Batch) ([]Result, error) {
	f.hear(ctx, "Upsert", b)
	if f.upsertFunc != nil {
		return f.upsertFunc(ctx, b)
	}
	return f.results, nil
}

func (f *full) Members(ctx context.Context, c ListChange) (ListResult, error) {
	f.hear(ctx, "Members", c)
	return f.list, nil
}

func (f *full) Forward(ctx context.Context, events []Event) ([]Result, error) {
	f.hear(ctx, "Forward", events)
	return f.results, nil
}

func (f *full) SetConsents(ctx context.Context, changes []ConsentChange) ([]Result, error) {
	f.hear(ctx, "SetConsents", changes)
	return f.results, nil
}

func (f *full) Erase(ctx context.Context, s Subject) (EraseReceipt, error) {
	f.hear(ctx, "Erase", s)
	return f.receipt, nil
}

func (f *full) Send(ctx context.Context, m Message) (Sent, error) {
	f.hear(ctx, "Send", m)
	if f.sendFunc != nil {
		return f.sendFunc(ctx, m)
	}
	return f.sent, nil
}

func (f *full) Status(ctx context.Context, q StatusQuery) (Delivery, error) {
	f.hear(ctx, "Status", q)
	return f.delivery, nil
}

func (f *full) AuthorizeURL(ctx context.Context, a AuthorizeRequest) (string, error) {
	f.hear(ctx, "AuthorizeURL", a)
	return f.url, nil
}

func (f *full) Exchange(ctx context.Context, g Grant) (map[string]string, error) {
	f.hear(ctx, "Exchange", g)
	return f.secrets, nil
}

func (f *full) Upgrade(ctx context.Context, from Stored) (Stored, error) {
	f.hear(ctx, "Upgrade", from)
	return f.stored, nil
}

// secretHost keeps what is saved.
type secretHost struct {
	mu    sync.Mutex
	saved map[string]string
	err   error
	slow  time.Duration
}

func (h *secretHost) SaveSecret(_ context.Context, property, value string) error {
	time.Sleep(h.slow)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	if h.saved == nil {
		h.saved = map[string]string{}
	}
	h.saved[property] = value
	return nil
}

// logged collects records.
type logged struct {
	mu      sync.Mutex
	records []slog.Record
	heard   chan struct{}
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	if l.heard != nil {
		select {
		case l.heard <- struct{}{}:
		default:
		}
	}
	return nil
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out string
	for _, r := range l.records {
		out += r.Level.String() + " " + r.Message
		r.Attrs(func(a slog.Attr) bool {
			out += " " + a.String()
			return true
		})
		out += "\n"
	}
	return out
}

type logLine = pb.LogRecord
