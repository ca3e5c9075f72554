package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// job is one run of a sync in this process.
type job struct {
	*Service
	ws    string
	lease *work.Lease
	conn  *Connection
	sync  *Sync
	spec  *Connector
	in    Instance
	m     *mapping
	hash  hasher
	shape *shape // of the stream; nil when no expression asks for it
	lim   *limiter
	state *State
	run   *Run
	began bool      // the run's document is stored
	asOf  time.Time // when the last pull began
	limit int       // records in one call
}

// pausedFor is how long a paused sync waits before it looks whether it still is; resuming
// wakes it at once.
const pausedFor = 10 * time.Minute

// handleRun does one run of a sync and sets the time of the next.
func (s *Service) handleRun(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	ws, id := t.Workspace, t.Name
	ctx = core.WithActor(ctx, access.System(ws, "sync"))
	y, err := s.Sync(ctx, ws, id)
	if err != nil {
		return err
	}
	if y == nil {
		return l.Complete(ctx)
	}
	ask, err := asks.Get(ctx, s.Store, y.ID)
	if err != nil {
		return err
	}
	c, err := s.Connection(ctx, ws, y.Connection)
	if err != nil {
		return err
	}
	switch {
	case c == nil:
		return l.Complete(ctx)
	case y.Paused || c.Paused:
		return s.next(ctx, l, y, ask, s.now().Add(pausedFor), true)
	}
	if h, err := s.health(ctx, c); err != nil {
		return err
	} else if h != nil && s.now().Before(h.Until) {
		return s.next(ctx, l, y, ask, h.Until, true)
	}
	j := &job{Service: s, ws: ws, lease: l, conn: c, sync: y, lim: s.limiter(c)}
	err = j.do(ctx)
	if errors.Is(err, errChanged) { // the run goes on under the new words, or when it may again
		return s.next(ctx, l, y, ask, s.now(), true)
	}
	if errors.Is(err, work.ErrLost) || errors.Is(err, work.ErrStopping) || ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return j.end(ctx, ask, err)
}

// do opens the connection and lets records flow.
func (j *job) do(ctx context.Context) error {
	if err := j.resume(ctx); err != nil {
		return err
	}
	c, err := j.upgraded(ctx, j.conn)
	if err != nil {
		return err
	}
	if c != j.conn { // the cursors are others now
		j.conn = c
		if err := j.resume(ctx); err != nil {
			return err
		}
	}
	if j.hash, err = j.hashes(ctx, j.ws); err != nil {
		return err
	}
	if j.m, err = compileMap(j.sync); err != nil {
		return &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Reason: "FIELD_MAP", Message: "the field map is not valid any more; update the sync"}
	}
	if j.in, j.spec, err = j.dial(ctx, j.conn); err != nil {
		return err
	}
	if j.limit = j.spec.Limits.BatchItems; j.limit <= 0 || j.limit > 1000 {
		j.limit = 100
	}
	if err := j.discover(ctx); err != nil {
		return err
	}
	if err := j.replay(ctx); err != nil {
		return err
	}
	if j.sync.Direction.pulls() {
		if err := j.inbox(ctx); err != nil {
			return err
		}
		if err := j.pull(ctx); err != nil {
			return err
		}
	}
	if !j.sync.Direction.pushes() {
		return nil
	}
	switch j.sync.Kind {
	case Profiles:
		return j.push(ctx)
	case Objects:
		return j.pushObjects(ctx)
	case List:
		return j.pushList(ctx)
	}
	return j.forward(ctx)
}

// errChanged ends what a run does when somebody changed or paused the sync or its connection.
var errChanged = &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "CHANGED", Message: "the sync was changed or paused; the run goes on with what it is now"}

// same reports, before each page and each call, whether the sync and its connection are still
// what the run began with.
func (j *job) same(ctx context.Context) error {
	y, err := Syncs.Get(ctx, j.Store, j.sync.ID)
	if err != nil {
		return err
	}
	c, err := Connections.Get(ctx, j.Store, j.conn.ID)
	if err != nil {
		return err
	}
	if y == nil || c == nil || y.Number != j.sync.Number || c.Number != j.conn.Number {
		return errChanged
	}
	return nil
}

// resume reads how far the sync has come.
func (j *job) resume(ctx context.Context) (err error) {
	if j.state, err = States.Get(ctx, j.Store, j.sync.ID); err != nil {
		return err
	}
	if j.state == nil {
		j.state = &State{Meta: store.Meta{ID: j.sync.ID}}
	}
	return j.start(ctx)
}

// start takes up the run that was under way when a process died, or a new one. The
// document of a run is stored with what it does first: a run with nothing to do leaves none.
func (j *job) start(ctx context.Context) error {
	if j.state.Run != "" {
		r, err := Runs.Get(ctx, j.Store, store.Key(j.ws, j.state.Run))
		if err != nil {
			return err
		}
		if r != nil && r.Status == RunRunning {
			j.run, j.began = r, true
			return nil
		}
	}
	now := j.now()
	j.run = &Run{
		Meta: store.Meta{ID: store.Key(j.ws, core.NewID(core.PrefixSyncRun, now))}, Sync: j.sync.SyncID(), Status: RunRunning, StartedAt: now,
	}
	return nil
}

