package journey_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

const killedEnv = "HEADWATER_JOURNEY_TEST_CHILD"

// TestKilledWhileManyFallDue kills processes (SIGKILL) in the midst of the steps of a crowd
// that falls due at once: all of them step, and each message is queued once.
func TestKilledWhileManyFallDue(t *testing.T) {
	if path := os.Getenv(killedEnv); path != "" {
		db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, db.Declare(t.Context(), specsOf()...))
		h := houseOver(t, db, core.NewVirtualClock(start.Add(2*time.Hour)))
		for {
			h.rush()
			time.Sleep(time.Millisecond)
		}
	}
	n, kills := 400, 2
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		n, kills = 2000, 20
	}
	path := filepath.Join(t.TempDir(), "headwater.db")
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(context.Background())) }()
	require.NoError(t, db.Declare(t.Context(), specsOf()...))
	clock := core.NewVirtualClock(start)
	h := houseOver(t, db, clock)
	j := h.published(drawing(`,"onOverdue":"SEND"`, []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `hour {"wait":{"duration":"PT1H"}}`, mail("one"), `second {"wait":{"duration":"PT1S"}}`, mail("two"), `end {"exit":true}`,
	}, "in next hour", "hour next one", "one next second", "second next two", "two next end"))
	h.crowd(n, "Start")
	h.rush()
	for k := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileManyFallDue$")
		cmd.Env = append(os.Environ(), killedEnv+"="+path)
		require.NoError(t, cmd.Start())
		for deadline := time.Now().Add(10 * time.Second); h.queued() < (k+1)*n/(kills+1) && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	clock.Advance(2*time.Hour + time.Second)
	for deadline := time.Now().Add(30 * time.Second); h.ended(j.JourneyID()) < int64(n); {
		require.True(t, time.Now().Before(deadline), "all have come to the end")
		h.rush()
		clock.Advance(time.Second)
	}
	require.Equal(t, 2*n, h.queued(), "each message once")
	v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
	require.NoError(t, err)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(t, err)
	require.Equal(t, int64(n), stats.Entered)
	for _, node := range stats.Nodes {
		require.Equal(t, [3]int64{int64(n), 0, int64(n)}, [3]int64{node.Entered, node.Inside, node.Left}, node.Node)
	}
}

// ended counts who has come to the end.
func (h *house) ended(id string) int64 {
	h.t.Helper()
	n, err := h.CountEnrollments(h.ctx(), ws, journey.EnrollmentFilter{Journey: id, Status: journey.Completed})
	require.NoError(h.t, err)
	return n
}

// queued counts the messages on disk, of whichever process.
func (h *house) queued() int {
	h.t.Helper()
	list, err := store.Claims.Find(h.ctx(), h.store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "sent/")}}, 0)
	require.NoError(h.t, err)
	return len(list)
}
