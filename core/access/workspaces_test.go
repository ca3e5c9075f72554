package access_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestWorkspaces(t *testing.T) {
	f := setup(t)
	_, err := f.CreateWorkspace(root, " sHop ")
	refused(t, err, core.Conflict, "NAME_TAKEN")
	_, err = f.CreateWorkspace(root, " ")
	refused(t, err, core.Invalid, "NAME")
	var source string
	f.clock.Advance(time.Second)
	second, err := f.CreateWorkspace(root, "Second", func(ws, src string) []store.Op {
		source = src
		return []store.Op{notes.Insert(&note{Meta: store.Meta{ID: store.Key(ws, "first")}})}
	})
	require.NoError(t, err)
	require.Equal(t, source, second.Source)
	n, err := notes.Get(root, f.store, store.Key(second.Workspace.ID, "first"))
	require.NoError(t, err)
	require.NotNil(t, n)

	one := 1
	p, err := f.ListWorkspaces(root, core.PageArgs{First: &one})
	require.NoError(t, err)
	require.Equal(t, "Shop", p.Items[0].Name)
	p, err = f.ListWorkspaces(root, core.PageArgs{After: &p.Cursors[0]})
	require.NoError(t, err)
	require.Len(t, p.Items, 1)
	require.Equal(t, "Second", p.Items[0].Name)

	w, err := f.Workspace(f.admin, "")
	require.NoError(t, err)
	require.Equal(t, "Shop", w.Name)
	_, err = f.Workspace(f.admin, second.Workspace.ID)
	refused(t, err, core.Forbidden, "OTHER_WORKSPACE")

	_, err = f.RenameWorkspace(f.admin, "", "SECOND", 0)
	refused(t, err, core.Conflict, "NAME_TAKEN")
	_, err = f.RenameWorkspace(f.admin, "", "Store", w.V+1)
	refused(t, err, core.Conflict, "VERSION_CONFLICT")
	_, err = f.RenameWorkspace(f.admin, "", "Store", w.V)
	require.NoError(t, err)
	w, err = f.RenameWorkspace(f.admin, "", "STORE", 0)
	require.NoError(t, err)
	require.Equal(t, "STORE", w.Name)
	w, err = f.FindWorkspace(root, "store")
	require.NoError(t, err)
	require.Equal(t, f.made.Workspace.ID, w.ID)
	_, err = f.CreateWorkspace(root, "Shop")
	require.NoError(t, err, "the old name is free")
}

// Of those who want one name at once, one gets it.
func TestNameRace(t *testing.T) {
	f := setup(t)
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = f.CreateWorkspace(root, "Wanted")
			} else {
				_, err = f.RenameWorkspace(f.admin, "", "Wanted", 1)
			}
			if err == nil {
				made.Add(1)
			} else if core.CodeOf(err) != core.Conflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, made.Load())
}

