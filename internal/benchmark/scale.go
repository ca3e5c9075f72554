package benchmark

import (
	"context"
	"errors"
	"fmt"
)

// scale measures how the rate of the uniform stream, the memory and the start
// depend on how many people are stored.
func scale(ctx context.Context, o Options) error {
	z := o.size()
	h, err := prepare(ctx, o, "scale", z.few)
	if err != nil {
		return err
	}
	few, _, err := atScale(ctx, o, h, "few")
	if err != nil {
		return err
	}
	if err := h.fill(ctx, o, z.large); err != nil {
		return err
	}
	many, s, err := atScale(ctx, o, h, "many")
	if err != nil {
		return err
	}
	stored := fmt.Sprintf("%d people stored", z.large)
	line := Line{Bench: "scale.uniform", Value: many, Unit: "events/s", Target: "ratio >= 0.6"}.beside(fmt.Sprintf("%d people stored", z.few), few)
	met := line.Ratio != nil && *line.Ratio >= 0.6
	line.Met = &met
	for _, l := range []Line{
		line,
		Line{Bench: "scale.memory", Value: float64(s.peak) / 1e6, Unit: "MB", Against: stored + ", peak resident"}.atMost("<= 400", 400),
		Line{Bench: "scale.start", Value: millis(s.server.StartUp), Unit: "ms", Against: stored}.atMost("<= 2000", 2000),
	} {
		if err := o.Report.Add(l); err != nil {
			return err
		}
	}
	return nil
}

// observed is a server after a run.
type observed struct {
	server *Server
	peak   int64 // resident, in bytes
}

func atScale(ctx context.Context, o Options, h *house, name string) (rate float64, seen observed, err error) {
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil {
		return 0, seen, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	seen.server = s
	rate, err = Drive(ctx, Load{Kind: Uniform, People: h.people, For: o.size().run, Name: name}, HTTP(s.URL, s.WriteKey))
	if err != nil {
		return 0, seen, err
	}
	_, seen.peak, err = s.Resident()
	return rate, seen, err
}
