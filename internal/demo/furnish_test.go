package demo

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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

// later stands at an instant in the day after the history; who sleeps sleeps by
// the machine's clock.
type later struct{ core.SystemClock }

func (later) Now() time.Time { return lastDay }

// shop is a workspace with the services that the demo is made through.
type shop struct {
	Workspace
	ctx      context.Context
	pipeline *ingest.Pipeline
}

func newShop(t *testing.T, people int) *shop {
	t.Helper()
	ctx, cancel := context.WithCancel(core.WithActor(context.Background(), access.Operator("demo")))
	db, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	specs := store.Specs()
	for _, more := range [][]*store.Spec{work.Specs(), event.Specs(), profile.Specs(), ingest.Specs(), object.Specs(), segment.Specs()} {
		specs = append(specs, more...)
	}
	require.NoError(t, db.Declare(ctx, specs...))
	clock := later{}
	events, profiles := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: profiles})
	// The work's own clock runs, for it waits by it.
	runner := work.New(work.Options{Store: db, Clock: core.SystemClock{}, Poll: 20 * time.Millisecond})
	jobs := work.NewJobs(runner)
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: pipeline, People: profiles, Events: events, Jobs: jobs})
	objects.Register(jobs, runner)
	segments := segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: profiles, Objects: objects, ObjectTypes: objects.Vocabulary, Events: events,
		Committer: pipeline, Jobs: jobs, Runner: runner,
	})
	profiles.SetFold(segments)
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
	return &shop{Workspace{ID: "ws_DEMOSHOP01", Objects: objects, Segments: segments, Events: events, People: people, LastDay: lastDay}, ctx, pipeline}
}

func (s *shop) load(t *testing.T) {
	t.Helper()
	messages, err := Messages(s.People, lastDay)
	require.NoError(t, err)
	require.NoError(t, Load(s.ctx, s.pipeline, s.ID, "src_demo", messages, lastDay, func(int64, int64) {}))
}

// sizes waits until every segment is live and returns how many are in each.
func (s *shop) sizes(t *testing.T) map[string]int64 {
	t.Helper()
	ids, err := s.segments(s.ctx) // finds them
	require.NoError(t, err)
	out := map[string]int64{}
	for _, d := range Definitions {
		require.Eventually(t, func() bool {
			seg, err := s.Segments.Get(s.ctx, s.ID, ids[d.Key])
			require.NoError(t, err)
			n, err := s.Segments.Size(s.ctx, s.ID, seg)
			require.NoError(t, err)
			out[d.Key] = n.Value
			return seg.Status == segment.Live
		}, time.Minute, 10*time.Millisecond, d.Key)
	}
	return out
}

func TestSegmentsHaveSensibleSizes(t *testing.T) {
	const people = 1800 // of 3,000: each has to be taken in
	s := newShop(t, people)
	require.NoError(t, Define(s.ctx, s.Workspace))
	s.load(t)
	require.NoError(t, Stock(s.ctx, s.Workspace))
	sizes := s.sizes(t)
	for _, d := range Definitions {
		t.Logf("%5d  %s", sizes[d.Key], d.Name)
		assert.GreaterOrEqual(t, sizes[d.Key], int64(3), d.Name)
		assert.Less(t, sizes[d.Key], int64(people/3), d.Name)
	}
	assert.Equal(t, int64(panelSize), sizes["panel"])
	for key, n := range counted(t, people) {
		assert.Equal(t, n, sizes[key], key)
	}
}

// TestNothingOfTheShopIsUnclassified looks at every field that the history has.
func TestNothingOfTheShopIsUnclassified(t *testing.T) {
	s := newShop(t, 100)
	require.NoError(t, s.classify(s.ctx))
	s.load(t)
	require.NoError(t, s.classify(s.ctx))
	list, err := s.Events.FieldDefinitions(s.ctx, s.ID, "", "")
	require.NoError(t, err)
	require.Greater(t, len(list), 40)
	for _, d := range list {
		assert.NotEqual(t, core.Unclassified, d.Category, d.Owner+" "+d.Path)
	}
}

// A folder of the version before has its history and nothing else.
func TestSegmentsComeToAHistoryThatIsThere(t *testing.T) {
	const people = 300
	s := newShop(t, people)
	s.load(t)
	for range 2 { // the second time changes nothing
		require.NoError(t, Define(s.ctx, s.Workspace))
		require.NoError(t, Stock(s.ctx, s.Workspace))
		sizes := s.sizes(t)
		for key, n := range counted(t, people) {
			assert.Equal(t, n, sizes[key], key)
		}
		assert.Equal(t, int64(panelSize), sizes["panel"])
		all, total, err := s.Segments.List(s.ctx, s.ID, segment.Filter{Tag: "demo"}, core.Window{Limit: 100})
		require.NoError(t, err)
		assert.Len(t, all.Items, len(Definitions))
		assert.Equal(t, int64(len(Definitions)), total)
		for key, items := range map[string][]object.Item{TypeSubscription: Subscriptions(people, lastDay), TypeVisit: Visits(people, lastDay)} {
			n, err := s.Objects.Count(s.ctx, s.ID, key, nil)
			require.NoError(t, err)
			assert.Equal(t, object.Count{Value: len(items), Exact: true}, n, key)
		}
	}
}

func TestRecordsAreAFunctionOfTheDay(t *testing.T) {
	for _, f := range []func(int, time.Time) []object.Item{Subscriptions, Visits} {
		items := f(200, lastDay)
		require.NotEmpty(t, items)
		require.Equal(t, items, f(200, lastDay.Add(time.Hour)))
		require.Equal(t, items, f(300, lastDay)[:len(items)], "people do not depend on each other")
		require.NotEqual(t, items, f(200, lastDay.AddDate(0, 0, 1)))
	}
	require.Len(t, panel(People, lastDay), panelSize)
}