// save commits the state and the run's numbers, together with ops, under the lease.
func (j *job) save(ctx context.Context, ops ...store.Op) error {
	j.state.Run = j.run.RunID()
	all := append([]store.Op{States.Put(j.state), Runs.Put(j.run)}, ops...)
	if err := j.lease.Progress(ctx, all...); err != nil {
		return err
	}
	j.state.V++
	j.run.V++
	j.began = true
	return nil
}

// end closes the run and says when the next begins.
func (j *job) end(ctx context.Context, ask *Ask, err error) error {
	now := j.now()
	var f *Fault
	if err != nil {
		var own *core.Error
		if errors.As(err, &own) || errors.As(err, &f) {
			f = AsFault(err)
		} else {
			j.Logger.Warn("sync: run", "sync", j.sync.SyncID(), "error", errorClass(err))
			f = &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "INTERNAL", Message: "the run could not go on; it is tried again", After: time.Second}
		}
	}
	at := now.Add(j.sync.Every)
	if j.state == nil || j.run == nil {
		return j.next(ctx, j.lease, j.sync, ask, now.Add(time.Second), true)
	}
	first := false
	if f != nil {
		j.state.Failures++
		at = now.Add(work.Backoff{Base: time.Second, Max: max(j.sync.Every, time.Minute)}.Delay(int(j.state.Failures), nil))
		if r := f.RetryAt(now); r.After(at) || !r.IsZero() && f.Kind == FaultQuota {
			at = r
		}
		j.run.Status, j.run.Fault = RunFailed, f.dated(now)
		if f.Kind == FaultCursorLost { // everything again; links know what is there already
			j.state.Cursor = nil
		}
	} else {
		first = j.state.SyncedAt.IsZero()
		j.state.Failures, j.state.SyncedAt = 0, j.run.StartedAt
		j.run.Status = RunSucceeded
	}
	if f != nil && f.Kind == FaultSchemaChanged {
		j.forgetShapes(j.conn)
	}
	j.state.Blocked = nil
	if blocking(f) {
		j.state.Blocked = f
	} else if nerr := j.note(ctx, j.conn, f); nerr != nil {
		return nerr
	}
	j.run.FinishedAt = now
	j.state.Run = ""
	ops := []store.Op{States.Put(j.state)}
	if j.began || first || f != nil || j.run.Read > 0 || ask != nil {
		ops = append(ops, Runs.Put(j.run))
	}
	return j.next(ctx, j.lease, j.sync, ask, at, f != nil && f.Kind != FaultCursorLost, ops...)
}

// blocking reports whether a fault is about what may be handed over, not about the
// connection.
func blocking(f *Fault) bool { return f != nil && f.Kind == FaultBlocked }

// errorClass says of an error what may stand in a log.
func errorClass(err error) string {
	switch {
	case errors.Is(err, store.ErrConflict):
		return "conflict"
	case errors.Is(err, store.ErrUnavailable):
		return "store unavailable"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return fmt.Sprintf("%T", err)
}

// Ask is somebody's wish that a sync runs now.
type Ask struct {
	store.Meta `bson:",inline"` // key: workspace/syn_…
	At         time.Time        `bson:"at"`
}

var asks = store.Declare[Ask](store.Spec{Name: "sync_asks", Reach: store.ReachNobody})

// next gives the task back until at, or at once when somebody asked since ask was read.
// With keep the wish stays until a run succeeds in looking.
func (s *Service) next(ctx context.Context, l *work.Lease, y *Sync, ask *Ask, at time.Time, keep bool, ops ...store.Op) error {
	latest, err := asks.Get(ctx, s.Store, y.ID)
	if err != nil {
		return err
	}
	if latest != nil && (ask == nil || latest.V != ask.V) && !keep {
		at = s.now()
	} else if latest != nil && !keep {
		ops = append(ops, asks.Delete(latest))
	}
	err = l.Reschedule(ctx, at, nil, ops...)
	if errors.Is(err, store.ErrConflict) { // asked meanwhile
		return l.Reschedule(ctx, s.now(), nil)
	}
	return err
}

// soon makes a sync run as soon as may be: at once, or again when a run is under way.
func (s *Service) soon(ctx context.Context, ws, id string) error {
	err := s.insist(ctx, func() error {
		key := store.Key(ws, id)
		a, err := asks.Get(ctx, s.Store, key)
		if err != nil {
			return err
		}
		if a == nil {
			a = &Ask{Meta: store.Meta{ID: key}}
		}
		a.At = s.now()
		ops := []store.Op{asks.Put(a)}
		t, err := work.Find(ctx, s.Store, ws, runKind, id)
		if err != nil {
			return err
		}
		switch {
		case t == nil:
			ops = append(ops, work.Enqueue(work.Item{Kind: runKind, Workspace: ws, Name: id, DueAt: s.now()}))
		case t.LeaseUntil.IsZero() && t.DueAt.After(s.now()):
			ops = append(ops, work.Move(t, s.now()))
		}
		return work.Commit(ctx, s.Store, ops...)
	})
	s.Runner.Wake()
	return storeError("ask for a run", err)
}

// wake makes every sync of a connection run soon.
func (s *Service) wake(ctx context.Context, ws, connection string) error {
	list, err := s.syncsOf(ctx, ws, connection)
	if err != nil {
		return err
	}
	for _, y := range list {
		if y.Paused {
			continue
		}
		if err := s.soon(ctx, ws, y.SyncID()); err != nil {
			return err
		}
	}
	return nil
}
