package privacy

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// The environment of a process that works on a store until it is killed: the store's
// path, and whom it erases first.
const (
	processPath   = "HEADWATER_PRIVACY_TEST_STORE"
	processPerson = "HEADWATER_PRIVACY_TEST_PERSON"
)

// TestProcess is the other process of the tests below.
func TestProcess(t *testing.T) {
	path := os.Getenv(processPath)
	if path == "" {
		t.Skip("it is started by other tests")
	}
	r := rigAt(t, path)
	if id := os.Getenv(processPerson); id != "" {
		_, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id, IdempotencyKey: "once"})
		require.NoError(t, err)
	}
	select {}
}

func process(t *testing.T, path, person string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	cmd.Env = append(os.Environ(), processPath+"="+path, processPerson+"="+person)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // SIGKILL: nothing is tidied up
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return kill
}

// TestAnErasureGoesOnAfterTheProcessIsKilled kills processes in the sweep, and while
// files and destinations are left, until one of its own takes it to the receipt.
func TestAnErasureGoesOnAfterTheProcessIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	r := newRig(t)
	id := r.identify("ana", `{"email":"`+canaryMark+`@example.com"}`)
	const orders = 3000
	for range orders / 500 {
		some := make([]string, 500)
		for i := range some {
			some[i] = `{"type":"track","userId":"ana","event":"Order Completed","properties":{"total":12.25,"currency":"EUR","note":"` + canaryMark + `"}}`
		}
		r.send(some...)
	}
	ben := r.identify("ben", `{"email":"ben@example.com"}`)
	events, sum := r.totals()
	require.EqualValues(t, orders, events)
	r.close()

	ctx := r.ctx
	db, err := sqlite.Open(ctx, sqlite.Options{Path: r.path})
	require.NoError(t, err)
	require.NoError(t, db.Declare(ctx, allSpecs()...))
	job := func() *work.Job {
		jobs, err := work.JobDocs.Find(ctx, db, store.Query{Workspace: rigWS, Where: []store.Cond{store.Eq("kind", EraseKind)}, Order: []string{"-createdAt"}}, 1)
		require.NoError(t, err)
		if len(jobs) == 0 {
			return &work.Job{}
		}
		return jobs[0]
	}
	done := int64(0)
	person := id
	for range 2 {
		kill := process(t, r.path, person)
		require.Eventually(t, func() bool { return job().Done > done }, 60*time.Second, time.Millisecond)
		kill()
		j := job()
		require.False(t, j.Status.Final(), "it was killed in the middle")
		require.Less(t, j.Done, int64(orders))
		done, person = j.Done, ""
	}
	require.NoError(t, db.Close(ctx))

	r = rigAt(t, r.path)
	r.await(job2request(t, r), func(q *Request) bool { return q.Status == Completed })
	q, err := Requests.Get(r.ctx, r.store, store.Key(rigWS, job2request(t, r)))
	require.NoError(t, err)
	require.Contains(t, q.Counts, Count{"events", orders + 1}, "each was counted once")
	keys, err := r.ring.VerifierKeys(r.ctx, rigWS, signerName)
	require.NoError(t, err)
	_, err = VerifyReceipt([]byte(q.Receipt.SignedNote), keys[0].Key)
	require.NoError(t, err)
	after, sumAfter := r.totals()
	require.Equal(t, events, after)
	require.Zero(t, sum.Cmp(sumAfter))
	r.clean(ben)
	r.close()
	require.Zero(t, r.hits())
}

func job2request(t *testing.T, r *rig) string {
	t.Helper()
	all, err := Requests.Find(r.ctx, r.store, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0].RequestID()
}

