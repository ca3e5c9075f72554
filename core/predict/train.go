package predict

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/predict/btyd"
	"github.com/headwater-cdp/headwater/core/predict/logistic"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// TrainKind is the kind of the jobs that train models. Their result is a TrainResult.
const TrainKind = "predict.train"

// trainInput is the input of a training.
type trainInput struct {
	Kind     Kind `bson:"kind"`
	Activate bool `bson:"activate"`
	// Cautious keeps the active model where the new one did clearly worse on what neither
	// had seen.
	Cautious bool `bson:"cautious,omitempty"`
}

// TrainResult says what a training found.
type TrainResult struct {
	Model  string      `bson:"model"` // its id
	Status ModelStatus `bson:"status"`
}

// Train starts the training of a model; the same idempotency key gives the same job.
func (s *Service) Train(ctx context.Context, ws string, kind Kind, activate bool, idempotencyKey string) (*work.Job, error) {
	if s.Jobs == nil {
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process runs no jobs")
	}
	if !slices.Contains(Kinds, kind) {
		return nil, core.Errorf(core.Invalid, "MODEL_KIND", "models are of the kinds ORDERS, BASKETS, HOURS and CONVERSIONS").At("kind")
	}
	set, err := s.settings(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	var job *work.Job
	err = work.Retry(ctx, attempts, func() error {
		ops, err := s.begin(ctx, ws, set)
		if err != nil {
			return err
		}
		job, err = s.Jobs.Start(ctx, TrainKind, ws, trainInput{Kind: kind, Activate: activate}, idempotencyKey, ops...)
		return err
	})
	return job, err
}

// trained is where a training stands: after a crash it goes on with its present step,
// from the beginning of it but where it folds.
type trained struct {
	Step  string       `bson:"step"` // "", "cells", "judge" or "write"
	At    string       `bson:"at,omitempty"`
	Done  int64        `bson:"done"`
	Model *Model       `bson:"model,omitempty"`
	Until int32        `bson:"until,omitempty"` // the last day of what the model that is judged knows
	Past  *btyd.Params `bson:"past,omitempty"`  // fitted to what was known then
}

// train is the handler of TrainKind.
func (s *Service) train(ctx context.Context, run *work.JobRun) error {
	var in trainInput
	if err := run.Input(&in); err != nil {
		return err
	}
	var pos trained
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	ws := run.Workspace()
	set, err := s.readSettings(ctx, ws)
	if err != nil {
		return err
	}
	t := &training{s: s, ws: ws, run: run, set: set, in: in, pos: &pos}
	if pos.Step == "" {
		if err := t.fold(ctx); err != nil {
			return err
		}
	}
	if in.Kind == Baskets {
		return t.baskets(ctx)
	}
	if in.Kind == Hours {
		return t.hours(ctx)
	}
	if pos.Step == "cells" && in.Kind == Conversions {
		if err := t.conversions(ctx); err != nil {
			return err
		}
	}
	if pos.Step == "cells" {
		if err := t.fit(ctx); err != nil {
			return err
		}
	}
	if pos.Step == "judge" {
		if err := t.judge(ctx); err != nil {
			return err
		}
	}
	return t.write(ctx)
}

// training is one run of a training.
type training struct {
	s   *Service
	ws  string
	run *work.JobRun
	set *Settings
	in  trainInput
	pos *trained
}

// next notes that a step is done.
func (t *training) next(ctx context.Context, step string, ops ...store.Op) error {
	t.pos.Step, t.pos.At = step, ""
	return t.run.Step(ctx, t.pos.Done, 0, t.pos, ops...)
}

// fold sees to it that everybody's past was folded by the present settings.
func (t *training) fold(ctx context.Context) error {
	done, err := t.s.upToDate(ctx, t.ws, t.set)
	if err != nil {
		return err
	}
	if !done {
		err := t.s.foldAll(ctx, t.run, t.pos.At, func(last string, n int64) error {
			t.pos.At, t.pos.Done = last, t.pos.Done+n
			return t.run.Step(ctx, t.pos.Done, 0, t.pos)
		})
		if err != nil {
			return err
		}
	}
	return t.next(ctx, "cells")
}

// each calls f with every outlook of somebody who has ordered and does not object.
func (t *training) each(ctx context.Context, barred *int64, f func(*Outlook, []Day)) error {
	return t.everybody(ctx, barred, func(o *Outlook) {
		if days := o.days(); len(days) > 0 {
			f(o, days)
		}
	})
}

func whole(ws string) store.Query { return store.Query{Workspace: ws} }

// everybody calls f with every outlook of somebody who does not object, in pages. What a
// step gathers is in memory, so that it begins anew in another process.
func (t *training) everybody(ctx context.Context, barred *int64, f func(*Outlook)) error {
	total, err := Outlooks.Count(ctx, t.s.Store, whole(t.ws))
	if err != nil {
		return err
	}
	done := int64(0)
	return walk(ctx, t.s.Store, Outlooks, t.ws, "", func(page []*Outlook) error {
		for _, o := range page {
			switch {
			case !o.Barred:
				f(o)
			case barred != nil:
				*barred++
			}
		}
		done += int64(len(page))
		return t.run.Step(ctx, t.pos.Done+done, t.pos.Done+max(total, done), nil)
	})
}

// holdoutDays is how much of a window is kept from the model that is judged: a third of
// it, at most as far as orders are expected.
func holdoutDays(window int64, set *Settings) int32 {
	return int32(max(30, min(window/3, int64(set.HorizonDays))))
}

// fit reads everybody's orders into cells and fits a model to them, and another to those
// before the time that the first is judged by.
func (t *training) fit(ctx context.Context) error {
	now := t.s.now()
	today := dayOf(now)
	m := &Model{Kind: Orders, Status: Candidate, To: now, By: by(ctx)}
	span := struct{ first, last int32 }{math.MaxInt32, 0}
	var all btyd.Cells
	var spend btyd.SpendCells
	var sum typical
	err := t.each(ctx, &m.Size.Barred, func(_ *Outlook, days []Day) {
		h, ok := historyUntil(days, today)
		if !ok {
			return
		}
		span.first, span.last = min(span.first, h.first), max(span.last, h.last)
		m.Size.count(h)
		all.Add(h.x, h.tx, h.t)
		spend.Add(h.worthDays, h.mean)
		if h.x > 0 {
			sum.X += float64(h.x)
			sum.Gap += float64(h.t-h.tx) / week
			sum.Tenure += float64(h.t) / week
			sum.Amount += h.mean
		}
	})
	if err != nil {
		return err
	}
	t.pos.Model = m
	if m.Size.Buyers > 0 {
		m.From, m.Size.Days = dayTime(span.first), int64(span.last-span.first)
	}
	if m.Missing = m.Size.missing(); len(m.Missing) > 0 {
		m.Status = Insufficient
		return t.next(ctx, "write")
	}
	cells := all.Cells(week)
	m.Size.Cells, m.Size.RoundedTo = int64(len(cells)), all.Days()
	params, fitted, err := btyd.Fit(cells)
	if err != nil {
		return t.unfit(ctx, err)
	}
	n := float64(m.Size.Repeaters)
	m.Params = &Params{Orders: params, Typical: typical{sum.X / n, sum.Gap / n, sum.Tenure / n, sum.Amount / n}}
	m.Quality = map[string]float64{"logLikelihood": fitted.LogLikelihood, "gradient": fitted.Gradient}
	money := spend.Cells()
	if s, fitted, err := btyd.FitSpend(money); err == nil {
		m.Params.Spend = &s
		m.Quality["spendLogLikelihood"] = fitted.LogLikelihood
		if c := btyd.Correlation(money); !math.IsNaN(c) {
			m.Quality["spendCorrelation"] = c
		}
	} else {
		m.Missing = append(m.Missing, "value is not predicted: "+core.AsError(err).Message)
	}
	t.pos.Until = today - holdoutDays(m.Size.Days, t.set)
	return t.next(ctx, "judge")
}

func (t *training) unfit(ctx context.Context, err error) error {
	if core.CodeOf(err) != core.Invalid {
		return err
	}
	t.pos.Model.Status, t.pos.Model.Missing = Unfit, []string{core.AsError(err).Message}
	return t.next(ctx, "write")
}

func (z *Size) count(h history) {
	z.Buyers++
	z.Orders += h.orders
	if h.x >= 1 {
		z.Repeaters++
	}
	if h.x >= 2 {
		z.Regulars++
	}
}

// sampled is how many people the quality of chances is worked out from.
const sampled = 50_000

// judge fits a model to what was known some time ago and compares what it says with what
// then happened.
func (t *training) judge(ctx context.Context) error {
	m, today := t.pos.Model, dayOf(t.pos.Model.To)
	var none int64
	var past btyd.Cells
	hist := newHistogram(m.Params.Typical)
	err := t.each(ctx, &none, func(_ *Outlook, days []Day) {
		if h, ok := historyUntil(days, t.pos.Until); ok {
			past.Add(h.x, h.tx, h.t)
		}
		if h, ok := historyUntil(days, today); ok {
			hist.add(h)
		}
	})
	if err != nil {
		return err
	}
	m.Shares = hist.shares()
	params, _, err := btyd.Fit(past.Cells(week))
	if err != nil {
		// The whole can be fitted and its beginning cannot: then it is used unjudged.
		if core.CodeOf(err) != core.Invalid {
			return err
		}
		return t.next(ctx, "write")
	}
	ahead := float64(today-t.pos.Until) / week
	var people, off, naiveOff, said, came float64
	var chances []float64
	var again []bool
	rng := rand.New(rand.NewPCG(1, uint64(today)))
	err = t.each(ctx, &none, func(_ *Outlook, days []Day) {
		h, ok := historyUntil(days, t.pos.Until)
		if !ok {
			return
		}
		made := 0.0
		for _, d := range days {
			if d.Day > t.pos.Until && d.Day <= today {
				made++
			}
		}
		c := h.customer()
		expected := params.Expected(c, ahead)
		people++
		said, came = said+expected, came+made
		off += math.Abs(expected - made)
		naiveOff += math.Abs(c.X/max(c.T, 1/week)*ahead - made)
		chance := 1 - params.Orders(c, ahead, 1)[0]
		if i := int(people) - 1; i < sampled {
			chances, again = append(chances, chance), append(again, made > 0)
		} else if k := rng.IntN(i + 1); k < sampled {
			chances[k], again[k] = chance, made > 0
		}
	})
	if err != nil {
		return err
	}
	q := m.Quality
	q["holdoutDays"], q["holdoutBuyers"] = float64(today-t.pos.Until), people
	if people > 0 {
		q["holdoutMAE"], q["naiveMAE"] = off/people, naiveOff/people
		q["holdoutBrier"] = logistic.Brier(chances, again)
		if auc := logistic.AUC(chances, again); !math.IsNaN(auc) {
			q["holdoutAUC"] = auc
		}
		if came > 0 {
			q["holdoutBias"] = said/came - 1
		}
	}
	return t.next(ctx, "write")
}

// write stores the model, and makes it the active one where it was asked for.
func (t *training) write(ctx context.Context) error {
	m := t.pos.Model
	if m.Number > 0 { // it was written before this process had the job
		return t.run.Result(TrainResult{Model: store.Rest(modelKey(t.ws, m.Kind, m.Number)), Status: m.Status})
	}
	return work.Retry(ctx, attempts, func() error {
		next := *m
		next.Number = 1
		if last, err := t.s.latest(ctx, t.ws, m.Kind); err != nil {
			return err
		} else if last != nil {
			next.Number = last.Number + 1
		}
		next.Meta, next.At = store.Meta{ID: modelKey(t.ws, next.Kind, next.Number)}, t.s.now()
		ops, err := t.activation(ctx, &next)
		if err != nil {
			return err
		}
		if err := t.run.Result(TrainResult{Model: next.ModelID(), Status: next.Status}); err != nil {
			return err
		}
		t.pos.Model = &next
		if err = t.run.Step(ctx, t.pos.Done, 0, t.pos, append(ops, Models.Insert(&next))...); lost(err) {
			t.pos.Model = m
		}
		if err == nil {
			t.s.Jobs.Wake()
		}
		return err
	})
}

// activation marks a model active where it may be, and returns what must be committed
// with it.
func (t *training) activation(ctx context.Context, m *Model) ([]store.Op, error) {
	if m.Status != Candidate || !t.in.Activate {
		return nil, nil
	}
	if good, err := t.better(ctx, m); err != nil || !good {
		return nil, err
	}
	ops, err := t.s.activation(ctx, t.ws, m)
	if err != nil || m.Kind == Baskets {
		return ops, err
	}
	_, more, err := t.s.Jobs.Prepare(ctx, ScoreKind, t.ws, nil, "")
	return append(ops, more...), err
}

// better reports whether a model may become the active one.
func (t *training) better(ctx context.Context, m *Model) (bool, error) {
	if !t.in.Cautious {
		return true, nil
	}
	old, err := t.s.readActive(ctx, t.ws, m.Kind)
	if err != nil || old == nil {
		return err == nil, err
	}
	if m.Kind == Hours { // what came was held to be less than a twentieth less likely
		a, known := old.Quality["holdoutLogLikelihood"]
		b, judged := m.Quality["holdoutLogLikelihood"]
		return !known || judged && b >= a-0.05, nil
	}
	by := "holdoutMAE"
	if m.Kind == Conversions {
		by = "holdoutLogLoss"
	}
	a, known := old.Quality[by]
	b, judged := m.Quality[by]
	return !known || judged && b <= 1.1*a, nil
}

// by names who acts.
func by(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}

// scheduleKind is the kind of the tasks that start trainings which nobody asks for.
const scheduleKind = "predict.schedule"

// begin returns the operations that begin the sweep and the timer of a workspace where
// they have not begun.
func (s *Service) begin(ctx context.Context, ws string, set *Settings) ([]store.Op, error) {
	ops, err := s.sweep().Begin(ctx, s.Store, ws)
	if err != nil || set.RetrainDays == 0 {
		return ops, err
	}
	task, err := work.Find(ctx, s.Store, ws, scheduleKind, "train")
	if err != nil {
		return nil, err
	}
	if task == nil {
		ops = append(ops, work.Enqueue(work.Item{Kind: scheduleKind, Workspace: ws, Name: "train", DueAt: s.now().AddDate(0, 0, set.RetrainDays)}))
	}
	return ops, nil
}

// schedule starts the trainings that are due, and is due again.
func (s *Service) schedule(ctx context.Context, l *work.Lease) error {
	ws := l.Task().Workspace
	set, err := s.readSettings(ctx, ws)
	if err != nil || set.RetrainDays == 0 {
		return err
	}
	for _, kind := range Kinds {
		if kind == Conversions && len(set.Signals) == 0 {
			continue
		}
		key := fmt.Sprintf("scheduled %s %s", kind, s.now().Format(time.DateOnly))
		if _, err := s.Jobs.Start(ctx, TrainKind, ws, trainInput{Kind: kind, Activate: true, Cautious: true}, key); err != nil {
			return err
		}
	}
	return l.Reschedule(ctx, s.now().AddDate(0, 0, set.RetrainDays), nil)
}