// Two services on one file: a change in one counts in the other within a second,
// even when the other does not follow; when it does, its live streams end.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	a, b := serviceOn(t, openPath(t, path)), serviceOn(t, openPath(t, path))
	made, err := a.CreateWorkspace(root, "Shop")
	require.NoError(t, err)
	a.admin = a.as(t, made.AdminKey)

	k := a.key(t, access.NewKey{Roles: []string{access.Analyst}})
	b.as(t, k.Secret)
	_, err = a.RevokeKey(a.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	from := time.Now()
	until(t, "revoked in b", func() bool {
		_, err := b.Authenticate(context.Background(), k.Secret, "")
		return core.CodeOf(err) == core.Unauthenticated
	})
	require.Less(t, time.Since(from), 2*time.Second)

	k = a.key(t, access.NewKey{Roles: []string{access.Analyst}})
	kept := a.key(t, access.NewKey{Roles: []string{access.Analyst}})
	background(t, b.Run)
	live, stop := b.Live(b.as(t, k.Secret))
	defer stop()
	other, stopOther := b.Live(b.as(t, kept.Secret))
	defer stopOther()
	time.Sleep(100 * time.Millisecond) // b follows by now
	_, err = a.RevokeKey(a.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	<-live.Done()
	refused(t, context.Cause(live), core.Unauthenticated, "KEY_REVOKED")
	require.NoError(t, other.Err())

	_, err = a.DeleteWorkspace(a.admin, access.Deletion{ExpectedName: "Shop"})
	require.NoError(t, err)
	<-other.Done()
	refused(t, context.Cause(other), core.Unauthenticated, "WORKSPACE_DELETED")
	_, err = b.Authenticate(context.Background(), kept.Secret, "")
	refused(t, err, core.Unauthenticated, "WORKSPACE_DELETED")
}

func TestLive(t *testing.T) {
	f := setup(t)
	k := f.key(t, access.NewKey{Roles: []string{access.Analyst}, ExpiresAt: epoch.Add(time.Hour)})
	ctx := f.as(t, k.Secret)
	live, stop := f.Live(ctx)
	defer stop()
	background(t, f.Run)
	until(t, "expired", func() bool { f.clock.Advance(time.Minute); return live.Err() != nil })
	refused(t, context.Cause(live), core.Unauthenticated, "KEY_EXPIRED")
	require.False(t, f.clock.Now().Before(epoch.Add(time.Hour)))
	late, stopLate := f.Live(ctx)
	defer stopLate()
	<-late.Done() // the key had ended before

	// While the store cannot be read the stream stays; afterwards it is looked at.
	k = f.key(t, access.NewKey{Roles: []string{access.Analyst}})
	ctx = f.as(t, k.Secret)
	_, err := f.RevokeKey(f.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	f.store.off.Store(true)
	live, stop2 := f.Live(ctx)
	defer stop2()
	require.NoError(t, live.Err())
	f.store.off.Store(false)
	until(t, "looked at again", func() bool { f.clock.Advance(time.Second); return live.Err() != nil })
	refused(t, context.Cause(live), core.Unauthenticated, "KEY_REVOKED")

	system, stopSystem := f.Live(core.WithActor(context.Background(), access.System(f.made.Workspace.ID, "sweep")))
	require.NoError(t, system.Err())
	stopSystem()
	require.Error(t, system.Err())
}

func fill(t *testing.T, f *fixture, ws string) {
	t.Helper()
	for from := 0; from < 450; from += 150 {
		ops := []store.Op{
			store.AddTo(ws, "events", from/150, map[string]int64{"n": 1}),
			store.Claim(ws, "email", fmt.Sprint(from), "prof_1"),
			work.Enqueue(work.Item{Kind: "later", Workspace: ws, Name: fmt.Sprint(from), DueAt: epoch}),
		}
		for i := from; i < from+150; i++ {
			ops = append(ops, notes.Insert(&note{Meta: store.Meta{ID: store.Key(ws, fmt.Sprint(i))}}))
		}
		_, err := f.store.Commit(root, store.Batch{ID: ws + fmt.Sprint(from), Ops: ops})
		require.NoError(t, err)
	}
}

func TestDeleteWorkspace(t *testing.T) {
	f := setup(t)
	id := f.made.Workspace.ID
	other, err := f.CreateWorkspace(root, "Other")
	require.NoError(t, err)
	fill(t, f, id)
	fill(t, f, other.Workspace.ID)

	_, err = f.DeleteWorkspace(f.admin, access.Deletion{ExpectedName: "shop"})
	refused(t, err, core.Invalid, "NAME_MISMATCH")
	plan, err := f.DeleteWorkspace(f.admin, access.Deletion{ExpectedName: "Shop", DryRun: true})
	require.NoError(t, err)
	require.Nil(t, plan.Job)
	require.ElementsMatch(t, []access.CollectionCount{{"notes", 450}, {"claims", 3}, {"counters", 3}}, plan.Counts)
	f.as(t, f.made.WriteKey)

	plan, err = f.DeleteWorkspace(f.admin, access.Deletion{ExpectedName: "Shop"})
	require.NoError(t, err)
	require.Equal(t, work.Queued, plan.Job.Status)
	for _, secret := range []string{f.made.AdminKey, f.made.WriteKey} {
		_, err = f.Authenticate(context.Background(), secret, "")
		refused(t, err, core.Unauthenticated, "WORKSPACE_DELETED")
	}
	again, err := f.DeleteWorkspace(root, access.Deletion{Workspace: id, ExpectedName: "Shop"})
	require.NoError(t, err)
	require.Equal(t, plan.Job.ID, again.Job.ID)

	// A job that was cancelled can be started again; what comes in late goes too.
	_, err = f.jobs.Cancel(root, work.System, plan.Job.JobID())
	require.NoError(t, err)
	again, err = f.DeleteWorkspace(root, access.Deletion{Workspace: id, ExpectedName: "Shop"})
	require.NoError(t, err)
	require.NotEqual(t, plan.Job.ID, again.Job.ID)
	var late atomic.Int64
	writing := background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			op := store.AddTo(id, "events", int(late.Add(1)), map[string]int64{"n": 1})
			if _, err := f.store.Commit(context.Background(), store.Batch{ID: fmt.Sprint("late", late.Load()), Ops: []store.Op{op}}); err != nil {
				return err
			}
		}
		return nil
	})
	background(t, f.runner.Run)
	time.Sleep(100 * time.Millisecond)
	writing()
	job := again.Job
	until(t, "deleted", func() bool {
		f.clock.Advance(time.Second)
		job, err = f.jobs.Get(root, work.System, job.JobID())
		require.NoError(t, err)
		return job.Status.Final()
	})
	require.Equal(t, work.Succeeded, job.Status, "%+v", job.Error)
	require.GreaterOrEqual(t, job.Done, int64(456))
	require.GreaterOrEqual(t, job.Total, job.Done)

	for _, spec := range specs() {
		q := store.Query{Workspace: id}
		if spec.Global {
			continue
		}
		p, err := store.PlanQuery(spec, q)
		require.NoError(t, err)
		n, err := f.store.Count(root, p)
		require.NoError(t, err)
		require.Zero(t, n, spec.Name)
	}
	w, err := f.Workspace(root, id)
	require.NoError(t, err)
	require.Equal(t, access.Deleted, w.Status)
	require.Empty(t, w.Name)
	_, err = f.Authenticate(context.Background(), f.made.AdminKey, "")
	refused(t, err, core.Unauthenticated, "UNKNOWN_KEY")
	_, err = f.DeleteWorkspace(root, access.Deletion{Workspace: id})
	refused(t, err, core.NotFound, "WORKSPACE")
	_, err = f.CreateWorkspace(root, "Shop")
	require.NoError(t, err, "the name is free")
	p, err := f.ListWorkspaces(root, core.PageArgs{})
	require.NoError(t, err)
	require.Len(t, p.Items, 2)

	left, err := notes.Count(root, f.store, store.Query{Workspace: other.Workspace.ID})
	require.NoError(t, err)
	require.EqualValues(t, 450, left)
	task, err := work.Find(root, f.store, other.Workspace.ID, "later", "0")
	require.NoError(t, err)
	require.NotNil(t, task)
	task, err = work.Find(root, f.store, id, "later", "0")
	require.NoError(t, err)
	require.Nil(t, task)
}
