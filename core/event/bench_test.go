package event_test

import (
	"bytes"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

func rawOf(b []byte) bson.Raw { return b }

// typical is an event of about 350 bytes.
var typical = []byte(`{"type":"track","event":"Order Completed","userId":"user-81723","anonymousId":"6b2f9e7a-0c1d-4a55-9c43-0f2a1d9b77aa","messageId":"ajs-next-1718291827-6b2f9e7a","timestamp":"2026-11-21T10:00:00.123Z","sentAt":"2026-11-21T10:00:01.000Z","properties":{"order_id":"A-1009","total":129.9,"currency":"EUR","products":[{"sku":"S-1","quantity":2}]},"context":{"ip":"10.0.0.1"}}`)

func BenchmarkDecodeMessage(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		if in := event.DecodeMessage(typical, event.Defaults{ReceivedAt: receipt}); in.Err != nil {
			b.Fatal(in.Err)
		}
	}
}

func BenchmarkDecodeBatchOf100(b *testing.B) {
	body := []byte(`{"batch":[` + strings.Repeat(string(typical)+",", 99) + string(typical) + `],"context":{"library":{"name":"go"}},"sentAt":"2026-11-21T10:00:01.000Z"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := event.DecodeBatch(body, receipt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkToJSON(b *testing.B) {
	in := event.DecodeMessage(typical, event.Defaults{ReceivedAt: receipt})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.ToJSON(in.Properties); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkObserveKnown(b *testing.B) {
	f := open(b)
	ins := inputs(b, string(typical))
	observe(b, f, string(typical))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := f.Observe(b.Context(), ws, ins, receipt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlanCheck(b *testing.B) {
	f := open(b)
	if _, err := f.SetPlan(b.Context(), ws, event.PlanUpdate{Rules: []event.PlanRule{{Event: "Order Completed", Schema: orderSchema}}}); err != nil {
		b.Fatal(err)
	}
	in := event.DecodeMessage(typical, event.Defaults{ReceivedAt: receipt})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Check(b.Context(), ws, &in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	text := []byte("event,userId,messageId,properties.total:number,properties.note\n" + strings.Repeat("Bought,u-1,m-1,129.9,\"a \"\"quoted\"\" note\"\n", 1000))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		all, err := readAll(bytes.NewReader(text), event.CSVOptions{FileOptions: event.FileOptions{ReceivedAt: receipt}})
		if err != nil || len(all) != 1000 {
			b.Fatal(len(all), err)
		}
	}
}
