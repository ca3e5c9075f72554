package insight

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// BenchmarkAskAYearByDayAndChannel asks for 12 months by day and channel of a million
// events: the rollups that they leave, in two lanes.
func BenchmarkAskAYearByDayAndChannel(b *testing.B) {
	r := newRig(b)
	r.counted()
	c, err := r.set(r.ctx, rigWS)
	require.NoError(b, err)
	t := c.metrics["orders"].numerator
	begin := at("2025-01-01T00:00:00Z")
	for channel := range 5 {
		values := []string{fmt.Sprint("channel ", channel), "", "src_web"}
		p := place{t.id, cellOf(values)}
		require.NoError(b, work.Commit(r.ctx, r.db, cells.Insert(&labels{Meta: store.Meta{ID: store.Key(rigWS, p.measure, p.cell)}, Values: values})))
		for _, lane := range []string{"a0", "a1"} {
			s := newSums()
			for h := range int64(365 * 24) {
				s.n[hourOf(begin)+h] = 11 // × 5 channels × 2 lanes × 8,760 hours: 963,600
			}
			require.NoError(b, work.Commit(r.ctx, r.db, s.ops(rigWS, p, lane)...))
		}
	}
	q := Question{Name: "orders", From: begin, To: at("2026-01-01T00:00:00Z"), Grain: Day, By: []string{"channel"}}
	b.ResetTimer()
	cpu := processor()
	for b.Loop() {
		a, err := r.Ask(r.ctx, rigWS, q)
		require.NoError(b, err)
		require.Len(b, a.Rows, 5*365)
		require.Equal(b, "528", a.Rows[0].Value.String())
	}
	b.ReportMetric(float64((processor()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkIngest takes pages and orders in, with figures and without; an operation is an
// event.
func BenchmarkIngest(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("figures=%v", with), func(b *testing.B) {
			r := newRig(b)
			folds := profile.Folds{r.segments}
			if with {
				folds = append(folds, r.Service)
			}
			r.Profiles.SetFold(folds)
			const unit = 400
			cpu := processor()
			for n := 0; n < b.N; n += unit {
				inputs := make([]event.Input, unit)
				for i := range inputs {
					text := fmt.Sprintf(`{"type":"page","userId":"u%d","properties":{"url":"https://shop.example/p/%d","title":"A thing","utm_medium":"email"},"context":{"campaign":{"name":"spring %d"}}}`, (n+i)%5000, i, i%4)
					if i%10 == 0 {
						text = fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":"u%d","properties":{"total":%d.5,"currency":"EUR","channel":"email"}}`, (n+i)%5000, i)
					}
					inputs[i] = event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprint("b", n+i)})
				}
				_, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", inputs)
				require.NoError(b, err)
			}
			b.ReportMetric(float64((processor()-cpu).Nanoseconds())/1000/float64(max(b.N, unit)), "cpu-µs/event")
		})
	}
}

// processor is the time that the process has had, user and system.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
