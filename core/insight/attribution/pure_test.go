package attribution

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// steps makes steps a day apart, the last a day before the instant t0 + n days.
func steps(keys ...string) []Step {
	out := make([]Step, len(keys))
	for i, k := range keys {
		out[i] = Step{Key: k, At: t0.Add(time.Duration(i) * 24 * time.Hour)}
	}
	return out
}

func gain(n int, minor int64) Gain {
	return Gain{At: t0.Add(time.Duration(n) * 24 * time.Hour), Minor: minor, Currency: "EUR"}
}

func row(t *testing.T, r Result, key string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Key == key && !row.None {
			return row
		}
	}
	t.Fatalf("no row %q in %+v", key, r.Rows)
	return Row{}
}

// The example that the specification gives.
func TestMarkovOfThreeWays(t *testing.T) {
	y := NewTally(Markov, Usual)
	y.Converted(steps("C1", "C2", "C3"), gain(3, 1000))
	y.Lost(steps("C1"))
	y.Lost(steps("C2", "C3"))
	r, err := y.Result()
	require.NoError(t, err)
	require.InDelta(t, 1.0/3, r.Probability, 1e-12)
	for key, want := range map[string]struct {
		effect, share      float64
		conversions, minor int64
	}{"C1": {0.5, 0.2, 2000, 200}, "C2": {1, 0.4, 4000, 400}, "C3": {1, 0.4, 4000, 400}} {
		got := row(t, r, key)
		require.InDelta(t, want.effect, got.Effect, 1e-12, key)
		require.InDelta(t, want.share, got.Share, 1e-12, key)
		require.Equal(t, want.conversions, got.Conversions, key)
		require.Equal(t, want.minor, got.Minor["EUR"], key)
	}
}

// By hand: from the start a with 2/3 and b with 1/3; from a 1/3 to a, 1/3 to b, 1/3
// converted; from b 1/2 converted, 1/2 lost. x_b = 1/2; x_a = (1/3+1/6)/(2/3) = 3/4;
// P = 2/3·3/4 + 1/3·1/2 = 2/3. Without b: x_a = 1/2, P = 1/3, effect 1/2. Without a:
// P = 1/6, effect 3/4. Shares 0.4 and 0.6.
func TestMarkovWithAStepToItself(t *testing.T) {
	c := NewChain()
	c.Add([]int{0, 0}, true, 1)
	c.Add([]int{0, 1}, true, 1)
	c.Add([]int{1}, false, 1)
	r, err := c.Removal()
	require.NoError(t, err)
	require.InDelta(t, 2.0/3, r.Probability, 1e-12)
	require.InDeltaSlice(t, []float64{0.75, 0.5}, r.Effects, 1e-12)
	require.InDeltaSlice(t, []float64{0.6, 0.4}, r.Shares, 1e-12)
}

func TestMarkovOfNothing(t *testing.T) {
	r, err := NewChain().Removal()
	require.NoError(t, err)
	require.Zero(t, r.Probability)
	c := NewChain()
	c.Add([]int{0, 1}, false, 5)
	r, err = c.Removal()
	require.NoError(t, err)
	require.Zero(t, r.Probability)
	require.Equal(t, []float64{0, 0}, r.Shares)
}

// walk works out the probability of a conversion without one channel step by step: by
// following the probabilities until next to nothing is under way, and not by solving
// equations. Without is -1 for none.
func walk(ways [][]int, won []bool, n, without int) float64 {
	step := make([]map[int]float64, n+1) // n is the start; n+1 the conversion, n+2 nothing
	for i := range step {
		step[i] = map[int]float64{}
	}
	for w, way := range ways {
		at := n
		for _, ch := range way {
			step[at][ch]++
			at = ch
		}
		if won[w] {
			step[at][n+1]++
		} else {
			step[at][n+2]++
		}
	}
	mass, p := map[int]float64{n: 1}, 0.0
	for range 20000 {
		next, left := map[int]float64{}, 0.0
		for at, m := range mass {
			sum := 0.0
			for _, k := range step[at] {
				sum += k
			}
			for to, k := range step[at] {
				switch part := m * k / sum; {
				case to == n+1:
					p += part
				case to == n+2 || to == without:
				default:
					next[to] += part
					left += part
				}
			}
		}
		if mass = next; left < 1e-13 {
			break
		}
	}
	return p
}

func TestRemovalIsWhatWalkingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "channels")
		ways := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, n-1), 1, 6), 1, 12).Draw(t, "ways")
		won := make([]bool, len(ways))
		c := NewChain()
		for i, w := range ways {
			won[i] = rapid.Bool().Draw(t, "won")
			c.Add(w, won[i], 1)
		}
		r, err := c.Removal()
		require.NoError(t, err)
		p := walk(ways, won, n, -1)
		require.InDelta(t, p, r.Probability, 1e-9)
		for ch := range r.Effects {
			want := 0.0
			if p > 0 {
				want = 1 - walk(ways, won, n, ch)/p
			}
			require.InDelta(t, want, r.Effects[ch], 1e-8, "channel %d", ch)
		}
	})
}

