package segment

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// fill publishes n live segments, one in five over an event window. Ten of them are
// about the events that the benchmark sends, as far as there are ten.
func (r *rig) fill(n int) {
	r.t.Helper()
	for from := 0; from < n; from += 900 {
		_, err := r.publish(context.Background(), rigWS, func(rev int64) ([]store.Op, error) {
			var out []store.Op
			for i := from; i < min(n, from+900); i++ {
				where := fmt.Sprintf(`{"trait":{"path":"other%d","eq":%d}}`, i, i)
				switch {
				case i < 2:
					where = fmt.Sprintf(`{"event":{"name":"Order","count":{"gte":%d},"window":{"last":"P30D"}}}`, i+1)
				case i < 10:
					where = fmt.Sprintf(`{"trait":{"path":"plan","eq":"p%d"}}`, i)
				case i%5 == 0:
					where = fmt.Sprintf(`{"event":{"name":"Other %d","window":{"last":"P30D"}}}`, i)
				}
				out = append(out, Segments.Insert(&Segment{
					Meta: store.Meta{ID: store.Key(rigWS, fmt.Sprintf("seg_%05d", i))}, Kind: Dynamic, Status: Live, Version: 1, Since: rev,
					Where: where, WhereVersion: 1,
				}))
			}
			return out, nil
		})
		require.NoError(r.t, err)
	}
}

// BenchmarkDerive is what a unit of 100 events about 100 known people costs to
// derive: the reads of behaviours are in it, the commit is not. An operation is one
// event. The cost may not grow with segments that the events do not touch.
func BenchmarkDerive(b *testing.B) {
	for _, n := range []int{0, 10, 100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := newRig(b)
			r.fill(n)
			const people = 100
			props, _ := bson.Marshal(bson.D{{Key: "total", Value: 12.5}})
			inputs := func(i int) []*event.Input {
				out := make([]*event.Input, people)
				for j := range out {
					out[j] = &event.Input{
						Type: event.Track, Name: "Order", MessageID: fmt.Sprintf("%d-%d", i, j), UserID: fmt.Sprintf("u%d", j),
						Timestamp: r.clock.Now().Add(-time.Duration(i%1000) * time.Minute), Properties: props,
					}
					out[j].Seal(r.clock.Now())
				}
				return out
			}
			known := make([]event.Input, people)
			for j, in := range inputs(0) {
				known[j] = *in
			}
			_, err := r.pipeline.Ingest(b.Context(), rigWS, "src_web", known)
			require.NoError(b, err)
			var spent time.Duration
			units := 0
			b.ResetTimer()
			for i := 1; units*people < b.N; i++ {
				b.StopTimer()
				list := inputs(i)
				u, err := r.people.Begin(b.Context(), rigWS, list)
				require.NoError(b, err)
				for _, in := range list {
					_, err := u.Apply(in, "src_web", r.clock.Now())
					require.NoError(b, err)
				}
				b.StartTimer()
				began := time.Now()
				d, err := r.Derive(b.Context(), u, nil)
				spent += time.Since(began)
				if err != nil || len(d.Ops) < min(n, 1)*people {
					b.Fatal(err, len(d.Ops))
				}
				units++
			}
			b.ReportMetric(float64(spent.Microseconds())/float64(units*people), "µs/event")
		})
	}
}

// TestBackfillRate measures how fast a new ledger is filled, with HEADWATER_BENCH
// set: 100,000 people with ten events each, as many as it says.
func TestBackfillRate(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("HEADWATER_BENCH"))
	if n == 0 {
		t.Skip("HEADWATER_BENCH is not set")
	}
	r := newRig(t)
	props, _ := bson.Marshal(bson.D{{Key: "total", Value: 12.5}, {Key: "currency", Value: "EUR"}, {Key: "sku", Value: "ABC-123"}})
	began := time.Now()
	for from := 0; from < n; from += 200 {
		var in []event.Input
		for i := from; i < min(n, from+200); i++ {
			for j := range 10 {
				name := "Page"
				if j == 0 && i%2 == 0 {
					name = "Order"
				}
				e := event.Input{
					Type: event.Track, Name: name, MessageID: fmt.Sprintf("%d-%d", i, j), UserID: fmt.Sprintf("u%d", i),
					Timestamp: r.clock.Now().Add(-time.Duration(j) * time.Hour), Properties: props,
				}
				e.Seal(r.clock.Now())
				in = append(in, e)
			}
		}
		_, err := r.pipeline.Ingest(t.Context(), rigWS, "src_web", in)
		require.NoError(t, err)
	}
	t.Logf("%d events ingested in %s", 10*n, time.Since(began))
	r.define("seg_a", whereRecent, Building)
	job := r.build("seg_b", `{"event":{"name":"Order","count":{"gte":2}}}`)
	began = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.work.Run(ctx) }()
	var j *work.Job
	for j == nil || !j.Status.Final() {
		time.Sleep(5 * time.Millisecond)
		r.clock.Advance(5 * time.Millisecond)
		var err error
		j, err = r.jobs.Get(t.Context(), rigWS, job)
		require.NoError(t, err)
	}
	took := time.Since(began)
	cancel()
	r.clock.Advance(time.Minute)
	<-done
	require.Equal(t, work.Succeeded, j.Status, "%+v", j.Error)
	var res BackfillResult
	require.NoError(t, j.DecodeResult(&res))
	t.Logf("%d people, %d events in %s: %.0f events/s", res.People, res.Events, took, float64(res.Events)/took.Seconds())
}
