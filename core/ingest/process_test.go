package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// childFile makes the test binary a process that ingests into a file until it is
// killed; childName makes its message ids its own.
const (
	childFile = "HEADWATER_TEST_INGEST_FILE"
	childName = "HEADWATER_TEST_INGEST_NAME"
)

// child prints the id of each event that was acknowledged.
func child(path string) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		panic(err)
	}
	h := build(ctx, db)
	if h.err != nil {
		panic(h.err)
	}
	var mu sync.Mutex
	for n := range 4 {
		go func() {
			c := crowd{rand: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(n))), people: 30, name: fmt.Sprintf("%s-%d", os.Getenv(childName), n)}
			for {
				inputs := make([]event.Input, 1+c.rand.IntN(20))
				for i := range inputs {
					inputs[i] = c.next()
				}
				r, _ := h.Ingest(ctx, ws, src, inputs)
				var b strings.Builder
				for _, r := range r {
					if r.Status == event.Accepted {
						b.WriteString(r.EventID + "\n")
					}
				}
				mu.Lock()
				_, _ = os.Stdout.WriteString(b.String())
				mu.Unlock()
			}
		}()
	}
	select {}
}

// ingester is a running child.
type ingester struct {
	cmd   *exec.Cmd
	done  chan struct{}
	first chan struct{} // closed with the first acknowledged event
	acked []string
}

func spawn(t *testing.T, path, name string) *ingester {
	t.Helper()
	c := &ingester{cmd: exec.Command(os.Args[0]), done: make(chan struct{}), first: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childFile+"="+path, childName+"="+name)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { c.kill() })
	go func() {
		defer close(c.done)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return // a line that was cut was not acknowledged in full
			}
			if c.acked = append(c.acked, strings.TrimSpace(line)); len(c.acked) == 1 {
				close(c.first)
			}
		}
	}()
	return c
}

// busy waits until the child works.
func (c *ingester) busy(t *testing.T) {
	t.Helper()
	select {
	case <-c.first:
	case <-c.done:
		t.Fatal("the child ended by itself")
	case <-time.After(60 * time.Second):
		t.Fatal("the child acknowledges nothing")
	}
}

// kill ends the child without notice and returns what it acknowledged.
func (c *ingester) kill() []string {
	_ = c.cmd.Process.Kill()
	<-c.done
	_ = c.cmd.Wait()
	return c.acked
}

// TestKilledProcesses kills a process that ingests, and in each second round one of
// two, several times over one file: each acknowledged event must be there, once,
// and the profiles must be the fold of the log.
func TestKilledProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	rounds := 5
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		rounds = 100
	}
	path := filepath.Join(t.TempDir(), "headwater.db")
	var acked []string
	for round := range rounds {
		a := spawn(t, path, fmt.Sprintf("a%d", round))
		a.busy(t)
		if round%2 == 1 {
			b := spawn(t, path, fmt.Sprintf("b%d", round))
			b.busy(t)
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
			acked = append(acked, b.kill()...)
			time.Sleep(100 * time.Millisecond) // the other goes on alone
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		acked = append(acked, a.kill()...)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	h := over(t, db)
	stored := map[string]int{}
	for _, id := range acked {
		stored[id] = 0
	}
	require.Len(t, stored, len(acked), "an event was acknowledged as new twice")
	h.eachEvent(t, func(e *event.Event) {
		if _, ok := stored[store.Rest(e.ID)]; ok {
			stored[store.Rest(e.ID)]++
		}
	})
	for id, n := range stored {
		require.Equal(t, 1, n, "event %s", id)
	}
	h.consistent(t)
	t.Logf("%d events acknowledged before %d kills, %d stored", len(acked), rounds+rounds/2, h.count(t))
}
