package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// works is a runner with the jobs of the package.
type works struct {
	jobs *work.Jobs
	stop func()
}

func (h *house) works(t *testing.T) *works {
	t.Helper()
	r := work.New(work.Options{Store: h.db, Poll: 5 * time.Millisecond, Lease: time.Second, Backoff: work.Backoff{Base: time.Millisecond, Max: time.Millisecond}})
	w := &works{jobs: work.NewJobs(r)}
	w.jobs.Handle(ingest.ImportKind, h.ImportHandler(), 1)
	w.jobs.Handle(ingest.ReplayKind, h.ReplayHandler(), 1)
	r.Handle(ingest.SweepKind, work.Kind{Handler: h.SweepHandler()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	stopped := false
	w.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
		}
	}
	t.Cleanup(w.stop)
	return w
}

func (w *works) wait(t *testing.T, j *work.Job) *work.Job {
	t.Helper()
	var err error
	require.Eventually(t, func() bool {
		j, err = w.jobs.Get(context.Background(), ws, j.JobID())
		return err == nil && j.Status.Final()
	}, time.Minute, 5*time.Millisecond)
	return j
}

func counts(t *testing.T, j *work.Job) (c ingest.ImportCounts) {
	t.Helper()
	require.Equal(t, work.Succeeded, j.Status, "%+v", j.Error)
	require.NoError(t, j.DecodeResult(&c))
	return c
}

// lines returns an NDJSON file of n rows without message ids.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"type":"track","userId":"u%d","event":"Bought","timestamp":"2026-01-02T03:04:05Z","properties":{"n":%d}}`+"\n", i%40, i)
	}
	return b.String()
}

func TestImportOfNDJSON(t *testing.T) {
	h := open(t)
	w := h.works(t)
	file := lines(2500) + "not json\n\n" + `{"type":"track","userId":"u1"}`
	j, err := h.StageImport(t.Context(), w.jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON}, strings.NewReader(file))
	require.NoError(t, err)
	j = w.wait(t, j)
	require.Equal(t, ingest.ImportCounts{Rows: 2502, Accepted: 2500, Quarantined: 2, Bytes: int64(len(file))}, counts(t, j))
	require.EqualValues(t, 2502, j.Done)
	require.EqualValues(t, 2502, j.Total)
	page, err := h.events.Quarantined(t.Context(), ws, event.QuarantineFilter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	where := map[string]string{}
	for _, q := range page.Items {
		where[q.Reason] = strings.Join(q.Path, "/")
	}
	require.Equal(t, map[string]string{event.ReasonBadJSON: "line/2501", event.ReasonEventMissing: "line/2503/event"}, where)
	h.empty(t)
	h.consistent(t)

	again, err := h.StageImport(t.Context(), w.jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON}, strings.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, ingest.ImportCounts{Rows: 2502, Duplicates: 2500, Quarantined: 2, Bytes: int64(len(file))}, counts(t, w.wait(t, again)))
	require.EqualValues(t, 2500, h.count(t))
}

func TestImportOfCSV(t *testing.T) {
	h := open(t)
	w := h.works(t)
	file := "Customer,Mail,Total,When\n" +
		"c1,ana@example.com,12.50,2026-01-02T03:04:05Z\n" +
		"c2,\"b,b@example.com\",many,2026-01-02T03:04:05Z\n" +
		"c3,short\n" +
		"c1,ana@example.com,7,2026-01-03T03:04:05Z\n"
	o := ingest.ImportOptions{Format: ingest.CSV, Type: event.Identify, Mapping: map[string]string{
		"Customer": "userId", "Mail": "traits.email", "Total": "traits.total:number", "When": "timestamp",
	}}
	rows, err := h.PreviewImport(t.Context(), ws, o, strings.NewReader(file), 3)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, event.Accepted, rows[0].Status)
	require.Equal(t, event.Quarantined, rows[1].Status)
	require.EqualValues(t, 3, rows[1].Line)
	require.Empty(t, rows[0].ProfileID, "nobody was made")
	require.Zero(t, h.count(t), "nothing was written")

	j, err := h.StageImport(t.Context(), w.jobs, ws, o, strings.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, ingest.ImportCounts{Rows: 4, Accepted: 2, Quarantined: 2, Bytes: int64(len(file))}, counts(t, w.wait(t, j)))
	p, err := h.profiles.ByIdentifier(t.Context(), ws, event.Identifier{Namespace: "email", Value: "ana@example.com"})
	require.NoError(t, err)
	require.EqualValues(t, 7, p.TraitAt("total").Value.AsInt64())
	sources, err := h.events.Sources(t.Context(), ws)
	require.NoError(t, err)
	require.Equal(t, event.SourceImport, sources[0].Kind)

	o.Mapping["Total"] = "nowhere.total"
	_, err = h.StageImport(t.Context(), w.jobs, ws, o, strings.NewReader(file))
	require.Equal(t, core.Invalid, core.CodeOf(err), "a wrong mapping is told before anything is kept")
}

