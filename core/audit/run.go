package audit

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// taskKind is the kind of the sequencers' tasks: one in a workspace, while there is
// something to do.
const (
	taskKind = "audit.sequence"
	taskName = "log"
)

// sweepEvery is how often a process looks for what others left behind.
const sweepEvery = 30 * time.Second

// sequencers are those that run in this process.
type sequencers struct {
	mu      sync.Mutex
	running map[string]bool // by workspace
	wanted  map[string]bool // workspaces that may need a task
	signal  chan struct{}   // that wanted has some
}

// kick says that something is pending in a workspace. Whoever has the lease looks by
// itself, so that a burst of entries costs nobody a message.
func (l *Log) kick(ws string) {
	l.seq.mu.Lock()
	defer l.seq.mu.Unlock()
	if l.seq.running[ws] || l.seq.wanted[ws] {
		return
	}
	l.seq.wanted[ws] = true
	select {
	case l.seq.signal <- struct{}{}:
	default:
	}
}

// Run keeps the log going until ctx ends: it sees to it that somebody puts in order what
// this process wrote, and what others left behind. Options.Runner must run beside it.
func (l *Log) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for {
			l.sweep(ctx)
			if (core.SystemClock{}).Sleep(ctx, sweepEvery) != nil {
				return
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.seq.signal:
		}
		l.seq.mu.Lock()
		wanted := l.seq.wanted
		l.seq.wanted = map[string]bool{}
		l.seq.mu.Unlock()
		for ws := range wanted {
			if err := l.ensure(ctx, ws); err != nil && ctx.Err() == nil {
				l.o.Logger.Warn("audit: ensure a sequencer", "error", err.Error())
			}
		}
		_ = core.SystemClock{}.Sleep(ctx, 20*time.Millisecond) // a burst costs one look
	}
}

// ensure makes the task of a workspace's sequencer where there is none. Whoever has it
// looks again after it gave it back, so that nothing is left between the two.
func (l *Log) ensure(ctx context.Context, ws string) error {
	t, err := work.Find(ctx, l.o.Store, ws, taskKind, taskName)
	if err != nil || t != nil && t.LeaseUntil.After(l.o.Clock.Now()) {
		return err
	}
	if t == nil {
		err = work.Ensure(ctx, l.o.Store, work.Item{Kind: taskKind, Workspace: ws, Name: taskName, DueAt: l.o.Clock.Now()})
	}
	if l.o.Runner != nil {
		l.o.Runner.Wake()
	}
	return err
}

// sweep looks for what waits since a process died, and for what is past its retention.
func (l *Log) sweep(ctx context.Context) {
	if l.o.Workspaces == nil {
		return
	}
	all, err := l.o.Workspaces(ctx)
	for _, ws := range all {
		if err != nil {
			break
		}
		if err = l.bury(ctx, ws); err != nil {
			break
		}
		var waiting, due bool
		if waiting, err = l.waiting(ctx, ws); err != nil {
			break
		}
		if !waiting {
			_, due, err = l.due(ctx, ws)
		}
		if waiting || due {
			l.kick(ws)
		}
	}
	if err == nil {
		err = l.Prune(ctx)
	}
	if err != nil && ctx.Err() == nil {
		l.o.Logger.Warn("audit: sweep", "error", err.Error())
	}
}

// handle runs the sequencer of a workspace while it has something to do.
func (l *Log) handle(ctx context.Context, lease *work.Lease) error {
	ws := lease.Task().Workspace
	l.seq.mu.Lock()
	l.seq.running[ws] = true
	l.seq.mu.Unlock()
	defer func() {
		l.seq.mu.Lock()
		delete(l.seq.running, ws)
		l.seq.mu.Unlock()
		// What was written while the lease was still held is nobody's yet.
		if left, err := l.waiting(context.WithoutCancel(ctx), ws); left || err != nil {
			l.kick(ws)
		}
	}()
	s := &sequencer{log: l, ws: ws, commit: lease.Progress}
	var expired time.Time
	for idle := time.Duration(0); idle < l.o.Linger; idle += l.o.Gather {
		n, more, err := s.step(ctx)
		if err == nil && (n == 0 && idle == 0 || time.Since(expired) > time.Hour) {
			expired, err = time.Now(), s.expire(ctx)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			idle = -l.o.Gather
		}
		if more {
			continue
		}
		timer := time.NewTimer(l.o.Gather)
		stop := false
		select {
		case <-timer.C:
		case <-lease.Stopping():
			stop = true
		case <-ctx.Done():
			stop = true
		}
		timer.Stop()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case stop:
			// What was written until now goes into the log on the way out.
			for more := true; more && err == nil; {
				_, more, err = s.step(ctx)
			}
			if err != nil {
				return err
			}
			return work.ErrStopping
		}
	}
	return lease.Complete(ctx)
}

// Settle puts everything that is pending in a workspace into its log, and returns when
// it is there: for a command that runs alone. Beside a sequencer that has the lease it
// waits for that one, and not for what is written meanwhile.
func (l *Log) Settle(ctx context.Context, ws string) error {
	// Clocks of processes differ by less than a second, or their order means little.
	last := store.Key(ws, pendingID(time.Now().Add(time.Second)))
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Lte("_id", last)}}
	var ends journal.Marks
	if l.o.Journal != nil {
		var err error
		if ends, err = l.o.Journal.Ends(ws); err != nil {
			return storeFault(err)
		}
	}
	for {
		waiting, err := l.waitingOf(ctx, ws, q, ends)
		if err != nil || !waiting {
			return storeFault(err)
		}
		task, err := work.Find(ctx, l.o.Store, ws, taskKind, taskName)
		if err != nil {
			return storeFault(err)
		}
		if task == nil || task.LeaseUntil.Before(l.o.Clock.Now()) {
			// Two who append at once meet at the head: one of them loses and reads anew.
			s := &sequencer{log: l, ws: ws, commit: func(ctx context.Context, ops ...store.Op) error {
				return work.Commit(ctx, l.o.Store, ops...)
			}}
			if _, _, err := s.step(ctx); err != nil && !conflict(err) {
				return storeFault(err)
			}
			continue
		}
		if err := (core.SystemClock{}).Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
