package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Kind says what goes wrong.
type Kind string

// The kinds of faults. The first four are answered in the vendor's own form
// ([Emulator].Faults); the others are the same everywhere.
const (
	// RateLimited answers 429 as the vendor does.
	RateLimited Kind = "rate_limited"
	// QuotaSpent answers as when the day's requests are used up.
	QuotaSpent Kind = "quota_spent"
	// TokenExpired answers as to an access token that has ended.
	TokenExpired Kind = "token_expired"
	// ServerError answers 5xx; Status says which, else 503.
	ServerError Kind = "server_error"

	// Slow answers as usual after DelayMS.
	Slow Kind = "slow"
	// Truncated does what was asked, promises the whole answer and sends half of it.
	Truncated Kind = "truncated"
	// ReplyLost does what was asked and closes the connection without an answer.
	ReplyLost Kind = "reply_lost"
	// Redirected answers 302 to To, with nothing done.
	Redirected Kind = "redirected"

	// WebhookTwice sends a webhook twice.
	WebhookTwice Kind = "webhook_twice"
	// WebhookForged changes a webhook's body after it was signed.
	WebhookForged Kind = "webhook_forged"
	// WebhookStale signs a webhook as of ten minutes ago.
	WebhookStale Kind = "webhook_stale"
)

var kinds = []Kind{RateLimited, QuotaSpent, TokenExpired, ServerError, Slow, Truncated, ReplyLost, Redirected,
	WebhookTwice, WebhookForged, WebhookStale}

func (k Kind) webhook() bool { return strings.HasPrefix(string(k), "webhook_") }

// Fault is one switch: what goes wrong, for which requests, how often.
type Fault struct {
	Kind Kind `json:"kind"`
	// Method and Path limit the requests: an HTTP method, and the beginning of the
	// path (without the name that the emulator is mounted by). Empty is any.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// After lets that many matching requests pass first.
	After int `json:"after,omitempty"`
	// Times is how often it happens; 0 is until it is cleared.
	Times int `json:"times,omitempty"`
	// Status is for ServerError.
	Status int `json:"status,omitempty"`
	// DelayMS is for Slow, in milliseconds.
	DelayMS int `json:"delayMs,omitempty"`
	// RetryAfter is for RateLimited, in seconds; 0 is the vendor's usual.
	RetryAfter int `json:"retryAfter,omitempty"`
	// To is for Redirected: an absolute URL.
	To string `json:"to,omitempty"`
	// Variant chooses among a vendor's several forms of the same fault; the emulator
	// says which it has. Empty is the usual one.
	Variant string `json:"variant,omitempty"`
}

// Check refuses a fault that could never be what somebody meant.
func (f Fault) Check() error {
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("no fault is called %q: there are %v", f.Kind, kinds)
	case f.After < 0 || f.Times < 0 || f.DelayMS < 0 || f.RetryAfter < 0:
		return fmt.Errorf("%s: after, times, delayMs and retryAfter are not below 0", f.Kind)
	case f.Kind == ServerError && f.Status != 0 && (f.Status < 500 || f.Status > 599):
		return fmt.Errorf("%s: status is from 500 to 599, not %d", f.Kind, f.Status)
	case f.Kind == Slow && f.DelayMS == 0:
		return fmt.Errorf("%s: delayMs says how slow", f.Kind)
	case f.Kind == Redirected && f.To == "":
		return fmt.Errorf("%s: to says where", f.Kind)
	}
	return nil
}

// Faults are the switches of one emulator. They may be used by several goroutines.
// The zero value has none set.
type Faults struct {
	mu  sync.Mutex
	set []*Fault
}

// Add sets further switches. On an error none is set.
func (s *Faults) Add(faults ...Fault) error {
	for _, f := range faults {
		if err := f.Check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.set = append(s.set, &f)
	}
	return nil
}

// Replace clears all and sets these. On an error all stays as it was.
func (s *Faults) Replace(faults ...Fault) error {
	var next Faults
	if err := next.Add(faults...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = next.set
	return nil
}

// List returns what is still to happen.
func (s *Faults) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, 0, len(s.set))
	for _, f := range s.set {
		list = append(list, *f)
	}
	return list
}

// request takes the faults that this request meets, each kind at most once.
func (s *Faults) request(method, path string) []Fault {
	return s.take(func(f *Fault) bool {
		return !f.Kind.webhook() && (f.Method == "" || strings.EqualFold(f.Method, method)) && strings.HasPrefix(path, f.Path)
	})
}

// Meet takes the faults that a command meets of an emulator whose protocol is not HTTP:
// method is the command, path what it is about, and kinds are those that it has a form of.
func (s *Faults) Meet(method, path string, kinds ...Kind) []Fault {
	return s.take(func(f *Fault) bool {
		return slices.Contains(kinds, f.Kind) && (f.Method == "" || strings.EqualFold(f.Method, method)) && strings.HasPrefix(path, f.Path)
	})
}

// delivery takes the faults that the next webhook meets.
func (s *Faults) delivery() []Fault {
	return s.take(func(f *Fault) bool { return f.Kind.webhook() })
}

func (s *Faults) take(match func(*Fault) bool) []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var met []Fault
	s.set = slices.DeleteFunc(s.set, func(f *Fault) bool {
		if !match(f) || slices.ContainsFunc(met, func(m Fault) bool { return m.Kind == f.Kind }) {
			return false
		}
		if f.After > 0 {
			f.After--
			return false
		}
		met = append(met, *f)
		if f.Times == 0 {
			return false
		}
		f.Times--
		return f.Times == 0
	})
	return met
}

// ReadFaults reads a faults file: a JSON object with a list of faults per
// emulator's name, {"hubspot":[{"kind":"rate_limited","times":3}]}.
func ReadFaults(r io.Reader) (map[string][]Fault, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var file map[string][]Fault
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read faults: one JSON object and no more is expected")
	}
	for name, faults := range file {
		for i, f := range faults {
			if err := f.Check(); err != nil {
				return nil, fmt.Errorf("read faults: %s[%d]: %w", name, i, err)
			}
		}
	}
	return file, nil
}

// Answer writes a fault in a vendor's own form.
type Answer func(w http.ResponseWriter, r *http.Request, f Fault)
