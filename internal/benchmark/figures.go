package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/profile"
)

// figures measures what rollups cost ingestion, how soon a year of them answers, what of
// events stays in memory, and attribution by a Markov chain.
func figures(ctx context.Context, o Options) error {
	if err := markov(o); err != nil {
		return fmt.Errorf("markov: %w", err)
	}
	h := &house{dir: filepath.Join(o.Dir, "figures")}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	var err error
	if h.keys, err = create(ctx, o.Binary, h.dir); err != nil {
		return err
	}
	return h.open(ctx, o, func(b Base) error {
		c, err := newCounting(ctx, b)
		if err != nil {
			return err
		}
		err = c.measure(c.ctx, o)
		return errors.Join(err, c.with.Close(ctx), c.without.Close(ctx))
	})
}

// counting is a store with a pipeline that counts and one that does not.
type counting struct {
	Base
	ctx           context.Context
	service       *insight.Service
	with, without *ingest.Pipeline
	sent          int
	end           time.Time
	at            func(k int) time.Time // of the k-th event
}

// pageViews is counted by channel; pageViewsOf by four campaigns of each, too.
const (
	pageViews   = "bench_page_views"
	pageViewsOf = "bench_page_views_of_campaigns"
)

func newCounting(ctx context.Context, b Base) (*counting, error) {
	clock := core.SystemClock{}
	ctx = core.WithActor(ctx, access.System(b.Workspace, "bench"))
	c := &counting{Base: b, ctx: ctx, end: time.Now().UTC().Truncate(24 * time.Hour)}
	c.service = insight.NewService(insight.Options{Store: b.Store, Clock: clock, Profiles: b.Profiles, Events: b.Events})
	b.Profiles.SetFold(c.service)
	c.with = ingest.New(ingest.Options{Store: b.Store, Clock: clock, Events: b.Events, Profiles: b.Profiles})
	c.without = ingest.New(ingest.Options{Store: b.Store, Clock: clock, Events: b.Events, Profiles: profile.NewService(b.Store, clock)})
	dimensions := []insight.Dimension{{Key: "channel", Paths: []string{"properties.utm_medium"}}, {Key: "campaign", Paths: []string{"context.campaign.name"}}}
	for n, name := range []string{pageViews, pageViewsOf} {
		_, _, err := c.service.Create(ctx, b.Workspace, name, insight.Definition{
			Title: "Page views", Unit: insight.Count, Numerator: insight.Measure{Value: insight.Events, Event: "Page Viewed"}, Dimensions: dimensions[:n+1],
		}, "bench", false)
		if err != nil {
			return nil, err
		}
	}
	_, err := c.service.Refold(ctx, b.Workspace, true, nil) // nothing has happened: all is counted
	return c, err
}

// unit is how many events come at a time.
const countedUnit = 400

var benchChannels = []string{"search", "social", "email", "affiliate", "display"}

// take takes in events, nine pages and an order by turns.
func (c *counting) take(to *ingest.Pipeline, n int) error {
	for done := 0; done < n; done += countedUnit {
		inputs := make([]event.Input, min(countedUnit, n-done))
		for i := range inputs {
			k := c.sent + i
			at := c.at(k).Format(time.RFC3339)
			channel := benchChannels[k/7%len(benchChannels)]
			text := fmt.Sprintf(`{"type":"page","userId":"u%d","timestamp":%q,"properties":{"url":"https://shop.example/p/%d","title":"A thing","utm_medium":%q},"context":{"campaign":{"name":"spring %d"}}}`, k%20_000, at, i, channel, k%4)
			if k%10 == 0 {
				text = fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":"u%d","timestamp":%q,"properties":{"total":%d.5,"currency":"EUR","channel":%q}}`, k%20_000, at, k%200, channel)
			}
			inputs[i] = event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: time.Now(), MessageID: fmt.Sprint("figures-", k)})
		}
		c.sent += len(inputs)
		results, err := to.Ingest(c.ctx, c.Workspace, c.Source, inputs)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

