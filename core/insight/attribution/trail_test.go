package attribution

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A trail shares as the definition does, whatever the model, the windows and the times.
func TestATrailSharesAsTheWholeWay(t *testing.T) {
	models := []Model{First, Last, Linear, Position, Decay, Markov, Shapley}
	for seed := range 60 {
		for _, m := range models {
			r := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // the same each time
			with := Usual
			with.HalfLife = time.Duration(1+r.IntN(1000)) * time.Minute
			fast, naive := NewTally(m, with), NewTally(m, with)
			fast.short = 2 // fewer are not shared by a trail
			for range 3 {
				fast.Person()
				naive.Person()
				way := newTrail(m, with)
				var steps []Step
				var windows []time.Duration
				at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
				for range 150 {
					at = at.Add(time.Duration(r.IntN(400)*r.IntN(10)) * time.Minute) // often the same moment
					if r.IntN(4) > 0 {
						s := Step{Key: fmt.Sprint("k", r.IntN(6)), At: at}
						w := []time.Duration{time.Hour, 90 * time.Hour, 900 * time.Hour}[r.IntN(3)]
						steps, windows = append(steps, s), append(windows, w)
						way.add(s, w)
						continue
					}
					g := Gain{At: at, Minor: int64(r.IntN(1000)), Currency: []string{"", "EUR", "USD"}[r.IntN(3)]}
					var whole []Step
					for i, s := range steps {
						if at.Sub(s.At) <= windows[i] {
							whole = append(whole, s)
						}
					}
					way.until(at)
					require.Equal(t, whole, slices.Clip(append([]Step(nil), way.way()...)))
					fast.followed(way, g)
					naive.Converted(whole, g)
				}
			}
			require.Equal(t, naive.gains, fast.gains)
			require.Equal(t, naive.bare, fast.bare)
			for key, k := range naive.number {
				f := fast.number[key]
				require.Equal(t, naive.orders[k], fast.orders[f], "%s %s", m, key)
				require.Equal(t, naive.people.of(k), fast.people.of(f), "%s %s", m, key)
				require.InDelta(t, naive.credit[k], fast.credit[f], 1e-9, "%s %s seed %d", m, key, seed)
				for currency, v := range naive.values {
					require.Equal(t, v.total, fast.values[currency].total)
					if m != Markov && k < len(v.credit) {
						require.InDelta(t, v.credit[k], fast.values[currency].credit[f], 1e-6, "%s %s", m, key)
					}
				}
			}
			if m == Markov {
				for key, k := range naive.number {
					f := fast.number[key]
					require.Equal(t, naive.chain.start[k], fast.chain.start[f])
					require.Equal(t, naive.chain.won[k], fast.chain.won[f])
					for other, o := range naive.number {
						require.Equal(t, naive.chain.next[[2]int{k, o}], fast.chain.next[[2]int{f, fast.number[other]}], "%s after %s", other, key)
					}
				}
			}
		}
	}
}

// What remains of a sum of which nearly all was taken is as exact as if it had been added up.
func TestADecayedSumOfWhichNearlyAllWentStaysExact(t *testing.T) {
	with := Usual
	with.HalfLife = 24 * time.Hour
	way := newTrail(Decay, with)
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	const many = 100_000
	for i := range many {
		way.add(Step{Key: "a", At: at.Add(time.Duration(i) * time.Millisecond)}, time.Hour)
	}
	last := at.Add(many * time.Millisecond)
	way.add(Step{Key: "a", At: last.Add(time.Minute)}, time.Hour)
	way.add(Step{Key: "b", At: last.Add(time.Minute)}, 2*time.Hour)
	way.until(last.Add(time.Hour + time.Second)) // one of each is left
	require.Equal(t, 2, way.n)
	require.InDelta(t, 0.5, way.shares(Decay, with)[0], 1e-15)
}
