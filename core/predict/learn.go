package predict

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core/predict/logistic"
)

// What a model of conversions is trained from. A row is one person at the end of one
// period, and whether they became a customer in the next.
const (
	MinLeads       = 200 // people with a signal
	MinConversions = 50  // in the periods to learn from
	MinJudged      = 20  // in each of the two periods that are kept from it, and so many who did not
	maxPeriods     = 12
	maxRows        = 150_000
)

const noSignals = "no signals are declared; setPredictionSettings says what people do before they become customers"

// ridge keeps a number that says almost nothing from a great coefficient: next to what
// hundreds of rows say it is little.
const ridge = 1

// learning gathers rows by period: of the first the outcomes are known since today, of the
// second since a period ago, and so on. The latest period judges, the one before it
// calibrates what is judged, and the others are learnt from.
type learning struct {
	set    *Settings
	params *ConversionParams
	today  int32
	share  float64 // of rows that are kept
	people int64
	rows   [maxPeriods][][]float64
	turned [maxPeriods][]bool
}

// take adds the rows of somebody. Which of them are kept is chosen by their id, so that
// memory does not grow with people, and the same people give the same model.
func (l *learning) take(o *Outlook) {
	p, ok := l.set.pathOf(o, l.params.Outcome, l.params.Stage)
	if !ok {
		return
	}
	l.people++
	for k := range maxPeriods {
		day := l.today - int32((k+1)*l.params.Days)
		row, ok := p.at(day)
		if !ok || !l.keeps(o.ProfileID(), k) {
			continue
		}
		l.rows[k] = append(l.rows[k], row)
		l.turned[k] = append(l.turned[k], p.turnsIn(day, l.params.Days))
	}
}

func (l *learning) keeps(id string, period int) bool {
	if l.share >= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + strconv.Itoa(period)))
	return float64(h.Sum64()>>11)/(1<<53) < l.share
}

// from returns the rows of a period and all before it.
func (l *learning) from(period int) (rows [][]float64, turned []bool) {
	for k := maxPeriods - 1; k >= period; k-- {
		rows, turned = append(rows, l.rows[k]...), append(turned, l.turned[k]...)
	}
	return rows, turned
}

func count(list []bool) (yes, no int64) {
	for _, y := range list {
		if y {
			yes++
		} else {
			no++
		}
	}
	return yes, no
}

// missing says what there is too little of.
func (l *learning) missing() []string {
	var out []string
	if l.people < MinLeads {
		out = append(out, fmt.Sprintf("%d people have given a signal; a model needs %d", l.people, MinLeads))
	}
	_, learnt := l.from(2)
	if yes, no := count(learnt); yes < MinConversions || no < MinConversions {
		out = append(out, fmt.Sprintf("until %d days ago %d people %s within %d days of a time at which they had given a signal, and %d did not; a model needs %d of each",
			2*l.params.Days, yes, l.params.outcome(), l.params.Days, no, MinConversions))
	}
	for k, when := range []string{fmt.Sprintf("in the last %d days", l.params.Days), fmt.Sprintf("in the %d days before those", l.params.Days)} {
		if yes, no := count(l.turned[k]); yes < MinJudged || no < MinJudged {
			out = append(out, fmt.Sprintf("%s %d people %s, and %d did not; a model is judged by %d of each", when, yes, l.params.outcome(), no, MinJudged))
		}
	}
	return out
}

// calibrated fits to some rows and calibrates by others.
func calibrated(rows [][]float64, turned []bool, byRows [][]float64, byTurned []bool) (logistic.Model, logistic.Isotonic, error) {
	m, err := logistic.Fit(rows, turned, logistic.Options{Ridge: ridge})
	if err != nil {
		return m, logistic.Isotonic{}, err
	}
	odds := make([]float64, len(byRows))
	for i, r := range byRows {
		odds[i] = m.LogOdds(r)
	}
	c, err := logistic.FitIsotonic(odds, byTurned)
	return m, c, err
}

