package benchmark

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// scale measures how the rate of the uniform stream, the memory and the start
// depend on how many people are stored. Both servers run, and take turns, so that a
// machine that gets slower or faster meanwhile does so for both. It returns the
// large store, whose server has ended.
func scale(ctx context.Context, o Options) (large *house, err error) {
	z := o.size()
	var houses [2]*house
	var servers [2]*Server
	for i, people := range [...]int{z.few, z.large} {
		if houses[i], err = prepareLives(ctx, o, fmt.Sprintf("people%d", people), people, ordered); err != nil {
			return nil, err
		}
		s, err := start(ctx, o.Binary, houses[i].dir, houses[i].keys)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		servers[i] = s
	}
	var rates [2]float64
	var read, events float64 // of the large store
	const turns = 2
	for turn := range turns + 1 {
		for i, s := range servers {
			l := Load{Kind: Uniform, People: houses[i].people, For: o.size().run / turns, Name: fmt.Sprintf("scale%d-%d", i, turn)}
			if turn == 0 {
				l.For *= turns // fills the caches of both alike, and does not count: a large store takes longer
			}
			before, err := s.ReadFromDisk()
			if err != nil {
				return nil, err
			}
			rate, err := Drive(ctx, l, HTTP(s.URL, s.WriteKey))
			if err != nil {
				return nil, err
			}
			after, err := s.ReadFromDisk()
			if err != nil {
				return nil, err
			}
			if turn > 0 {
				rates[i] += rate / turns
			}
			if turn > 0 && i == 1 {
				read, events = read+float64(after-before), events+rate*l.For.Seconds()
			}
		}
	}
	_, peak, err := servers[1].Resident()
	if err != nil {
		return nil, err
	}
	if err := o.Report.scaled(z, rates[0], rates[1], peak, servers[1].StartUp); err != nil {
		return nil, err
	}
	// Where the system keeps the file in memory this is nothing; where it does not, the
	// disk is what the rate above measures.
	return houses[1], o.Report.Add(Line{
		Bench: "scale.disk", Value: read / 1e3 / max(events, 1), Unit: "kB/event", Against: fmt.Sprintf("read from the disk, %d people stored", z.large),
	})
}

func (r *Report) scaled(z size, few, many float64, peak int64, startUp time.Duration) error {
	stored := fmt.Sprintf("%d people stored", z.large)
	line := Line{Bench: "scale.uniform", Value: many, Unit: "events/s", Target: "ratio >= 0.6"}.beside(fmt.Sprintf("%d people stored", z.few), few)
	met := line.Ratio != nil && *line.Ratio >= 0.6
	line.Met = &met
	for _, l := range []Line{
		line,
		Line{Bench: "scale.memory", Value: float64(peak) / 1e6, Unit: "MB", Against: stored + ", peak resident"}.atMost("<= 400", 400),
		Line{Bench: "scale.start", Value: millis(startUp), Unit: "ms", Against: stored}.atMost("<= 2000", 2000),
	} {
		if err := r.Add(l); err != nil {
			return err
		}
	}
	return nil
}
