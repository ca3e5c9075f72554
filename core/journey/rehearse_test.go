package journey_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const simulatedEnv = "HEADWATER_JOURNEY_TEST_SIMULATOR"

// rehearsalOf is a house with a crowd that has come by, and a journey of two versions.
func rehearsalOf(h *house, people int) *journey.Journey {
	h.crowd(people, "Start")
	j := h.published(drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `w {"wait":{"duration":"PT2H"}}`,
		`s {"split":{"salt":"s1","arms":[{"name":"x","weight":50},{"name":"y","weight":50}]}}`, mail("a.1"), mail("b")}, "in next w", "w next s", "s x a.1", "s y b"))
	_, _, _, err := h.Save(h.ctx(), ws, j.JourneyID(), decoded(h.t, drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `w {"wait":{"duration":"PT3H"}}`, mail("a.1")},
		"in next w", "w next a.1")), journey.Edit{})
	require.NoError(h.t, err)
	return j
}

// TestSimulateByJob: what a job has simulated is what a request simulates over the same people,
// in slices, and after processes that were killed (SIGKILL) in the midst of it.
func TestSimulateByJob(t *testing.T) {
	if path := os.Getenv(simulatedEnv); path != "" {
		*journey.SimulateSlice = 1
		db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, db.Declare(t.Context(), specsOf()...))
		clock := core.NewVirtualClock(start.Add(time.Hour))
		h := houseOver(t, db, clock)
		go func() {
			for ; ; time.Sleep(time.Millisecond) {
				clock.Advance(50 * time.Millisecond)
			}
		}()
		_ = h.runner.Run(t.Context())
		return
	}
	path := filepath.Join(t.TempDir(), "headwater.db")
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(context.Background())) }()
	require.NoError(t, db.Declare(t.Context(), specsOf()...))
	clock := core.NewVirtualClock(start)
	h := houseOver(t, db, clock)
	const people = 150
	j := rehearsalOf(h, people)
	clock.Advance(time.Hour)
	in := journey.RehearseInput{Journey: j.JourneyID(), Version: 1, From: start.Add(-time.Hour), To: start.AddDate(0, 0, 2), People: people - 7}
	ctx := h.ctx()
	one, err := h.Rehearse(ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, int64(people-7), one.Entered)
	two, err := h.CompareVersions(ctx, ws, in, 2)
	require.NoError(t, err)
	require.Equal(t, int64(people-7), two.Other, "an hour later all of them")
	require.Len(t, two.Examples, journey.MaxExamples)

	job, err := h.RequestRehearsal(ctx, ws, in, 2, "k1")
	require.NoError(t, err)
	again, err := h.RequestRehearsal(ctx, ws, in, 2, "k1")
	require.NoError(t, err)
	require.Equal(t, job.JobID(), again.JobID())
	none, err := h.RehearsalOf(ctx, ws, job.JobID())
	require.NoError(t, err)
	require.Nil(t, none, "it is not done")
	last := int64(0)
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSimulateByJob$")
		cmd.Env = append(os.Environ(), simulatedEnv+"="+path)
		require.NoError(t, cmd.Start())
		from := last
		for deadline := time.Now().Add(30 * time.Second); last < from+5; time.Sleep(time.Millisecond) {
			require.True(t, time.Now().Before(deadline), "it gets ahead")
			one, err := h.jobs.Get(ctx, ws, job.JobID())
			require.NoError(t, err)
			last = one.Done
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		one, err := h.jobs.Get(ctx, ws, job.JobID())
		require.NoError(t, err)
		require.Equal(t, work.Running, one.Status, "killed at %d", one.Done)
		require.Equal(t, int64(people-7), one.Total)
	}
	clock.Advance(time.Hour) // nobody holds it any more
	h.finish(job.JobID())
	made, err := h.RehearsalOf(ctx, ws, job.JobID())
	require.NoError(t, err)
	require.Nil(t, made.Simulation)
	plainly(two.Before, two.After)
	require.Equal(t, two, made.Comparison)

	job, err = h.RequestRehearsal(ctx, ws, in, 0, "k2")
	require.NoError(t, err)
	h.finish(job.JobID())
	made, err = h.RehearsalOf(ctx, ws, job.JobID())
	require.NoError(t, err)
	plainly(one)
	require.Equal(t, one, made.Simulation)
	other, err := h.RehearsalOf(h.as("mem_OTHER", "marketing"), ws, job.JobID())
	require.NoError(t, err)
	require.Nil(t, other, "only who asked for it reads it")

	job, err = h.RequestRehearsal(ctx, ws, in, 0, "k3")
	require.NoError(t, err)
	_, err = h.jobs.Cancel(ctx, ws, job.JobID())
	require.NoError(t, err)
	none, err = h.RehearsalOf(ctx, ws, job.JobID())
	require.NoError(t, err)
	require.Nil(t, none)
}

// plainly leaves out what a stored simulation does not keep.
func plainly(list ...*journey.Simulation) {
	for _, s := range list {
		s.Arms, s.Trails = nil, nil
	}
}

