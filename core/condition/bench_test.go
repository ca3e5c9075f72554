package condition

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// fixed answers trait and ledger questions without work of its own.
type fixed struct {
	known
	trait   bson.RawValue
	ledgers []*Ledger
}

func (f *fixed) Trait(string) (bson.RawValue, bool) { return f.trait, true }
func (f *fixed) Ledgers(string) []*Ledger           { return f.ledgers }

func benchmark(b *testing.B, text string, f Facts) {
	p := program(b, text, Zone{Location: zone(b, "Europe/Bucharest")})
	b.ReportAllocs()
	for b.Loop() {
		p.Evaluate(f, noon)
	}
}

func somebody(b *testing.B) *fixed {
	b.Helper()
	kind, data, err := bson.MarshalValue("RO")
	if err != nil {
		b.Fatal(err)
	}
	l := &Ledger{}
	for i := range 100 {
		l.Entries = append(l.Entries, Entry{At: noon.Add(-time.Duration(100-i) * 12 * time.Hour).UnixMilli()})
	}
	return &fixed{trait: bson.RawValue{Type: kind, Value: data}, ledgers: []*Ledger{l}}
}

const (
	benchTrait = `{"trait":{"path":"country","eq":"RO"}}`
	benchEvent = `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P30D"}}}`
)

func BenchmarkTraitEq(b *testing.B) { benchmark(b, benchTrait, somebody(b)) }
func BenchmarkTraitIn(b *testing.B) {
	benchmark(b, `{"trait":{"path":"country","in":["DE","FR","RO"]}}`, somebody(b))
}
func BenchmarkEventCount(b *testing.B) { benchmark(b, benchEvent, somebody(b)) }

func BenchmarkEventMonth(b *testing.B) {
	benchmark(b, `{"event":{"name":"E","count":{"gte":2},"window":{"last":"P1M"}}}`, somebody(b))
}

func BenchmarkAndOf10(b *testing.B) {
	text := `{"and":[` + benchTrait
	for range 4 {
		text += "," + benchTrait + "," + benchEvent
	}
	benchmark(b, text+`,`+benchEvent+`]}`, somebody(b))
}

func BenchmarkFold(b *testing.B) {
	f := fold(b, *Ledgers(mustParse(b, `{"event":{"name":"E","where":[{"path":"total","gte":50}],"count":{"gte":2},"window":{"last":"P30D"}}}`))[0])
	e := LedgerEvent{ID: "evt_1", At: noon, Properties: document(b, `{"sku":"A","currency":"EUR","total":99.5}`)}
	l := &Ledger{}
	b.ReportAllocs()
	for b.Loop() {
		f.Add(l, e, noon)
		f.Prune(l, noon)
	}
}
