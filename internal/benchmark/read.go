package benchmark

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const profileQuery = `query($value: String!) {
  profile(identifier: {namespace: "user_id", value: $value}) {
    id identifiers { namespace value } traits
    events(first: 20) { edges { node { id name timestamp properties } } }
  }
}`

// ReadLoad is an open loop: requests begin at their times whether or not the
// ones before are answered, so that a stall is counted for each request that it
// holds up.
type ReadLoad struct {
	People int
	Rate   int // requests a second
	Ingest int // events a second beside, in batches of 50; 0 for none
	For    time.Duration
}

// Read measures the latency of a profile with its 20 latest events and reports the
// median and the 99th percentile.
func Read(ctx context.Context, r *Report, s *Server, l ReadLoad) error {
	g := newGraphQL(s)
	took, err := besideEvents(ctx, s, l, func(ctx context.Context, n int) error {
		var out struct {
			Profile *struct{ ID string }
		}
		value := UserID(rand.IntN(l.People))
		if err := g.query(ctx, &out, profileQuery, map[string]any{"value": value}); err != nil {
			return err
		}
		if out.Profile == nil {
			return fmt.Errorf("no profile for %s", value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("profile reads: %w", err)
	}
	against := fmt.Sprintf("%d requests/s beside %d events/s, %d people", l.Rate, l.Ingest, l.People)
	if err := r.Add(Line{Bench: "profile.read.p50", Value: millis(percentile(took, 50)), Unit: "ms", Against: against}); err != nil {
		return err
	}
	return r.Add(Line{Bench: "profile.read.p99", Value: millis(percentile(took, 99)), Unit: "ms", Against: against}.atMost("<= 15", 15))
}

// besideEvents is openLoop with a steady stream of events beside it.
func besideEvents(ctx context.Context, s *Server, l ReadLoad, f func(ctx context.Context, n int) error) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, l.For+30*time.Second)
	defer cancel()
	beside, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var ingestErr error
	if l.Ingest > 0 {
		wg.Go(func() { ingestErr = trickle(beside, s, l) })
	}
	took, err := openLoop(ctx, l.Rate, l.For, f)
	stop()
	wg.Wait()
	return took, errors.Join(err, ingestErr)
}

// openLoop begins rate calls a second and returns how long each took, counted from
// the time at which it was due.
func openLoop(ctx context.Context, rate int, d time.Duration, f func(ctx context.Context, n int) error) ([]time.Duration, error) {
	total := int(d.Seconds() * float64(rate))
	took := make([]time.Duration, total)
	errs := make(chan error, total)
	var wg sync.WaitGroup
	start := time.Now()
	for n := range total {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			if err := f(ctx, n); err != nil {
				errs <- err
			}
			took[n] = time.Since(due)
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return nil, err
	}
	return took, ctx.Err()
}

// trickle sends events at a steady rate until ctx ends.
func trickle(ctx context.Context, s *Server, l ReadLoad) error {
	const batch = 50
	stream := NewStream(Uniform, l.People, "trickle")
	send := HTTP(s.URL, s.WriteKey)
	tick := time.NewTicker(time.Second * batch / time.Duration(l.Ingest))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := send(ctx, stream.Batch(batch), batch); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)*p/100, len(s)-1)]
}
