package predict

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	people   *profile.Service
	words    *consent.Service
	segments *segment.Service
	events   *event.Service
	ids      int
	pending  []event.Input
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{keyring.Specs(), event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), consent.Specs(), segment.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return rigOver(t, db, clock)
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock) *rig {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock, Logger: logger})
	jobs := work.NewJobs(runner)
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: pipeline, People: people, Events: events})
	master, err := keyring.NewMaster(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	words := consent.NewService(consent.Options{
		Store: db, Clock: clock, People: people.ConsentPeople(), Committer: pipeline, Tokens: keyring.New(db, clock, master),
	})
	segments := segment.New(segment.Options{Store: db, Clock: clock, Profiles: people, Objects: objects, Events: events, Committer: pipeline, Jobs: jobs, Runner: runner})
	s := NewService(Options{
		Store: db, Clock: clock, Profiles: people, Committer: pipeline, Consent: words, Runner: runner, Jobs: jobs, Logger: logger,
		Categories: events.Categories, Converted: func(context.Context, string) (string, error) { return "customer", nil },
	})
	people.SetFold(profile.Folds{segments, s})
	ctx := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "system:test"})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(running)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		closing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(closing))
	})
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, pipeline: pipeline, people: people, words: words, segments: segments, events: events}
}

// say puts a message by; flush ingests what was put by.
func (r *rig) say(at time.Time, format string, args ...any) {
	r.t.Helper()
	r.ids++
	message := fmt.Sprintf(format, args...)
	message = fmt.Sprintf(`{"timestamp":%q,%s`, at.Format(time.RFC3339), message[1:])
	r.pending = append(r.pending, event.DecodeMessage([]byte(message), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%p-%d", r, r.ids)}))
	if len(r.pending) == 250 {
		r.flush()
	}
}

func (r *rig) flush() (profileID string) {
	r.t.Helper()
	if len(r.pending) == 0 {
		return ""
	}
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", r.pending)
	require.NoError(r.t, err)
	for _, res := range out {
		require.Equal(r.t, event.Accepted, res.Status, "%v", res.Err)
		profileID = res.ProfileID
	}
	r.pending = r.pending[:0]
	return profileID
}

// buys says that somebody ordered products some days ago.
func (r *rig) buys(who string, daysAgo int, total float64, skus ...string) {
	r.t.Helper()
	lines := ""
	for i, sku := range skus {
		if i > 0 {
			lines += ","
		}
		lines += fmt.Sprintf(`{"sku":%q,"category":%q}`, sku, family[sku])
	}
	r.say(r.clock.Now().AddDate(0, 0, -daysAgo), `{"type":"track","userId":%q,"event":"Order Completed","properties":{"total":%.2f,"currency":"EUR","products":[%s]}}`, who, total, lines)
}

var family = map[string]string{"mattress-90": "mattress", "mattress-140": "mattress", "sheets": "linen", "pillow": "pillow", "coffee": "coffee", "lamp": "lamp"}

// shop makes people who order as the model has it: at their own rate until they leave.
func (r *rig) shop(buyers int) {
	r.t.Helper()
	rng := rand.New(rand.NewPCG(11, 12))
	for i := range buyers {
		who := fmt.Sprint("buyer-", i)
		began := 60 + rng.IntN(340)
		amount := 20 + 60*rng.Float64()
		first := []string{"lamp"}
		switch i % 4 {
		case 0:
			first = []string{"mattress-90", "sheets"}
		case 1:
			first = []string{"mattress-140", "sheets"}
		case 2:
			first = []string{"coffee"}
		}
		r.buys(who, began, amount, first...)
		rate, leave := rng.ExpFloat64()/45, 0.05+0.5*rng.Float64()
		at := float64(began)
		for range 40 {
			at -= 1 + math.Min(rng.ExpFloat64()/rate, 5000)
			if at < 1 {
				break
			}
			sku := []string{"lamp", "pillow", "coffee"}[rng.IntN(3)]
			r.buys(who, int(at), amount*(0.7+0.6*rng.Float64()), sku)
			if rng.Float64() < leave {
				break
			}
		}
	}
	r.flush()
}

// done waits for a job, and demands that it succeeds.
func (r *rig) done(job *work.Job) *work.Job {
	r.t.Helper()
	var got *work.Job
	require.Eventually(r.t, func() bool {
		r.Jobs.Wake()
		var err error
		got, err = r.Jobs.Get(r.ctx, rigWS, job.JobID())
		require.NoError(r.t, err)
		return got.Status.Final()
	}, 60*time.Second, 10*time.Millisecond)
	require.Equal(r.t, work.Succeeded, got.Status, "%+v", got.Error)
	return got
}

// train trains a model, and waits until everybody was predicted for by it.
func (r *rig) train(kind Kind, activate bool) *Model {
	r.t.Helper()
	r.ids++
	job, err := r.Train(r.ctx, rigWS, kind, activate, fmt.Sprint("train-", r.ids))
	require.NoError(r.t, err)
	var out TrainResult
	require.NoError(r.t, r.done(job).DecodeResult(&out))
	m, err := r.ModelOf(r.ctx, rigWS, out.Model)
	require.NoError(r.t, err)
	require.Equal(r.t, out.Status, m.Status)
	r.settle()
	r.mu.Lock() // a process knows of a model within half a second of its activation
	clear(r.models)
	r.mu.Unlock()
	return m
}

// settle waits until no job is under way and nobody is due.
func (r *rig) settle() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.Jobs.Wake()
		for _, status := range []work.Status{work.Queued, work.Running} {
			n, err := r.Jobs.Count(r.ctx, rigWS, work.Filter{Status: status})
			require.NoError(r.t, err)
			if n > 0 {
				return false
			}
		}
		for shard := range int64(shards) {
			next, err := r.sweepShard(r.ctx, rigWS, shard)
			if err != nil || !next.IsZero() && !next.After(r.now()) {
				return false
			}
		}
		return true
	}, 60*time.Second, 10*time.Millisecond)
}

func (r *rig) person(who string) *profile.Profile {
	r.t.Helper()
	p, err := r.people.ByIdentifier(r.ctx, rigWS, event.Identifier{Namespace: "user_id", Value: who})
	require.NoError(r.t, err)
	require.NotNil(r.t, p, who)
	return p
}

// predicted returns what is predicted of somebody by name.
func (r *rig) predicted(who string) map[string]Prediction {
	r.t.Helper()
	list, err := r.Predictions(r.ctx, rigWS, r.person(who).ProfileID())
	require.NoError(r.t, err)
	out := map[string]Prediction{}
	for _, p := range list {
		out[p.Name] = p
	}
	require.Len(r.t, out, len(names))
	return out
}

func (r *rig) clean() {
	r.t.Helper()
	found, err := r.Check(r.ctx, rigWS)
	require.NoError(r.t, err)
	require.Empty(r.t, found)
}
