package sdk

import (
	"context"
	"sync"
	"time"
)

// RateHint is what a vendor said of its limits in its last answer.
type RateHint struct {
	Limit     int           // requests in a window; 0 when it does not say
	Remaining int           // of them
	Window    time.Duration // 0 when it does not say
	Reset     time.Duration // until Remaining is Limit again
}

type rateKey struct{}

// Rates keeps the last hint of a call.
type Rates struct {
	mu   sync.Mutex
	last *RateHint
}

// WithRates returns a context in which ReportRate is heard.
func WithRates(ctx context.Context) (context.Context, *Rates) {
	r := &Rates{}
	return context.WithValue(ctx, rateKey{}, r), r
}

// Last returns the hint that was reported last, nil when there was none.
func (r *Rates) Last() *RateHint {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// ReportRate tells the host what the vendor said of its limits; it goes back with the
// answer of the call that ctx belongs to.
func ReportRate(ctx context.Context, h RateHint) {
	if r, ok := ctx.Value(rateKey{}).(*Rates); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = &h
	}
}
