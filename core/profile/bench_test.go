package profile

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// person is an identify that makes a profile of about 1.2 KB.
func person(f *fixture, i int) *event.Input {
	return f.in(event.Identify, user(fmt.Sprintf("user-%06d", i)), anon(fmt.Sprintf("5f3c1a9e-77aa-4b1e-9c1d-%012d", i)), traits(bson.D{
		{Key: "email", Value: fmt.Sprintf("person%06d@example.com", i)}, {Key: "firstName", Value: "Ana"}, {Key: "lastName", Value: "Popescu"},
		{Key: "plan", Value: "premium"}, {Key: "age", Value: int64(41)}, {Key: "address", Value: bson.D{{Key: "city", Value: "Cluj-Napoca"}, {Key: "country", Value: "RO"}}},
	}), consentSaid("marketing", true))
}

// BenchmarkUnit measures resolving and folding a tracked event and encoding its
// profile, on a warm unit with one event for each of 100 people; the store's own
// work is left out but for the reads of Begin.
func BenchmarkUnit(b *testing.B) {
	f := newFixture(b)
	const people = 100
	var first, inputs []*event.Input
	for i := range people {
		first = append(first, person(f, i))
	}
	f.send(first...)
	for i := range people {
		inputs = append(inputs, f.in(event.Track, user(fmt.Sprintf("user-%06d", i)), anon(fmt.Sprintf("5f3c1a9e-77aa-4b1e-9c1d-%012d", i))))
	}
	raw, err := bson.Marshal(f.must(UserID, "user-000001"))
	require.NoError(b, err)
	run := func(b *testing.B, steps func(b *testing.B)) {
		b.ReportAllocs()
		steps(b)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/people, "ns/event")
		b.ReportMetric(float64(len(raw)), "B/profile")
	}
	b.Run("begin", func(b *testing.B) {
		run(b, func(b *testing.B) {
			for b.Loop() {
				if _, err := f.s.Begin(f.ctx, ws, inputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("apply and encode", func(b *testing.B) {
		run(b, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				u, err := f.s.Begin(f.ctx, ws, inputs)
				require.NoError(b, err)
				b.StartTimer()
				for _, in := range inputs {
					if _, err := u.Apply(in, "src_web", epoch); err != nil {
						b.Fatal(err)
					}
				}
				if len(u.Ops()) != people {
					b.Fatal("a profile was not written")
				}
			}
		})
	})
}

// BenchmarkCodec measures writing and reading a profile of about 1.2 KB.
func BenchmarkCodec(b *testing.B) {
	f := newFixture(b)
	f.send(person(f, 1))
	p := f.must(UserID, "user-000001")
	raw, err := bson.Marshal(p)
	require.NoError(b, err)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := bson.Marshal(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := bson.Unmarshal(raw, new(Profile)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
