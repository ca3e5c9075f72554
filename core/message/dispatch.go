package message

import (
	"context"
	"errors"
	"strings"
	stdsync "sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	laneHold    = time.Minute            // then another process may have the lane
	pollBusy    = 100 * time.Millisecond // while there was something lately
	pollIdle    = time.Second
	busyFor     = 20 * time.Second
	probeHeld   = 2 * time.Second // how often those that are held are asked about
	maxBatch    = 100             // messages of one hand-off
	maxDemands  = 900             // operations of one hand-off
	workers     = 8               // calls at once of one lane
	maxInFlight = 4 * maxBatch
	batchTakes  = 500 * time.Millisecond // how long the calls of one hand-off should take
)

// lane is one process's work on a lane.
type lane struct {
	s       *Service
	ws      string
	name    string
	channel string

	calls   chan func() result
	results chan result
	done    chan struct{} // the settler has ended
	working stdsync.WaitGroup
	wake    chan struct{}
	pace    *rate.Limiter
	perSec  int64
	active  time.Time
	probed  time.Time

	mu       stdsync.Mutex
	inFlight int
	took     time.Duration // of a call, smoothed
}

// dispatch is the handler of DispatchKind.
func (s *Service) dispatch(ctx context.Context, l *work.Lease) error {
	task := l.Task()
	channel, _, ok := strings.Cut(task.Name, ".")
	if !ok || !channelOr(channel) {
		return work.Permanent(errors.New("message: there is no such lane"))
	}
	ctx = core.WithActor(ctx, access.System(task.Workspace, "messages"))
	ln := s.openLane(ctx, task.Workspace, task.Name, channel)
	defer ln.close()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.Stopping():
			cancel()
		case <-waiting.Done():
		}
	}()
	if err := s.tidy(ctx, task.Workspace); err != nil {
		return err
	}
	until := s.Clock.Now().Add(laneHold)
	for waiting.Err() == nil && s.Clock.Now().Before(until) {
		did, next, err := ln.step(ctx)
		if err != nil {
			return err
		}
		if did > 0 {
			ln.active = s.Clock.Now()
			continue
		}
		ln.wait(waiting, next, until)
	}
	ln.close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return l.Reschedule(ctx, s.Clock.Now(), nil)
}

// openLane begins to work on a lane.
func (s *Service) openLane(ctx context.Context, ws, name, channel string) *lane {
	ln := &lane{
		s: s, ws: ws, name: name, channel: channel, calls: make(chan func() result, maxInFlight), results: make(chan result, maxInFlight),
		done: make(chan struct{}), wake: make(chan struct{}, 1), took: 20 * time.Millisecond,
	}
	calls := ln.calls // close forgets the field
	for range workers {
		ln.working.Go(func() {
			for call := range calls {
				ln.results <- call()
			}
		})
	}
	go ln.settler(ctx)
	s.mu.Lock()
	s.awake[ws+"/"+name] = ln.wake
	s.mu.Unlock()
	return ln
}

// close waits for the calls that are under way and for what becomes of them.
func (ln *lane) close() {
	if ln.calls == nil {
		return
	}
	close(ln.calls)
	ln.calls = nil
	ln.working.Wait()
	close(ln.results)
	<-ln.done
}

// settler commits results, those together that are there.
func (ln *lane) settler(ctx context.Context) {
	defer close(ln.done)
	for first := range ln.results {
		list := []result{first}
	more:
		for len(list) < maxBatch {
			select {
			case r, ok := <-ln.results:
				if !ok {
					break more
				}
				list = append(list, r)
			default:
				break more
			}
		}
		ln.s.settleAll(ctx, ln.ws, list)
		ln.mu.Lock()
		ln.inFlight -= len(list)
		for i := range list {
			if list[i].took > 0 {
				ln.took = (7*ln.took + list[i].took) / 8
			}
		}
		ln.mu.Unlock()
		ln.nudge()
	}
}

func (ln *lane) nudge() {
	select {
	case ln.wake <- struct{}{}:
	default:
	}
}

