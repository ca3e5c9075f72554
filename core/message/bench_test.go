package message_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/sync"
)

// BenchmarkDispatch measures messages that are asked about, rendered, handed over to a
// channel that takes them at once, and settled with their events.
func BenchmarkDispatch(b *testing.B) {
	r := rigOver(b, openStore(b, ""), newPostman(sync.DedupesSends), core.SystemClock{})
	r.setUp()
	var ids []string
	for from := 0; from < b.N; from += 400 {
		var numbers []int
		for i := from; i < min(b.N, from+400); i++ {
			numbers = append(numbers, i)
		}
		ids = append(ids, r.persons(numbers)...)
	}
	intents := make([]message.Intent, len(ids))
	for i, id := range ids {
		intents[i] = intent(id)
	}
	r.queue(intents...)
	b.ReportAllocs()
	b.ResetTimer()
	r.start()
	for {
		n, err := message.Messages.Count(r.ctx, r.store, message.StatusQuery(ws, message.Sent))
		require.NoError(b, err)
		if int(n) >= b.N {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
