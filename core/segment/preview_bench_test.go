package segment

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// benchPeople is how many people the benchmarks of previews look at; the variable
// HEADWATER_BENCH_PEOPLE asks for another number, such as 1000000.
func benchPeople(b *testing.B) int {
	if text := os.Getenv("HEADWATER_BENCH_PEOPLE"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		return n
	}
	return 100_000
}

// register makes a trait as ingestion stores it.
func register(path string, value any, at time.Time) profile.Trait {
	typ, raw, _ := bson.MarshalValue(value)
	return profile.Trait{
		Path: path, Value: bson.RawValue{Type: typ, Value: raw}, Source: "src_01JD2Q3V8Z7F4M5N6P7Q8R9S0T",
		At: at, Event: core.NewID(core.PrefixEvent, at), Rule: profile.LastWrite, Seq: 1,
	}
}

// fill stores people with eleven traits as ingestion would, and, of two in three,
// what the ledger of a live segment holds of them.
func (o *office) fill(b *testing.B, n int, ledger *ledger) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	now := time.Now().UTC().Truncate(time.Millisecond)
	var ops []store.Op
	for i := range n {
		at := now.Add(-time.Duration(n-i) * time.Second)
		id := core.NewID(core.PrefixProfile, at)
		p := &profile.Profile{
			Meta: store.Meta{ID: store.Key(o.ws, id)}, Parts: []string{id}, Bucket: int64(profile.BucketOf(id, "")),
			Identifiers: []profile.Held{{Namespace: "email", Value: fmt.Sprintf("person%d@example.com", i), Part: id, At: at, Seq: 1}, {Namespace: "user_id", Value: strconv.Itoa(i), Part: id, At: at, Seq: 1}},
			Seq:         5, Events: 5, FirstSeenAt: at, LastSeenAt: at, CreatedAt: at, UpdatedAt: at,
		}
		p.Traits = []profile.Trait{
			register("address.city", "Cluj-Napoca", at), register("address.country", []string{"RO", "DE", "FR", "IT"}[r.IntN(4)], at),
			register("age", int64(18+r.IntN(60)), at), register("company", "Example SRL", at), register("email", fmt.Sprintf("person%d@example.com", i), at),
			register("firstName", "Ana", at), register("lastName", "Pop", at), register("lifetimeValue", float64(r.IntN(100000))/100, at),
			register("phone", "+40721000000", at), register("plan", []string{"free", "pro", "team"}[r.IntN(3)], at), register("signedUpAt", at.Format(time.RFC3339), at),
		}
		ops = append(ops, profile.Profiles.Insert(p))
		if i%3 > 0 {
			l := &condition.Ledger{}
			for k := range 1 + r.IntN(6) {
				raw, _ := bson.Marshal(bson.D{{Key: "total", Value: r.IntN(200)}})
				ledger.fold.Add(l, condition.LedgerEvent{ID: core.NewID(core.PrefixEvent, at), At: now.Add(-time.Duration(r.IntN(40*24))*time.Hour - time.Duration(k)), Properties: raw}, now)
			}
			bh := newBehaviour(o.ws, id)
			bh.ensure(id).put(ledger.spec.Key, l)
			bh.tidy()
			ops = append(ops, Behaviours.Insert(bh))
		}
		if len(ops) >= 900 || i == n-1 {
			var token [8]byte
			binary.BigEndian.PutUint64(token[:], uint64(i))
			_, err := o.db.Commit(o.ctx, store.Batch{ID: fmt.Sprintf("fill-%x", token), Ops: ops})
			require.NoError(b, err)
			ops = ops[:0]
		}
	}
}

// BenchmarkPreview measures previews over traits, over a ledger that is kept, and
// estimates, over people and ledgers as ingestion stores them.
func BenchmarkPreview(b *testing.B) {
	o := newOffice(b)
	n := benchPeople(b)
	bought := `{"event":{"name":"Order Completed","where":[{"path":"total","gte":50}],"count":{"gte":2},"window":{"last":"P30D"}}}`
	o.create("kept", bought)
	set, err := o.fresh(o.ctx, o.ws)
	require.NoError(b, err)
	require.Len(b, set.ledgers, 1)
	for _, l := range set.ledgers {
		o.fill(b, n, l)
	}
	traits := `{"and":[{"trait":{"path":"address.country","in":["RO","DE"]}},{"trait":{"path":"age","between":[30,50]}},{"not":{"trait":{"path":"plan","eq":"free"}}}]}`
	for _, c := range []struct {
		name, where string
		exact       bool
	}{
		{"exact/traits", traits, true},
		{"exact/ledger", bought, true},
		{"exact/both", `{"and":[` + traits + `,` + bought + `]}`, true},
		{"estimate/traits", traits, false},
		{"estimate/ledger", bought, false},
		{"estimate/fresh", `{"event":{"name":"Never Seen","window":{"last":"P30D"}}}`, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p *Preview
			for b.Loop() {
				if c.exact {
					p, err = o.Preview(o.ctx, o.ws, PreviewInput{Where: o.tree(c.where), Exact: true})
					require.NoError(b, err)
					continue
				}
				q, err := o.ask(o.ctx, o.whole(), &Segment{Where: c.where, WhereVersion: condition.Version})
				require.NoError(b, err)
				people, err := population(o.ctx, o.db, o.ws)
				require.NoError(b, err)
				t, err := q.some(o.ctx, people.Value, "", sampleTime)
				require.NoError(b, err)
				p = &Preview{Count: estimate(t.matching, t.people, people)}
			}
			b.ReportMetric(float64(p.Count.Value), "people")
			b.ReportMetric(float64(p.Count.High-p.Count.Low), "interval")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/preview")
		})
	}
	b.Run("population", func(b *testing.B) {
		for b.Loop() {
			_, err := population(o.ctx, o.db, o.ws)
			require.NoError(b, err)
		}
	})
}
