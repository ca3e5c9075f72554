package segment

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// expected is how many people the tests of the sweep let go.
const expected = 400

func (r *rig) crowd(n int, within time.Duration) []string {
	r.t.Helper()
	var out []string
	for from := 0; from < n; from += 200 {
		var messages []string
		for i := from; i < min(n, from+200); i++ {
			messages = append(messages, r.message(fmt.Sprintf("u%d", i), "Order", within*time.Duration(i)/time.Duration(n), `{}`))
		}
		out = append(out, r.send(messages...)...)
	}
	return out
}

// Nobody leaves before the window has passed, everybody right after, each once.
func TestSweepToTheInstant(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	ana := r.track("ana", "Order", 0, `{}`)
	r.clock.Advance(7*day - time.Millisecond)
	r.sweepAll()
	require.True(t, r.in("seg_recent", ana))
	r.clock.Advance(time.Millisecond)
	r.sweepAll()
	require.False(t, r.in("seg_recent", ana))
	require.Nil(t, r.behaviour(ana).Nexts)
	r.consistent()
}

// Two processes sweep one store at once: everybody leaves once.
func TestTwoSweepers(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	ids := r.crowd(expected, day)
	require.EqualValues(t, expected, r.size("seg_recent"))
	other := rigOver(t, r.store, r.clock)
	r.clock.Advance(9 * day)
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other, r, other} {
		wg.Go(func() { p.sweepAll() })
	}
	wg.Wait()
	require.EqualValues(t, 0, r.size("seg_recent"))
	n, err := Changes.Count(t.Context(), r.store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.EqualValues(t, 2*expected, n)
	require.Equal(t, []string{"ENTERED EVENT", "LEFT TIME"}, r.news("seg_recent", ids[0]))
	r.consistent()
}

// The tasks find what is due by themselves, and another process takes over from
// one that died with the lease.
func TestSweepTasks(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	r.crowd(50, time.Hour)
	r.clock.Advance(7*day - 2*time.Minute)
	// The dead process holds all shards.
	for shard := range sweepShards {
		task, err := work.Find(t.Context(), r.store, rigWS, SweepKind, fmt.Sprint(shard))
		require.NoError(t, err)
		require.NotNil(t, task)
		task.Owner, task.LeaseUntil = "run_dead", r.clock.Now().Add(30*time.Second)
		task.DueAt = task.LeaseUntil
		require.NoError(t, r.commit(t.Context(), []store.Op{work.Tasks.Replace(task)}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.work.Run(ctx) }()
	require.Eventually(t, func() bool {
		r.clock.Advance(200 * time.Millisecond)
		return r.size("seg_recent") == 0
	}, 60*time.Second, time.Millisecond)
	cancel()
	r.clock.Advance(time.Minute)
	<-done
	r.consistent()
}

// Without segments that know of time there is no task, and one that lost its reason
// ends.
func TestNoIdleTasks(t *testing.T) {
	r := newRig(t)
	r.live("seg_country", whereCountry)
	task, err := work.Find(t.Context(), r.store, rigWS, SweepKind, "0")
	require.NoError(t, err)
	require.Nil(t, task)
	r.live("seg_recent", whereRecent)
	task, err = work.Find(t.Context(), r.store, rigWS, SweepKind, "0")
	require.NoError(t, err)
	require.NotNil(t, task)
	r.define("seg_recent", whereRecent, Archived)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.work.Run(ctx) }()
	require.Eventually(t, func() bool {
		r.clock.Advance(100 * time.Millisecond)
		task, err := work.Find(t.Context(), r.store, rigWS, SweepKind, "0")
		return err == nil && task == nil
	}, 30*time.Second, time.Millisecond)
	cancel()
	r.clock.Advance(time.Minute)
	<-done
}

// A person who would enter more segments than one commit holds enters the rest
// through the sweep.
func TestManyAtOnce(t *testing.T) {
	r := newRig(t)
	ops := func(rev int64) ([]store.Op, error) {
		var out []store.Op
		for i := range 3 * maxTurns {
			out = append(out, Segments.Insert(&Segment{
				Meta: store.Meta{ID: store.Key(rigWS, fmt.Sprintf("seg_%04d", i))}, Kind: Dynamic, Status: Live, Version: 1, Since: rev,
				Where: fmt.Sprintf(`{"trait":{"path":"n","gte":%d}}`, i), WhereVersion: 1,
			}))
		}
		return out, nil
	}
	_, err := r.publish(t.Context(), rigWS, ops)
	require.NoError(t, err)
	ana := r.identify("ana", `{"n":1000}`)
	require.Len(t, r.behaviour(ana).Members, maxTurns)
	r.sweepAll()
	r.sweepAll()
	require.Len(t, r.behaviour(ana).Members, 3*maxTurns)
	r.consistent()
}

// Sweeps run beside events about the same people.
func TestSweepBesideEvents(t *testing.T) {
	db := openStore(t, filepath.Join(t.TempDir(), "headwater.db"))
	r := rigOver(t, db, core.NewVirtualClock(rigStart))
	r.live("seg_recent", whereRecent)
	r.live("seg_loyal", whereLoyal)
	r.crowd(100, day)
	other := rigOver(t, db, r.clock)
	r.clock.Advance(7*day - 12*time.Hour)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 30 {
			r.send(r.message(fmt.Sprintf("u%d", i), "Order", time.Hour, `{}`), r.message(fmt.Sprintf("u%d", 99-i), "Page", 0, `{}`))
		}
	})
	wg.Go(func() {
		for range 10 {
			other.sweepAll()
		}
	})
	wg.Wait()
	r.sweepAll()
	r.consistent()
}
