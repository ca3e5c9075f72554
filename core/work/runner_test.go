package work_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func newRunner(s work.Store, c core.Clock, handlers map[string]work.Handler) *work.Runner {
	r := work.New(work.Options{Store: s, Clock: c, Logger: silent})
	for kind, h := range handlers {
		r.Handle(kind, work.Kind{Handler: h, Attempts: 3})
	}
	return r
}

func handle(f func(ctx context.Context, l *work.Lease) error) map[string]work.Handler {
	return map[string]work.Handler{"k": work.HandlerFunc(f)}
}

type payload struct {
	Due time.Time `bson:"due"`
	N   int       `bson:"n"`
}

func TestNeverEarly(t *testing.T) {
	t.Parallel()
	s, c := open(t), core.NewVirtualClock(epoch)
	var ran atomic.Int64
	r := newRunner(s, c, handle(func(ctx context.Context, l *work.Lease) error {
		var p payload
		if err := l.Payload(&p); err != nil {
			return work.Permanent(err)
		}
		if c.Now().Before(epoch.Add(time.Duration(p.N)*700*time.Millisecond + 300*time.Microsecond)) {
			t.Errorf("task %d ran at %s", p.N, c.Now().Sub(epoch))
		}
		ran.Add(1)
		return l.Complete(ctx, happened(l.Task().Name))
	}))
	for i := range 20 {
		due := epoch.Add(time.Duration(i)*700*time.Millisecond + 300*time.Microsecond)
		put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: fmt.Sprint(i), DueAt: due, Payload: payload{N: i}}))
	}
	run(t, r)
	advance(t, c, 100*time.Millisecond, "all ran", func() bool { return ran.Load() == 20 })
	until(t, "nothing held", func() bool { return r.Held() == 0 })
	for i := range 20 {
		require.EqualValues(t, 1, times(t, s, fmt.Sprint(i)))
	}
	n, err := work.Tasks.Count(context.Background(), s, store.Query{})
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestEnqueueOnce(t *testing.T) {
	s := open(t)
	it := work.Item{Kind: "k", Workspace: ws, Name: "a/b", DueAt: epoch}
	put(t, s, work.Enqueue(it))
	_, err := s.Commit(context.Background(), store.Batch{ID: "again", Ops: []store.Op{work.Enqueue(it), happened("x")}})
	require.ErrorIs(t, err, store.ErrConflict)
	require.Zero(t, times(t, s, "x"))
	require.NoError(t, work.Ensure(context.Background(), s, it))
	require.Equal(t, epoch, pending(t, s, "k", "a/b").DueAt)

	for _, bad := range []work.Item{{Kind: "k"}, {Name: "n"}, {Kind: "a/b", Name: "n"}, {Kind: "k", Name: "n", Payload: 3}} {
		_, err := s.Commit(context.Background(), store.Batch{ID: "bad", Ops: []store.Op{work.Enqueue(bad)}})
		require.Error(t, err)
		require.NotErrorIs(t, err, store.ErrConflict)
	}
}

func TestWakeSparesThePoll(t *testing.T) {
	s, c := open(t), core.NewVirtualClock(epoch)
	var ran atomic.Bool
	r := newRunner(s, c, handle(func(context.Context, *work.Lease) error { ran.Store(true); return nil }))
	run(t, r)
	until(t, "idle", func() bool { return c.Sleepers() == 2 }) // the poll, and the keeper of leases
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}))
	r.Wake()
	until(t, "ran though the clock stands", ran.Load)
	until(t, "deleted", func() bool { return pending(t, s, "k", "n") == nil })
}

// A process that is cut off loses its task to another, which has a higher fence;
// when it comes back it cannot write.
func TestTakeover(t *testing.T) {
	s, c := open(t), core.NewVirtualClock(epoch)
	a := &cut{Store: s}
	var fenceA, fenceB atomic.Int64
	began, back := make(chan struct{}), make(chan struct{})
	refused := make(chan error, 2)
	var once sync.Once
	runA := newRunner(a, c, handle(func(ctx context.Context, l *work.Lease) error {
		first := false
		once.Do(func() { first = true })
		if !first {
			return errors.New("should have gone to the other")
		}
		fenceA.Store(l.Fence())
		close(began)
		<-back
		refused <- l.Commit(context.WithoutCancel(ctx), happened("a"))
		<-ctx.Done()
		refused <- context.Cause(ctx)
		return l.Complete(context.WithoutCancel(ctx), happened("a"))
	}))
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}))
	run(t, runA)
	<-began
	a.off.Store(true)

	release := make(chan struct{})
	runB := newRunner(s, c, handle(func(ctx context.Context, l *work.Lease) error {
		fenceB.Store(l.Fence())
		<-release
		return l.Complete(ctx, happened("b"))
	}))
	run(t, runB)
	c.Advance(50 * time.Second)
	time.Sleep(50 * time.Millisecond)
	require.Zero(t, fenceB.Load(), "the lease of one minute is not over")
	advance(t, c, time.Second, "taken over", func() bool { return fenceB.Load() > 0 })
	require.Greater(t, fenceB.Load(), fenceA.Load())
	a.off.Store(false)
	close(back)
	require.ErrorIs(t, <-refused, work.ErrLost)
	require.ErrorIs(t, <-refused, work.ErrLost)
	close(release)
	until(t, "finished by b", func() bool { return times(t, s, "b") == 1 })
	require.Zero(t, times(t, s, "a"))
}

