package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// someTraits is a condition over traits that about one in seven of the seeded people
// meets.
const someTraits = `{"and":[{"trait":{"path":"address.city","startsWith":"Cluj"}},{"trait":{"path":"visits","between":[20,40]}},{"not":{"trait":{"path":"birthday","startsWith":"1990-04-1"}}}]}`

// previewed is a preview to be timed.
type previewed struct {
	bench, where string
	exact        bool
	target       string // in milliseconds
	bound        time.Duration
}

const previewQuery = `query($where: ConditionInput!, $exact: Boolean) {
  previewSegment(where: $where, exact: $exact) { count { value exact low high } }
}`

// run asks five times, after a first that is told apart, and reports the median.
func (p previewed) run(ctx context.Context, o Options, h *running) error {
	g := newGraphQL(h.Server)
	var took []time.Duration
	var first time.Duration
	var value, low, high int64
	var busy time.Duration
	for n := range 6 {
		var out struct {
			PreviewSegment struct {
				Count struct {
					Value     int64
					Exact     bool
					Low, High *int64
				}
			}
		}
		start := time.Now()
		if err := g.query(ctx, &out, previewQuery, map[string]any{"where": json.RawMessage(p.where), "exact": p.exact}); err != nil {
			if !strings.Contains(err.Error(), "TIMEOUT") {
				return fmt.Errorf("%s: %w", p.bench, err)
			}
			// A promise that is not kept is no fault: the other previews are still asked.
			line := Line{Bench: p.bench, Value: millis(time.Since(start)), Unit: "ms", Against: fmt.Sprintf("no answer in time; %d people", h.people)}
			return o.Report.Add(line.atMost(p.target, millis(p.bound)))
		}
		if n == 0 {
			first = time.Since(start)
			var err error
			if busy, err = h.CPU(); err != nil {
				return err
			}
		} else {
			took = append(took, time.Since(start))
		}
		c := out.PreviewSegment.Count
		if c.Value == 0 || p.exact && !c.Exact {
			return fmt.Errorf("%s: counted %d, exact: %t", p.bench, c.Value, c.Exact)
		}
		value, low, high = c.Value, c.Value, c.Value
		if c.Low != nil && c.High != nil {
			low, high = *c.Low, *c.High
		}
	}
	against := fmt.Sprintf("%d of %d people", value, h.people)
	if !p.exact {
		against = fmt.Sprintf("%d (%d to %d) of %d people", value, low, high, h.people)
	}
	now, err := h.CPU()
	if err != nil {
		return err
	}
	against += fmt.Sprintf("; the first %.0f ms, the slowest after it %.0f ms, %.0f ms of processor each",
		millis(first), millis(percentile(took, 100)), millis(now-busy)/float64(len(took)))
	return o.Report.Add(Line{Bench: p.bench, Value: millis(percentile(took, 50)), Unit: "ms", Against: against}.atMost(p.target, millis(p.bound)))
}

// previewMany times previews over very many people: exact ones and estimates.
func previewMany(ctx context.Context, o Options, h *house) (err error) {
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	r := &running{h, s}
	b, err := createSegment(ctx, newGraphQL(s), "Ordered", `{"event":{"name":"Order Completed","count":{"gte":2},"window":{"last":"P60D"}}}`)
	if err != nil {
		return err
	}
	against := fmt.Sprintf("%d events of %d people, %d entered", b.Events, h.people, b.Entered)
	if err := o.Report.Add(Line{Bench: "segments.backfill.many", Value: float64(b.Events) / b.Took.Seconds(), Unit: "events/s", Against: against}); err != nil {
		return err
	}
	ordered := `{"event":{"name":"Order Completed","window":{"last":"P14D"}}}`
	for _, p := range []previewed{
		{"segments.preview.many.traits", someTraits, true, "<= 10000", 10 * time.Second},
		{"segments.preview.many.ledger", ordered, true, "<= 10000", 10 * time.Second},
		{"segments.estimate.many.traits", someTraits, false, "<= 500", 500 * time.Millisecond},
		{"segments.estimate.many.ledger", ordered, false, "<= 500", 500 * time.Millisecond},
	} {
		if err := p.run(ctx, o, r); err != nil {
			return err
		}
	}
	return nil
}
