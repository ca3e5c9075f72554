package campaign_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
)

// people is how many a benchmark writes to: HEADWATER_BENCH_PEOPLE, else 10,000.
func people(b *testing.B) int {
	if n, err := strconv.Atoi(os.Getenv("HEADWATER_BENCH_PEOPLE")); err == nil {
		return n
	}
	return 10_000
}

// BenchmarkQueue writes down whom a campaign is for and queues its messages, with nothing
// dispatched.
func BenchmarkQueue(b *testing.B) { bench(b, false) }

// BenchmarkCampaign is BenchmarkQueue with everything asked, rendered and handed to a channel
// that does nothing.
func BenchmarkCampaign(b *testing.B) { bench(b, true) }

func bench(b *testing.B, send bool) {
	n := people(b)
	db, p := openStore(b), newPostman()
	h := houseOver(b, db, p, core.SystemClock{})
	if send {
		h.connect()
	}
	list := h.list("All", h.persons(0, n, nil)...)
	h.start()
	b.ResetTimer()
	for range b.N {
		before := p.total()
		began := time.Now()
		id := h.schedule(h.draft([]string{list}))
		for !h.is(id, campaign.Done) {
			time.Sleep(5 * time.Millisecond)
		}
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "queued/s")
		r := h.run(id)
		require.EqualValues(b, n, r.Queued["a"])
		if send {
			for p.total() < before+n {
				time.Sleep(10 * time.Millisecond)
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "messages/s")
		}
	}
}
