//go:build linux

package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	stdsync "sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

// Whatever a process does, it is gone, its call has an answer that says why, the other
// connection notices nothing, and it is started again.
func TestMisbehaviour(t *testing.T) {
	for name, c := range map[string]struct {
		mode   string
		reason string
		kind   sync.FaultKind
		do     func(i sync.Instance) error
	}{
		"panics":             {"panic", reasonPanic, sync.FaultCrashed, discover},
		"ends":               {"exit", reasonExited, sync.FaultCrashed, check},
		"ends while writing": {"exit", reasonExited, sync.FaultUnknownOutcome, upsert},
		"ends between pages": {"exit", reasonExited, sync.FaultCrashed, pull},
		"hangs":              {"hang", reasonHung, sync.FaultRetry, check},
		"hangs in a pull":    {"hang", reasonHung, sync.FaultCrashed, pull},
		"stops":              {"stop", reasonSilent, sync.FaultCrashed, discover},
		"eats":               {"eat", reasonMemory, sync.FaultCrashed, discover},
		"answers 32 MiB":     {"large", reasonTooLarge, sync.FaultCrashed, discover},
		"answers 2 GiB":      {"huge", reasonMemory, sync.FaultCrashed, discover},
		"floods stderr":      {"flood", reasonFlood, sync.FaultCrashed, discover},
		"floods its log":     {"floodlog", reasonFlood, sync.FaultCrashed, discover},
		"floods stdout":      {"floodstd", reasonFlood, sync.FaultCrashed, discover},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Limits.BackoffMin, o.Limits.BackoffMax = time.Minute, time.Minute })
			quiet := b.mode("w/quiet", "")
			i := b.mode("w/a", c.mode)
			pid := b.pid("w/a")
			f := fault(t, c.do(i))
			gone(t, pid, time.Minute) // patience: how long it takes from its misdeed on is a figure, connector.gone.slowest of the benchmark
			require.Equal(t, c.kind, f.Kind, "%v", f)
			if f.Kind != sync.FaultRetry {
				require.Equal(t, c.reason, f.Reason, "%v", f)
				require.Positive(t, f.After)
			}
			require.Equal(t, sync.FromConnector, f.Origin)
			require.NoError(t, quiet.Check(ctx))
			state := b.Process("w/a")
			require.Equal(t, sync.ProcessWaiting, state.State)
			require.Equal(t, c.reason, state.Fault.Reason)
			f = fault(t, i.Check(ctx))
			require.Equal(t, sync.FaultCrashed, f.Kind, "it waits: %v", f)
			require.NotContains(t, b.log.String(), "s3cr3t")
			require.NotContains(t, b.log.String(), "ann@")
			require.Less(t, strings.Count(b.log.String(), "\n"), 600)
			require.Eventually(t, func() bool { return b.mode("w/a", "").Check(ctx) == nil }, 5*time.Second, 20*time.Millisecond)
		})
	}
}

func check(i sync.Instance) error    { return i.Check(ctx) }
func discover(i sync.Instance) error { _, err := i.Discover(ctx); return err }
func upsert(i sync.Instance) error {
	_, err := i.Upsert(ctx, sync.Batch{Items: []sync.Item{{Key: "1"}}})
	return err
}
func pull(i sync.Instance) error {
	return i.Pull(ctx, sync.PullRequest{Stream: "x"}, func(sync.Page) error { return nil })
}

// Of many that hang at the same time each is ended: both sides of the wire know when a call
// is over, and which of them gives up first is a matter of chance.
func TestManyHangAtOnce(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.BackoffMin, o.Limits.BackoffMax = time.Minute, time.Minute })
	instances, pids := make([]sync.Instance, 12), make([]int, 12)
	for n := range pids {
		key := fmt.Sprint("w/", n)
		instances[n], pids[n] = b.mode(key, "hang"), b.pid(key)
	}
	var calls stdsync.WaitGroup
	for _, i := range instances {
		calls.Go(func() { _ = i.Check(ctx) })
	}
	calls.Wait()
	for n, pid := range pids {
		gone(t, pid, 30*time.Second)
		require.Equal(t, reasonHung, b.Process(fmt.Sprint("w/", n)).Fault.Reason)
	}
}

// A vendor that is slow is not a connector that hangs.
func TestSlowIsNotHung(t *testing.T) {
	b := newBench(t)
	i := b.mode("w/a", "slow")
	pid := b.pid("w/a")
	short, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	f := fault(t, i.Check(short))
	require.Equal(t, "DEADLINE", f.Reason)
	given, giveUp := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, giveUp)
	f = fault(t, i.Check(given))
	require.Equal(t, []any{sync.FromHost, "CANCELLED"}, []any{f.Origin, f.Reason})
	time.Sleep(2 * b.limits.Grace)
	require.Equal(t, pid, b.pid("w/a"))
	require.Equal(t, sync.ProcessRunning, b.Process("w/a").State)
}

