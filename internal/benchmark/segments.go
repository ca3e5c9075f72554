package benchmark

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// segments measures what segments cost and how soon they tell: large is the store
// with very many people, nil when it has to be made.
func segments(ctx context.Context, o Options, large *house) error {
	if err := beside(ctx, o); err != nil {
		return err
	}
	if err := remembered(ctx, o); err != nil {
		return err
	}
	z := o.size()
	if large == nil {
		var err error
		if large, err = prepareLives(ctx, o, fmt.Sprintf("people%d", z.large), z.large, ordered); err != nil {
			return err
		}
	}
	return previewMany(ctx, o, large)
}

// running is a house with a server on it.
type running struct {
	*house
	*Server
}

// settle starts a server on a copy of a house with so many segments. The last is made
// over GraphQL, which tells the server of all.
func settle(ctx context.Context, o Options, from *house, name string, conditions []string) (*running, error) {
	h, err := from.copy(o, name)
	if err != nil {
		return nil, err
	}
	last := len(conditions) - 1
	if last > 0 {
		if err := h.open(ctx, o, func(b Base) error { return define(ctx, b, conditions[:last]) }); err != nil {
			return nil, err
		}
	}
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil || last < 0 {
		return &running{h, s}, err
	}
	if _, err := createSegment(ctx, newGraphQL(s), "Last", conditions[last]); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return &running{h, s}, nil
}

// beside measures ingestion beside segments.
func beside(ctx context.Context, o Options) error {
	z := o.size()
	plain, err := prepare(ctx, o, "plain", z.people)
	if err != nil {
		return err
	}
	if err := besideLive(ctx, o, plain); err != nil {
		return err
	}
	return besideUntouched(ctx, o, plain)
}

// besideLive compares the rate beside many live segments with that beside none, and
// measures how soon a subscriber hears of a change.
func besideLive(ctx context.Context, o Options, plain *house) (err error) {
	z := o.size()
	none, err := settle(ctx, o, plain, "none", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, none.Stop()) }()
	live, err := settle(ctx, o, plain, "live", touched(z.live))
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, live.Stop())
		}
	}()
	cs := []*contender{{name: "none", s: none.Server}, {name: "live", s: live.Server}}
	if err := turns(ctx, cs, z.people, 5, z.turn, "live"); err != nil {
		return err
	}
	if err := tellSoon(ctx, o, live); err != nil {
		return err
	}
	stopped = true
	if err := live.Stop(); err != nil {
		return err
	}
	var changes, behaviours int64
	err = live.open(ctx, o, func(b Base) (err error) {
		if changes, err = segment.Changes.Count(ctx, b.Store, store.Query{Workspace: b.Workspace}); err != nil {
			return err
		}
		behaviours, err = segment.Behaviours.Count(ctx, b.Store, store.Query{Workspace: b.Workspace})
		return err
	})
	if err != nil {
		return err
	}
	if changes == 0 || behaviours == 0 {
		return errors.New("segments: the events touched no segment")
	}
	what := fmt.Sprintf("none; %d live segments, %d with event windows, each event touches %d; %d people, %d of them with ledgers, %d changes of memberships in all",
		z.live, z.live/5, len(touching), z.people, behaviours, changes)
	return o.Report.compared("segments.ingest", cs[1], cs[0], what, 0.7)
}

// compared reports the rate of a contender beside that of another, and what an event
// costs the processor in both.
func (r *Report) compared(bench string, c, other *contender, against string, promised float64) error {
	line := Line{Bench: bench, Value: c.rate, Unit: "events/s"}.beside(against, other.rate)
	if promised > 0 {
		line.Target = fmt.Sprintf("ratio >= %g", promised)
		met := line.Ratio != nil && *line.Ratio >= promised
		line.Met = &met
	}
	if err := r.Add(line); err != nil {
		return err
	}
	return r.Add(Line{Bench: bench + ".cpu", Value: c.perEvent(), Unit: "µs/event"}.beside("none", other.perEvent()))
}

// besideUntouched makes the table of what segments cost that an event does not
// touch.
func besideUntouched(ctx context.Context, o Options, plain *house) (err error) {
	z := o.size()
	var cs []*contender
	for _, n := range z.segments {
		s, err := settle(ctx, o, plain, fmt.Sprintf("untouched%d", n), untouched(n))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		cs = append(cs, &contender{name: fmt.Sprint(n), s: s.Server})
	}
	if err := turns(ctx, cs, z.people, 4, z.turn, "untouched"); err != nil {
		return err
	}
	for _, c := range cs {
		if err := o.Report.compared("segments.untouched."+c.name, c, cs[0], "none", 0); err != nil {
			return err
		}
	}
	return nil
}

// trickleBatch is how many events a request of the steady stream holds.
const trickleBatch = 50

// steadily sends events at a rate until ctx ends, each request at its time whether
// or not those before are answered.
func steadily(ctx context.Context, s *Server, people, rate int) error {
	send := HTTP(s.URL, s.WriteKey)
	stream := NewStream(Uniform, people, "steady")
	bodies := make(chan []byte)
	go func() {
		defer close(bodies)
		for {
			select {
			case bodies <- append([]byte(nil), stream.Batch(trickleBatch)...):
			case <-ctx.Done():
				return
			}
		}
	}()
	_, err := openLoop(ctx, rate/trickleBatch, time.Hour, func(ctx context.Context, _ int) error {
		body, ok := <-bodies
		if !ok {
			return nil
		}
		if err := send(ctx, body, trickleBatch); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
	if ctx.Err() == nil {
		return err
	}
	return nil // told to stop
}
