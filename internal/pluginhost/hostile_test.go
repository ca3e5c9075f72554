//go:build linux

package pluginhost

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// A process that a connector started does not escape its end by a session of its own, not
// even without the environment by which it would be known.
func TestEscape(t *testing.T) {
	for _, mode := range []string{"escape", "bare"} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t)
			child := int(fault(t, b.mode("w/a", mode).Check(ctx)).After)
			require.NoError(t, syscall.Kill(child, 0))
			b.Drop("w/a")
			gone(t, child, 3*time.Second)

			// Nor by the end of the connector itself, when it was seen before.
			child = int(fault(t, b.mode("w/b", mode).Check(ctx)).After)
			time.Sleep(familyEvery*memoryInterval + 200*time.Millisecond)
			require.NoError(t, syscall.Kill(b.pid("w/b"), syscall.SIGKILL))
			gone(t, child, 3*time.Second)
		})
	}
}

// What a connector starts counts as its own.
func TestFamily(t *testing.T) {
	for mode, reason := range map[string]string{"fork": reasonProcesses, "eatbelow": reasonMemory} {
		t.Run(mode, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Limits.Calls = map[string]time.Duration{"check": 10 * time.Second} })
			f := fault(t, b.mode("w/a", mode).Check(ctx))
			require.Equal(t, reason, f.Reason, "%v", f)
			require.Equal(t, sync.FaultCrashed, f.Kind)
		})
	}
}

// A host that begins ends what the connectors of one that was killed had started.
func TestOrphansOfAHostThatIsGone(t *testing.T) {
	host := exec.Command("true")
	require.NoError(t, host.Run())
	orphan := exec.Command("sleep", "600")
	orphan.Env = []string{"HEADWATER_CONNECTOR=1", fmt.Sprint("HEADWATER_HOST_PID=", host.Process.Pid)}
	require.NoError(t, orphan.Start())
	other := exec.Command("sleep", "600")
	other.Env = []string{"HEADWATER_CONNECTOR=1", fmt.Sprint("HEADWATER_HOST_PID=", os.Getpid())}
	require.NoError(t, other.Start())
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	newBench(t)
	gone(t, orphan.Process.Pid, 2*time.Second)
	_ = orphan.Wait()
	require.NoError(t, syscall.Kill(other.Process.Pid, 0), "one whose host lives stays")
	_, ok := relativeOf(other.Process.Pid)
	require.True(t, ok)
}

// Who saves secrets without end, or ones that are none, does not keep the store busy.
func TestSaveSecretFlood(t *testing.T) {
	began := time.Now()
	b := newBench(t, func(o *Options) { o.Limits.Calls = map[string]time.Duration{"check": 10 * time.Second} })
	i, err := b.dial("w/a", map[string]string{"mode": "saves", "token": "s3cr3t-t0ken"})
	require.NoError(t, err)
	f := fault(t, i.Check(ctx))
	require.Equal(t, []any{sync.FaultRetry, sync.FromHost, "TOO_MANY_SECRETS"}, []any{f.Kind, f.Origin, f.Reason})
	b.mu.Lock()
	n := b.saves
	b.mu.Unlock()
	require.GreaterOrEqual(t, n, savesBurst)
	require.LessOrEqual(t, n, savesBurst+1+int(time.Since(began).Seconds()))
	require.Equal(t, sync.FaultUnsupported, fault(t, b.mode("w/b", "savelarge").Check(ctx)).Kind)

	r := &redactor{}
	r.learn("the-first-one")
	for i := range 10_000 {
		r.learn(fmt.Sprint("secret-", i))
	}
	require.Less(t, len(r.secrets), 10*mostSecrets)
	require.Equal(t, "[secret] [secret]", r.text("the-first-one secret-9999"))
}

// What a connector that is not built with our SDK says in a fault is no more believed than its log.
func TestFaultsAreNotBelieved(t *testing.T) {
	p := &process{redact: &redactor{}, dead: make(chan struct{})}
	p.sink = newLogSink(slog.New(slog.DiscardHandler), p.redact, time.Second, p.dead, func() {}, func(int) {})
	p.redact.learn("s3cr3t-t0ken")
	told := &sdk.Fault{
		Kind: "NONSENSE", Origin: "NOBODY", Reason: "ann@example.com\n", Message: strings.Repeat("x", 1<<10) + " s3cr3t-t0ken of ann@example.com " + strings.Repeat("x", 1<<20),
		Path: strings.Repeat("p", 1<<20) + "s3cr3t-t0ken", After: -time.Hour, Until: time.Date(292000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	list := p.cleaned([]sync.Result{resultOf(sdk.Result{Fault: told}), {ID: "1"}})
	require.Nil(t, list[1].Fault)
	for _, f := range []*sync.Fault{callFault(told, method{name: "upsert", writes: true}, p), list[0].Fault} {
		require.Equal(t, []any{sync.FaultInternal, sync.FromConnector, ""}, []any{f.Kind, f.Origin, f.Reason})
		require.Less(t, len(f.Message)+len(f.Path), 4<<10)
		require.Contains(t, f.Message, "[secret] of [address]")
		require.Zero(t, f.After)
		require.True(t, f.Until.IsZero())
	}
}
