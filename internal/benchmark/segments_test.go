package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// full opens a store with every collection that segments touch.
func full(t testing.TB) Base {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	var specs []*store.Spec
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), segment.Specs(), object.Specs(), work.Specs(), store.Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(t.Context(), specs...))
	clock := core.SystemClock{}
	return Base{Store: db, Events: event.NewService(db, clock), Profiles: profile.NewService(db, clock), Workspace: "ws_BENCH00000", Source: "src_bench"}
}

// process returns what a server runs: a pipeline, the segments that it derives, and
// who works on their jobs.
func process(t testing.TB, b Base) (*ingest.Pipeline, *segment.Service, *work.Runner) {
	t.Helper()
	clock := core.SystemClock{}
	p := ingest.New(ingest.Options{Store: b.Store, Clock: clock, Events: b.Events, Profiles: b.Profiles})
	runner := work.New(work.Options{Store: b.Store, Clock: clock})
	s := segment.New(segment.Options{
		Store: b.Store, Clock: clock, Profiles: b.Profiles, Events: b.Events, Committer: p, Jobs: work.NewJobs(runner), Runner: runner,
		Gate: func(ctx context.Context, ws string) (*profile.Gate, error) {
			return b.Profiles.Gate(core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:bench"}), ws)
		},
	})
	b.Profiles.SetFold(s)
	return p, s, runner
}

// besideSegments returns a pipeline that derives live segments with the conditions.
func besideSegments(t testing.TB, b Base, conditions []string) *ingest.Pipeline {
	t.Helper()
	p, s, _ := process(t, b)
	require.NoError(t, define(t.Context(), b, conditions))
	if len(conditions) > 0 {
		_, err := s.Create(t.Context(), b.Workspace, segment.CreateInput{Name: "Last", Kind: segment.Static})
		require.NoError(t, err)
	}
	return p
}

func TestConditionsOfTheBenchAreSound(t *testing.T) {
	all := touched(1000)
	require.Len(t, all, 1000)
	over := map[string]int{}
	for _, where := range append(all, untouched(1000)...) {
		n, err := condition.ParseJSON([]byte(where))
		require.NoError(t, err, where)
		p, err := condition.Compile(n, condition.Zone{})
		require.NoError(t, err, where)
		for _, l := range p.Needs().Ledgers {
			over[l.Event]++
		}
	}
	for _, name := range names {
		require.Equal(t, 10, over[name], "an event touches ten")
	}
	for _, where := range untouched(1000) {
		for _, name := range names {
			require.NotContains(t, where, fmt.Sprintf("%q", name))
		}
	}
}

func TestSegmentsOfTheBenchTurn(t *testing.T) {
	b := full(t)
	require.NoError(t, Seed(t.Context(), b, 0, 100))
	p := besideSegments(t, b, touched(1000))
	require.NoError(t, func() error {
		_, err := Drive(t.Context(), Load{Kind: Uniform, People: 100, For: 300 * time.Millisecond, Batch: 50, Clients: 2, Name: "t"}, Direct(p, b.Workspace, b.Source))
		return err
	}())
	require.NoError(t, p.Close(t.Context()))
	n, err := segment.Memberships.Count(t.Context(), b.Store, store.Query{Workspace: b.Workspace})
	require.NoError(t, err)
	require.Positive(t, n)
	n, err = segment.Behaviours.Count(t.Context(), b.Store, store.Query{Workspace: b.Workspace})
	require.NoError(t, err)
	require.Positive(t, n)
}

func TestLivesAreWhatTheyClaim(t *testing.T) {
	b := full(t)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	ids, err := SeedLives(t.Context(), b, 0, 200, browsed(func(n int) time.Time { return at.Add(time.Duration(n) * time.Second) }))
	require.NoError(t, err)
	n, err := event.Events.Count(t.Context(), b.Store, store.Query{Workspace: b.Workspace})
	require.NoError(t, err)
	require.EqualValues(t, 200*11, n)
	p, err := b.Profiles.ByIdentifier(t.Context(), b.Workspace, event.Identifier{Namespace: profile.UserID, Value: UserID(123)})
	require.NoError(t, err)
	require.Equal(t, ids[123], p.ProfileID())
	list, err := event.Events.Find(t.Context(), b.Store, store.Query{
		Workspace: b.Workspace, Where: []store.Cond{store.Eq("part", ids[123])}, Order: []string{"-timestamp"},
	}, 20)
	require.NoError(t, err)
	require.Len(t, list, 11)
	count := map[string]int{}
	for _, e := range list {
		count[e.Name]++
		if e.Name == "Cart Left" {
			require.Equal(t, at.Add(123*time.Second), e.Timestamp)
		}
	}
	require.Equal(t, 5, count["Product Viewed"])
	require.Equal(t, 1, count["Cart Left"])
}

func TestPercentilesReachTheLast(t *testing.T) {
	d := []time.Duration{3, 1, 2}
	require.Equal(t, time.Duration(3), percentile(d, 100))
	require.Equal(t, time.Duration(2), percentile(d, 50))
}

func TestProcessorTimeIsCounted(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	s := &Server{PID: os.Getpid()}
	before, err := s.CPU()
	require.NoError(t, err)
	text := ""
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
		text = strings.ToUpper(fmt.Sprint(len(text), start))
	}
	after, err := s.CPU()
	require.NoError(t, err)
	require.Greater(t, after, before)
}

