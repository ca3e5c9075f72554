package consent_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// Two processes share a store: one takes 1,000 events a second, the other withdraws. No
// decision of either says yes once a withdrawal is acknowledged.
func TestWithdrawalsBesideEventsOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	a, b := openAt(t, path, core.SystemClock{}), openAt(t, path, core.SystemClock{})
	n, every := 40, 20*time.Millisecond
	if testing.Short() { // under the race detector a thousand events a second are more than a process takes
		n, every = 10, 200*time.Millisecond
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = a.page(fmt.Sprint("u", i), nil, 0)
		a.record(ids[i], consent.Marketing)
	}
	ctx, cancel := context.WithCancel(a.ctx())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for k := 0; ctx.Err() == nil; k++ {
			<-tick.C
			in := make([]event.Input, 20)
			for i := range in {
				in[i] = event.Input{Type: event.Track, Name: "Viewed", UserID: fmt.Sprint("u", (k*20+i)%n), MessageID: fmt.Sprint(k, "-", i), Timestamp: time.Now()}
				in[i].Seal(in[i].Timestamp)
			}
			wg.Go(func() { _, _ = a.pipeline.Ingest(ctx, ws, "src_web", in) })
		}
	})
	var took []time.Duration
	for _, id := range ids {
		at := time.Now()
		_, err := b.Withdraw(b.ctx(), ws, consent.WithdrawInput{ProfileID: id, Purpose: consent.Marketing})
		require.NoError(t, err)
		took = append(took, time.Since(at))
		for _, p := range []*process{a, b} {
			require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, consent.Email))
		}
	}
	cancel()
	wg.Wait()
	slices.Sort(took)
	t.Logf("withdrawals beside %d events/s: p50 %v, p99 %v", 20*time.Second/every, took[n/2], took[n-1])
}
