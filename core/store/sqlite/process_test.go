package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// The test binary starts itself again as other processes on one file. A child
// prints a line for every batch that was acknowledged to it.

const childEnv = "HEADWATER_TEST_CHILD" // "path,name,count", or "path,name,load"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := child(strings.Split(spec, ",")); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

type tally struct {
	store.Meta `bson:",inline"`
	N          int64 `bson:"n"`
}

var tallies = store.Declare[tally](store.Spec{Name: "tallies", Indexes: []store.Index{store.On("n")}})

// child increments one document count times, and stores a document beside each
// increment that names it.
func child(spec []string) error {
	ctx := context.Background()
	path, name := spec[0], spec[1]
	if spec[2] == "load" {
		return load(ctx, path, name)
	}
	count, err := strconv.Atoi(spec[2])
	if err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		return err
	}
	if err := s.Declare(ctx, tallies.Spec); err != nil {
		return err
	}
	for i := range count {
		if err := increment(ctx, s, fmt.Sprintf("%s-%d", name, i)); err != nil {
			return err
		}
		fmt.Printf("%s-%d\n", name, i)
	}
	return s.Close(ctx)
}

// load writes big batches from several goroutines until it is killed. A batch is
// one document with its number and the copies of it.
func load(ctx context.Context, path, name string) error {
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		return err
	}
	if err := s.Declare(ctx, people.Spec); err != nil {
		return err
	}
	var printing sync.Mutex
	var g errgroup.Group
	text := strings.Repeat("payload ", 100)
	for w := range 6 {
		g.Go(func() error {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%06d", name, w, i)
				var ops []store.Op
				for c := range loadCopies {
					ops = append(ops, people.Insert(&person{Meta: store.Meta{ID: store.Key("ws", id, strconv.Itoa(c))},
						Name: id, Age: int64(c), Tags: []string{id, text}}))
				}
				if _, err := s.Commit(ctx, store.Batch{ID: id, Ops: ops}); err != nil {
					return err
				}
				printing.Lock()
				fmt.Println(id)
				printing.Unlock()
			}
		})
	}
	return g.Wait()
}

const loadCopies = 40

func increment(ctx context.Context, s store.Store, id string) error {
	for try := 0; ; try++ {
		d, err := tallies.Get(ctx, s, "ws/sum")
		if err != nil {
			return err
		}
		if d == nil {
			d = &tally{Meta: store.Meta{ID: "ws/sum"}}
		}
		d.N++
		_, err = s.Commit(ctx, store.Batch{ID: fmt.Sprintf("%s.%d", id, try), Ops: []store.Op{
			tallies.Put(d), tallies.Insert(&tally{Meta: store.Meta{ID: store.Key("ws", "done", id)}}),
		}})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func TestProcessesShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	const count = 200
	type process struct {
		cmd *exec.Cmd
		out *bufio.Scanner
		ids []string
	}
	var all []*process
	for i := range 3 {
		n := count
		if i == 0 {
			n = 1 << 30 // until it is killed
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s,p%d,%d", childEnv, path, i, n))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		all = append(all, &process{cmd: cmd, out: bufio.NewScanner(out)})
	}
	victim := all[0]
	for range 50 {
		require.True(t, victim.out.Scan())
		victim.ids = append(victim.ids, victim.out.Text())
	}
	require.NoError(t, victim.cmd.Process.Kill())
	for _, p := range all {
		for p.out.Scan() {
			p.ids = append(p.ids, p.out.Text())
		}
		if err := p.cmd.Wait(); p != victim {
			require.NoError(t, err)
			require.Len(t, p.ids, count)
		}
	}
	s := open(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Declare(ctx, tallies.Spec))
	done, err := tallies.Find(ctx, s, store.Query{Workspace: "ws", Where: []store.Cond{store.Prefix("_id", "done/")}}, 0)
	require.NoError(t, err)
	stored := map[string]bool{}
	for _, d := range done {
		stored[strings.TrimPrefix(d.ID, "ws/done/")] = true
	}
	acknowledged := 0
	for _, p := range all {
		acknowledged += len(p.ids)
		for _, id := range p.ids {
			require.True(t, stored[id], "%s was acknowledged and is gone", id)
		}
	}
	require.LessOrEqual(t, len(stored), acknowledged+1, "only the one in flight may be there unacknowledged")
	sum, err := tallies.Get(ctx, s, "ws/sum")
	require.NoError(t, err)
	require.EqualValues(t, len(stored), sum.N, "an increment was lost or counted twice")
}

// A process that is killed in the middle of commits and checkpoints leaves every
// batch whole: there if it was acknowledged, and never a part of one. More rounds
// by HEADWATER_TEST_KILLS.
func TestKilledProcessLeavesWholeBatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("HEADWATER_TEST_KILLS")); err == nil {
		rounds = n
	}
	var acknowledged []string
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s,k%d,load", childEnv, path, round))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan())
		acknowledged = append(acknowledged, lines.Text())
		time.AfterFunc(time.Duration(100+rand.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			if id := lines.Text(); strings.Count(id, "-") == 2 && len(id) == len(acknowledged[0]) {
				acknowledged = append(acknowledged, id)
			}
		}
		require.Error(t, cmd.Wait())

		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		require.NoError(t, err)
		require.NoError(t, s.Verify(t.Context()))
		require.NoError(t, s.Declare(t.Context(), people.Spec))
		copies := map[string]int{}
		q := store.Query{Workspace: "ws", Order: []string{"name", "-age"}}
		require.NoError(t, people.Each(t.Context(), s, q, func(p *person) error {
			copies[p.Name]++
			return nil
		}))
		for id, n := range copies {
			require.Equal(t, loadCopies-1, n, "batch %s is not whole", id) // the copy of age 0 has no age and is not in the index
		}
		for _, id := range acknowledged {
			require.Contains(t, copies, id, "an acknowledged batch is gone")
		}
		require.LessOrEqual(t, len(copies), len(acknowledged)+6*(round+1))
		require.NoError(t, s.Close(t.Context()))
	}
	t.Logf("%d batches were acknowledged by %d processes that were killed", len(acknowledged), rounds)
}
