package benchmark

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// exits is the condition that every step of the measured journeys asks: an order ends them.
const exits = `,"exitWhen":{"event":{"name":"Order Completed"}}`

// steps lets people in by their events and has all of them fall due in the same second, a
// few times: each passes a wait, is asked whether to leave, with messages is sent one, and
// comes to the next wait.
func (g *guided) steps(ctx context.Context, o Options, messages bool) error {
	z := o.size()
	on, name := "Bench Began", "journeys.steps"
	if messages {
		on, name = "Bench Began Writing", "journeys.messages"
	}
	var nodes []string
	for i := range z.rounds {
		nodes = append(nodes, fmt.Sprintf(`w%d {"wait":{"duration":"P1D"}}`, i))
		if messages {
			nodes = append(nodes, fmt.Sprintf(`m%d {"message":{"templateId":%q,"channel":"EMAIL","purpose":"marketing","quietHours":"SEND"}}`, i, g.template))
		}
	}
	nodes = append(nodes, `last {"wait":{"duration":"P1D"}}`, `end {"exit":true}`)
	j, err := g.published(ctx, name, on, nodes, exits)
	if err != nil {
		return err
	}
	if err := g.enter(ctx, o, on, name, z.inside); err != nil {
		return err
	}
	var all spell
	for range z.rounds {
		one, err := g.fallDue(ctx, j.JourneyID(), z.inside, messages)
		if err != nil {
			return err
		}
		all.add(one)
	}
	n := float64(z.inside * z.rounds)
	what := fmt.Sprintf("%d times %d people fall due at one instant, %d people stored; beside it the same documents written back, 900 in a commit", z.rounds, z.inside, g.h.people)
	line := Line{Bench: name + ".rate", Value: n / all.took.Seconds(), Unit: "steps/s"}.beside(what, n/all.written.Seconds())
	if messages {
		line = line.atLeast(">= 1000", 1000)
	} else {
		line = line.atLeast(">= 3000", 3000)
	}
	if err := o.Report.Add(line); err != nil {
		return err
	}
	if err := o.Report.Add(Line{Bench: name + ".cpu", Value: micros(all.cpu) / n, Unit: "µs/step", Against: "processor time of the process, the messages included"}); err != nil {
		return err
	}
	if !messages {
		return o.Report.Add(Line{Bench: name + ".late.p99", Value: all.late.Seconds(), Unit: "s", Against: "the worst of the rounds, from the due instant to the commit"}.atMost("< 3", 3))
	}
	if err := o.Report.Add(Line{Bench: name + ".late.p99", Value: all.sent.Seconds(), Unit: "s", Against: "the worst of the rounds, from the due instant to the call of the channel"}.atMost("< 12", 12)); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: name + ".sent", Value: n / all.gone.Seconds(), Unit: "messages/s", Against: "from the due instant until all are handed over and recorded"})
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// spell is what one or more rounds came to.
type spell struct {
	took    time.Duration // until all steps were committed
	gone    time.Duration // until all messages were handed over and settled
	cpu     time.Duration
	written time.Duration // that the bare writing of the same documents took
	late    time.Duration // the 99th percentile of steps
	sent    time.Duration // the 99th percentile of messages
}

func (s *spell) add(o spell) {
	s.took, s.gone, s.cpu, s.written = s.took+o.took, s.gone+o.gone, s.cpu+o.cpu, s.written+o.written
	s.late, s.sent = max(s.late, o.late), max(s.sent, o.sent)
}

// enter lets people in by events and waits until all are inside.
func (g *guided) enter(ctx context.Context, o Options, on, name string, people int) error {
	before, err := g.inside(ctx, store.Gt("due", time.Now()))
	if err != nil {
		return err
	}
	began := time.Now()
	const chunk = 200
	for from := 0; from < people; from += chunk {
		var inputs []event.Input
		for n := from; n < min(from+chunk, people); n++ {
			text := fmt.Sprintf(`{"type":"track","userId":%q,"event":%q,"properties":{"n":%d}}`, UserID(n), on, n)
			inputs = append(inputs, event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: time.Now(), MessageID: fmt.Sprintf("%s-%d", on, n)}))
		}
		results, err := g.Ingest.Ingest(g.as(ctx, "bench"), g.ws, g.source, inputs)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Status != event.Accepted {
				return fmt.Errorf("an event was not taken: %w", r.Err)
			}
		}
	}
	err = until(ctx, 50*time.Millisecond, func() (bool, error) {
		n, err := g.inside(ctx, store.Gt("due", time.Now()))
		return n >= before+int64(people), err
	})
	if err != nil {
		return fmt.Errorf("wait until all are inside: %w", err)
	}
	return o.Report.Add(Line{Bench: name + ".enter", Value: float64(people) / time.Since(began).Seconds(), Unit: "enrollments/s", Against: "from the first event sent until all are inside"})
}

