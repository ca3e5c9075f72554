package segment

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func (r *rig) stalled(id string) bool {
	r.t.Helper()
	seg, err := Segments.Get(r.t.Context(), r.store, store.Key(rigWS, id))
	require.NoError(r.t, err)
	stalled, err := r.Stalled(r.t.Context(), rigWS, seg)
	require.NoError(r.t, err)
	return stalled
}

// refusingStore never writes to one collection.
type refusingStore struct {
	store.Store
	spec *store.Spec
}

func (r *refusingStore) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	for i := range b.Ops {
		if b.Ops[i].Spec.Name == r.spec.Name {
			return "", errors.New("the disk is full")
		}
	}
	return r.Store.Commit(ctx, b)
}

// A definition whose backfill was cancelled says so, goes on with those to whom
// something happens, and is built by another job when it is restored.
func TestACancelledBackfillIsTriedAgain(t *testing.T) {
	r := newRig(t)
	ids := r.crowd(40, 14*day)
	job := r.build("seg_recent", whereRecent)
	require.False(t, r.stalled("seg_recent"), "its job is queued")
	_, err := r.jobs.Cancel(t.Context(), rigWS, job)
	require.NoError(t, err)
	require.True(t, r.stalled("seg_recent"))
	require.Equal(t, Building, r.status("seg_recent"))
	r.track("ana", "Order", 0, `{}`)
	require.EqualValues(t, 1, r.size("seg_recent"))

	out, err := r.Restore(t.Context(), rigWS, "seg_recent", nil)
	require.NoError(t, err)
	require.NotEmpty(t, out.Job)
	require.NotEqual(t, job, out.Job)
	require.False(t, r.stalled("seg_recent"), "there is a job again")
	again, err := r.Restore(t.Context(), rigWS, "seg_recent", nil)
	require.NoError(t, err)
	require.Empty(t, again.Job, "one job is enough")
	require.Equal(t, work.Succeeded, r.finish(out.Job).Status)
	require.Equal(t, Live, r.status("seg_recent"))
	require.False(t, r.stalled("seg_recent"))
	require.EqualValues(t, 21, r.size("seg_recent"))
	require.True(t, r.in("seg_recent", ids[0]))
	r.consistent()
}

// One that fails for good leaves its segment stalled, with the members it had.
func TestAFailedBackfillIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.live("seg_s", whereRecent)
	ana, bob := r.track("ana", "Order", 0, `{}`), r.track("bob", "Visit", 0, `{}`)
	r.clock.Advance(time.Second)
	job := r.build("seg_s", `{"event":{"name":"Visit","window":{"last":"P7D"}}}`)
	broken := rigOver(t, &refusingStore{Store: r.store, spec: Memberships.Spec}, r.clock)
	require.Equal(t, work.Failed, broken.finish(job).Status)

	require.True(t, r.stalled("seg_s"))
	require.True(t, r.in("seg_s", ana), "the old answer serves")
	out, err := r.Restore(t.Context(), rigWS, "seg_s", nil)
	require.NoError(t, err)
	require.Equal(t, work.Succeeded, r.finish(out.Job).Status)
	require.False(t, r.in("seg_s", ana))
	require.True(t, r.in("seg_s", bob))
	require.Equal(t, Live, r.status("seg_s"))
	r.consistent()
}
