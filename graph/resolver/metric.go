package resolver

import (
	"context"
	"encoding/json"
	"reflect"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type metricFields struct{ *Resolver }

// MetricDefinition implements gen.ResolverRoot.
func (r *Resolver) MetricDefinition() gen.MetricDefinitionResolver { return metricFields{r} }

// Description answers MetricDefinition.description.
func (r metricFields) Description(_ context.Context, m *insight.Metric) (*string, error) {
	return text(m.Description), nil
}

// Currency answers MetricDefinition.currency.
func (r metricFields) Currency(_ context.Context, m *insight.Metric) (*string, error) {
	return text(m.Currency), nil
}

// Numerator answers MetricDefinition.numerator.
func (r metricFields) Numerator(_ context.Context, m *insight.Metric) (*gen.MetricMeasure, error) {
	return measureOf(&m.Numerator), nil
}

// Minus answers MetricDefinition.minus.
func (r metricFields) Minus(_ context.Context, m *insight.Metric) (*gen.MetricMeasure, error) {
	return measureOf(m.Minus), nil
}

// Denominator answers MetricDefinition.denominator.
func (r metricFields) Denominator(_ context.Context, m *insight.Metric) (*gen.MetricMeasure, error) {
	return measureOf(m.Denominator), nil
}

// Dimensions answers MetricDefinition.dimensions.
func (r metricFields) Dimensions(_ context.Context, m *insight.Metric) ([]*insight.Dimension, error) {
	out := make([]*insight.Dimension, len(m.Dimensions))
	for i := range m.Dimensions {
		out[i] = &m.Dimensions[i]
	}
	return out, nil
}

func measureOf(m *insight.Measure) *gen.MetricMeasure {
	if m == nil {
		return nil
	}
	out := &gen.MetricMeasure{Value: m.Value, Event: text(m.Event), Path: text(m.Path), Currency: text(m.Currency), Metric: text(m.Metric), ToDate: m.ToDate}
	if m.Where != "" {
		out.Where = scalar.JSON(m.Where)
	}
	if m.Context != "" {
		out.Context = scalar.JSON(m.Context)
	}
	return out
}

func measureFrom(in *gen.MetricMeasureInput) *insight.Measure {
	if in == nil {
		return nil
	}
	out := &insight.Measure{
		Value: in.Value, Event: value(in.Event), Path: value(in.Path), Currency: value(in.Currency), Metric: value(in.Metric), ToDate: in.ToDate,
	}
	if !in.Where.IsNull() {
		out.Where = string(in.Where)
	}
	if !in.Context.IsNull() {
		out.Context = string(in.Context)
	}
	return out
}

func definitionFrom(in *gen.MetricDefinitionInput) insight.Definition {
	d := insight.Definition{
		Title: in.Title, Description: value(in.Description), Unit: in.Unit, Calc: in.Calc, Numerator: *measureFrom(in.Numerator),
		Minus: measureFrom(in.Minus), Denominator: measureFrom(in.Denominator), Currency: value(in.Currency), TimeZone: in.TimeZone,
	}
	for _, one := range in.Dimensions {
		d.Dimensions = append(d.Dimensions, *one)
	}
	return d
}

// inDefinition puts faults of a definition below it.
func inDefinition(err error) error {
	if err == nil {
		return nil
	}
	e := core.AsError(err)
	if len(e.Path) == 0 {
		return err
	}
	switch e.Path[0] {
	case "name", "idempotencyKey", "expectedVersion":
		return err
	}
	return e.At("definition")
}

// Metric answers Query.metric.
func (r query) Metric(ctx context.Context, name string, from, to time.Time, by []string, grain insight.Grain, timeZone, segmentID *string, compare *bool) (*gen.Metric, error) {
	a, err := r.Figures.Ask(ctx, workspace(ctx), insight.Question{
		Name: name, From: from, To: to, By: by, Grain: grain, TimeZone: value(timeZone), Segment: value(segmentID), Compare: value(compare),
	})
	if err != nil {
		return nil, err
	}
	return metricOf(a, by)
}

func metricOf(a *insight.Answer, by []string) (*gen.Metric, error) {
	out := &gen.Metric{
		Name: a.Metric.Name(), Unit: a.Metric.Unit, Currency: text(a.Currency), From: a.From, To: a.To, FreshAsOf: a.FreshAt, Rows: make([]*gen.MetricRow, len(a.Rows)),
	}
	for i := range a.Rows {
		row := &a.Rows[i]
		dims := make(map[string]*string, len(by))
		for k, key := range by {
			dims[key] = text(row.Dimensions[k])
		}
		raw, err := json.Marshal(dims)
		if err != nil {
			return nil, err
		}
		out.Rows[i] = &gen.MetricRow{
			From: row.From, To: row.To, Dimensions: scalar.JSON(raw), Value: decimalOf(row.Value), State: gen.FigureState(row.State), Previous: decimalOf(row.Previous),
			Target: decimalOf(row.Target), Missing: listOr(row.Missing),
		}
	}
	return out, nil
}

func decimalOf(d *condition.Decimal) *scalar.Decimal {
	if d == nil {
		return nil
	}
	return ptr(scalar.Decimal(d.String()))
}

// MetricDefinition answers Query.metricDefinition.
func (r query) MetricDefinition(ctx context.Context, name string) (*insight.Metric, error) {
	return r.Figures.Get(ctx, workspace(ctx), name)
}

// Metrics answers Query.metrics.
func (r query) Metrics(ctx context.Context, archived bool, first *int, after *string, last *int, before *string) (*view.MetricDefinitionConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	page, total, err := r.Figures.List(ctx, workspace(ctx), archived, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(context.Context) (int64, error) { return total, nil }), nil
}

// CreateMetric answers Mutation.createMetric.
func (r mutation) CreateMetric(ctx context.Context, in gen.CreateMetricInput) (*gen.CreateMetricPayload, error) {
	m, job, err := r.Figures.Create(ctx, workspace(ctx), in.Name, definitionFrom(in.Definition), in.IdempotencyKey, in.DryRun)
	out := &gen.CreateMetricPayload{Job: job, MissingRates: []*gen.MissingRate{}}
	if err == nil {
		out.MissingRates, err = r.missingRates(ctx, m.Name(), "")
	}
	out.Metric, out.UserErrors, err = settled(m, inDefinition(err))
	return out, err
}

// UpdateMetric answers Mutation.updateMetric.
func (r mutation) UpdateMetric(ctx context.Context, in gen.UpdateMetricInput) (*gen.UpdateMetricPayload, error) {
	m, job, err := r.Figures.Update(ctx, workspace(ctx), in.Name, int64(in.ExpectedVersion), func(d *insight.Definition) { *d = definitionFrom(in.Definition) }, in.DryRun)
	out := &gen.UpdateMetricPayload{Job: job, MissingRates: []*gen.MissingRate{}}
	if err == nil {
		out.MissingRates, err = r.missingRates(ctx, m.Name(), "")
	}
	out.Metric, out.UserErrors, err = settled(m, inDefinition(err))
	return out, err
}

// ArchiveMetric answers Mutation.archiveMetric.
func (r mutation) ArchiveMetric(ctx context.Context, in gen.ArchiveMetricInput) (*gen.ArchiveMetricPayload, error) {
	m, job, err := r.Figures.Archive(ctx, workspace(ctx), in.Name, int64(in.ExpectedVersion), in.Archived, false)
	out := &gen.ArchiveMetricPayload{Job: job}
	out.Metric, out.UserErrors, err = settled(m, err)
	return out, err
}

// ExchangeRates answers Query.exchangeRates.
func (r query) ExchangeRates(ctx context.Context, from, to string) ([]*gen.ExchangeRate, error) {
	list, err := r.Figures.Rates(ctx, workspace(ctx), from, to)
	if err != nil {
		return nil, err
	}
	out := make([]*gen.ExchangeRate, len(list))
	for i, one := range list {
		out[i] = &gen.ExchangeRate{From: one.From, To: one.To, Day: one.Day.String(), Rate: scalar.Decimal(one.Rate.String())}
	}
	return out, nil
}

// PutExchangeRates answers Mutation.putExchangeRates.
func (r mutation) PutExchangeRates(ctx context.Context, in gen.PutExchangeRatesInput) (*gen.PutExchangeRatesPayload, error) {
	list, err := ratesFrom(in.Rates)
	if err == nil {
		err = r.Figures.SetRates(ctx, workspace(ctx), list)
	}
	out := &gen.PutExchangeRatesPayload{}
	if err == nil {
		out.Set = len(list)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

func ratesFrom(in []*gen.ExchangeRateInput) ([]insight.ExchangeRate, error) {
	out := make([]insight.ExchangeRate, len(in))
	for i, one := range in {
		day, err := insight.ParseDate(one.Day)
		if err != nil {
			return nil, core.AsError(err).At("rates", strconv.Itoa(i), "day")
		}
		rate, ok := condition.ParseDecimal(string(one.Rate))
		if !ok {
			return nil, core.Errorf(core.Invalid, "RATE", "a rate is a number above 0").At("rates", strconv.Itoa(i), "rate")
		}
		out[i] = insight.ExchangeRate{From: one.From, To: one.To, Day: day, Rate: rate}
	}
	return out, nil
}

// metricPause is how long changes of a metric are gathered before its values are told again.
const metricPause = 500 * time.Millisecond

// MetricChanged answers Subscription.metricChanged.
func (r subscription) MetricChanged(ctx context.Context, name string, from, to time.Time, by []string, grain insight.Grain, timeZone *string) (<-chan *gen.Metric, error) {
	t := &metricTeller{Resolver: r.Resolver, ws: workspace(ctx), out: make(chan *gen.Metric),
		q: insight.Question{Name: name, From: from, To: to, By: by, Grain: grain, TimeZone: value(timeZone)}}
	err := t.listen(ctx)
	if err != nil {
		return nil, err
	}
	if t.now, err = r.Figures.Ask(ctx, t.ws, t.q); err != nil {
		_ = t.changes.Close()
		return nil, err
	}
	go t.run(ctx)
	return t.out, nil
}

// same reports whether two answers look the same.
func same(a, b *insight.Answer, by []string) bool {
	one, errA := metricOf(a, by)
	two, errB := metricOf(b, by)
	return errA == nil && errB == nil && reflect.DeepEqual(one.Rows, two.Rows)
}

// metricTeller tells one subscriber a metric's values.
type metricTeller struct {
	*Resolver
	ws      string
	q       insight.Question
	out     chan *gen.Metric
	watched []store.Filter // what changes are of
	changes store.Stream
	now     *insight.Answer // what was told last
}

// listen begins to hear of the changes that the metric depends on as it is defined now.
func (t *metricTeller) listen(ctx context.Context) error {
	token, err := t.Hub.Now(ctx)
	if err != nil {
		return err
	}
	if t.watched, err = t.Figures.Watched(ctx, t.ws, t.q.Name); err != nil {
		return err
	}
	t.changes, err = t.Hub.Subscribe(ctx, token, t.watched...)
	return err
}

// run sends values, and again when they are others, until the stream ends.
func (t *metricTeller) run(ctx context.Context) {
	defer close(t.out)
	defer func() { _ = t.changes.Close() }()
	err := t.send(ctx)
	for again := true; again && err == nil; {
		again = false
		err = follow(ctx, t.changes, func(store.Token) (bool, error) {
			if err := (core.SystemClock{}).Sleep(ctx, metricPause); err != nil {
				return true, err
			}
			watched, err := t.Figures.Watched(ctx, t.ws, t.q.Name)
			if again = err == nil && !reflect.DeepEqual(watched, t.watched); again || err != nil {
				return true, err
			}
			return false, t.tell(ctx)
		})
		if again && err == nil {
			_ = t.changes.Close()
			if err = t.listen(ctx); err == nil {
				err = t.tell(ctx)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		engine.EndStream(ctx, err)
	}
}

// tell asks again, and sends what is another answer.
func (t *metricTeller) tell(ctx context.Context) error {
	next, err := t.Figures.Ask(ctx, t.ws, t.q)
	if err != nil || same(next, t.now, t.q.By) || !t.Figures.Tells(next, t.now) {
		return err
	}
	t.now = next
	return t.send(ctx)
}

func (t *metricTeller) send(ctx context.Context) error {
	m, err := metricOf(t.now, t.q.By)
	if err != nil {
		return err
	}
	select {
	case t.out <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
