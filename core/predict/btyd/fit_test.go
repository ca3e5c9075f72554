package btyd

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

func TestFitFindsTheModelAgain(t *testing.T) {
	want, spend := Params{R: 0.6, Alpha: 40, A: 0.8, B: 2.5}, Spend{P: 6.25, Q: 3.74, Gamma: 15.44}
	cells, money := simulated(want, spend, 25_000, 400, rand.New(rand.NewPCG(7, 8)))
	list := cells.Cells(1)
	got, fitted, err := Fit(list)
	require.NoError(t, err)
	require.Equal(t, 25_000.0, fitted.Customers)
	require.Less(t, fitted.Gradient, flat)
	require.InEpsilon(t, want.R, got.R, 0.06)
	require.InEpsilon(t, want.Alpha, got.Alpha, 0.08)
	require.InEpsilon(t, want.A/(want.A+want.B), got.A/(got.A+got.B), 0.05)
	require.InEpsilon(t, want.A, got.A, 0.25)
	sum := 0.0
	for _, c := range list {
		sum += c.N * got.LogLikelihood(c.Customer)
	}
	require.InEpsilon(t, sum, fitted.LogLikelihood, 1e-9, "the likelihood is that of the customers")

	s, _, err := FitSpend(money.Cells())
	require.NoError(t, err)
	require.InEpsilon(t, spend.Mean(), s.Mean(), 0.03)
	require.InEpsilon(t, spend.P, s.P, 0.08)
	require.InEpsilon(t, spend.Q, s.Q, 0.08)
	require.InDelta(t, 0, Correlation(money.Cells()), 0.05)
}

func TestSlopesAreThoseOfTheLikelihoods(t *testing.T) {
	cells, money := simulated(Params{R: 0.6, Alpha: 40, A: 0.8, B: 2.5}, cdnowSpend, 500, 400, rand.New(rand.NewPCG(1, 1)))
	check := func(f func([]float64) float64, slope func(g, x []float64), x []float64) {
		g := make([]float64, len(x))
		slope(g, x)
		for i := range x {
			const h = 1e-5
			up, down := append([]float64{}, x...), append([]float64{}, x...)
			up[i] += h
			down[i] -= h
			require.InDelta(t, (f(up)-f(down))/(2*h), g[i], 1e-7, "parameter %d", i)
		}
	}
	l, m := newLikelihood(cells.Cells(1)), newSpendLikelihood(money.Cells())
	check(l.mean, l.slope, logs(0.3, 12, 1.4, 0.9))
	check(l.mean, l.slope, logs(2, 60, 0.3, 5))
	check(m.mean, m.slope, logs(2, 3, 20))
}

func TestFitSaysWhenThereIsNothingToFind(t *testing.T) {
	_, _, err := Fit(nil)
	require.Equal(t, "NO_REPEATS", core.AsError(err).Reason)
	var once Cells
	for i := range int64(100) {
		once.Add(0, 0, 100+i)
	}
	_, _, err = Fit(once.Cells(7))
	require.Equal(t, "NO_REPEATS", core.AsError(err).Reason)
	var clockwork Cells // everybody orders every tenth day and nobody leaves
	for range 500 {
		clockwork.Add(20, 200, 203)
	}
	_, _, err = Fit(clockwork.Cells(7))
	require.Equal(t, "NOT_CONVERGED", core.AsError(err).Reason)
	_, _, err = FitSpend([]SpendCell{{X: 1, M: 5, N: 1}})
	require.Equal(t, "NO_REPEATS", core.AsError(err).Reason)
}

func TestCellsStayFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	c := Cells{max: 1000}
	for range 50_000 {
		age := rng.Int64N(700)
		c.Add(rng.Int64N(8), rng.Int64N(age+1), age)
	}
	require.LessOrEqual(t, c.Len(), 1000)
	require.Equal(t, int64(50_000), c.Customers())
	require.Greater(t, c.Days(), int64(1))
	n := 0.0
	for _, cell := range c.Cells(7) {
		n += cell.N
		require.LessOrEqual(t, cell.TX, cell.T)
		require.False(t, cell.X == 0 && cell.TX != 0)
	}
	require.Equal(t, 50_000.0, n)
}

func TestCoarseCellsFitAlmostTheSame(t *testing.T) {
	want := Params{R: 0.6, Alpha: 40, A: 0.8, B: 2.5}
	fine, _ := simulated(want, cdnowSpend, 8_000, 400, rand.New(rand.NewPCG(9, 9)))
	coarse := &Cells{unit: 1, max: MaxCells, n: fine.n, all: fine.all}
	coarse.coarsen()
	coarse.coarsen()
	a, _, err := Fit(fine.Cells(7))
	require.NoError(t, err)
	b, _, err := Fit(coarse.Cells(7))
	require.NoError(t, err)
	c := Customer{X: 3, TX: 20, T: 30}
	require.InEpsilon(t, a.Expected(c, 13), b.Expected(c, 13), 0.03)
}

func TestScalesOfTimeAgree(t *testing.T) {
	cells, _ := simulated(Params{R: 0.6, Alpha: 40, A: 0.8, B: 2.5}, cdnowSpend, 5000, 400, rand.New(rand.NewPCG(2, 9)))
	days, _, err := Fit(cells.Cells(1))
	require.NoError(t, err)
	weeks, _, err := Fit(cells.Cells(7))
	require.NoError(t, err)
	require.InEpsilon(t, days.R, weeks.R, 1e-3)
	require.InEpsilon(t, days.Alpha, 7*weeks.Alpha, 1e-3)
	require.InEpsilon(t, days.Expected(Customer{X: 3, TX: 140, T: 210}, 70), weeks.Expected(Customer{X: 3, TX: 20, T: 30}, 10), 1e-3)
}

func BenchmarkFitMillion(b *testing.B) {
	cells, _ := simulated(Params{R: 0.6, Alpha: 60, A: 0.8, B: 2.5}, cdnowSpend, 1_000_000, 730, rand.New(rand.NewPCG(7, 8)))
	list := cells.Cells(7)
	b.ReportMetric(float64(len(list)), "cells")
	for b.Loop() {
		_, fitted, err := Fit(list)
		if err != nil || math.IsNaN(fitted.LogLikelihood) {
			b.Fatal(err)
		}
	}
}

func BenchmarkScore(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	customers := make([]Customer, 1000)
	for i := range customers {
		age := 1 + rng.Float64()*100
		customers[i] = Customer{X: float64(rng.IntN(12)), TX: age * rng.Float64(), T: age}
	}
	for i := 0; b.Loop(); i++ {
		c := customers[i%len(customers)]
		_ = cdnow.DiscountedOrders(c, 52, 0.002) * cdnowSpend.Expected(c.X, 30)
		_ = cdnow.Expected(c, 13)
		_ = cdnow.NextOrder(c, 0.5)
	}
}
