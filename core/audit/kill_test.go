package audit_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// killEnv names the store and the entries of a child process.
const killEnv = "HEADWATER_AUDIT_TEST_CHILD"

// TestChildThatIsKilled is no test: it is the process that the next one kills. It says
// which entries are durable, a line each.
func TestChildThatIsKilled(t *testing.T) {
	path, name := os.Getenv(killEnv), os.Getenv(killEnv+"_NAME")
	if path == "" {
		t.Skip("this is run by another test")
	}
	p := running(t, openStore(t, path))
	var mu sync.Mutex
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				action := fmt.Sprintf("query.%s_%d_%d", name, w, i)
				if p.Write(as(t, "key_1"), audit.Entry{Action: action, Subjects: people(i, 3)}) != nil {
					return
				}
				mu.Lock()
				fmt.Println(action)
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		}()
	}
	time.Sleep(time.Minute)
}

// TestAnotherGoesOnWhereASequencerWasKilled kills, without warning, the process that has
// the lease of a log, and asks of the log that another goes on with: that every entry
// whose writer was told so is there, none twice, and that it continues what the killed
// one had signed.
func TestAnotherGoesOnWhereASequencerWasKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := openStore(t, path)
	durable := map[string]bool{}
	var saved []string
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestChildThatIsKilled$")
		child.Env = append(os.Environ(), killEnv+"="+path, fmt.Sprintf("%s_NAME=%d", killEnv, round))
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		t.Cleanup(func() { _ = child.Process.Kill() })
		var told []string
		var reading sync.WaitGroup
		reading.Go(func() {
			for in := bufio.NewScanner(out); in.Scan(); {
				told = append(told, in.Text())
			}
		})
		reader := newLog(t, db)
		size := func() int64 {
			c, err := reader.Checkpoint(t.Context(), ws, nil)
			require.NoError(t, err)
			return c.Size
		}
		before := size()
		var owner string
		require.Eventually(t, func() bool { // the child sequences, nobody else does
			task, err := work.Find(t.Context(), db, ws, "audit.sequence", "log")
			if err != nil || task == nil || size() < before+20 {
				return false
			}
			owner = task.Owner
			return owner != "" && task.LeaseUntil.After(time.Now())
		}, 20*time.Second, 5*time.Millisecond)

		q := running(t, db)
		for i := range 20 {
			action := fmt.Sprintf("query.parent_%d_%d", round, i)
			require.NoError(t, q.Write(as(t, "key_2"), audit.Entry{Action: action}))
			durable[action] = true
		}
		c, err := reader.Checkpoint(t.Context(), ws, nil)
		require.NoError(t, err)
		saved = append(saved, c.SignedNote)
		task, err := work.Find(t.Context(), db, ws, "audit.sequence", "log")
		require.NoError(t, err)
		require.Equal(t, owner, task.Owner, "the child has the lease when it dies")
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		reading.Wait()
		for _, action := range told {
			durable[action] = true
		}

		action := fmt.Sprintf("query.after_%d", round)
		require.NoError(t, q.Write(as(t, "key_2"), audit.Entry{Action: action}))
		durable[action] = true
		require.Eventually(t, func() bool { return len(all(t, q.Log, audit.Filter{Action: action})) == 1 }, 10*time.Second, 10*time.Millisecond)
		task, err = work.Find(t.Context(), db, ws, "audit.sequence", "log")
		require.NoError(t, err)
		require.True(t, task == nil || task.Owner != owner, "another has it now")
		q.stop()
	}
	p := newLog(t, db)
	require.Eventually(t, func() bool { return p.Settle(t.Context(), ws) == nil }, 10*time.Second, 50*time.Millisecond)
	seen := map[string]int{}
	for _, r := range all(t, p.Log, audit.Filter{}) {
		seen[r.Action]++
	}
	require.Greater(t, len(durable), 20*rounds)
	for action := range durable {
		require.Equal(t, 1, seen[action], action)
	}
	for action, n := range seen {
		require.Equal(t, 1, n, action)
	}
	text := export(t, p, audit.ExportInput{Format: audit.JSONL})
	for _, note := range saved {
		_, err := verify(text, auditverify.Options{Keys: []string{vkey(t, p)}, Checkpoint: []byte(note)})
		require.NoError(t, err)
	}
}