func (c *counting) measure(ctx context.Context, o Options) error {
	z := o.size()
	// A year in the order of time, as it would have come.
	year := c.end.Sub(c.end.AddDate(-1, 0, 0))
	c.at = func(k int) time.Time { return c.end.Add(-year + year/time.Duration(z.counted)*time.Duration(k)) }
	if err := c.take(c.with, z.counted/5); err != nil {
		return err
	}
	few := heap()
	if err := c.take(c.with, z.counted-z.counted/5); err != nil {
		return err
	}
	l := Line{Bench: "figures.memory", Value: heap(), Unit: "bytes"}.atMost("grows by less than a fifth", few*1.2)
	if err := o.Report.Add(l.beside(fmt.Sprintf("%.0f bytes after a fifth of the %d events", few, z.counted), few)); err != nil {
		return err
	}
	for _, name := range []string{pageViews, pageViewsOf} {
		if err := c.ask(ctx, o, name, z.counted); err != nil {
			return err
		}
		if _, _, err := c.service.Archive(ctx, c.Workspace, name, 1, true, false); err != nil {
			return err
		}
	}
	return c.cost(o)
}

// ask asks for twelve months by day and channel.
func (c *counting) ask(ctx context.Context, o Options, name string, events int) error {
	q := insight.Question{Name: name, From: c.end.AddDate(-1, 0, 0), To: c.end, Grain: insight.Day, By: []string{"channel"}}
	var took []float64
	cpu, sum := ownCPU(), 0
	for range 51 {
		began := time.Now()
		a, err := c.service.Ask(ctx, c.Workspace, q)
		if err != nil {
			return err
		}
		took, sum = append(took, time.Since(began).Seconds()*1000), len(a.Rows)
		if !slices.ContainsFunc(a.Rows, func(r insight.Row) bool { return r.State == insight.OK }) {
			return core.Errorf(core.Internal, "BENCH", "a year of figures came to nothing")
		}
	}
	spent := ownCPU() - cpu
	slices.Sort(took)
	l := Line{Bench: "figures.metric", Value: took[len(took)/2], Unit: "ms", Against: fmt.Sprintf("the median of %d questions with %d rows of %d events; %.1f ms of processor each", len(took), sum, events, micros(spent)/1000/float64(len(took)))}
	if name == pageViewsOf {
		l.Bench, l.Against = "figures.metric.campaigns", "the same of four campaigns of each channel; "+l.Against
		return o.Report.Add(l)
	}
	return o.Report.Add(l.atMost("< 20", 20))
}

// cost takes in events by turns with figures and without.
func (c *counting) cost(o Options) error {
	var spent [2]time.Duration
	c.at = func(int) time.Time { return time.Now().UTC() }
	turns, each := 20, max(o.size().counted/100, countedUnit)
	for turn := range turns {
		for _, with := range []int{turn % 2, 1 - turn%2} {
			p := c.without
			if with == 1 {
				p = c.with
			}
			before := ownCPU()
			if err := c.take(p, each); err != nil {
				return err
			}
			spent[with] += ownCPU() - before
		}
	}
	n := float64(turns * each)
	with, without := micros(spent[1])/n, micros(spent[0])/n
	l := Line{Bench: "figures.ingest.cpu", Value: with, Unit: "µs/event"}.beside(fmt.Sprintf("%.1f µs of processor without figures, in this process, by turns, with no other fold", without), without)
	met := l.Ratio != nil && *l.Ratio < 1.15
	l.Target, l.Met = "ratio < 1.15", &met
	return o.Report.Add(l)
}

// markov shares the conversions of ways through twenty channels.
func markov(o Options) error {
	ways := o.size().ways
	rng := rand.New(rand.NewPCG(9, 10))
	now := time.Now()
	began, cpu := now, ownCPU()
	tally := attribution.NewTally(attribution.Markov, attribution.Usual)
	for k := range ways {
		steps := make([]attribution.Step, 1+rng.IntN(6))
		for i := range steps {
			steps[i] = attribution.Step{Key: fmt.Sprint("channel ", rng.IntN(20)), At: now.Add(time.Duration(i-10) * time.Hour)}
		}
		if k%10 == 0 {
			tally.Converted(steps, attribution.Gain{At: now, Minor: int64(1000 + k%5000), Currency: "EUR"})
		} else {
			tally.Lost(steps)
		}
	}
	r, err := tally.Result()
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	l := Line{Bench: "figures.markov", Value: took, Unit: "s", Against: fmt.Sprintf("%d ways through %d channels; %.3f s of processor", ways, len(r.Rows), (ownCPU() - cpu).Seconds())}
	return o.Report.Add(l.atMost("< 5", 5))
}