// A lease is renewed for as long as its handler runs, and neither renewals nor
// lost replies are a conflict for the handler.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	s, c := open(t), core.NewVirtualClock(epoch)
	lossy := &cut{Store: s}
	var commits atomic.Int64
	var stop atomic.Bool
	failed := make(chan error, 1)
	r := newRunner(lossy, c, handle(func(ctx context.Context, l *work.Lease) error {
		for !stop.Load() {
			if err := l.Commit(ctx, happened("x")); err != nil && !errors.Is(err, store.ErrUnavailable) {
				failed <- err
				return err
			}
			commits.Add(1)
		}
		return nil
	}))
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}))
	fresh := pending(t, s, "k", "n")
	run(t, r)
	start := c.Now()
	advance(t, c, 2*time.Second, "ten leases long", func() bool { return c.Now().Sub(start) > 10*time.Minute && commits.Load() > 50 })
	lossy.replies.Store(7) // more than one commit's tries
	before := commits.Load()
	advance(t, c, 2*time.Second, "goes on", func() bool { return commits.Load() > before+50 })
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	task := pending(t, s, "k", "n")
	require.Equal(t, fresh.Fence+1, task.Fence, "claimed once")
	require.Greater(t, task.V, fresh.V+10)
	stop.Store(true)
	until(t, "deleted", func() bool { return pending(t, s, "k", "n") == nil })
}

func TestRetryThenDead(t *testing.T) {
	ctx := context.Background()
	s, c := open(t), core.NewVirtualClock(epoch)
	var mu sync.Mutex
	var at []time.Duration
	var good atomic.Bool
	r := newRunner(s, c, handle(func(context.Context, *work.Lease) error {
		if good.Load() {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		at = append(at, c.Now().Sub(epoch))
		if len(at) == 2 {
			panic("a personal value")
		}
		return core.Errorf(core.Unavailable, "VENDOR", "no answer").After(3 * time.Second)
	}))
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch, Payload: payload{N: 7}}))
	run(t, r)
	dead := func() []*work.DeadTask {
		p, err := work.DeadTasks(ctx, s, ws, "k", core.PageArgs{})
		require.NoError(t, err)
		return p.Items
	}
	advance(t, c, 100*time.Millisecond, "dead", func() bool { return len(dead()) == 1 })
	mu.Lock()
	require.Len(t, at, 3)
	require.GreaterOrEqual(t, at[1]-at[0], 3*time.Second, "the error said when")
	require.GreaterOrEqual(t, at[2]-at[1], time.Second, "half of two seconds at least")
	mu.Unlock()
	d := dead()[0]
	require.Equal(t, "UNAVAILABLE VENDOR", d.LastError)
	require.Equal(t, 3, d.Attempts)
	require.Nil(t, pending(t, s, "k", "n"))

	good.Store(true)
	id := store.Rest(d.ID)
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: c.Now().Add(time.Hour)}))
	require.Equal(t, core.Conflict, core.CodeOf(work.Replay(ctx, s, ws, id, c.Now())))
	put(t, s, work.Drop(pending(t, s, "k", "n")))
	require.NoError(t, work.Replay(ctx, s, ws, id, c.Now()))
	advance(t, c, 100*time.Millisecond, "replayed", func() bool { return pending(t, s, "k", "n") == nil })
	require.Empty(t, dead())
	require.Equal(t, core.NotFound, core.CodeOf(work.Replay(ctx, s, ws, id, c.Now())))
	require.Equal(t, core.NotFound, core.CodeOf(work.Discard(ctx, s, ws, id)))
}

func TestPermanentAndDiscard(t *testing.T) {
	ctx := context.Background()
	s, c := open(t), core.NewVirtualClock(epoch)
	r := newRunner(s, c, handle(func(context.Context, *work.Lease) error {
		return work.Permanent(core.Errorf(core.Invalid, "BAD", "bad"))
	}))
	put(t, s, work.Enqueue(work.Item{Kind: "k", Name: "n", DueAt: epoch}))
	run(t, r)
	var items []*work.DeadTask
	until(t, "dead at once", func() bool {
		p, err := work.DeadTasks(ctx, s, "", "", core.PageArgs{})
		require.NoError(t, err)
		items = p.Items
		return len(items) == 1
	})
	require.Equal(t, 1, items[0].Attempts)
	require.NoError(t, work.Discard(ctx, s, "", store.Rest(items[0].ID)))
}

