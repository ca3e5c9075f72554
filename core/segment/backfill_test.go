package segment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func (r *rig) build(id, where string) string {
	r.t.Helper()
	r.define(id, where, Building)
	job, err := r.startBackfill(r.t.Context(), rigWS, id)
	require.NoError(r.t, err)
	return job
}

func (r *rig) status(id string) Status {
	r.t.Helper()
	d, err := Segments.Get(r.t.Context(), r.store, store.Key(rigWS, id))
	require.NoError(r.t, err)
	return d.Status
}

func TestBackfill(t *testing.T) {
	r := newRig(t)
	ids := r.crowd(1200, 14*day)
	job := r.finish(r.build("seg_recent", whereRecent))
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	def, err := Segments.Get(t.Context(), r.store, store.Key(rigWS, "seg_recent"))
	require.NoError(t, err)
	require.Equal(t, job.JobID(), def.Backfill, "the segment names the job, though whoever started it never said so")
	var res BackfillResult
	require.NoError(t, job.DecodeResult(&res))
	require.EqualValues(t, 1200, res.People)
	require.EqualValues(t, 600, res.Entered)
	require.EqualValues(t, 1200, res.Events)
	require.Equal(t, Live, r.status("seg_recent"))
	require.EqualValues(t, 600, r.size("seg_recent"))
	require.Equal(t, []string{"ENTERED DEFINITION"}, r.news("seg_recent", ids[3]))
	r.consistent()
}

// A new definition takes out those who do not meet it; the old answer serves until
// each person is reached.
func TestRedefine(t *testing.T) {
	r := newRig(t)
	r.live("seg_s", whereRecent)
	ana, bob := r.track("ana", "Order", 0, `{}`), r.track("bob", "Visit", 0, `{}`)
	eve := r.track("eve", "Order", 0, `{}`)
	r.clock.Advance(time.Second)
	job := r.build("seg_s", `{"event":{"name":"Visit","window":{"last":"P7D"}}}`)
	require.True(t, r.in("seg_s", ana), "the old answer serves")
	// Somebody to whom something happens is reached before the job.
	r.track("eve", "Visit", 0, `{}`)
	require.True(t, r.in("seg_s", eve))
	r.track("bob", "Visit", 0, `{}`)
	require.True(t, r.in("seg_s", bob))
	require.Equal(t, []string{"ENTERED DEFINITION"}, r.news("seg_s", bob), "it was true before the event")
	r.finish(job)
	require.False(t, r.in("seg_s", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT DEFINITION"}, r.news("seg_s", ana))
	require.Equal(t, Live, r.status("seg_s"))
	r.consistent()
}

// A wider window asks for events that the ledger has dropped.
func TestWiden(t *testing.T) {
	r := newRig(t)
	r.live("seg_week", whereRecent)
	ana := r.track("ana", "Order", 20*day, `{}`)
	r.finish(r.build("seg_month", `{"event":{"name":"Order","window":{"last":"P30D"}}}`))
	require.True(t, r.in("seg_month", ana))
	require.False(t, r.in("seg_week", ana))
	r.consistent()
}

// Definitions change and events flow while jobs run, in two processes.
func TestBackfillBesideEvents(t *testing.T) {
	r := newRig(t)
	other := rigOver(t, r.store, r.clock)
	r.crowd(600, 20*day)
	var jobs []string
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for _, p := range []*rig{r, other} {
		wg.Go(func() { _ = p.work.Run(ctx) })
	}
	var senders sync.WaitGroup
	for n, p := range []*rig{r, other} {
		senders.Go(func() {
			for i := range 40 {
				var messages []string
				for j := range 8 {
					messages = append(messages, p.message(fmt.Sprintf("u%d", (i*8+j+n*37)%600), []string{"Order", "Visit"}[j%2], time.Duration(i)*time.Hour, `{"total":5}`))
				}
				p.send(messages...)
			}
		})
	}
	jobs = append(jobs, r.build("seg_a", whereRecent))
	jobs = append(jobs, r.build("seg_b", whereSpender))
	time.Sleep(20 * time.Millisecond)
	jobs = append(jobs, other.build("seg_a", whereLoyal))
	jobs = append(jobs, other.build("seg_c", `{"and":[{"segment":{"id":"seg_a"}},{"not":{"event":{"name":"Visit"}}}]}`))
	senders.Wait()
	for _, id := range jobs {
		var j *work.Job
		for deadline := time.Now().Add(120 * time.Second); j == nil || !j.Status.Final(); {
			require.True(t, time.Now().Before(deadline), "%+v", j)
			time.Sleep(2 * time.Millisecond)
			r.clock.Advance(3 * time.Millisecond) // slower than a lease of a busy machine ends
			var err error
			j, err = r.jobs.Get(ctx, rigWS, id)
			require.NoError(t, err)
		}
		require.Equal(t, work.Succeeded, j.Status, "%+v", j.Error)
	}
	cancel()
	r.clock.Advance(time.Minute)
	wg.Wait()
	for _, id := range []string{"seg_a", "seg_b", "seg_c"} {
		require.Equal(t, Live, r.status(id))
	}
	r.sweepAll()
	r.consistent()
}

// A job whose process dies goes on in another from where it had come to.
func TestBackfillSurvives(t *testing.T) {
	r := newRig(t)
	r.crowd(2000, 14*day)
	died := errors.New("died")
	broken := rigOver(t, &dyingStore{Store: r.store, after: 3, err: died}, r.clock)
	id := r.build("seg_recent", whereRecent)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = broken.work.Run(ctx) }()
	require.Eventually(t, func() bool {
		r.clock.Advance(20 * time.Millisecond)
		return r.size("seg_recent") > 0 && broken.store.(*dyingStore).dead()
	}, 30*time.Second, 2*time.Millisecond)
	cancel()
	r.clock.Advance(time.Minute)
	<-done
	require.Equal(t, Building, r.status("seg_recent"))
	part := r.size("seg_recent")
	require.Greater(t, part, int64(0))
	require.Less(t, part, int64(1000))
	job := r.finish(id)
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	require.EqualValues(t, 1000, r.size("seg_recent"))
	n, err := Changes.Count(t.Context(), r.store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.EqualValues(t, 1000, n, "nobody enters twice")
	r.consistent()
}

// dyingStore refuses everything after some commits that enter people, like a
// process that was killed.
type dyingStore struct {
	store.Store
	mu    sync.Mutex
	after int
	err   error
}

func (d *dyingStore) dead() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.after <= 0 }

func (d *dyingStore) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	d.mu.Lock()
	if d.after <= 0 {
		d.mu.Unlock()
		return "", d.err
	}
	for i := range b.Ops {
		if b.Ops[i].Spec.Name == Memberships.Spec.Name {
			d.after--
			break
		}
	}
	d.mu.Unlock()
	return d.Store.Commit(ctx, b)
}

