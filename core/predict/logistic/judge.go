package logistic

import (
	"cmp"
	"math"
	"slices"
)

// AUC returns the chance that of two rows with different outcomes the one with the
// outcome has the higher score, ties counting half (Mann and Whitney's statistic); NaN
// when there is only one outcome.
func AUC(scores []float64, outcomes []bool) float64 {
	order := sorted(scores)
	var yes, no, sum float64
	for i := 0; i < len(order); {
		j := i
		var y, n float64
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			if outcomes[order[j]] {
				y++
			} else {
				n++
			}
		}
		sum += y * (no + n/2)
		yes, no, i = yes+y, no+n, j
	}
	if yes == 0 || no == 0 {
		return math.NaN()
	}
	return sum / (yes * no)
}

func sorted(scores []float64) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	return order
}

// Brier returns the mean square of chance less outcome: 0 is perfect, 0.25 is what always
// saying a half gets (Brier, 1950).
func Brier(chances []float64, outcomes []bool) float64 {
	sum := 0.0
	for i, p := range chances {
		if outcomes[i] {
			p = 1 - p
		}
		sum += p * p
	}
	return sum / float64(len(chances))
}

// LogLoss returns the mean negative log likelihood of the outcomes, chances taken as at
// least 1e-15 from certain.
func LogLoss(chances []float64, outcomes []bool) float64 {
	sum := 0.0
	for i, p := range chances {
		if !outcomes[i] {
			p = 1 - p
		}
		sum -= math.Log(min(max(p, 1e-15), 1-1e-15))
	}
	return sum / float64(len(chances))
}

// Bin is a line of a table of reliability: of so many rows that were given these chances,
// the share that had the outcome.
type Bin struct {
	Rows      int     `bson:"rows"`
	Predicted float64 `bson:"predicted"` // the mean chance
	Observed  float64 `bson:"observed"`
}

// Reliability returns at most so many bins of as equal sizes as can be, by rising chance.
func Reliability(chances []float64, outcomes []bool, bins int) []Bin {
	order := sorted(chances)
	n := len(order)
	var out []Bin
	for b := range bins {
		from, to := b*n/bins, (b+1)*n/bins
		if from == to {
			continue
		}
		bin := Bin{Rows: to - from}
		for _, i := range order[from:to] {
			bin.Predicted += chances[i] / float64(bin.Rows)
			if outcomes[i] {
				bin.Observed += 1 / float64(bin.Rows)
			}
		}
		out = append(out, bin)
	}
	return out
}

// Platt is a calibration: chance = 1/(1+exp(−(Slope·score+Offset))).
type Platt struct {
	Slope  float64 `bson:"slope"`
	Offset float64 `bson:"offset"`
}

// Chance returns the calibrated chance of a score.
func (p Platt) Chance(score float64) float64 { return Sigmoid(p.Slope*score + p.Offset) }

// Calibrate fits a Platt calibration to scores that a model gave rows which it was not
// fitted to (Platt, "Probabilistic Outputs for Support Vector Machines", 1999). A light
// ridge stands for Platt's prior, so that scores that part the outcomes have one too.
// It fails where Fit fails, and where it would turn the order of scores round, with the
// reason NOT_CONVERGED.
func Calibrate(scores []float64, outcomes []bool) (Platt, error) {
	rows := make([][]float64, len(scores))
	for i := range scores {
		rows[i] = scores[i : i+1]
	}
	m, err := Fit(rows, outcomes, Options{Ridge: 1e-3})
	if err != nil {
		return Platt{}, err
	}
	if m.Coef[0] <= 0 {
		return Platt{}, errNotConverged
	}
	return Platt{Slope: m.Coef[0], Offset: m.Intercept}, nil
}
