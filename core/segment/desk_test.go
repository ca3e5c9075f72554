package segment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// office is a service of segments with all that it stands on: a store of its own,
// the pipeline, and a runner of jobs.
type office struct {
	*Service
	t        testing.TB
	ctx      context.Context
	ws       string
	pipeline *ingest.Pipeline
	runner   *work.Runner
	n        int
}

func newOffice(t testing.TB, change ...func(*Options)) *office {
	t.Helper()
	ctx, cancel := context.WithCancel(core.WithActor(context.Background(), &core.Actor{ID: "system:test"}))
	db, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	specs := []*store.Spec{store.Counters.Spec, store.Claims.Spec}
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(ctx, specs...))
	clock := core.SystemClock{}
	events, profiles := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: profiles})
	runner := work.New(work.Options{Store: db, Clock: clock, Poll: 20 * time.Millisecond, Lease: 5 * time.Second})
	o := Options{
		Store: db, Clock: clock, Profiles: profiles, Events: events, Committer: pipeline,
		Jobs: work.NewJobs(runner), Runner: runner,
	}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	profiles.SetFold(s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		closing, end := context.WithTimeout(context.Background(), 20*time.Second)
		defer end()
		require.NoError(t, pipeline.Close(closing))
		require.NoError(t, db.Close(closing))
	})
	return &office{Service: s, t: t, ctx: ctx, ws: "ws_SEGMENTS01", pipeline: pipeline, runner: runner}
}

// send ingests messages of the tracking protocol and returns the profile ids.
func (o *office) send(messages ...string) []string {
	o.t.Helper()
	inputs := make([]event.Input, len(messages))
	for i, m := range messages {
		o.n++
		inputs[i] = event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: time.Now(), MessageID: fmt.Sprintf("m-%d", o.n)})
	}
	results, err := o.pipeline.Ingest(o.ctx, o.ws, "src_web", inputs)
	require.NoError(o.t, err)
	ids := make([]string, len(results))
	for i, r := range results {
		require.Equal(o.t, event.Accepted, r.Status, "%v", r.Err)
		ids[i] = r.ProfileID
	}
	return ids
}

// identify sends people u0, u1, … with an email and the traits that f gives.
func (o *office) people(n int, f func(i int) string) []string {
	o.t.Helper()
	var out []string
	for from := 0; from < n; from += 300 {
		var messages []string
		for i := from; i < min(n, from+300); i++ {
			messages = append(messages, fmt.Sprintf(`{"type":"identify","userId":"u%d","traits":{"email":"u%d@example.com",%s}}`, i, i, f(i)))
		}
		out = append(out, o.send(messages...)...)
	}
	return out
}

func order(user string, total float64, at time.Time) string {
	return fmt.Sprintf(`{"type":"track","userId":%q,"event":"Order Completed","timestamp":%q,"properties":{"total":%v,"currency":"EUR"}}`, user, at.Format(time.RFC3339Nano), total)
}

// tree decodes a condition.
func (o *office) tree(text string) any {
	o.t.Helper()
	v, err := whereTree(condition.Version, text)
	require.NoError(o.t, err)
	return v
}

func (o *office) create(name, where string) *Segment {
	o.t.Helper()
	out, err := o.Create(o.ctx, o.ws, CreateInput{Name: name, Where: o.tree(where)})
	require.NoError(o.t, err)
	return o.settled(out)
}

// settled waits for the job of an outcome and returns the segment after it.
func (o *office) settled(out *Outcome) *Segment {
	o.t.Helper()
	if out.Job != "" {
		o.finish(out.Job)
	}
	seg, err := o.Get(o.ctx, o.ws, out.Segment.SegmentID())
	require.NoError(o.t, err)
	return seg
}

// finish waits for a job and returns it.
func (o *office) finish(id string) *work.Job {
	o.t.Helper()
	j := o.ended(id)
	require.Equal(o.t, work.Succeeded, j.Status, "%+v", j.Error)
	return j
}

// ended waits until a job is over, however it ended.
func (o *office) ended(id string) *work.Job {
	o.t.Helper()
	var j *work.Job
	require.Eventually(o.t, func() bool {
		var err error
		j, err = o.jobs.Get(o.ctx, o.ws, id)
		return err == nil && j != nil && j.Status.Final()
	}, 30*time.Second, 5*time.Millisecond)
	return j
}

// ids lists the members of a segment.
func (o *office) ids(id string) []string {
	o.t.Helper()
	var out []string
	page := core.Window{Limit: 200}
	for {
		p, err := o.Members(o.ctx, o.ws, id, page)
		require.NoError(o.t, err)
		for _, m := range p.Items {
			out = append(out, m.Profile)
		}
		if !p.HasNext {
			return out
		}
		page.After = p.Cursors[len(p.Cursors)-1]
	}
}

func (o *office) size(seg *Segment) Count {
	o.t.Helper()
	c, err := o.Size(o.ctx, o.ws, seg)
	require.NoError(o.t, err)
	return c
}

// reasons lists the reasons and paths of faults.
func reasons(err error) (out []string) {
	var faults Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			out = append(out, fmt.Sprint(f.Reason, " ", f.Path))
		}
	} else if err != nil {
		out = append(out, fmt.Sprint(core.AsError(err).Reason, " ", core.AsError(err).Path))
	}
	return out
}

const inRomania = `{"trait":{"path":"country","eq":"RO"}}`
