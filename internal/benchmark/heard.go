package benchmark

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// steadyRate is beside how many events a second changes are timed.
const steadyRate = 1000

// tellSoon measures how long it takes from the sending of an event, which takes its
// person into a segment, until a subscriber hears of it.
func tellSoon(ctx context.Context, o Options, h *running) (err error) {
	z := o.size()
	seg, err := createSegment(ctx, newGraphQL(h.Server), "Reached", `{"event":{"name":"Bench Reached","window":{"last":"P1D"}}}`)
	if err != nil {
		return err
	}
	const rate = 50 // probes a second
	probes := min(int(z.run.Seconds()*rate), h.people)
	l, err := listen(ctx, h.Server, seg.ID, probes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	around, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var aroundErr error
	wg.Go(func() { aroundErr = steadily(around, h.Server, h.people, steadyRate-rate) })
	select {
	case <-time.After(min(z.run/5, time.Second)): // until the stream is steady
	case <-ctx.Done():
	}
	sent := make([]time.Time, probes)
	send := HTTP(h.URL, h.WriteKey)
	begun := time.Now()
	_, err = openLoop(ctx, rate, z.run, func(ctx context.Context, n int) error {
		if n >= probes {
			return nil
		}
		now := time.Now()
		body := fmt.Appendf(nil, `{"batch":[{"type":"track","messageId":"reach-%d-%d","userId":%q,"event":"Bench Reached","timestamp":%q}]}`,
			begun.UnixNano(), n, UserID(n), now.UTC().Format(time.RFC3339Nano))
		sent[n] = now
		return send(ctx, body, 1)
	})
	if err != nil {
		return fmt.Errorf("segments: probes: %w", err)
	}
	number := make(map[string]int, probes)
	for i, id := range h.ids[:probes] {
		number[id] = i
	}
	took := make([]time.Duration, 0, probes)
	for len(took) < probes {
		select {
		case c, ok := <-l.C:
			if !ok {
				return errors.New("segments: the subscription ended")
			}
			if i, known := number[c.Profile]; known && c.Change == "ENTERED" {
				took = append(took, c.At.Sub(sent[i]))
			}
		case <-time.After(10 * time.Second):
			return fmt.Errorf("segments: a subscriber heard of %d of %d changes", len(took), probes)
		}
	}
	stop()
	wg.Wait()
	if aroundErr != nil {
		return fmt.Errorf("segments: steady stream: %w", aroundErr)
	}
	against := fmt.Sprintf("event sent to change heard over a websocket, %d events/s, %d segments", steadyRate, z.live)
	if err := o.Report.Add(Line{Bench: "segments.heard.p50", Value: millis(percentile(took, 50)), Unit: "ms", Against: against}); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "segments.heard.p99", Value: millis(percentile(took, 99)), Unit: "ms", Against: against}.atMost("<= 150", 150))
}
