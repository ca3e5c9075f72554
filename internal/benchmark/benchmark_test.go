package benchmark

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

func open(t *testing.T) Base {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	require.NoError(t, db.Declare(t.Context(), append(append(event.Specs(), profile.Specs()...), store.Specs()...)...))
	clock := core.SystemClock{}
	return Base{Store: db, Events: event.NewService(db, clock), Profiles: profile.NewService(db, clock), Workspace: "ws_BENCH00000", Source: "src_bench"}
}

func TestStreamsAreWhatTheyClaim(t *testing.T) {
	for kind, burst := range map[Kind]float64{Uniform: 1, Sessions: 5} {
		s := NewStream(kind, 1000, "t")
		ids, changes, last := map[string]bool{}, 0, ""
		for range 20 {
			body := s.Batch(100)
			require.InDelta(t, 350, len(body)/100, 50)
			b, err := event.DecodeBatch(body, time.Now())
			require.Nil(t, err)
			require.Len(t, b.Inputs, 100)
			for _, in := range b.Inputs {
				require.Nil(t, in.Err)
				ids[in.MessageID] = true
				if in.UserID != last {
					changes, last = changes+1, in.UserID
				}
			}
		}
		require.Len(t, ids, 2000)
		require.InDelta(t, burst, 2000/float64(changes), 0.5)
	}
}

func TestSeededPeopleAreTheFoldOfTheirEvents(t *testing.T) {
	b := open(t)
	require.NoError(t, Seed(t.Context(), b, 0, 1000))
	require.NoError(t, Seed(t.Context(), b, 1000, 1100))
	n, err := profile.Profiles.Count(t.Context(), b.Store, store.Query{Workspace: b.Workspace})
	require.NoError(t, err)
	require.EqualValues(t, 1100, n)
	differences, err := b.Profiles.Check(t.Context(), b.Workspace, nil)
	require.NoError(t, err)
	require.Empty(t, differences)
	p, err := b.Profiles.ByIdentifier(t.Context(), b.Workspace, event.Identifier{Namespace: profile.UserID, Value: UserID(1042)})
	require.NoError(t, err)
	raw, err := profile.Profiles.Encode(p)
	require.NoError(t, err)
	require.InDelta(t, 1200, len(raw), 300)
}

func TestDriveCountsWhatWasAcknowledged(t *testing.T) {
	b := open(t)
	p := ingest.New(ingest.Options{Store: b.Store, Clock: core.SystemClock{}, Events: b.Events, Profiles: b.Profiles})
	began := time.Now()
	rate, err := Drive(t.Context(), Load{Kind: Sessions, People: 50, Batch: 20, Clients: 3, For: 200 * time.Millisecond, Name: "t"}, Direct(p, b.Workspace, b.Source))
	took := time.Since(began)
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	n, err := event.Events.Count(t.Context(), b.Store, store.Query{Workspace: b.Workspace})
	require.NoError(t, err)
	require.InEpsilon(t, float64(n)/took.Seconds(), rate, 0.2)
	shape, err := shapeOf(t.Context(), b)
	require.NoError(t, err)
	require.Positive(t, shape.EventBytes)
}

func TestTheBareLoopRuns(t *testing.T) {
	rate, err := Bare(t.Context(), t.TempDir(), Shape{EventBytes: 600, ProfileBytes: 1200, Events: 10, Profiles: 8, Changes: 700, People: 500}, 100*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, rate)
}

func TestAnOpenLoopCountsTheWait(t *testing.T) {
	took, err := openLoop(t.Context(), 100, 200*time.Millisecond, func(_ context.Context, n int) error {
		time.Sleep(time.Duration(n) * time.Millisecond)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, took, 20)
	require.GreaterOrEqual(t, took[19], 19*time.Millisecond)
	rand.Shuffle(len(took), func(i, j int) { took[i], took[j] = took[j], took[i] })
	require.LessOrEqual(t, percentile(took, 50), percentile(took, 99))
}

func TestReportWritesOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	r := NewReport(&out)
	require.NoError(t, r.Add(Line{Bench: "a", Value: 1234.567, Unit: "events/s"}.atLeast(">= 3000", 3000).beside("b", 2469.134)))
	require.NoError(t, r.Add(Line{Bench: "b", Value: 2, Unit: "ms"}.atMost("<= 3", 3)))
	var lines []map[string]any
	for dec := json.NewDecoder(&out); dec.More(); {
		var l map[string]any
		require.NoError(t, dec.Decode(&l))
		lines = append(lines, l)
	}
	require.Equal(t, []map[string]any{
		{"bench": "a", "value": 1235.0, "unit": "events/s", "ratio": 0.5, "against": "b", "target": ">= 3000", "met": false},
		{"bench": "b", "value": 2.0, "unit": "ms", "ratio": nil, "against": "", "target": "<= 3", "met": true},
	}, lines)
	require.Len(t, r.Missed(), 1)
}
