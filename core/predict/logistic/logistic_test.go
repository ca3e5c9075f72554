package logistic

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// mtcars are hp, wt and am of the 32 cars of Henderson and Velleman (1981), which R
// brings along.
var mtcars = [][3]float64{
	{110, 2.620, 1}, {110, 2.875, 1}, {93, 2.320, 1}, {110, 3.215, 0}, {175, 3.440, 0}, {105, 3.460, 0}, {245, 3.570, 0}, {62, 3.190, 0},
	{95, 3.150, 0}, {123, 3.440, 0}, {123, 3.440, 0}, {180, 4.070, 0}, {180, 3.730, 0}, {180, 3.780, 0}, {205, 5.250, 0}, {215, 5.424, 0},
	{230, 5.345, 0}, {66, 2.200, 1}, {52, 1.615, 1}, {65, 1.835, 1}, {97, 2.465, 0}, {150, 3.520, 0}, {150, 3.435, 0}, {245, 3.840, 0},
	{175, 3.845, 0}, {66, 1.935, 1}, {91, 2.140, 1}, {113, 1.513, 1}, {264, 3.170, 1}, {175, 2.770, 1}, {335, 3.570, 1}, {109, 2.780, 1},
}

func TestFitIsGLMsOfR(t *testing.T) {
	var rows [][]float64
	var am []bool
	for _, c := range mtcars {
		rows, am = append(rows, []float64{c[0], c[1]}), append(am, c[2] == 1)
	}
	m, err := Fit(rows, am, Options{})
	require.NoError(t, err)
	// glm(am ~ hp + wt, binomial, mtcars): coefficients, standard errors, deviance.
	require.InDelta(t, 18.86630, m.Intercept, 1e-5)
	require.InDelta(t, 0.0362556, m.Coef[0], 1e-7)
	require.InDelta(t, -8.083475, m.Coef[1], 1e-6)
	require.InDelta(t, 7.44356, m.Errors[0], 1e-3)
	require.InDelta(t, 0.01773, m.Errors[1], 1e-4)
	require.InDelta(t, 3.06868, m.Errors[2], 1e-3)
	require.InDelta(t, 10.059, -2*m.LogLikelihood, 1e-3)

	ridged, err := Fit(rows, am, Options{Ridge: 1})
	require.NoError(t, err)
	require.Less(t, math.Abs(ridged.Coef[1]), math.Abs(m.Coef[1]))
	require.Less(t, ridged.LogLikelihood, m.LogLikelihood)
}

func TestFitRefusesWhatHasNoMaximum(t *testing.T) {
	rows, y := [][]float64{{1}, {2}, {3}, {4}}, []bool{false, false, true, true}
	_, err := Fit(rows, y, Options{})
	require.Equal(t, "NOT_CONVERGED", core.AsError(err).Reason)
	m, err := Fit(rows, y, Options{Ridge: 0.1})
	require.NoError(t, err)
	require.Greater(t, m.Chance([]float64{4}), 0.9)
	require.InDelta(t, 0.5, m.Chance([]float64{2.5}), 1e-9)

	twice := [][]float64{{1, 2}, {2, 4}, {3, 6}, {4, 8}, {5, 10}}
	_, err = Fit(twice, []bool{true, false, true, false, true}, Options{})
	require.Equal(t, "NOT_CONVERGED", core.AsError(err).Reason)
	_, err = Fit(rows, []bool{true, true, true, true}, Options{})
	require.Equal(t, "ONE_OUTCOME", core.AsError(err).Reason)
}

func TestQuality(t *testing.T) {
	y := []bool{false, false, true, true}
	require.Equal(t, 1.0, AUC([]float64{1, 2, 3, 4}, y))
	require.Equal(t, 0.0, AUC([]float64{4, 3, 2, 1}, y))
	require.Equal(t, 0.75, AUC([]float64{0.1, 0.4, 0.35, 0.8}, y), "of scikit-learn's documentation")
	require.Equal(t, 0.5, AUC([]float64{1, 1, 1, 1}, y))
	require.True(t, math.IsNaN(AUC([]float64{1, 2}, []bool{true, true})))
	require.InDelta(t, 0.0375, Brier([]float64{0.1, 0.9, 0.8, 0.3}, []bool{false, true, true, false}), 1e-12, "likewise")
	require.InDelta(t, math.Ln2, LogLoss([]float64{0.5, 0.5}, []bool{true, false}), 1e-12)
	require.Equal(t, []Bin{{2, 0.1875, 0.5}, {2, 0.75, 1}}, Reliability([]float64{0.875, 0.125, 0.625, 0.25}, []bool{true, false, true, true}, 2))
}

func TestCalibrationPutsScoresRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	var scores []float64
	var y []bool
	for range 20_000 {
		s := rng.NormFloat64() * 2
		scores = append(scores, 3*s+1) // three times as sure as it may be
		y = append(y, rng.Float64() < Sigmoid(s))
	}
	p, err := Calibrate(scores, y)
	require.NoError(t, err)
	require.InDelta(t, 1.0/3, p.Slope, 0.02)
	require.InDelta(t, -1.0/3, p.Offset, 0.05)
	var before, after []float64
	for _, s := range scores {
		before, after = append(before, Sigmoid(s)), append(after, p.Chance(s))
	}
	require.Less(t, Brier(after, y), Brier(before, y))
	for _, b := range Reliability(after, y, 10) {
		require.InDelta(t, b.Predicted, b.Observed, 0.04)
	}
	for i := range y {
		y[i] = !y[i]
	}
	_, err = Calibrate(scores, y)
	require.Error(t, err, "a score that says the opposite is no score")
}