// A task whose holders die of it is dead after its attempts, without being run
// again.
func TestPoison(t *testing.T) {
	t.Parallel()
	s, c := open(t), core.NewVirtualClock(epoch)
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}))
	var ran atomic.Int64
	for range 5 {
		a := &cut{Store: s}
		began := make(chan struct{})
		r := newRunner(a, c, handle(func(ctx context.Context, _ *work.Lease) error {
			ran.Add(1)
			a.off.Store(true)
			close(began)
			return errors.New("nobody hears of it")
		}))
		stop := run(t, r)
		select {
		case <-began:
		case <-time.After(300 * time.Millisecond):
		}
		stop()
		c.Advance(2 * time.Minute)
	}
	require.EqualValues(t, 3, ran.Load())
	p, err := work.DeadTasks(context.Background(), s, ws, "", core.PageArgs{})
	require.NoError(t, err)
	require.Len(t, p.Items, 1)
	require.Equal(t, "INTERNAL ABANDONED", p.Items[0].LastError)
}

func TestReschedule(t *testing.T) {
	t.Parallel()
	s, c := open(t), core.NewVirtualClock(epoch)
	var seen []int
	var mu sync.Mutex
	r := newRunner(s, c, handle(func(ctx context.Context, l *work.Lease) error {
		var p payload
		if err := l.Payload(&p); err != nil {
			return err
		}
		mu.Lock()
		seen = append(seen, p.N)
		mu.Unlock()
		if p.N == 3 {
			return l.Complete(ctx)
		}
		if err := l.Reschedule(ctx, c.Now().Add(time.Hour), payload{N: p.N + 1}, happened("x")); err != nil {
			return err
		}
		if l.Commit(ctx) == nil {
			t.Error("a write after the end")
		}
		return nil
	}))
	put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch, Payload: payload{}}))
	run(t, r)
	advance(t, c, time.Minute, "done", func() bool { return times(t, s, "x") == 3 && pending(t, s, "k", "n") == nil })
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []int{0, 1, 2, 3}, seen)
	require.GreaterOrEqual(t, c.Now().Sub(epoch), 3*time.Hour)
}

func TestDropAndMoveTakeTheTaskAway(t *testing.T) {
	for name, take := range map[string]func(*work.Task) store.Op{
		"drop": work.Drop,
		"move": func(task *work.Task) store.Op { return work.Move(task, epoch.Add(24*time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, c := open(t), core.NewVirtualClock(epoch)
			began, cause := make(chan struct{}), make(chan error, 1)
			r := newRunner(s, c, handle(func(ctx context.Context, _ *work.Lease) error {
				close(began)
				<-ctx.Done()
				cause <- context.Cause(ctx)
				return ctx.Err()
			}))
			put(t, s, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}))
			run(t, r)
			<-began
			put(t, s, take(pending(t, s, "k", "n")))
			from := c.Now()
			advance(t, c, 250*time.Millisecond, "noticed", func() bool { return len(cause) == 1 })
			require.ErrorIs(t, <-cause, work.ErrLost)
			require.Less(t, c.Now().Sub(from), 30*time.Second)
			until(t, "let go", func() bool { return r.Held() == 0 })
			if name == "move" {
				require.Equal(t, epoch.Add(24*time.Hour), pending(t, s, "k", "n").DueAt)
			}
		})
	}
}

func TestGracefulStop(t *testing.T) {
	s, c := open(t), core.NewVirtualClock(epoch)
	began := make(chan struct{}, 3)
	r := work.New(work.Options{Store: s, Clock: c, Logger: silent, Grace: 100 * time.Millisecond})
	r.Handle("polite", work.Kind{Handler: work.HandlerFunc(func(_ context.Context, l *work.Lease) error {
		began <- struct{}{}
		<-l.Stopping()
		return work.ErrStopping
	})})
	r.Handle("finishing", work.Kind{Handler: work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		began <- struct{}{}
		<-l.Stopping()
		return l.Complete(ctx, happened("finished"))
	})})
	r.Handle("slow", work.Kind{Handler: work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		began <- struct{}{}
		<-ctx.Done()
		return fmt.Errorf("slow: %w", ctx.Err())
	})})
	for _, kind := range []string{"polite", "finishing", "slow"} {
		put(t, s, work.Enqueue(work.Item{Kind: kind, Workspace: ws, Name: "n", DueAt: epoch}))
	}
	stop := run(t, r)
	for range 3 {
		<-began
	}
	stop()
	require.EqualValues(t, 1, times(t, s, "finished"))
	require.Nil(t, pending(t, s, "finishing", "n"))
	for _, kind := range []string{"polite", "slow"} {
		task := pending(t, s, kind, "n")
		require.Zero(t, task.Attempts, kind)
		require.Empty(t, task.Owner, kind)
		require.Equal(t, epoch, task.DueAt, kind)
		require.True(t, task.LeaseUntil.IsZero(), kind)
	}
}