// BenchmarkIngest measures the pipeline in this process beside segments; HTTP,
// another process and a store as large as that of `make bench` aside.
func BenchmarkIngest(b *testing.B) {
	for name, conditions := range map[string][]string{"none": nil, "untouched": untouched(1000), "touched": touched(1000)} {
		b.Run(name, func(b *testing.B) {
			const people = 20_000
			base := full(b)
			require.NoError(b, Seed(b.Context(), base, 0, people))
			p := besideSegments(b, base, conditions)
			send := Direct(p, base.Workspace, base.Source)
			warm := Load{Kind: Uniform, People: people, For: time.Second, Name: "warm"}
			_, err := Drive(b.Context(), warm, send)
			require.NoError(b, err)
			self := &Server{PID: os.Getpid()}
			before, _ := self.CPU()
			b.ReportAllocs()
			b.ResetTimer()
			events := 0
			stream := NewStream(Uniform, people, "bench")
			for b.Loop() {
				require.NoError(b, send(b.Context(), stream.Batch(100), 100))
				events += 100
			}
			b.StopTimer()
			after, _ := self.CPU()
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(events), "µs/event")
			b.ReportMetric(float64((after-before).Microseconds())/float64(events), "cpu-µs/event")
			require.NoError(b, p.Close(b.Context()))
		})
	}
}

// BenchmarkBackfill measures the job that asks everybody about a new window.
func BenchmarkBackfill(b *testing.B) {
	const people = 10_000
	base := full(b)
	_, err := SeedLives(b.Context(), base, 0, people, browsed(func(int) time.Time { return time.Now().Add(-time.Hour) }))
	require.NoError(b, err)
	p, s, runner := process(b, base)
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	self := &Server{PID: os.Getpid()}
	var cpu, took time.Duration
	var events int64
	for n := 0; b.Loop(); n++ {
		before, _ := self.CPU()
		var where any
		require.NoError(b, json.Unmarshal(fmt.Appendf(nil, `{"event":{"name":"Product Viewed","where":[{"path":"price","gte":%d}],"count":{"gte":4},"window":{"last":"P30D"}}}`, -n), &where))
		out, err := s.Create(ctx, base.Workspace, segment.CreateInput{Name: fmt.Sprint(n), Where: where})
		require.NoError(b, err)
		for j := (&work.Job{}); !j.Status.Final(); time.Sleep(time.Millisecond) {
			j, err = work.JobDocs.Get(ctx, base.Store, store.Key(base.Workspace, out.Job))
			require.NoError(b, err)
			if j.Status.Final() {
				var r segment.BackfillResult
				require.NoError(b, bson.Unmarshal(j.Result, &r))
				took, events = took+j.FinishedAt.Sub(j.StartedAt), events+r.Events
			}
		}
		after, _ := self.CPU()
		cpu += after - before
	}
	b.ReportMetric(float64(events)/took.Seconds(), "events/s")
	b.ReportMetric(float64(cpu.Microseconds())/float64(events), "cpu-µs/event")
	stop()
	wg.Wait()
	require.NoError(b, p.Close(b.Context()))
}

// BenchmarkSweep measures how fast memberships end whose windows have passed; each
// round ends those of 5,000 people.
func BenchmarkSweep(b *testing.B) {
	const people = 5000
	base := full(b)
	first := time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
	_, err := SeedLives(b.Context(), base, 0, people, browsed(func(int) time.Time { return first }))
	require.NoError(b, err)
	p, s, runner := process(b, base)
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	self := &Server{PID: os.Getpid()}
	var cpu, took time.Duration
	rounds := 0
	for b.Loop() {
		window := time.Since(first).Round(time.Second) + 15*time.Second
		var where any
		require.NoError(b, json.Unmarshal(fmt.Appendf(nil, `{"event":{"name":"Cart Left","window":{"last":"PT%dS"}}}`, int(window.Seconds())), &where))
		out, err := s.Create(ctx, base.Workspace, segment.CreateInput{Name: fmt.Sprint(window), Where: where})
		require.NoError(b, err)
		size := func() int64 {
			n, err := segment.Memberships.Count(ctx, base.Store, store.Query{Workspace: base.Workspace, Where: []store.Cond{store.Prefix("_id", out.Segment.SegmentID()+"/")}})
			require.NoError(b, err)
			return n
		}
		for size() < people {
			require.Less(b, time.Now(), first.Add(window), "the machine is too slow")
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Until(first.Add(window)))
		before, _ := self.CPU()
		for size() > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		after, _ := self.CPU()
		took, cpu, rounds = took+time.Since(first.Add(window)), cpu+after-before, rounds+1
	}
	b.ReportMetric(float64(rounds*people)/took.Seconds(), "ends/s")
	b.ReportMetric(float64(cpu.Microseconds())/float64(rounds*people), "cpu-µs/end")
	stop()
	wg.Wait()
	require.NoError(b, p.Close(b.Context()))
}
