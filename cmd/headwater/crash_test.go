package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// rounds is how often a test kills: n, or 100 in the long version.
func rounds(n int) int {
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		return 100
	}
	if testing.Short() {
		return 3
	}
	return n
}

// load sends batches for few people, so that they merge and race, until stop, and
// notes the message ids of every batch that was acknowledged.
type load struct {
	key   string
	mu    sync.Mutex
	acked map[string]bool
}

func (l *load) run(ctx context.Context, client int, urls func() []string) {
	rng := rand.New(rand.NewPCG(1, uint64(client)))
	for n := 0; ctx.Err() == nil; n++ {
		var messages, ids []string
		for i := range 20 {
			id := fmt.Sprintf("c%d-%d-%d-%d", client, time.Now().UnixNano(), n, i)
			person := rng.IntN(40)
			body := fmt.Sprintf(`{"type":"track","messageId":%q,"event":"Product Viewed","anonymousId":"dev-%d-%d","properties":{"sku":"A-%d"}}`,
				id, person, rng.IntN(3), rng.IntN(9))
			if rng.IntN(8) == 0 {
				body = fmt.Sprintf(`{"type":"identify","messageId":%q,"userId":"user-%d","anonymousId":"dev-%d-%d","traits":{"visits":%d,"email":"u%d@example.com"}}`,
					id, person, person, rng.IntN(3), n, person)
			}
			messages, ids = append(messages, body), append(ids, id)
		}
		targets := urls()
		status, _, err := post(targets[client%len(targets)]+"/v1/batch", l.key, batchBody(messages...))
		if err != nil || status != http.StatusOK {
			time.Sleep(5 * time.Millisecond) // the server is gone or going
			continue
		}
		l.mu.Lock()
		for _, id := range ids {
			l.acked[id] = true
		}
		l.mu.Unlock()
	}
}

// verify opens the store that the servers left and proves the claim: every
// acknowledged event is there once, and refolding gives what is stored.
func (l *load) verify(t *testing.T, dir, workspace string) {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, databaseFile)})
	require.NoError(t, err)
	defer db.Close(ctx)
	require.NoError(t, db.Declare(ctx, event.Specs()...))
	require.NoError(t, db.Declare(ctx, profile.Specs()...))
	stored, user := map[string]int{}, int64(0)
	require.NoError(t, event.Events.Each(ctx, db, store.Query{Workspace: workspace}, func(e *event.Event) error {
		stored[e.MessageID]++
		user++
		return nil
	}))
	for id := range l.acked {
		require.Equal(t, 1, stored[id], "acknowledged event %s", id)
	}
	var counted int64
	require.NoError(t, profile.Profiles.Each(ctx, db, store.Query{Workspace: workspace}, func(p *profile.Profile) error {
		counted += p.Events
		return nil
	}))
	require.Equal(t, user, counted, "every stored event is in exactly one profile")
	require.Contains(t, headwater(t, "rebuild", "--check", "--data", dir), "0 differences")
	t.Logf("%d acknowledged, %d stored", len(l.acked), len(stored))
}

func TestKillUnderLoad(t *testing.T) {
	dir := t.TempDir()
	keys := newWorkspace(t, dir, "crash")
	l := &load{key: keys.WriteKey, acked: map[string]bool{}}
	for range rounds(20) {
		s := serve(t, "--data", dir)
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() { l.run(ctx, c, func() []string { return []string{s.url} }) })
		}
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		s.kill()
		cancel()
		clients.Wait()
	}
	require.NotEmpty(t, l.acked)
	l.verify(t, dir, keys.Workspace)
}

func TestTwoProcessesOneKilled(t *testing.T) {
	dir := t.TempDir()
	keys := newWorkspace(t, dir, "pair")
	l := &load{key: keys.WriteKey, acked: map[string]bool{}}
	stays := serve(t, "--data", dir)
	for range rounds(5) {
		dies := serve(t, "--data", dir)
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() { l.run(ctx, c, func() []string { return []string{stays.url, dies.url} }) })
		}
		time.Sleep(time.Duration(200+rand.IntN(300)) * time.Millisecond)
		dies.kill()
		time.Sleep(100 * time.Millisecond) // the one that stays goes on
		cancel()
		clients.Wait()
	}
	require.Zero(t, stays.stop())
	require.NotEmpty(t, l.acked)
	l.verify(t, dir, keys.Workspace)
}

// A stop that was asked for finishes what was acknowledged and what is in flight.
func TestGracefulStop(t *testing.T) {
	dir := t.TempDir()
	keys := newWorkspace(t, dir, "stop")
	s := serve(t, "--data", dir)
	l := &load{key: keys.WriteKey, acked: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() { l.run(ctx, c, func() []string { return []string{s.url} }) })
	}
	time.Sleep(300 * time.Millisecond)
	require.Zero(t, s.stop(), s.stderr())
	cancel()
	clients.Wait()
	l.verify(t, dir, keys.Workspace)
}