// shapley is the definition: the mean of what a channel adds over all orders, as a sum
// over the sets without it.
func shapley(ways [][]int, n int) []float64 {
	worth := func(set int) float64 {
		v := 0.0
		for _, w := range ways {
			touched := 0
			for _, ch := range w {
				touched |= 1 << ch
			}
			if touched&^set == 0 {
				v++
			}
		}
		return v
	}
	factorial := func(k int) float64 { return math.Gamma(float64(k) + 1) }
	out := make([]float64, n)
	for ch := range out {
		for set := range 1 << n {
			if set&(1<<ch) != 0 {
				continue
			}
			size := 0
			for b := range n {
				size += set >> b & 1
			}
			out[ch] += factorial(size) * factorial(n-size-1) / factorial(n) * (worth(set|1<<ch) - worth(set))
		}
	}
	return out
}

func TestShapleyIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "channels")
		ways := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, n-1), 1, 6), 1, 10).Draw(t, "ways")
		y := NewTally(Shapley, Usual)
		for _, w := range ways {
			keys := make([]string, len(w))
			for i, ch := range w {
				keys[i] = strconv.Itoa(ch)
			}
			y.Converted(steps(keys...), gain(len(w), 100))
		}
		want := shapley(ways, n)
		for k, key := range y.keys {
			ch, _ := strconv.Atoi(key)
			require.InDelta(t, want[ch], y.credit[k], 1e-9)
		}
	})
}

// A glove game: ways that touch a and b convert twice, those with a alone once. By hand:
// a gets 1 + 2/2, b gets 2/2.
func TestShapleyByHand(t *testing.T) {
	y := NewTally(Shapley, Usual)
	y.Converted(steps("a", "b", "a"), gain(3, 100))
	y.Converted(steps("b", "a"), gain(2, 300))
	y.Converted(steps("a"), gain(1, 50))
	r, err := y.Result()
	require.NoError(t, err)
	require.Equal(t, int64(2*Unit), row(t, r, "a").Conversions)
	require.Equal(t, int64(1*Unit), row(t, r, "b").Conversions)
	require.Equal(t, int64(250), row(t, r, "a").Minor["EUR"])
	require.Equal(t, int64(200), row(t, r, "b").Minor["EUR"])
}

func TestWeights(t *testing.T) {
	day := 24 * time.Hour
	ages := []time.Duration{21 * day, 14 * day, 7 * day, 0}
	for _, c := range []struct {
		m    Model
		p    Parameters
		ages []time.Duration
		want []float64
	}{
		{First, Usual, ages, []float64{1, 0, 0, 0}},
		{Last, Usual, ages, []float64{0, 0, 0, 1}},
		{Linear, Usual, ages, []float64{0.25, 0.25, 0.25, 0.25}},
		{Position, Usual, ages, []float64{0.4, 0.1, 0.1, 0.4}},
		{Position, Usual, ages[:3], []float64{0.4, 0.2, 0.4}},
		{Position, Usual, ages[:2], []float64{0.5, 0.5}},
		{Position, Parameters{FirstShare: 0.6, LastShare: 0.2}, ages[:2], []float64{0.75, 0.25}},
		{Position, Parameters{}, ages[:2], []float64{0.5, 0.5}},
		{Position, Usual, ages[:1], []float64{1}},
		// Half-lives ago 3, 2, 1 and 0: 1/8, 1/4, 1/2 and 1 of 15/8.
		{Decay, Usual, ages, []float64{1.0 / 15, 2.0 / 15, 4.0 / 15, 8.0 / 15}},
		{Decay, Usual, []time.Duration{90000 * day, 89993 * day}, []float64{1.0 / 3, 2.0 / 3}},
	} {
		require.InDeltaSlice(t, c.want, Weights(c.m, c.p, c.ages), 1e-12, "%s", c.m)
	}
	require.Nil(t, Weights(Linear, Usual, nil))
}

func TestCheckRefusesWhatCannotBe(t *testing.T) {
	require.Nil(t, Check(Position, Usual))
	for want, c := range map[string]struct {
		m Model
		p Parameters
	}{
		"model":      {"SOMEHOW", Usual},
		"firstShare": {Position, Parameters{FirstShare: math.NaN(), HalfLife: 1}},
		"lastShare":  {Position, Parameters{FirstShare: 0.7, LastShare: 0.4, HalfLife: 1}},
		"halfLife":   {Decay, Parameters{}},
	} {
		e := Check(c.m, c.p)
		require.NotNil(t, e, want)
		require.Equal(t, []string{want}, e.Path)
	}
}