// room returns how many messages may be handed over now.
func (ln *lane) room() int {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	size := workers * int(batchTakes/max(ln.took, time.Millisecond))
	return min(max(size, workers), maxBatch, maxInFlight-ln.inFlight)
}

// paced returns how many of n messages the pace of the channel allows now.
func (ln *lane) paced(n int, way Way) int {
	if way.PerSecond <= 0 {
		return n
	}
	if ln.pace == nil || ln.perSec != way.PerSecond {
		each := rate.Limit(way.PerSecond) / lanes
		ln.pace, ln.perSec = rate.NewLimiter(each, max(1, int(way.PerSecond)/lanes)), way.PerSecond
	}
	return min(n, int(ln.pace.TokensAt(ln.s.Clock.Now())))
}

func (ln *lane) wait(ctx context.Context, next, until time.Time) {
	now := ln.s.Clock.Now()
	d := pollIdle
	if now.Sub(ln.active) < busyFor {
		d = pollBusy
	}
	if !next.IsZero() {
		d = min(d, max(next.Sub(now), time.Millisecond))
	}
	d = min(d, until.Sub(now))
	if d <= 0 {
		return
	}
	slept, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-ln.wake:
			cancel()
		case <-slept.Done():
		}
	}()
	_ = ln.s.Clock.Sleep(slept, d)
}

// step does what is due, and returns how many messages it moved and when the next is due.
func (ln *lane) step(ctx context.Context) (did int, next time.Time, err error) {
	room := ln.room()
	if room <= 0 {
		return 0, time.Time{}, nil
	}
	now := ln.s.now()
	inLane := store.Eq("lane", ln.name)
	list, err := Messages.Find(ctx, ln.s.Store, store.Query{
		Workspace: ln.ws, Where: []store.Cond{inLane, store.Lte("due", now)}, Order: []string{"due"},
	}, room+room/4) // of one person one goes at a time, and some are looked at for other reasons
	if err != nil {
		return 0, next, storeError("read what is due", err)
	}
	if len(list) == 0 {
		if did, err = ln.held(ctx, now); did > 0 || err != nil {
			return did, next, err
		}
		first, err := Messages.Find(ctx, ln.s.Store, store.Query{Workspace: ln.ws, Where: []store.Cond{inLane}, Order: []string{"due"}}, 1)
		if err == nil && len(first) > 0 {
			next = first[0].Due
		}
		return 0, next, storeError("read what is due", err)
	}
	if now.Sub(ln.probed) > probeHeld {
		if _, err := ln.held(ctx, now); err != nil {
			return 0, next, err
		}
	}
	did, err = ln.take(ctx, list, room)
	return did, next, err
}

// take looks at messages that are due.
func (ln *lane) take(ctx context.Context, list []*Message, room int) (did int, err error) {
	r, err := ln.s.newRound(ctx, ln.ws, ln.name, ln.channel)
	if err != nil {
		return 0, err
	}
	if !r.route.dedupes() { // whoever dies leaves all of a hand-off open: let it be few
		ln.mu.Lock()
		room = min(room, max(workers-ln.inFlight, 0))
		ln.mu.Unlock()
	}
	var due []*Message
	for _, m := range list {
		switch {
		case m.Status == Handed && !r.resends(m), m.Status == Sent, m.Status == Delivered:
			n, err := ln.inquire(ctx, m)
			if err != nil {
				return did, err
			}
			did += n
		case len(due) < room:
			due = append(due, m)
		}
	}
	if r.route.cautious && len(due) > 1 {
		due = due[:1]
	}
	letters, err := r.people(ctx, due)
	if err != nil {
		return did, err
	}
	n, _, err := ln.send(ctx, r, letters)
	return did + n, err
}