// Again and again is a state, with longer waits, and healing it ends it.
func TestCrashLoop(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Failures = 3 })
	_, err := b.dial("w/a", map[string]string{"open": "exit"})
	require.Equal(t, sync.FaultCrashed, fault(t, err).Kind)
	i := &instance{b.connections["w/a"]}
	var last time.Duration
	require.Eventually(t, func() bool {
		f := fault(t, i.Check(ctx))
		last = max(last, f.After)
		return f.Kind == sync.FaultCrashLoop
	}, 5*time.Second, 10*time.Millisecond)
	state := b.Process("w/a")
	require.Equal(t, sync.ProcessCrashLoop, state.State)
	require.GreaterOrEqual(t, state.Restarts, 3)
	require.Equal(t, reasonExited, state.Fault.Reason)
	require.Greater(t, last, 250*time.Millisecond, "it waits longer and longer")
	require.NoError(t, b.mode("w/a", "").Check(ctx))
	require.Equal(t, sync.ProcessRunning, b.Process("w/a").State)

	// Fault after fault of its own ends a process that itself would go on.
	p := b.mode("w/p", "panics")
	pid := b.pid("w/p")
	for range 3 {
		require.Equal(t, "PANIC", fault(t, p.Check(ctx)).Reason)
	}
	gone(t, pid, 2*time.Second)
	require.Equal(t, reasonFailing, fault(t, p.Check(ctx)).Reason)
}

func TestOpenThatHangs(t *testing.T) {
	b := newBench(t)
	began := time.Now()
	_, err := b.dial("w/a", map[string]string{"open": "hang"})
	fault(t, err)
	require.Less(t, time.Since(began), 4*time.Second)
	require.Eventually(t, func() bool { return len(b.pids()) == 0 }, 2*time.Second, 10*time.Millisecond)
}

// A program that never says where it listens, with a child of its own: both are gone.
func TestStartThatHangs(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Start = 500 * time.Millisecond })
	script := filepath.Join(t.TempDir(), "silent")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nsleep 600 &\necho $! >&2\nsleep 600\n"), 0o700))
	manifest, err := exec.Command(program(t), "spec").Output()
	require.NoError(t, err)
	_, err = b.store.Add(bytes.NewReader(pack(t, bytes.Replace(manifest, []byte(`"misbehave"`), []byte(`"silent"`), 1), script)), install.AddOptions{AllowUnsigned: true})
	require.NoError(t, err)
	_, err = b.Dial(ctx, sync.Dial{Key: "w/s", Connector: "silent", Config: []byte("{}")})
	require.Equal(t, reasonNoStart, fault(t, err).Reason)
	require.Eventually(t, func() bool { return len(b.pids()) == 0 }, 2*time.Second, 10*time.Millisecond)
	gone(t, lastNumber(t, b.log.String()), 2*time.Second)
}

// lastNumber is what the script said its child's number was.
func lastNumber(t *testing.T, log string) int {
	t.Helper()
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, "msg="); ok && strings.Contains(line, "stream=stderr") {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("no number in %s", log)
	return 0
}

// A tampered program never runs, not even when its connection was running before.
func TestTamperedNeverRuns(t *testing.T) {
	b := newBench(t)
	i := b.mode("w/a", "")
	entries, _, err := b.store.List()
	require.NoError(t, err)
	path := filepath.Join(b.store.Dir(), filepath.FromSlash(entries[0].Folder), "misbehave")
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	evil := filepath.Join(t.TempDir(), "evil")
	marker := filepath.Join(t.TempDir(), "ran")
	require.NoError(t, os.WriteFile(evil, []byte("#!/bin/sh\ntouch "+marker+"\n"), 0o700))
	require.NoError(t, os.Rename(evil, path))
	require.NoError(t, i.Check(ctx), "what runs goes on")

	require.NoError(t, syscall.Kill(b.pid("w/a"), syscall.SIGKILL))
	require.Eventually(t, func() bool {
		err := i.Check(ctx)
		return err != nil && fault(t, err).Reason == "TAMPERED"
	}, 3*time.Second, 10*time.Millisecond)
	f := fault(t, i.Check(ctx))
	require.Equal(t, []any{sync.FaultInternal, sync.FromHost}, []any{f.Kind, f.Origin})
	program[len(program)/2] ^= 1
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, program, 0o700))
	_, err = b.dial("w/b", map[string]string{})
	require.Equal(t, "TAMPERED", fault(t, err).Reason)
	_, err = os.Stat(marker)
	require.ErrorIs(t, err, os.ErrNotExist)

	// Set right, it runs again.
	program[len(program)/2] ^= 1
	require.NoError(t, os.WriteFile(path, program, 0o700))
	require.NoError(t, b.mode("w/a", "").Check(ctx))
}

// What a connector started ends with it.
func TestChildrenOfAConnector(t *testing.T) {
	b := newBench(t)
	child := int(fault(t, b.mode("w/a", "spawn").Check(ctx)).After)
	require.NoError(t, syscall.Kill(child, 0))
	b.Drop("w/a")
	gone(t, child, 3*time.Second)
}

// However the host ends, no process outlives it.
func TestHostKilled(t *testing.T) {
	b := newBench(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PLUGINHOST_VICTIM="+b.store.Dir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pids []int
	require.NoError(t, json.Unmarshal([]byte(line), &pids))
	require.Len(t, pids, 3)
	require.NoError(t, syscall.Kill(pids[0], syscall.SIGSTOP))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, pid := range pids {
		gone(t, pid, 2*time.Second)
	}
}

// victim is a host in a process of its own; it never ends by itself.
func victim() {
	store, err := install.Open(install.Options{Dir: os.Getenv("PLUGINHOST_VICTIM"), MAC: install.MAC([]byte("key")), Clock: core.SystemClock{}})
	if err != nil {
		panic(err)
	}
	h := New(Options{Store: store, Clock: core.SystemClock{}})
	for n := range 3 {
		_, err := h.Dial(ctx, sync.Dial{Key: fmt.Sprint(n), Connector: "misbehave", Config: []byte("{}")})
		if err != nil {
			panic(err)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(h.pids())
	select {}
}
