package attribution

import (
	"math"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Model is a way to share the credit of a conversion among the touchpoints before it.
type Model string

// The models. All but Markov look at each conversion by itself; Markov looks at all
// ways together, those that led nowhere too.
const (
	First    Model = "FIRST"    // all to the first touchpoint
	Last     Model = "LAST"     // all to the last touchpoint
	Linear   Model = "LINEAR"   // to each touchpoint the same
	Position Model = "POSITION" // a share to the first, a share to the last, the rest evenly to those between
	Decay    Model = "TIME_DECAY"
	Markov   Model = "MARKOV"
	Shapley  Model = "SHAPLEY"
)

// Models lists the models.
var Models = []Model{First, Last, Linear, Position, Decay, Markov, Shapley}

// Parameters are what some models want to know. The zero value is completed by Complete.
type Parameters struct {
	FirstShare float64       // of Position: 0 to 1; with LastShare at most 1
	LastShare  float64       // of Position
	HalfLife   time.Duration // of Decay: a touchpoint that much earlier counts half
}

// Usual are the parameters where none are given: 40 per cent to the first and to the
// last, and a half-life of seven days.
var Usual = Parameters{FirstShare: 0.4, LastShare: 0.4, HalfLife: 7 * 24 * time.Hour}

// Check refuses a model that there is not, and parameters that cannot be. Shares are
// parts of 1; a half-life is positive.
func Check(m Model, p Parameters) *core.Error {
	known := make([]string, len(Models))
	found := false
	for i, k := range Models {
		known[i], found = string(k), found || k == m
	}
	switch {
	case !found:
		return core.Errorf(core.Invalid, "ATTRIBUTION_MODEL", "the models are %s", strings.Join(known, ", ")).At("model")
	case !(p.FirstShare >= 0 && p.FirstShare <= 1):
		return core.Errorf(core.Invalid, "SHARE", "the share of the first touchpoint is 0 to 1").At("firstShare")
	case !(p.LastShare >= 0 && p.FirstShare+p.LastShare <= 1+1e-12):
		return core.Errorf(core.Invalid, "SHARE", "the shares of the first and the last touchpoint are together at most 1").At("lastShare")
	case p.HalfLife <= 0:
		return core.Errorf(core.Invalid, "HALF_LIFE", "the half-life is longer than nothing, for example P7D").At("halfLife")
	}
	return nil
}

// Weights returns how much of one conversion each of its touchpoints gets: n numbers
// from 0 to 1 that add up to 1, in the order of the touchpoints. ages say how long before
// the conversion each was (only Decay reads them). It is nil for no touchpoints, and for
// Markov and Shapley, which go by channels.
//
// Linear gives 1/n. Position gives f to the first, l to the last and (1-f-l)/(n-2) to
// each between; of two touchpoints the rest is shared in the proportion f:l (evenly when
// both are 0), and one has it all. Decay gives in proportion to 2^(-age/halfLife).
func Weights(m Model, p Parameters, ages []time.Duration) []float64 {
	n := len(ages)
	if n == 0 {
		return nil
	}
	w := make([]float64, n)
	switch m {
	case First:
		w[0] = 1
	case Last:
		w[n-1] = 1
	case Linear:
		for i := range w {
			w[i] = 1 / float64(n)
		}
	case Position:
		position(w, p.FirstShare, p.LastShare)
	case Decay:
		decay(w, p.HalfLife, ages)
	default:
		return nil
	}
	return w
}

func position(w []float64, first, last float64) {
	n := len(w)
	switch {
	case n == 1:
		w[0] = 1
	case n == 2 && first+last == 0:
		w[0], w[1] = 0.5, 0.5
	case n == 2:
		w[0], w[1] = first/(first+last), last/(first+last)
	default:
		for i := range w {
			w[i] = (1 - first - last) / float64(n-2)
		}
		w[0], w[n-1] = first, last
	}
}

func decay(w []float64, half time.Duration, ages []time.Duration) {
	least := ages[0]
	for _, a := range ages {
		least = min(least, a)
	}
	sum := 0.0
	for i, a := range ages { // by how much older than the youngest, so that not all vanish
		w[i] = math.Exp2(-float64(a-least) / float64(half))
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
}