func TestApportion(t *testing.T) {
	require.Equal(t, []int64{34, 33, 33}, Apportion(100, []float64{1, 1, 1}))
	require.Equal(t, []int64{2, 1, 0}, Apportion(3, []float64{2, 1, 0}))
	require.Equal(t, []int64{-34, -33, -33}, Apportion(-100, []float64{1, 1, 1}))
	require.Equal(t, []int64{0, 0}, Apportion(5, []float64{0, 0}))
	// The textbook case of Hamilton's method: 43 seats by 1,100, 1,300 and 4,600 (of 7,000)
	// are 6.757, 7.986 and 28.257, so 7, 8 and 28.
	require.Equal(t, []int64{7, 8, 28}, Apportion(43, []float64{1100, 1300, 4600}))
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(-1e13, 1e13).Draw(t, "total")
		weights := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 30).Draw(t, "weights")
		sum, got := 0.0, int64(0)
		parts := Apportion(total, weights)
		for i, w := range weights {
			sum += w
			got += parts[i]
		}
		if sum > 0 {
			require.Equal(t, total, got)
			for i, w := range weights {
				require.InDelta(t, float64(total)*(w/sum), float64(parts[i]), 1+1e-12*math.Abs(float64(total)))
			}
		}
	})
}

// Whatever is added, the credit is what there was to share: to the ten-thousandth of a
// conversion and to the cent, by every model.
func TestCreditIsWhatThereWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tallies := map[Model]*Tally{}
		for _, m := range Models {
			tallies[m] = NewTally(m, Usual)
		}
		total, bare, minor := int64(0), int64(0), map[string]int64{}
		for range rapid.IntRange(0, 25).Draw(t, "ways") {
			keys := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 6).Draw(t, "keys")
			g := Gain{At: t0.AddDate(0, 0, len(keys))}
			if g.Currency = rapid.SampledFrom([]string{"", "EUR", "JPY"}).Draw(t, "currency"); g.Currency != "" {
				g.Minor = rapid.Int64Range(-50000, 9999999).Draw(t, "minor")
			}
			won := rapid.Bool().Draw(t, "won")
			if won {
				total++
				if minor[g.Currency] += g.Minor; len(keys) == 0 {
					bare++
				}
			}
			for _, y := range tallies {
				if won {
					y.Converted(steps(keys...), g)
				} else {
					y.Lost(steps(keys...))
				}
			}
		}
		for m, y := range tallies {
			r, err := y.Result()
			require.NoError(t, err)
			conversions, values, none := int64(0), map[string]int64{}, int64(0)
			for _, row := range r.Rows {
				conversions += row.Conversions
				if row.None {
					none = row.Touched
				}
				for c, v := range row.Minor {
					values[c] += v
				}
			}
			require.Equal(t, total, r.Conversions)
			require.Equal(t, total*Unit, conversions, "%s", m)
			require.Equal(t, bare, none)
			for _, c := range []string{"EUR", "JPY"} {
				require.Equal(t, minor[c], r.Minor[c], "%s", m)
				require.Equal(t, minor[c], values[c], "%s in %s", m, c)
			}
		}
	})
}

func TestTooManyChannels(t *testing.T) {
	c := NewChain()
	c.Add([]int{MaxChannels}, true, 1)
	_, err := c.Removal()
	require.ErrorContains(t, err, "TOO_MANY_CHANNELS")
}

// ways makes n ways through some channels, three steps each in the mean.
func ways(n, channels int, f func(keys []string, won bool)) {
	r := rand.New(rand.NewPCG(1, 2))
	names := make([]string, channels)
	for i := range names {
		names[i] = "channel " + strconv.Itoa(i)
	}
	for range n {
		keys := make([]string, 1+r.IntN(5))
		for i := range keys {
			keys[i] = names[r.IntN(channels)]
		}
		f(keys, r.IntN(10) == 0)
	}
}

func TestManyWaysNeedNoRoom(t *testing.T) {
	kept := func(n int) uint64 {
		y := NewTally(Markov, Usual)
		ways(n, 20, func(keys []string, won bool) {
			if won {
				y.Converted(steps(keys...), gain(9, 995))
			} else {
				y.Lost(steps(keys...))
			}
		})
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		runtime.KeepAlive(y)
		return m.HeapAlloc
	}
	few, many := kept(10_000), kept(100_000)
	require.Less(t, int64(many)-int64(few), int64(1<<20), "what is kept must not grow with the ways")
}

func BenchmarkMarkov100kWays(b *testing.B) {
	for b.Loop() {
		y := NewTally(Markov, Usual)
		ways(100_000, 20, func(keys []string, won bool) {
			if won {
				y.Converted(steps(keys...), gain(9, 995))
			} else {
				y.Lost(steps(keys...))
			}
		})
		r, err := y.Result()
		require.NoError(b, err)
		require.Len(b, r.Rows, 20)
	}
}

func TestModelsAreNamedInTheError(t *testing.T) {
	e := Check("?", Usual)
	for _, m := range Models {
		require.True(t, strings.Contains(e.Message, string(m)))
	}
}