func TestAnImportGoesOnInAnotherProcess(t *testing.T) {
	h, m := meddled(t, nil)
	slow := func(_ context.Context, b store.Batch, commit func() error) error {
		for _, o := range b.Ops {
			if o.Spec == event.Events.Spec {
				time.Sleep(2 * time.Millisecond)
				break
			}
		}
		return commit()
	}
	first := h.works(t)
	file := lines(6_000)
	m.set(slow)
	j, err := h.StageImport(t.Context(), first.jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON}, strings.NewReader(file))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		j, err = first.jobs.Get(t.Context(), ws, j.JobID())
		return err == nil && j.Done > 0
	}, 20*time.Second, time.Millisecond)
	// The store goes away under the first runner, as a process dies.
	broken := errors.New("gone")
	m.set(func(context.Context, store.Batch, func() error) error {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, broken)
	})
	first.stop()
	m.set(nil)
	j, err = first.jobs.Get(t.Context(), ws, j.JobID())
	require.NoError(t, err)
	require.Equal(t, work.Running, j.Status)
	require.Less(t, j.Done, int64(6_000))

	other := over(t, h.db)
	second := other.works(t)
	c := counts(t, second.wait(t, j))
	require.EqualValues(t, 6_000, c.Rows)
	require.Zero(t, c.Quarantined+c.Rejected)
	require.EqualValues(t, 6_001, h.count(t))
	h.empty(t)
	h.consistent(t)
}

func TestABrokenUploadIsRefused(t *testing.T) {
	h := open(t)
	w := h.works(t)
	r := io.MultiReader(strings.NewReader(lines(10_000)), iotest.ErrReader(errors.New("cut")))
	_, err := h.StageImport(t.Context(), w.jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON}, r)
	require.Equal(t, core.Invalid, core.CodeOf(err))
	require.Equal(t, "UPLOAD_BROKEN", core.AsError(err).Reason)
	h.empty(t)
}