// fit fills in a model's parameters, and how good a model was that knew nothing of the
// latest period. It fails where nothing fits.
func (l *learning) fit(m *Model) error {
	rows, turned := l.from(2)
	past, scale, err := calibrated(rows, turned, l.rows[1], l.turned[1])
	if err != nil {
		return err
	}
	test, came := l.rows[0], l.turned[0]
	odds, chances, usual := make([]float64, len(test)), make([]float64, len(test)), make([]float64, len(test))
	yes, no := count(l.turned[1])
	for i, r := range test {
		odds[i] = past.LogOdds(r)
		chances[i], usual[i] = scale.Of(odds[i]), float64(yes)/float64(yes+no)
	}
	came1, _ := count(came)
	m.Quality = map[string]float64{
		"holdoutDays": float64(l.params.Days), "holdoutRows": float64(len(test)), "holdoutRate": float64(came1) / float64(len(test)),
		"holdoutAUC": logistic.AUC(odds, came), "holdoutLogLoss": logistic.LogLoss(chances, came), "naiveLogLoss": logistic.LogLoss(usual, came),
		"holdoutBrier": logistic.Brier(chances, came), "naiveBrier": logistic.Brier(usual, came),
	}
	m.Reliability = logistic.Reliability(chances, came, bins)

	rows, turned = l.from(1)
	if l.params.Fit, l.params.Calibration, err = calibrated(rows, turned, test, came); err != nil {
		return err
	}
	m.Quality["rows"], m.Quality["logLikelihood"] = float64(len(rows)), l.params.Fit.LogLikelihood
	l.describe(rows)
	m.Conversion = l.params
	return nil
}

// describe notes the means of numbers, and the bins that drift is worked out from.
func (l *learning) describe(rows [][]float64) {
	column := make([]float64, len(rows))
	l.params.Mean, l.params.Edges = nil, nil
	for j := range l.params.Keys {
		sum := 0.0
		for i, r := range rows {
			column[i] = r[j]
			sum += r[j]
		}
		l.params.Mean = append(l.params.Mean, sum/float64(len(rows)))
		l.params.Edges = append(l.params.Edges, edges(column))
	}
}

// outcome decides what becoming a customer is: see Outcome.
func (t *training) outcome(ctx context.Context) (Outcome, string, error) {
	stage := ""
	if t.s.Converted != nil {
		var err error
		if stage, err = t.s.Converted(ctx, t.ws); err != nil {
			return "", "", err
		}
	}
	switch {
	case t.set.Outcome == OrderOutcome || stage == "":
		return OrderOutcome, "", nil
	case t.set.Outcome == StageOutcome:
		return StageOutcome, stage, nil
	}
	staged := false
	err := t.everybody(ctx, nil, func(o *Outlook) {
		staged = staged || slices.ContainsFunc(o.Parts, func(p Part) bool { return len(p.Steps) > 0 })
	})
	if staged {
		return StageOutcome, stage, err
	}
	return OrderOutcome, "", err
}

// conversions reads what everybody did and fits a model to it.
func (t *training) conversions(ctx context.Context) error {
	now := t.s.now()
	m := &Model{Kind: Conversions, Status: Candidate, To: now, By: by(ctx)}
	t.pos.Model = m
	if len(t.set.Signals) == 0 {
		m.Status, m.Missing = Insufficient, said(noSignals)
		return t.next(ctx, "write")
	}
	outcome, stage, err := t.outcome(ctx)
	if err != nil {
		return err
	}
	total, err := Outlooks.Count(ctx, t.s.Store, whole(t.ws))
	if err != nil {
		return err
	}
	l := &learning{set: t.set, today: dayOf(now), share: maxRows / max(float64(total)*maxPeriods, 1), params: &ConversionParams{
		Outcome: outcome, Stage: stage, Days: t.set.WithinDays(), Rev: t.set.signalRev(), Keys: t.set.featureKeys(),
	}}
	if err := t.everybody(ctx, &m.Size.Barred, l.take); err != nil {
		return err
	}
	m.Size.Buyers, m.From = l.people, dayTime(l.today-int32(maxPeriods*l.params.Days))
	if m.Missing = l.missing(); len(m.Missing) > 0 {
		m.Status = Insufficient
		return t.next(ctx, "write")
	}
	if err := l.fit(m); err != nil {
		return t.unfit(ctx, err)
	}
	rows, _ := l.from(1)
	marks := l.params.tally()
	for _, r := range rows {
		marks.add(r)
	}
	m.Shares = sharesOf(marks.counts)
	for name, v := range m.Quality {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			delete(m.Quality, name)
		}
	}
	return t.next(ctx, "write")
}