// clean checks that what is stored is what the logs say, that those who stay are there,
// and that there is no canary in anything that is stored.
func (r *rig) clean(stay ...string) {
	r.t.Helper()
	for _, id := range stay {
		p, err := r.people.Get(r.ctx, rigWS, id)
		require.NoError(r.t, err)
		require.NotNil(r.t, p)
	}
	people, err := r.people.Check(r.ctx, rigWS, nil)
	require.NoError(r.t, err)
	require.Empty(r.t, people)
	segments, err := r.segments.Check(r.ctx, rigWS)
	require.NoError(r.t, err)
	require.Empty(r.t, segments)
	r.export(r.t)
}

// TestTwoProcessesEraseTogether has two of them erase, the same people among others,
// while both take events.
func TestTwoProcessesEraseTogether(t *testing.T) {
	a := newRig(t)
	b := rigAt(t, a.path)
	n := 10
	if testing.Short() {
		n = 2
	}
	var people []string
	for i := range n {
		people = append(people, a.identify(fmt.Sprint("u", i), fmt.Sprintf(`{"email":"%s%d@example.com"}`, canaryMark, i)))
	}
	ben := a.identify("ben", `{}`)
	var mu sync.Mutex
	requests := map[string]bool{}
	var wg sync.WaitGroup
	for k, r := range []*rig{a, b} {
		wg.Go(func() {
			for i := range n {
				out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: people[(i+k*n/2)%n]})
				if reason(err) == "ERASED" {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				requests[out.Request.RequestID()] = true
				mu.Unlock()
			}
		})
		wg.Go(func() {
			for range 2 * n {
				r.send(`{"type":"track","userId":"ben","event":"Seen"}`)
			}
		})
	}
	wg.Wait()
	require.Len(t, requests, n, "each is erased once")
	for id := range requests {
		q := b.await(id, func(q *Request) bool { return q.Status.Final() })
		require.Equal(t, Completed, q.Status)
	}
	b.clean(ben)
	a.clean(ben)
	a.close()
	b.close()
	require.Zero(t, a.hits())
}

// TestNobodyComesBackWhoIsErasedUnderTheirOwnEvents erases a person while events of
// theirs come in, and while others are merged into them.
func TestNobodyComesBackWhoIsErasedUnderTheirOwnEvents(t *testing.T) {
	r := newRig(t)
	id := r.identify("ana", `{"email":"`+canaryMark+`@example.com"}`)
	ben := r.identify("ben", `{}`)
	old := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	stop := make(chan struct{})
	going := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	dropped, merged := 0, 0
	for k := range 2 {
		wg.Go(func() {
			for going() {
				res := r.send(fmt.Sprintf(`{"type":"track","userId":"ana","anonymousId":"%s-%d","event":"Seen","timestamp":%q,"properties":{"note":%q}}`, canaryMark, k, old, canaryMark))[0]
				mu.Lock()
				if res.Status == event.Dropped {
					dropped++
				}
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for i := 0; going(); i++ {
			other := r.send(fmt.Sprintf(`{"type":"track","anonymousId":"b%d","event":"Seen"}`, i))[0].ProfileID
			_, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: id, LoserID: other, Reason: "said " + canaryMark})
			if err == nil {
				mu.Lock()
				merged++
				mu.Unlock()
			}
		}
	})
	enough := 3
	if testing.Short() {
		enough = 1
	}
	some := func(n *int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return *n >= enough
		}
	}
	require.Eventually(t, some(&merged), 30*time.Second, time.Millisecond)
	out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
	for try := 0; reason(err) == "BUSY" && try < 20; try++ { // on a loaded machine; who asks does as they are told
		time.Sleep(500 * time.Millisecond)
		out, err = r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
	}
	require.NoError(t, err)
	require.Eventually(t, some(&dropped), 30*time.Second, time.Millisecond)
	q := r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Equal(t, Completed, q.Status)
	close(stop)
	wg.Wait()
	_, err = r.people.Get(r.ctx, rigWS, id)
	require.Equal(t, "ERASED", reason(err))
	p, err := r.people.ByIdentifier(r.ctx, rigWS, event.Identifier{Namespace: "user_id", Value: "ana"})
	require.NoError(t, err)
	require.Nil(t, p)
	r.clean(ben)
}
