package library

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// Outcome is what came of messages that were made from a template.
type Outcome struct {
	Template string // tpl_…
	Version  int64
	Sent     int64 // messages whose goal can be reached: one for each that was handed over
	Reached  int64 // of those messages that reached their goal; told once each
}

// OutcomeOps returns the operations that count outcomes, for the batch of the caller
// that makes each counted once. lane spreads writers: the shard of the work, or any
// number that differs between them.
func OutcomeOps(ws string, lane int, batch []Outcome) []store.Op {
	sums := map[string]map[string]int64{}
	var order []string
	add := func(counter string, o Outcome) {
		if sums[counter] == nil {
			sums[counter] = map[string]int64{}
			order = append(order, counter)
		}
		sums[counter]["sent"] += o.Sent
		sums[counter]["reached"] += o.Reached
	}
	for _, o := range batch {
		add(scoreCounter(o.Template, 0), o)
		add(scoreCounter(o.Template, o.Version), o)
	}
	ops := make([]store.Op, len(order))
	for i, counter := range order {
		ops[i] = store.AddTo(ws, counter, lane, sums[counter])
	}
	return ops
}

// scoreCounter is the counter of a version; 0 is the whole template.
func scoreCounter(template string, version int64) string {
	if version == 0 {
		return "template:" + template
	}
	return "template:" + versionKey("", template, version)[1:]
}

// Score is how often messages from a template reached their goal: the posterior of the
// rate after a Beta(½, ½) prior (Jeffreys'), which is Beta(½ + reached, ½ + sent −
// reached).
type Score struct {
	Sent, Reached int64
	Mean          float64 // of the posterior
	Low, High     float64 // its 2.5 % and 97.5 % quantiles
}

// ScoreOf returns the score of a template, or of one of its versions (0: all).
func (s *Service) ScoreOf(ctx context.Context, ws, id string, version int64) (Score, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return Score{}, err
	}
	if core.IDPrefix(id) != core.PrefixTemplate {
		return Score{}, errTemplate()
	}
	n, err := store.Sum(ctx, s.Store, ws, scoreCounter(id, version))
	if err != nil {
		return Score{}, fail(err)
	}
	return Posterior(n["sent"], n["reached"]), nil
}

// Posterior returns the score that follows from counts. Reached above sent is taken for
// sent: a goal can be told before the hand-over is counted.
func Posterior(sent, reached int64) Score {
	a, b := 0.5+float64(min(reached, sent)), 0.5+float64(max(sent-reached, 0))
	return Score{
		Sent: sent, Reached: reached, Mean: a / (a + b),
		Low: quantile(a, b, 0.025), High: quantile(a, b, 0.975),
	}
}

// quantile is the inverse of the distribution function of Beta(a, b).
func quantile(a, b, p float64) float64 {
	q := mathext.InvRegIncBeta(a, b, p)
	return math.Min(math.Max(q, 0), 1)
}
