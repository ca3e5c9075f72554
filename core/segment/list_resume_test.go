package segment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// faltering is a committer that fails now and then, before or after it has done what
// it was asked.
type faltering struct {
	event.Committer
	calls atomic.Int64
}

// CommitAll implements event.Committer.
func (f *faltering) CommitAll(ctx context.Context, ws string, events []event.SystemEvent, ops ...store.Op) ([]event.Result, error) {
	n := f.calls.Add(1)
	lost := core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the reply was lost")
	if n == 2 {
		return nil, lost
	}
	out, err := f.Committer.CommitAll(ctx, ws, events, ops...)
	if n == 3 && err == nil {
		return nil, lost
	}
	return out, err
}

func TestAnUploadGoesOnWhereItCameTo(t *testing.T) {
	f := &faltering{}
	o := newOffice(t, func(o *Options) {
		f.Committer = o.Committer
		o.Committer = f
	})
	o.people(400, countryOf)
	list := o.emptyList("x")
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "\"u%d@example.com\"\n", i)
	}
	c := o.upload(UploadInput{ID: list.SegmentID(), Format: NDJSON, Namespace: "email"}, text.String())
	require.Greater(t, f.calls.Load(), int64(4), "it failed twice")
	require.Equal(t, int64(400), c.Lines)
	require.Equal(t, int64(400), c.Added+c.Already)
	require.Equal(t, int64(100), c.Already, "the slice whose reply was lost had been committed")
	require.Equal(t, exactly(400), o.size(list))
	joined, err := o.Changes(o.ctx, o.ws, list.SegmentID(), core.Window{Limit: 1})
	require.NoError(t, err)
	require.Len(t, joined.Items, 1)
	n, err := o.CountChanges(o.ctx, o.ws, list.SegmentID())
	require.NoError(t, err)
	require.Equal(t, int64(400), n, "nobody came on it twice")
}

// A run that died between the end of its work and the end of its job finds the marks
// gone; it must not take that for a file that names nobody.
func TestAnUploadThatEndedRemovesNobodyMore(t *testing.T) {
	o := newOffice(t)
	people := o.people(3, countryOf)
	slices.Sort(people) // the job walks the list in this order
	id := o.emptyList("x").SegmentID()
	in := UploadInput{ID: id, Format: CSV, Replace: true}
	j, err := o.UploadList(o.ctx, o.ws, in, strings.NewReader("profileId\n"+people[0]+"\n"))
	require.NoError(t, err)
	j = o.finish(j.JobID())
	_, err = o.AddToList(o.ctx, o.ws, id, []ListItem{{ProfileID: people[1]}, {ProfileID: people[2]}})
	require.NoError(t, err)
	j.Status = work.Running
	require.NoError(t, work.Commit(o.ctx, o.db, work.JobDocs.Replace(j),
		work.Enqueue(work.Item{Kind: "job." + JobList, Workspace: o.ws, Name: j.JobID(), DueAt: time.Now()})))
	var c UploadCounts
	require.NoError(t, o.finish(j.JobID()).DecodeResult(&c))
	require.Equal(t, UploadCounts{Lines: 1, Added: 1}, c)
	require.ElementsMatch(t, people, o.ids(id))
	require.Zero(t, o.staged())
}

func TestTheSweepTakesTheMarksToo(t *testing.T) {
	o := newOffice(t)
	id := o.emptyList("x").SegmentID()
	job := listInput{List: id, Replace: true}
	require.NoError(t, o.stage(o.ctx, o.ws, &job, UploadInput{ID: id, Format: CSV}, strings.NewReader("email\na@example.com\n")))
	require.NoError(t, o.mark(o.ctx, o.ws, job.File, []string{"prof_1", "prof_2", "", "prof_1"}))
	require.EqualValues(t, 3, o.staged())
	task, err := work.Find(o.ctx, o.db, o.ws, SweepList, job.File)
	require.NoError(t, err)
	require.NoError(t, work.Commit(o.ctx, o.db, work.Move(task, time.Now())))
	require.Eventually(t, func() bool { return o.staged() == 0 }, 10*time.Second, 5*time.Millisecond)
}