// inside counts the enrollments of all lanes that are due at some time.
func (g *guided) inside(ctx context.Context, due store.Cond) (n int64, err error) {
	for _, lane := range journey.Lanes() {
		k, err := journey.Enrollments.Count(ctx, g.store(), store.Query{Workspace: g.ws, Where: []store.Cond{store.Eq("lane", lane), due}, Order: []string{"due"}})
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

func (g *guided) store() store.Store { return g.Journeys.Store }

// fallDue has everybody who is inside a journey fall due at one instant, and waits until
// all have stepped.
func (g *guided) fallDue(ctx context.Context, journeyID string, people int, messages bool) (s spell, err error) {
	at := time.Now().Add(15 * time.Second).UTC().Truncate(time.Second)
	began := time.Now()
	if err := g.shift(ctx, journeyID, people, at); err != nil {
		return s, err
	}
	s.written = time.Since(began)
	if time.Until(at) < 200*time.Millisecond {
		return s, errors.New("the documents were not written in time; the machine is too busy to measure")
	}
	time.Sleep(time.Until(at) - 100*time.Millisecond)
	already := g.post.total()
	cpu := ownCPU()
	time.Sleep(time.Until(at))
	err = until(ctx, 40*time.Millisecond, func() (bool, error) {
		left, err := g.inside(ctx, store.Lte("due", at))
		if s.late == 0 && left*100 <= int64(people) {
			s.late = time.Since(at)
		}
		return left == 0, err
	})
	if err != nil {
		return s, fmt.Errorf("wait until all have stepped: %w", err)
	}
	s.took, s.gone = time.Since(at), time.Since(at)
	if messages {
		if err := g.handed(ctx, already+people); err != nil {
			return s, err
		}
		s.gone = time.Since(at)
		took := g.post.taken(already)
		s.sent = took[len(took)*99/100].Sub(at)
	}
	s.cpu = ownCPU() - cpu
	return s, nil
}

// handed waits until so many messages have come to the channel and it is recorded of all
// that they went.
func (g *guided) handed(ctx context.Context, total int) error {
	err := until(ctx, 50*time.Millisecond, func() (bool, error) {
		for _, status := range []message.Status{message.Skipped, message.Failed, message.Cancelled, message.Held} {
			not, err := message.Messages.Find(ctx, g.store(), store.Query{
				Workspace: g.ws, Where: []store.Cond{store.Eq("status", string(status))}, Order: []string{"-at"},
			}, 1)
			if err != nil {
				return false, err
			}
			if len(not) > 0 {
				return false, fmt.Errorf("a message did not go: %s %s", not[0].Status, not[0].Reason)
			}
		}
		if g.post.total() < total {
			return false, nil
		}
		open, err := message.Messages.Count(ctx, g.store(), store.Query{
			Workspace: g.ws, Where: []store.Cond{store.Eq("status", string(message.Handed))}, Order: []string{"-at"},
		})
		return open == 0, err
	})
	if err != nil {
		return fmt.Errorf("wait until all is handed over: %w", err)
	}
	return nil
}

// shift writes another due time into the enrollments of a journey.
func (g *guided) shift(ctx context.Context, journeyID string, people int, at time.Time) error {
	var ops []store.Op
	moved := 0
	flush := func() error {
		err := work.Commit(ctx, g.store(), ops...)
		ops = ops[:0]
		return err
	}
	for _, lane := range journey.Lanes() {
		list, err := journey.Enrollments.Find(ctx, g.store(), store.Query{
			Workspace: g.ws, Where: []store.Cond{store.Eq("lane", lane), store.Gt("due", time.Now())}, Order: []string{"due"},
		}, 0)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Journey != journeyID {
				continue
			}
			e.Due, e.State.Due = at, at
			moved++
			if ops = append(ops, journey.Enrollments.Replace(e)); len(ops) == 900 {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if len(ops) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	if moved != people {
		return fmt.Errorf("%d people are inside, not %d", moved, people)
	}
	return nil
}
