package benchmark

import (
	"context"
	"fmt"
	"time"
)

// contender is one of several servers that are compared under the same load.
type contender struct {
	name  string
	s     *Server
	rate  float64       // mean of its rounds, events a second
	cpu   time.Duration // of its rounds
	event float64       // events of its rounds
}

// perEvent returns the server's processor time for an event, in microseconds.
func (c *contender) perEvent() float64 {
	return float64(c.cpu) / float64(time.Microsecond) / max(c.event, 1)
}

// turns drives the uniform stream at the contenders one after the other, in another
// order each round, so that a machine that gets slower or faster meanwhile does so
// for all. The first round fills the caches and does not count.
func turns(ctx context.Context, cs []*contender, people, rounds int, each time.Duration, name string) error {
	for round := range rounds + 1 {
		for i := range cs {
			c := cs[(i+round)%len(cs)]
			before, err := c.s.CPU()
			if err != nil {
				return err
			}
			l := Load{Kind: Uniform, People: people, For: each, Name: fmt.Sprintf("%s-%s-%d", name, c.name, round)}
			rate, err := Drive(ctx, l, HTTP(c.s.URL, c.s.WriteKey))
			if err != nil {
				return err
			}
			after, err := c.s.CPU()
			if err != nil {
				return err
			}
			if round > 0 {
				c.rate += rate / float64(rounds)
				c.cpu += after - before
				c.event += rate * each.Seconds()
			}
		}
	}
	return nil
}
