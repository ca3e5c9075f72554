package btyd

import (
	_ "embed"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/cdnow.txt
var cdnowTable string

// buyer is one person of the CDNOW sample: times in days, worth in cents.
type buyer struct{ x, tx, t, worth int64 }

// cdnowBuyers reads the sample.
func cdnowBuyers(t *testing.T) []buyer {
	t.Helper()
	whole := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return n
	}
	var out []buyer
	for line := range strings.Lines(cdnowTable) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		days, people, back := whole(fields[0]), whole(fields[1]), fields[2:]
		for _, f := range back {
			v := strings.Split(f, "/")
			require.Len(t, v, 3, f)
			out = append(out, buyer{whole(v[0]), whole(v[1]), days, whole(v[2])})
		}
		for range people - int64(len(back)) {
			out = append(out, buyer{t: days})
		}
	}
	return out
}

func TestFitIsThatPublishedForCDNOW(t *testing.T) {
	var cells Cells
	var compressed SpendCells
	var exact []SpendCell
	var back, again int64
	for _, b := range cdnowBuyers(t) {
		cells.Add(b.x, b.tx, b.t)
		if b.x > 0 {
			back, again = back+1, again+b.x
			compressed.Add(b.x, float64(b.worth)/100)
			exact = append(exact, SpendCell{X: float64(b.x), M: float64(b.worth) / 100, N: 1})
		}
	}
	require.Equal(t, []int64{2357, 946, 2457}, []int64{cells.Customers(), back, again}, "the totals of the paper")

	list := cells.Cells(7)
	got, fitted, err := Fit(list)
	require.NoError(t, err)
	rounded := func(v float64, digits int) float64 {
		p := math.Pow10(digits)
		return math.Round(v*p) / p
	}
	require.Equal(t, cdnow, Params{rounded(got.R, 3), rounded(got.Alpha, 3), rounded(got.A, 3), rounded(got.B, 3)}, "%+v", got)
	require.Equal(t, -9582.4, rounded(fitted.LogLikelihood, 1))
	require.InDelta(t, 1.226, got.Expected(Customer{X: 2, TX: 30.43, T: 38.86}, 39), 0.0005)

	// Of γ the paper has 15.44 and the maximum is 15.448: it was searched for with a solver
	// that stopped a little before, where the likelihood is the same to six digits.
	spend, money, err := FitSpend(exact)
	require.NoError(t, err)
	require.Equal(t, cdnowSpend.P, rounded(spend.P, 2), "%+v", spend)
	require.Equal(t, cdnowSpend.Q, rounded(spend.Q, 2))
	require.InDelta(t, cdnowSpend.Gamma, spend.Gamma, 0.01)
	published := -newSpendLikelihood(exact).mean(logs(cdnowSpend.P, cdnowSpend.Q, cdnowSpend.Gamma)) * money.Customers
	require.LessOrEqual(t, published, money.LogLikelihood)
	require.InDelta(t, published, money.LogLikelihood, 0.002)
	require.InDelta(t, 0.11, Correlation(exact), 0.01, "as the note has it")

	// Amounts are rounded to half a percent where they are kept for a training.
	near, _, err := FitSpend(compressed.Cells())
	require.NoError(t, err)
	require.InEpsilon(t, spend.P, near.P, 0.005)
	require.InEpsilon(t, spend.Q, near.Q, 0.005)
	require.InEpsilon(t, spend.Gamma, near.Gamma, 0.005)
	require.InEpsilon(t, spend.Mean(), near.Mean(), 0.001)
}
