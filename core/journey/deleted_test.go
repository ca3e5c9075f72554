package journey_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/work"
)

// TestDeletedWorkspace deletes a workspace with people inside its journeys, while the workers
// run and the store goes down in the midst of it: nothing of it is left, nothing of it fires,
// and the journeys of another workspace go on.
func TestDeletedWorkspace(t *testing.T) {
	const other, people = "ws_JOURNEYS02", 30
	inner, clock := openStore(t), core.NewVirtualClock(start)
	db := faultstore.New(inner)
	db.Use(faultstore.Script())
	queue := &outbox{sent: map[string]message.Intent{}}
	process := func() *house {
		h := houseOver(t, db, clock)
		h.Outbox = queue
		return h
	}
	h := process()
	as := func(ws string) context.Context {
		return core.WithActor(context.Background(), access.System(ws, "test"))
	}
	for _, ws := range []string{ws, other} {
		require.NoError(t, work.Commit(as(ws), inner, access.Workspaces.Insert(&access.Workspace{Meta: store.Meta{ID: ws}, Name: "Shop " + ws, Status: access.Active, CreatedAt: start})))
		j, _, err := h.Create(as(ws), ws, journey.CreateInput{Name: "test", Definition: decoded(t, drawing("", []string{
			`in {"entry":{"event":{"name":"Start"}}}`, `ok {"approval":{"role":"boss","timeout":"PT1M"}}`, `w {"wait":{"duration":"PT1M"}}`, mail("m"),
		}, "in next ok", "ok next w", "ok else w", "ok timeout w", "w next m"))})
		require.NoError(t, err)
		_, err = h.Publish(as(ws), ws, journey.PublishInput{ID: j.JourneyID()})
		require.NoError(t, err)
		var inputs []event.Input
		for i := range people {
			inputs = append(inputs, event.DecodeMessage(fmt.Appendf(nil, `{"type":"track","userId":"u%d","event":"Start"}`, i), event.Defaults{ReceivedAt: clock.Now(), MessageID: fmt.Sprint("m", i)}))
		}
		_, err = h.pipeline.Ingest(as(ws), ws, "src_web", inputs)
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, h.Turn(as(ws), ws))
		}
		require.Equal(t, int64(people), countOf(t, inner, journey.Enrollments.Spec, ws))
		require.Equal(t, int64(people), countOf(t, inner, journey.ToDos.Spec, ws))
	}
	plan, err := h.access.DeleteWorkspace(as(ws), access.Deletion{Workspace: ws, ExpectedName: "Shop " + ws})
	require.NoError(t, err)

	// The store goes down as some of the enrollments have gone.
	db.Use(func(c faultstore.Call) faultstore.Fault {
		if c.Op != faultstore.Commit {
			return faultstore.Fault{}
		}
		for _, op := range c.Batch.Ops {
			if op.Kind == store.OpDelete && op.Spec == journey.Enrollments.Spec && store.WorkspaceOf(op.ID) == ws {
				return faultstore.Fault{Kind: faultstore.CrashAfter}
			}
		}
		return faultstore.Fault{}
	})
	running(t, h, clock, func() bool {
		select {
		case <-db.Crashed():
			return true
		default:
			return false
		}
	})
	db.Use(faultstore.Script())
	db.Reopen()
	require.Less(t, countOf(t, inner, journey.Enrollments.Spec, ws), int64(people))

	h = process()
	running(t, h, clock, func() bool {
		j, err := h.jobs.Get(context.Background(), work.System, plan.Job.JobID())
		require.NoError(t, err)
		require.Nil(t, j.Error)
		done := countOf(t, inner, journey.Enrollments.Spec, other) == int64(people)
		return j.Status == work.Succeeded && done && sentIn(t, inner, other) == people
	})
	for range 3 {
		clock.Advance(time.Hour)
		require.NoError(t, h.Turn(as(ws), ws))
	}
	for _, spec := range specsOf() {
		if !spec.Global {
			require.Zero(t, countOf(t, inner, spec, ws), spec.Name)
		}
	}
	require.NoError(t, work.Tasks.Each(context.Background(), inner, store.Query{}, func(task *work.Task) error {
		require.NotEqual(t, ws, task.Workspace, task.Kind)
		return nil
	}))
	require.Equal(t, people, sentIn(t, inner, other))
	require.Zero(t, sentIn(t, inner, ws))
}

// running lets the background work of a process run until something is so.
func running(t *testing.T, h *house, clock *core.VirtualClock, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.runner.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for deadline := time.Now().Add(60 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "it comes to that")
		clock.Advance(500 * time.Millisecond)
	}
}

func countOf(t *testing.T, db store.Store, spec *store.Spec, ws string) int64 {
	t.Helper()
	p, err := store.PlanQuery(spec, store.Query{Workspace: ws})
	require.NoError(t, err)
	n, err := db.Count(context.Background(), p)
	require.NoError(t, err)
	return n
}

func sentIn(t *testing.T, db store.Store, ws string) int {
	t.Helper()
	list, err := store.Claims.Find(context.Background(), db, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "sent/")}}, 0)
	require.NoError(t, err)
	return len(list)
}