// One kind that is busy for long does not hold up another.
func TestKindsDoNotWaitForEachOther(t *testing.T) {
	s := open(t)
	r := work.New(work.Options{Store: s, Logger: silent, Concurrency: 2})
	hold := make(chan struct{})
	r.Handle("slow", work.Kind{Handler: work.HandlerFunc(func(context.Context, *work.Lease) error { <-hold; return nil })})
	r.Handle("quick", work.Kind{Handler: work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		return l.Complete(ctx, happened("quick"))
	})})
	for i := range 50 {
		put(t, s, work.Enqueue(work.Item{Kind: "slow", Workspace: ws, Name: fmt.Sprint(i), DueAt: epoch}))
	}
	for i := range 20 {
		put(t, s, work.Enqueue(work.Item{Kind: "quick", Workspace: ws, Name: fmt.Sprint(i), DueAt: time.Now()}))
	}
	run(t, r)
	until(t, "quick ones done", func() bool { return times(t, s, "quick") == 20 })
	until(t, "only the slow ones are held", func() bool { return r.Held() == 2 })
	close(hold)
}

// 1,000 tasks, 4 runners in 2 openings of one file: each once.
func TestManyRunnersOnce(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/hw.db"
	stores := []store.Store{openPath(t, path), openPath(t, path)}
	const n = 1000
	for from := 0; from < n; from += 250 {
		var ops []store.Op
		for i := from; i < from+250; i++ {
			ops = append(ops, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: fmt.Sprint(i), DueAt: time.Now()}))
		}
		put(t, stores[0], ops...)
	}
	var done atomic.Int64
	for i := range 4 {
		run(t, newRunner(stores[i%2], core.SystemClock{}, handle(func(ctx context.Context, l *work.Lease) error {
			if err := l.Complete(ctx, happened(l.Task().Name)); err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond)
			done.Add(1)
			return nil
		})))
	}
	until(t, "all done", func() bool { return done.Load() >= n })
	for i := range n {
		require.EqualValues(t, 1, times(t, stores[0], fmt.Sprint(i)))
	}
	require.EqualValues(t, n, done.Load())
}

func TestPurge(t *testing.T) {
	ctx := context.Background()
	s := open(t)
	var ops []store.Op
	for i := range 300 {
		ops = append(ops, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: fmt.Sprint(i), DueAt: epoch}))
	}
	put(t, s, append(ops, work.Enqueue(work.Item{Kind: "k", Workspace: ws + "2", Name: "n", DueAt: epoch}))...)
	n, err := work.Purge(ctx, s, ws)
	require.NoError(t, err)
	require.Equal(t, 300, n)
	left, err := work.Tasks.Find(ctx, s, store.Query{}, 0)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, ws+"2", left[0].Workspace)
}

func TestBackoff(t *testing.T) {
	b := work.Backoff{Base: time.Second, Max: time.Minute}
	for attempt, full := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 9: time.Minute, 1000: time.Minute} {
		for range 100 {
			d := b.Delay(attempt, nil)
			require.LessOrEqual(t, d, full)
			require.GreaterOrEqual(t, d, full/2)
		}
	}
	require.Equal(t, time.Hour, b.Delay(1, core.Errorf(core.RateLimited, "R", "r").After(time.Hour)))
}

// A holder that wakes up after its task is gone and another of the same name is
// held must not pass for that one's holder.
func TestOldHolderOfAReusedKey(t *testing.T) {
	s, c := open(t), core.NewVirtualClock(epoch)
	item := work.Item{Kind: "k", Workspace: ws, Name: "n", DueAt: epoch}
	leases := make(chan *work.Lease, 2)
	block := make(chan struct{})
	holds := handle(func(_ context.Context, l *work.Lease) error {
		leases <- l
		<-block
		return nil
	})
	put(t, s, work.Enqueue(item))
	run(t, newRunner(s, c, holds))
	first := <-leases

	put(t, s, work.Drop(pending(t, s, "k", "n")))
	put(t, s, work.Enqueue(item))
	run(t, newRunner(s, c, holds))
	second := <-leases
	defer close(block)

	require.Greater(t, second.Fence(), first.Fence())
	require.ErrorIs(t, first.Complete(t.Context(), happened("late")), work.ErrLost)
	require.Zero(t, times(t, s, "late"))
	require.NoError(t, second.Commit(t.Context(), happened("right")))
	require.EqualValues(t, 1, times(t, s, "right"))
}
