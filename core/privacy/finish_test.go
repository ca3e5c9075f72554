package privacy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// busy is a store whose scrubs do what they are told.
type busy struct {
	meddled
	scrubs atomic.Int64
	scrub  func(ctx context.Context, n int64) error
}

func (b *busy) Scrub(ctx context.Context, keys ...string) error {
	if err := b.scrub(ctx, b.scrubs.Add(1)); err != nil {
		return err
	}
	return b.Store.Scrub(ctx, keys...)
}

func (r *rig) busy(scrub func(ctx context.Context, n int64) error) *busy {
	b := &busy{meddled: meddled{Store: r.store}, scrub: scrub}
	r.Service.o.Store = b
	return b
}

// asked is a destination that counts, and says what it is told to.
type asked struct {
	name  string
	mu    sync.Mutex
	calls int
	say   func(call int) (Answer, error)
}

func (a *asked) Name() string { return a.name }

func (a *asked) Erase(context.Context, Subject) (Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	return a.say(a.calls)
}

func (a *asked) Check(context.Context, string, string) (Answer, error) {
	return a.Erase(context.Background(), Subject{})
}

// TestOneScrubServesEveryErasureThatWasSweptBeforeIt holds the first up until the
// others wait.
func TestOneScrubServesEveryErasureThatWasSweptBeforeIt(t *testing.T) {
	r := newRig(t)
	first, release := make(chan struct{}), make(chan struct{})
	b := r.busy(func(_ context.Context, n int64) error {
		if n == 1 {
			close(first)
			<-release
		}
		return nil
	})
	var all []string
	erase := func(user string) {
		out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: r.identify(user, `{}`)})
		require.NoError(t, err)
		all = append(all, out.Request.RequestID())
	}
	erase("ana")
	<-first
	for i := range 7 {
		erase(fmt.Sprint("u", i))
	}
	for _, id := range all {
		r.await(id, func(q *Request) bool {
			return q.Status == AwaitingDestinations && q.task(targetFiles).Status == work.Queued
		})
	}
	close(release)
	for _, id := range all {
		q := r.await(id, func(q *Request) bool { return q.Status.Final() })
		require.Equal(t, Completed, q.Status)
	}
	require.EqualValues(t, 2, b.scrubs.Load())
}

// TestDestinationsAreAskedThoughTheFilesAreBusy lets scrubs end without success, by
// their deadline among others.
func TestDestinationsAreAskedThoughTheFilesAreBusy(t *testing.T) {
	r := newRig(t)
	var free atomic.Bool
	r.busy(func(_ context.Context, n int64) error {
		switch {
		case free.Load():
			return nil
		case n%2 == 0:
			return fmt.Errorf("%w: a reader", store.ErrUnavailable)
		}
		return context.DeadlineExceeded
	})
	vendor := &asked{name: "mail", say: func(int) (Answer, error) { return Answer{Status: work.Succeeded, Evidence: "ticket 9"}, nil }}
	r.dests = []Destination{vendor}
	out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: r.identify("ana", `{}`)})
	require.NoError(t, err)
	q := r.await(out.Request.RequestID(), func(q *Request) bool {
		mail, files := q.task("mail"), q.task(targetFiles)
		return mail != nil && mail.Status == work.Succeeded && files.Status == work.Running
	})
	require.Equal(t, AwaitingDestinations, q.Status)
	free.Store(true)
	q = r.await(q.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Equal(t, Completed, q.Status)
	require.Equal(t, "ticket 9", q.Receipt.Destinations[0].Evidence)
}

// TestAnErasureWaitsForJobsThatWereAtWork has one end with a result that names the
// person.
func TestAnErasureWaitsForJobsThatWereAtWork(t *testing.T) {
	r := newRig(t)
	result, err := bson.Marshal(bson.M{"to": []string{"ben@example.com", "ana@example.com"}})
	require.NoError(t, err)
	began := time.Now().Add(-time.Minute)
	made := func(name string) *work.Job {
		j := &work.Job{Meta: store.Meta{ID: store.Key(rigWS, core.NewID(core.PrefixJob, time.Now()))}, Kind: name, Status: work.Running, CreatedAt: began, StartedAt: began}
		require.NoError(t, work.Commit(r.ctx, r.store, work.JobDocs.Insert(j)))
		j.V++
		return j
	}
	j := made("upload")
	out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: r.identify("ana", `{"email":"ana@example.com"}`)})
	require.NoError(t, err)
	q := r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status == AwaitingDestinations })
	require.Equal(t, work.Queued, q.task(targetJobs).Status)
	j.Status, j.Result, j.FinishedAt = work.Succeeded, result, time.Now()
	require.NoError(t, work.Commit(r.ctx, r.store, work.JobDocs.Replace(j)))
	q = r.await(q.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Contains(t, q.Counts, Count{"jobs", 1})
	got, err := work.JobDocs.Get(r.ctx, r.store, j.ID)
	require.NoError(t, err)
	require.Empty(t, got.Result)
	require.Equal(t, work.Succeeded, got.Status)
}

// TestASweepDoesNotReadTheJobsOfErasures counts what it reads of a workspace that had
// some.
func TestASweepDoesNotReadTheJobsOfErasures(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		j := &work.Job{Meta: store.Meta{ID: store.Key(rigWS, core.NewID(core.PrefixJob, time.Now()))}, Kind: []string{EraseKind, "alpha", "zeta"}[i%3], Status: work.Succeeded, CreatedAt: time.Now()}
		require.NoError(t, work.Commit(r.ctx, r.store, work.JobDocs.Insert(j)))
	}
	kinds := map[string]int{}
	require.NoError(t, r.eachJob(r.ctx, rigWS, func(j *work.Job) error {
		kinds[j.Kind]++
		return nil
	}))
	require.Equal(t, map[string]int{"alpha": 2, "zeta": 1}, kinds)
	enough := errors.New("enough")
	require.ErrorIs(t, r.eachJob(r.ctx, rigWS, func(*work.Job) error { return enough }), enough)
}
