package sync_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Many people go there and come in, each once; it tells how many a second.
func TestMany(t *testing.T) {
	r := newRig(t)
	n := 500 // more than one step of a walk
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		n = 4000
	}
	src, err := r.events.EnsureSource(r.ctx, ws, event.SourceInput{Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < n; from += 250 {
		var inputs []event.Input
		for i := from; i < from+250; i++ {
			doc, _ := event.FromJSON(map[string]any{"email": fmt.Sprintf("p%d@shop.example", i), "name": fmt.Sprint(i), "city": "Ulm"})
			in := event.Input{Type: event.Identify, Name: event.NameIdentified, UserID: fmt.Sprint("u", i), Traits: doc, Timestamp: time.Now().UTC()}
			in.Seal(time.Now())
			inputs = append(inputs, in)
		}
		if _, err := r.pipeline.Ingest(r.ctx, ws, src.SourceID(), inputs); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now()
	y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Direction = sync.Push })
	if r.settled(y); r.vendor.count("contacts") != n {
		t.Fatalf("%d are there", r.vendor.count("contacts"))
	}
	t.Logf("push: %.0f/s", float64(n)/time.Since(at).Seconds())
	r.vendor.pageSize = 500
	for i := range n {
		r.vendor.set("leads", fmt.Sprint("l", i), map[string]any{"email": fmt.Sprintf("l%d@shop.example", i), "name": fmt.Sprint(i)})
	}
	at = time.Now()
	z := r.twoWay(r.connectionNamed("in"), func(y *sync.Sync) { y.Direction, y.Stream = sync.Pull, "leads" })
	if run := r.settled(z); run.Written != int64(n) {
		t.Fatalf("%d were read", run.Written)
	}
	t.Logf("pull: %.0f/s", float64(n)/time.Since(at).Seconds())
}
