package pluginhost

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// method is what the host knows of a method of the contract.
type method struct {
	name   string
	writes bool // a lost answer leaves it open what happened
	stream bool // it lasts as long as it likes, page by page
}

// call runs f on the connection's process. Its error is a *sync.Fault.
func (c *connection) call(ctx context.Context, m method, f func(ctx context.Context, p *process) error) error {
	began := time.Now()
	if !m.stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.h.limits.Calls[m.name])
		defer cancel()
	}
	p, fault := c.acquire(ctx)
	if fault == nil {
		fault = p.ask(ctx, m, f)
	}
	outcome := "OK"
	if fault != nil {
		outcome = string(fault.Kind)
	}
	c.h.hooks.Call(m.name, outcome, time.Since(began))
	if fault != nil {
		return fault
	}
	return nil
}

// enter counts a call, unless the process is on its way out.
func (p *process) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.idle != nil {
		return false
	}
	p.calls++
	return true
}

func (p *process) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	if p.calls == 0 && p.idle != nil {
		close(p.idle)
	}
}

// ask makes a call that enter counted.
func (p *process) ask(ctx context.Context, m method, f func(ctx context.Context, p *process) error) *sync.Fault {
	select {
	case p.slots <- struct{}{}:
	case <-p.dead:
		p.leave()
		return p.lost(m, false)
	case <-ctx.Done():
		p.leave()
		return &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: "BUSY", Message: "the connector has as many calls as it takes at once; try again", After: time.Second}
	}
	done := func() { <-p.slots; p.leave() }
	if m.stream {
		defer done()
		return p.heard(m, f(ctx, p))
	}
	wire, stop := p.wireContext(ctx)
	answer := make(chan *sync.Fault, 1)
	go func() {
		defer done()
		defer stop()
		inner, rates := sdk.WithRates(wire)
		err := f(inner, p)
		p.rate(rates)
		// Whoever still has not answered some time after the deadline does not look at it. The
		// clock is asked and not wire: the other side knows of that time, too, and may have
		// given up a moment before wire is told of its end.
		if end, ok := wire.Deadline(); ok && err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !time.Now().Before(end) {
			p.end(crashed(reasonHung, "the connector went on with a call ("+m.name+") long after its deadline; it was ended"))
		}
		answer <- p.heard(m, err)
	}()
	select {
	case got := <-answer:
		return got
	case <-ctx.Done():
	}
	select {
	case got := <-answer: // both at once: the answer counts
		return got
	default:
		return p.lost(m, errors.Is(ctx.Err(), context.Canceled))
	}
}

// wireContext is what the process hears: the deadline as a word, and some time more before
// nobody listens to its answer, so that one that hangs is told from one that is late.
func (p *process) wireContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	wire, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	end := func() { stop(); cancel() }
	if !ok {
		return wire, end
	}
	left := time.Until(deadline)
	wire = metadata.AppendToOutgoingContext(wire, sdk.DeadlineHeader, strconv.FormatInt(max(1, (left-left/20).Milliseconds()), 10))
	wire, last := context.WithDeadline(wire, deadline.Add(p.h.limits.Grace))
	return wire, func() { last(); end() }
}

// lost is for a call whose answer nobody waits for any more.
func (p *process) lost(m method, cancelled bool) *sync.Fault {
	f := &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromConnector, Reason: "DEADLINE", Message: "the connector did not answer in time; it is tried again", After: time.Second}
	switch why := p.fault(); {
	case why != nil:
		c := *why
		f, c.After = &c, p.backoff()
	case cancelled:
		f.Origin, f.Reason, f.Message = sync.FromHost, "CANCELLED", "the call was cancelled"
	}
	if m.writes {
		f.Kind = sync.FaultUnknownOutcome
	}
	return f
}

// heard is what the answer means for the call and for the process.
func (p *process) heard(m method, err error) *sync.Fault {
	if err == nil {
		p.mu.Lock()
		p.failures = 0
		p.mu.Unlock()
		return nil
	}
	var told *sdk.Fault
	if errors.As(err, &told) {
		switch {
		case told.Reason == "MESSAGE_TOO_LARGE" && m.writes && told.Kind == sdk.FaultInternal:
			// Ours never left.
			return &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromHost, Reason: told.Reason, Message: "what was to be written is larger than the 16 MiB that a connector takes at once"}
		case told.Reason == "MESSAGE_TOO_LARGE":
			p.end(crashed(reasonTooLarge, "the connector answered more than 16 MiB at once; its author must use smaller pages"))
		case told.Reason == "PROCESS_GONE" && p.child != nil && p.alive():
			// The end is noticed in two places at once: the other one knows why.
			select {
			case <-p.dead:
			case <-time.After(pipeGrace):
			}
		case told.Kind == sdk.FaultInternal && told.Origin == sdk.FromConnector && told.Reason != "DEADLINE":
			p.failing()
		}
	}
	return callFault(err, m, p)
}

// pipeGrace is how long the reason of a process's end is waited for.
const pipeGrace = 500 * time.Millisecond

// failing counts a fault of the connector's own; too many in a row and it begins anew, after
// the time that any crash costs.
func (p *process) failing() {
	p.mu.Lock()
	p.failures++
	n := p.failures
	p.mu.Unlock()
	if n >= p.h.limits.Failures {
		p.end(crashed(reasonFailing, "the connector failed "+strconv.Itoa(n)+" times in a row by its own mistake; its log says where"))
	}
}
