package btyd

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// exact adds up the power series in 300 bits.
func exact(a, b, c, z float64) float64 {
	const bits = 300
	f := func(v float64) *big.Float { return new(big.Float).SetPrec(bits).SetFloat64(v) }
	sum, term := f(1), f(1)
	bound := new(big.Float).SetMantExp(f(1), -150)
	for k := 0.0; k < 100_000; k++ {
		x := new(big.Float).SetPrec(bits)
		kk := f(k)
		term.Mul(term, x.Add(f(a), kk))
		term.Mul(term, new(big.Float).SetPrec(bits).Add(f(b), kk))
		term.Quo(term, new(big.Float).SetPrec(bits).Add(f(c), kk))
		term.Quo(term, f(k+1))
		term.Mul(term, f(z))
		sum.Add(sum, term)
		if new(big.Float).Abs(term).Cmp(bound) < 0 {
			break
		}
	}
	out, _ := sum.Float64()
	return out
}

func TestHypergeometricAgainstClosedForms(t *testing.T) {
	for _, z := range []float64{-30, -1, -0.3, 0, 0.1, 0.5, 0.9, 0.99} {
		near := func(want float64, a, b, c float64) {
			t.Helper()
			got, err := Hyp2F1(a, b, c, z)
			require.NoError(t, err)
			require.InEpsilon(t, want, got, 1e-12, "z %v", z)
		}
		near(math.Pow(1-z, -2.5), 2.5, 3.5, 3.5) // DLMF 15.4.6
		if z != 0 {
			near(-math.Log1p(-z)/z, 1, 1, 2) // 15.4.1
		}
		if z > 0 {
			near(math.Asin(math.Sqrt(z))/math.Sqrt(z), 0.5, 0.5, 1.5) // 15.4.4
		}
		if z < 0 {
			near(math.Atan(math.Sqrt(-z))/math.Sqrt(-z), 0.5, 1, 1.5) // 15.4.3
		}
	}
}

func TestHypergeometricAgainstHighPrecision(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		a, b, c, z := rng.Float64()*60, rng.Float64()*60, 0.1+rng.Float64()*80, rng.Float64()*0.95
		want := exact(a, b, c, z)
		if math.IsInf(want, 0) {
			continue
		}
		got, err := Hyp2F1(a, b, c, z)
		if err != nil {
			require.Less(t, c, a+b, "only the transformed series may cancel")
			continue
		}
		require.InEpsilon(t, want, got, 1e-6, "2F1(%v, %v; %v; %v)", a, b, c, z)
	}
}

func TestHypergeometricRefuses(t *testing.T) {
	for _, c := range [][4]float64{{1, 1, 0, 0.5}, {1, 1, -2, 0.5}, {1, 1, 2, 1}, {1, 1, 2, 7}, {math.NaN(), 1, 2, 0.5}} {
		_, err := Hyp2F1(c[0], c[1], c[2], c[3])
		require.Error(t, err, "%v", c)
	}
}

// The bracket of Mean is the Euler transform of what the paper has.
func TestMeanAgainstThePapersFormula(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		p := Params{R: 0.1 + rng.Float64()*20, Alpha: 1 + rng.Float64()*200, A: 0.1 + rng.Float64()*4, B: 1 + rng.Float64()*30}
		if math.Abs(p.A-1) < 0.02 {
			continue
		}
		at := 1 + rng.Float64()*100
		z := at / (p.Alpha + at)
		f := exact(p.R, p.B, p.A+p.B-1, z)
		want := (p.A + p.B - 1) / (p.A - 1) * (1 - math.Pow(p.Alpha/(p.Alpha+at), p.R)*f)
		require.InEpsilon(t, want, p.Mean(at), 1e-8, "%+v at %v", p, at)
	}
}

func TestMeanIsContinuousWhereTheFormulaIsNot(t *testing.T) {
	p := Params{R: 0.8, Alpha: 5, A: 1, B: 2.4}
	q := p
	q.A = 1 + 2e-3
	require.InEpsilon(t, q.Mean(30), p.Mean(30), 1e-3)
	p = Params{R: 0.8, Alpha: 5, A: 0.4, B: 0.6}
	q = p
	q.B = 0.6 + 1e-3
	require.InEpsilon(t, q.Mean(30), p.Mean(30), 1e-3)
}
