package insight

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	db       store.Store
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	people   *profile.Service
	runner   *work.Runner
	segments *segment.Service
	ids      int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	return rigOver(t, openRig(t, filepath.Join(t.TempDir(), "headwater.db"), clock), clock)
}

// openRig opens a file as a process does.
func openRig(t testing.TB, path string, clock core.Clock) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: path, Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return db
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock) *rig {
	t.Helper()
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock})
	jobs := work.NewJobs(runner)
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: pipeline, People: people, Events: events})
	segments := segment.New(segment.Options{Store: db, Clock: clock, Profiles: people, Objects: objects, Events: events, Committer: pipeline, Jobs: jobs, Runner: runner})
	s := NewService(Options{Store: db, Clock: clock, Profiles: people, Segments: segments, Events: events, Jobs: jobs})
	people.SetFold(profile.Folds{segments, s})
	people.SetGate(profile.GateOptions{View: access.ViewOf, Events: events, Members: nil})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	ctx := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "system:test"})
	return &rig{Service: s, t: t, ctx: ctx, db: db, clock: clock, pipeline: pipeline, people: people, runner: runner, segments: segments}
}

// send ingests one message.
func (r *rig) send(format string, args ...any) event.Result {
	r.t.Helper()
	r.ids++
	in := event.DecodeMessage([]byte(fmt.Sprintf(format, args...)), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", r, r.ids)})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
	require.NoError(r.t, err)
	require.NoError(r.t, faultOf(out[0].Err))
	return out[0]
}

func faultOf(e *core.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// track tells of something that a person did at a time.
func (r *rig) track(who, name, at, properties string) {
	r.t.Helper()
	r.send(`{"type":"track","userId":%q,"event":%q,"timestamp":%q,"properties":%s}`, who, name, at, properties)
}

// counted has everything counted that happened before a definition.
func (r *rig) counted() Report {
	r.t.Helper()
	report, err := r.Refold(r.ctx, rigWS, true, nil)
	require.NoError(r.t, err)
	return report
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// ask asks for the days of June 2026, unless f says otherwise.
func (r *rig) ask(name string, f func(*Question)) *Answer {
	r.t.Helper()
	q := Question{Name: name, From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total}
	if f != nil {
		f(&q)
	}
	a, err := r.Ask(r.ctx, rigWS, q)
	require.NoError(r.t, err)
	return a
}

// shown writes rows so that they can be compared.
func shown(a *Answer) []string {
	out := []string{}
	for _, row := range a.Rows {
		text := row.From.UTC().Format("2006-01-02T15")
		for _, d := range row.Dimensions {
			text += " " + d
		}
		if row.Value == nil {
			text += " " + string(row.State)
		} else {
			text += " " + row.Value.String()
		}
		if row.Previous != nil {
			text += " (" + row.Previous.String() + ")"
		}
		if len(row.Missing) > 0 {
			text += fmt.Sprint(" ", row.Missing)
		}
		out = append(out, text)
	}
	return out
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}
