package benchmark

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// remembered measures, on people with a past, how fast the backfill of a new window
// reads it, how long previews take, and how late windows end.
func remembered(ctx context.Context, o Options) (err error) {
	z := o.size()
	first := time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
	left := func(n int) time.Time {
		return first.Add(time.Duration(n) * z.expire / time.Duration(z.people)).Truncate(time.Millisecond)
	}
	h, err := prepareLives(ctx, o, "remembered", z.people, browsed(left))
	if err != nil {
		return err
	}
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	r := &running{h, s}
	b, err := createSegment(ctx, newGraphQL(s), "Viewed", `{"event":{"name":"Product Viewed","count":{"gte":4},"window":{"last":"P30D"}}}`)
	if err != nil {
		return err
	}
	rate := float64(b.Events) / b.Took.Seconds()
	against := fmt.Sprintf("%d events of %d people, %d entered", b.Events, h.people, b.Entered)
	if err := o.Report.Add(Line{Bench: "segments.backfill", Value: rate, Unit: "events/s", Against: against}.atLeast(">= 100000", 100_000)); err != nil {
		return err
	}
	for _, p := range []previewed{
		{"segments.preview.traits", someTraits, true, "<= 1000", time.Second},
		{"segments.preview.ledger", `{"event":{"name":"Product Viewed","count":{"gte":2},"window":{"last":"P14D"}}}`, true, "<= 1000", time.Second},
	} {
		if err := p.run(ctx, o, r); err != nil {
			return err
		}
	}
	return expire(ctx, o, r, first, left, b.Took)
}

// expire makes a segment of everybody whose memberships end at the same pace over
// some time, and measures how long after its time a subscriber hears of each.
func expire(ctx context.Context, o Options, h *running, first time.Time, left func(int) time.Time, took time.Duration) (err error) {
	// Long enough for the backfill, which makes a membership of everybody.
	begin := time.Now().Add(3*took + o.size().run)
	window := begin.Sub(first).Round(time.Second)
	where := fmt.Sprintf(`{"event":{"name":"Cart Left","window":{"last":"PT%dS"}}}`, int(window.Seconds()))
	b, err := createSegment(ctx, newGraphQL(h.Server), "Left lately", where)
	if err != nil {
		return err
	}
	if b.Entered != int64(h.people) || time.Now().After(first.Add(window)) {
		return fmt.Errorf("segments: %d of %d people are in after %s: the machine is too slow for this bench", b.Entered, h.people, b.Took)
	}
	l, err := listen(ctx, h.Server, b.ID, h.people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	around, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var aroundErr error
	select {
	case <-time.After(time.Until(first.Add(window - time.Second))):
	case <-ctx.Done():
		return ctx.Err()
	}
	wg.Go(func() { aroundErr = steadily(around, h.Server, h.people, steadyRate) })
	late, err := lateness(ctx, l, h, func(n int) time.Time { return left(n).Add(window) })
	stop()
	wg.Wait()
	if err = errors.Join(err, aroundErr); err != nil {
		return fmt.Errorf("segments: expiry: %w", err)
	}
	against := fmt.Sprintf("%d memberships that end within %s, beside %d events/s", h.people, o.size().expire, steadyRate)
	if err := o.Report.Add(Line{Bench: "segments.expiry.p50", Value: millis(percentile(late, 50)), Unit: "ms", Against: against}); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "segments.expiry.p99", Value: millis(percentile(late, 99)), Unit: "ms", Against: against}.atMost("<= 2000", 2000))
}

// lateness waits until everybody has left, for a minute after the last was to, and
// returns how long after the due time each was heard of. Somebody who leaves early is
// an error.
func lateness(ctx context.Context, l *listener, h *running, due func(person int) time.Time) ([]time.Duration, error) {
	number := make(map[string]int, h.people)
	for i, id := range h.ids {
		number[id] = i
	}
	late := make([]time.Duration, 0, h.people)
	deadline := time.After(time.Until(due(h.people-1)) + time.Minute)
	for len(number) > 0 {
		select {
		case c, ok := <-l.C:
			if !ok {
				return nil, errors.New("the subscription ended")
			}
			n, known := number[c.Profile]
			if !known || c.Change != "LEFT" || c.Cause != "TIME" {
				return nil, fmt.Errorf("heard twice, or of what was not to be: %s by %s", c.Change, c.Cause)
			}
			delete(number, c.Profile)
			took := c.At.Sub(due(n))
			if took < 0 {
				return nil, fmt.Errorf("somebody left %s early", -took)
			}
			late = append(late, took)
		case <-deadline: // as late as now, or later
			for _, n := range number {
				late = append(late, time.Since(due(n)))
			}
			return late, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return late, nil
}