// send asks about messages, writes down those that do not go and hands over the others.
func (ln *lane) send(ctx context.Context, r *round, letters []*letter) (did int, asked []*letter, err error) {
	if err := r.ask(ctx, letters); err != nil {
		return 0, nil, err
	}
	var aside, going []*letter
	for _, l := range letters {
		switch {
		case !l.goes():
			aside = append(aside, l)
		case !l.until.IsZero() && !r.s.now().Add(store.MaxTime).Before(l.until): // it would not hold long enough
		default:
			going = append(going, l)
		}
	}
	if err := r.settleAside(ctx, aside); err != nil {
		return 0, nil, err
	}
	did = len(aside)
	going = going[:together(going)]
	if n := ln.paced(len(going), r.route.way); n < len(going) {
		going = going[:n]
	}
	if len(going) == 0 {
		return did, letters, nil
	}
	handed, err := r.handOff(ctx, going)
	if err != nil {
		return did, letters, err
	}
	if ln.pace != nil {
		ln.pace.AllowN(r.s.Clock.Now(), len(handed))
	}
	ln.mu.Lock()
	ln.inFlight += len(handed)
	ln.mu.Unlock()
	under := context.WithoutCancel(ctx) // a call that has begun is waited for
	for _, l := range handed {
		ln.calls <- func() result { return r.s.carry(under, r.ws, r.route, l) }
	}
	return did + len(handed), letters, nil
}

// together returns how many of some messages one commit can hand over: the first at least.
func together(letters []*letter) int {
	ops, size := 0, 0
	for i, l := range letters {
		ops += len(l.ops) + 2 // its document, and its place under the caps
		size += len(l.m.Data)
		if i > 0 && (ops > maxDemands || size > store.MaxBytes/2) {
			return i
		}
	}
	return len(letters)
}

// held asks, of each thing that messages are held for, about one of them, and lets the
// others go when it is over.
func (ln *lane) held(ctx context.Context, now time.Time) (did int, err error) {
	if now.Sub(ln.probed) < probeHeld {
		return 0, nil
	}
	ln.probed = now
	after := ""
	for range 1000 {
		where := []store.Cond{store.Eq("lane", ln.name), store.Gt("hold", after)}
		found, err := Messages.Find(ctx, ln.s.Store, store.Query{Workspace: ln.ws, Where: where, Order: []string{"hold"}}, 1)
		if err != nil || len(found) == 0 {
			return did, storeError("read what is held", err)
		}
		after = found[0].Hold
		n, err := ln.heldFor(ctx, after, found[0])
		if err != nil {
			return did, err
		}
		did += n
	}
	return did, nil
}

func (ln *lane) heldFor(ctx context.Context, scope string, one *Message) (did int, err error) {
	r, err := ln.s.newRound(ctx, ln.ws, ln.name, ln.channel)
	if err != nil {
		return 0, err
	}
	letters, err := r.people(ctx, []*Message{one})
	if err != nil {
		return 0, err
	}
	if err := r.ask(ctx, letters); err != nil {
		return 0, err
	}
	if l := letters[0]; l.status == Held && l.hold == scope {
		return 0, nil
	}
	for {
		list, err := Messages.Find(ctx, ln.s.Store, store.Query{
			Workspace: ln.ws, Where: []store.Cond{store.Eq("lane", ln.name), store.Eq("hold", scope)},
		}, 200)
		if err != nil || len(list) == 0 {
			return did, storeError("read what is held", err)
		}
		var ops []store.Op
		for _, m := range list {
			next := *m
			next.Status, next.Hold, next.Reason, next.Due = Pending, "", "", r.now
			ops = append(ops, Messages.Replace(&next))
		}
		err = work.Commit(ctx, ln.s.Store, ops...)
		if err != nil { // where another is at it, the next look finds the rest
			return did, storeError("let go what was held", unlessLost(err))
		}
		did += len(list)
	}
}

// Wake makes this process look at once at what is due over a channel: call it after the
// commit of what Queue made, where a second would matter.
func (s *Service) Wake(ws, channel string) { s.wakeIf(ws + "/" + channel + ".") }

// WakeAll is Wake for all channels.
func (s *Service) WakeAll(ws string) { s.wakeIf(ws + "/") }

func (s *Service) wakeIf(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, wake := range s.awake {
		if strings.HasPrefix(key, prefix) {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
	if s.Runner != nil {
		s.Runner.Wake()
	}
}