// A segment that is archived while it is built keeps whom the job had found.
func TestArchivedWhileItIsBuilt(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	ids := r.crowd(300, day)
	r.clock.Advance(time.Second)
	job := r.build("seg_recent", `{"event":{"name":"Order","window":{"last":"P9D"}}}`)
	r.define("seg_recent", whereRecent, Archived)
	require.Equal(t, work.Succeeded, r.finish(job).Status)
	require.Equal(t, Archived, r.status("seg_recent"))
	require.True(t, r.in("seg_recent", ids[0]))
	require.EqualValues(t, 300, r.size("seg_recent"))
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_recent", ids[0]))
	// Taken up again, it starts from what happened meanwhile.
	r.track("zoe", "Order", 0, `{}`)
	require.Equal(t, work.Succeeded, func() work.Status {
		next := rigOver(t, r.store, r.clock)
		return next.finish(next.build("seg_recent", whereRecent)).Status
	}())
	require.EqualValues(t, 301, r.size("seg_recent"))
	r.consistent()
}

// A condition that this version cannot read is not taken for built, and its members
// stay as they were.
func TestUnreadableIsNeverLive(t *testing.T) {
	r := newRig(t)
	r.live("seg_old", whereRecent)
	ana := r.track("ana", "Order", 0, `{}`)
	unreadable := func(d *Segment) { d.WhereVersion = condition.Version + 1 }
	r.define("seg_new", whereRecent, Building, unreadable)
	r.define("seg_old", whereRecent, Live, unreadable)
	r.live("seg_by", `{"and":[{"segment":{"id":"seg_old"}},{"trait":{"path":"n","eq":1}}]}`)
	job := r.build("seg_plain", whereCountry)
	require.Equal(t, work.Succeeded, r.finish(job).Status)
	require.Equal(t, Building, r.status("seg_new"))
	require.Equal(t, Live, r.status("seg_plain"))
	r.identify("ana", `{"n":1}`)
	require.True(t, r.in("seg_old", ana))
	require.True(t, r.in("seg_by", ana))
	r.consistent()
}

// Rebuild puts right what somebody has broken.
func TestRebuild(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	r.live("seg_loyal", whereLoyal)
	ids := r.crowd(20, day)
	r.crowd(10, day)
	b := r.behaviour(ids[2])
	b.Members, b.Nexts, b.Parts = nil, nil, nil
	m, err := Memberships.Get(t.Context(), r.store, membershipKey(rigWS, "seg_recent", ids[1]))
	require.NoError(t, err)
	require.NoError(t, r.commit(t.Context(), []store.Op{
		Behaviours.Replace(b), Memberships.Delete(m), Behaviours.Delete(r.behaviour(ids[5])),
	}))
	diffs, err := r.Service.Check(t.Context(), rigWS)
	require.NoError(t, err)
	require.NotEmpty(t, diffs)
	var named []string
	for _, d := range diffs {
		named = append(named, d.String())
	}
	require.Contains(t, named, ids[1]+": memberships.seg_recent")
	require.Contains(t, named, ids[2]+": segments.seg_recent")
	j, err := r.jobs.Start(t.Context(), RebuildKind, rigWS, profile.RebuildInput{Mode: profile.ModeRebuild}, "")
	require.NoError(t, err)
	job := r.finish(j.JobID())
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	var res profile.RebuildResult
	require.NoError(t, job.DecodeResult(&res))
	require.Greater(t, res.Differences, int64(3))
	require.EqualValues(t, 20, r.size("seg_recent"))
	for _, id := range ids {
		require.True(t, r.in("seg_recent", id))
	}
	r.consistent()
}