// TestSimulateByJobFor: a job sees what whoever asked for it may see.
func TestSimulateByJobFor(t *testing.T) {
	h := newHouse(t)
	j := rehearsalOf(h, 3)
	in := journey.RehearseInput{Journey: j.JourneyID(), From: start.Add(-time.Hour), To: start.AddDate(0, 0, 2), People: 10}
	ctx := h.as("mem_ANN", "marketing")
	none, err := h.Rehearse(ctx, ws, in)
	require.Equal(t, "NO_AUDIT_TRAIL", core.AsError(err).Reason, "a request notes whom it looks at: %v", none)
	job, err := h.RequestRehearsal(ctx, ws, in, 0, "k1")
	require.NoError(t, err)
	h.finish(job.JobID())
	made, err := h.RehearsalOf(ctx, ws, job.JobID())
	require.NoError(t, err)
	require.Equal(t, int64(3), made.Simulation.People)
	for name, change := range map[string]func(in *journey.RehearseInput){
		"PEOPLE": func(in *journey.RehearseInput) { in.People = journey.MaxRehearsedLong + 1 },
		"PERIOD": func(in *journey.RehearseInput) { in.From = time.Time{} },
		"INSIDE": func(in *journey.RehearseInput) { in.Inside = "SOMEHOW" },
		journey.ReasonNodeMap: func(in *journey.RehearseInput) {
			in.From, in.Inside, in.NodeMap = time.Time{}, journey.InsideMigrate, map[string]*string{"w": new("nowhere")}
		},
	} {
		wrong := in
		change(&wrong)
		_, err := h.RequestRehearsal(ctx, ws, wrong, 0, "k2")
		require.Error(t, err, name)
		var faults journey.Faults
		if errors.As(err, &faults) {
			err = faults[0]
		}
		require.Equal(t, name, core.AsError(err).Reason)
	}
}

// TestSimulateInside: those who are inside go on from where they stand, as publishing a version
// would have it; and that is what becomes of them once it is published.
func TestSimulateInside(t *testing.T) {
	for inside, want := range map[string][]string{
		journey.InsidePin:     {"a 3h1m0s", "a 3h1m0s"},
		journey.InsideDrain:   nil,
		journey.InsideMigrate: {"b 3h1m0s", "b 3h1m0s"},
	} {
		t.Run(inside, func(t *testing.T) {
			h := newHouse(t)
			j := h.published(drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `w {"wait":{"duration":"PT3H"}}`, mail("a")}, "in next w", "w next a"))
			h.track("u1", "Start", `{}`)
			h.track("u2", "Start", `{}`)
			h.after(time.Minute)
			h.track("u3", "Other", `{}`)
			_, _, _, err := h.Save(h.ctx(), ws, j.JourneyID(), decoded(t, drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `v {"wait":{"duration":"PT9H"}}`, mail("b")},
				"in next v", "v next b")), journey.Edit{})
			require.NoError(t, err)
			in := journey.RehearseInput{Journey: j.JourneyID(), To: start.AddDate(0, 0, 2), People: 10, Inside: inside}
			if inside == journey.InsideMigrate {
				in.NodeMap = map[string]*string{"w": new("v")}
			}
			s, err := h.Rehearse(h.ctx(), ws, in)
			require.NoError(t, err)
			require.Equal(t, [4]int64{2, 2, 0, 0}, [4]int64{s.People, s.Inside, s.Entered, s.Reached}, "who is not inside is not looked at")
			var sent, began int64
			for _, n := range s.Nodes {
				sent, began = sent+n.Sent, began+n.Began
				require.Zero(t, n.Inside, "%+v", n)
				require.Equal(t, inside != journey.InsideMigrate && n.Began > 0, n.Version == 1 && n.Began > 0)
			}
			require.Equal(t, int64(len(want)), sent)
			require.Equal(t, int64(2), began)

			in.Version = 1
			c, err := h.CompareVersions(h.ctx(), ws, in, 2)
			require.NoError(t, err)
			require.Equal(t, inside == journey.InsidePin, c.Same == 2)
			require.Equal(t, inside == journey.InsideDrain, c.Fewer == 2)
			require.Equal(t, inside == journey.InsideMigrate, c.Other == 2, "at the same time, and something else")
			job, err := h.RequestRehearsal(h.ctx(), ws, in, 2, "k")
			require.NoError(t, err)
			h.finish(job.JobID())
			made, err := h.RehearsalOf(h.ctx(), ws, job.JobID())
			require.NoError(t, err)
			require.Equal(t, []int64{c.Same, c.More, c.Fewer, c.Other}, []int64{made.Comparison.Same, made.Comparison.More, made.Comparison.Fewer, made.Comparison.Other})

			out, err := h.Publish(h.ctx(), ws, journey.PublishInput{ID: j.JourneyID(), Inside: inside, NodeMap: in.NodeMap})
			require.NoError(t, err)
			if out.Job != "" {
				h.finish(out.Job)
			}
			h.after(24 * time.Hour)
			require.Equal(t, want, h.sent())
		})
	}
}