func TestWhatAnImportLeftBehindIsSwept(t *testing.T) {
	h := open(t)
	jobs := work.NewJobs(work.New(work.Options{Store: h.db})) // they never run
	j, err := h.StageImport(t.Context(), jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON}, strings.NewReader(lines(100_000)))
	require.NoError(t, err)
	chunks, err := ingest.Files.Chunks.Find(t.Context(), h.db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	require.Greater(t, len(chunks), 5)
	_, err = jobs.Cancel(t.Context(), ws, j.JobID())
	require.NoError(t, err)
	file, _, _ := strings.Cut(store.Rest(chunks[0].ID), "/")
	task, err := work.Find(t.Context(), h.db, ws, ingest.SweepKind, file)
	require.NoError(t, err)
	require.Greater(t, time.Until(task.DueAt), 6*24*time.Hour)
	_, err = h.db.Commit(t.Context(), store.Batch{ID: "due", Ops: []store.Op{work.Move(task, time.Now())}})
	require.NoError(t, err)
	w := work.New(work.Options{Store: h.db, Poll: 5 * time.Millisecond})
	w.Handle(ingest.SweepKind, work.Kind{Handler: h.SweepHandler()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	require.Eventually(t, func() bool {
		n, err := ingest.Files.Chunks.Count(t.Context(), h.db, store.Query{Workspace: ws})
		return err == nil && n == 0
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	<-done
}

func TestReplayJobTriesEachItemOnce(t *testing.T) {
	h := open(t)
	w := h.works(t)
	for i := range 150 {
		h.one(t, message(`{"type":"track","messageId":"bad%d","userId":"ana"}`, i))
	}
	page, err := h.events.Quarantined(t.Context(), ws, event.QuarantineFilter{}, core.Window{Limit: 100})
	require.NoError(t, err)
	for i, q := range page.Items[:3] {
		_, err := h.events.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: fmt.Appendf(nil, `{"type":"track","messageId":"good%d","userId":"ana","event":"Viewed"}`, i)})
		require.NoError(t, err)
	}
	j, err := w.jobs.Start(t.Context(), ingest.ReplayKind, ws, ingest.ReplayInput{Status: event.QuarantineCorrected}, "")
	require.NoError(t, err)
	j = w.wait(t, j)
	var c ingest.ReplayCounts
	require.NoError(t, j.DecodeResult(&c))
	require.Equal(t, ingest.ReplayCounts{Replayed: 3}, c)
	j, err = w.jobs.Start(t.Context(), ingest.ReplayKind, ws, ingest.ReplayInput{}, "")
	require.NoError(t, err)
	j = w.wait(t, j)
	require.NoError(t, j.DecodeResult(&c))
	require.EqualValues(t, 147, c.StillAside)
	require.EqualValues(t, 147, j.Done)
	require.EqualValues(t, 3, h.count(t))
	h.consistent(t)
}

// A row that was refused, came in with a second import of the file, and is replayed
// afterwards is one event.
func TestReplayAfterASecondImport(t *testing.T) {
	h := open(t)
	w := h.works(t)
	load := func() ingest.ImportCounts {
		j, err := h.StageImport(t.Context(), w.jobs, ws, ingest.ImportOptions{Format: ingest.NDJSON},
			strings.NewReader(`{"type":"track","userId":"ana","event":"Viewed"}`+"\n"))
		require.NoError(t, err)
		return counts(t, w.wait(t, j))
	}
	_, err := h.events.SetPlan(t.Context(), ws, event.PlanUpdate{Unplanned: event.QuarantineEvent})
	require.NoError(t, err)
	require.EqualValues(t, 1, load().Quarantined)
	_, err = h.events.SetPlan(t.Context(), ws, event.PlanUpdate{Unplanned: event.Allow})
	require.NoError(t, err)
	require.EqualValues(t, 1, load().Accepted)
	aside, err := h.events.Quarantined(t.Context(), ws, event.QuarantineFilter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, aside.Items, 1)
	results, err := h.Replay(t.Context(), ws, []string{aside.Items[0].QuarantineID()})
	require.NoError(t, err)
	require.Equal(t, event.Duplicate, results[0].Status)
	require.EqualValues(t, 1, h.count(t))
}

// An import whose last words were lost finds its file deleted and has nothing left
// to do.
func TestAnImportThatEndedIsNotReadAgain(t *testing.T) {
	h := open(t)
	w := h.works(t)
	j, err := h.StageImport(t.Context(), w.jobs, ws, ingest.ImportOptions{Format: ingest.CSV, Type: event.Identify}, strings.NewReader("userId\nana\nben\n"))
	require.NoError(t, err)
	j = w.wait(t, j)
	require.EqualValues(t, 2, counts(t, j).Accepted)
	h.empty(t)
	// The same job once more, as after a crash between its last step and its end.
	j.Status = work.Running
	_, err = h.db.Commit(t.Context(), store.Batch{ID: "again", Ops: []store.Op{
		work.JobDocs.Replace(j), work.Enqueue(work.Item{Kind: "job." + ingest.ImportKind, Workspace: ws, Name: j.JobID(), DueAt: time.Now()}),
	}})
	require.NoError(t, err)
	require.EqualValues(t, 2, counts(t, w.wait(t, j)).Accepted)
}

// empty checks that no staged file is left.
func (h *house) empty(t *testing.T) {
	t.Helper()
	n, err := ingest.Files.Chunks.Count(context.Background(), h.db, store.Query{Workspace: ws})
	require.NoError(t, err)
	require.Zero(t, n)
}
