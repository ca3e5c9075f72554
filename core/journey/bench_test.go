package journey_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
)

// crowd lets many people in at once, by their events.
func (h *house) crowd(n int, name string) {
	h.t.Helper()
	const chunk = 200
	for from := 0; from < n; from += chunk {
		inputs := make([]event.Input, 0, chunk)
		for i := from; i < min(from+chunk, n); i++ {
			h.ids++
			text := fmt.Sprintf(`{"type":"track","userId":"u%d","event":%q,"properties":{"n":%d}}`, i, name, i)
			inputs = append(inputs, event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: h.clock.Now(), MessageID: fmt.Sprintf("c-%p-%d", h, h.ids)}))
		}
		_, err := h.pipeline.Ingest(h.ctx(), ws, "src_web", inputs)
		require.NoError(h.t, err)
	}
}

// rush works all lanes off, as many side by side as there are processors.
func (h *house) rush() {
	var wg sync.WaitGroup
	lanes := make(chan int, 64)
	for i := range 16 {
		lanes <- i
	}
	close(lanes)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for lane := range lanes {
				if err := h.TurnLane(h.ctx(), ws, lane); err != nil {
					h.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSteps makes durable steps: of people who fall due all at once, each a wait
// passed, a condition asked, another wait begun.
func BenchmarkSteps(b *testing.B) {
	for _, with := range []string{"waits", "messages"} {
		b.Run(with, func(b *testing.B) {
			h := newHouse(b)
			nodes := []string{`in {"entry":{"event":{"name":"Start"}}}`, `w1 {"wait":{"duration":"PT1H"}}`, `w2 {"wait":{"duration":"PT1H"}}`, `w3 {"wait":{"duration":"PT1H"}}`, `end {"exit":true}`}
			edges := []string{"in next w1", "w1 next w2", "w2 next w3", "w3 next end"}
			if with == "messages" {
				nodes = append(nodes, mail("m1"), mail("m2"))
				edges = []string{"in next w1", "w1 next m1", "m1 next w2", "w2 next m2", "m2 next w3", "w3 next end"}
			}
			h.published(drawing(`,"exitWhen":{"event":{"name":"Order Completed"}}`, nodes, edges...))
			const people = 10_000
			h.crowd(people, "Start")
			h.rush()
			b.ResetTimer()
			steps := 0
			for range b.N {
				b.StopTimer()
				h.clock.Advance(time.Hour)
				b.StartTimer()
				h.rush()
				steps += people
				if steps%(2*people) == 0 {
					break
				}
			}
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
