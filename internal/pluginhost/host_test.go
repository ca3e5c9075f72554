//go:build linux

package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

var ctx = context.Background()

func TestConnectionRuns(t *testing.T) {
	b := newBench(t)
	i := b.mode("w/a", "")
	require.NoError(t, i.Check(ctx))
	other := b.mode("w/b", "")
	require.NoError(t, other.Check(ctx))
	require.NotEqual(t, b.pid("w/a"), b.pid("w/b"), "each connection has a process")
	require.Equal(t, sync.ProcessRunning, b.Process("w/a").State)
	require.Equal(t, sync.ProcessStopped, b.Process("w/none").State)

	var cursors []byte
	require.NoError(t, i.Pull(ctx, sync.PullRequest{Stream: "x"}, func(p sync.Page) error {
		cursors = append(cursors, p.Cursor...)
		return nil
	}))
	require.Equal(t, []byte{0, 1, 2, 3, 4}, cursors)
	stop := errors.New("enough")
	require.Equal(t, stop, i.Pull(ctx, sync.PullRequest{Stream: "x"}, func(sync.Page) error { return stop }))

	results, err := i.Upsert(ctx, sync.Batch{Stream: "x", Items: []sync.Item{{Key: "1"}, {Key: "2"}}})
	require.NoError(t, err)
	require.Len(t, results, 2)
	require.Equal(t, sync.FaultUnsupported, fault(t, i.(*instance).send()).Kind)

	cs := b.Connectors()
	require.Len(t, cs, 1)
	require.Equal(t, "Misbehave", cs[0].Title)
	require.Len(t, cs[0].SHA256, 64)

	pid := b.pid("w/a")
	b.Drop("w/a")
	gone(t, pid, 3*time.Second)
	require.Equal(t, sync.ProcessStopped, b.Process("w/a").State)
}

func (i *instance) send() error { _, err := i.Send(ctx, sync.Message{}); return err }

// A connector sees nothing of ours but what it needs.
func TestSurroundings(t *testing.T) {
	t.Setenv("HEADWATER_SECRET", "canary")
	t.Setenv("SSL_CERT_FILE", "/etc/ssl/cert.pem")
	t.Setenv("SSL_CERT_DIR", "/etc/ssl/certs")
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	b := newBench(t, func(o *Options) { o.Env = []string{"HTTPS_PROXY"} })
	streams, err := b.mode("w/a", "").Discover(ctx)
	require.NoError(t, err)
	names, dir := []string{}, ""
	for _, s := range streams {
		name, _, _ := strings.Cut(s.Name, "=")
		if d, ok := strings.CutPrefix(s.Name, "DIR "); ok {
			dir = d
			continue
		}
		require.NotContains(t, s.Name, "canary")
		if !strings.HasPrefix(name, "PLUGIN_") && !strings.HasPrefix(name, "PID ") {
			names = append(names, name)
		}
	}
	require.ElementsMatch(t, []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ", "GOMEMLIMIT", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HEADWATER_CONNECTOR", "HEADWATER_HOST_PID", "HEADWATER_PRIVATE"}, names)
	require.True(t, strings.HasSuffix(dir, "/work 0"), "an empty folder: %s", dir)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.pid("w/a")))
	require.NoError(t, err)
	require.Contains(t, string(status), "NoNewPrivs:\t1")
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", b.pid("w/a")))
	require.NoError(t, err)
	require.Regexp(t, `Max core file size +0 +0 `, string(limits))
	require.Regexp(t, `Max open files +1024 +1024 `, string(limits))
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.pid("w/a")))
	require.NoError(t, err)
	require.Equal(t, "10", strings.Fields(string(stat))[18], "nice")
	info, err := os.Stat(filepath.Dir(strings.Fields(dir)[0]))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// Faults keep whose they are, and say nothing that they should not.
func TestOrigins(t *testing.T) {
	b := newBench(t)
	f := fault(t, b.mode("w/a", "vendor").Check(ctx))
	require.Equal(t, []any{sync.FaultRetry, sync.FromVendor, "BUSY", 7 * time.Second}, []any{f.Kind, f.Origin, f.Reason, f.After})
	f = fault(t, b.mode("w/b", "stray").Check(ctx))
	require.Equal(t, []any{sync.FaultInternal, sync.FromConnector}, []any{f.Kind, f.Origin})
	require.NotContains(t, f.Error(), "s3cr3t")
	_, err := b.dial("w/c", map[string]string{"open": "invalid"})
	f = fault(t, err)
	require.Equal(t, []any{sync.FaultInvalidConfig, sync.FromConfig, "name"}, []any{f.Kind, f.Origin, f.Path})
	_, err = b.dial("w/c", map[string]string{"open": ""})
	require.NoError(t, err, "another configuration is tried at once")
	_, err = b.Dial(ctx, sync.Dial{Key: "w/d", Connector: "nobody"})
	f = fault(t, err)
	require.Equal(t, []any{sync.FromHost, "NOT_INSTALLED"}, []any{f.Origin, f.Reason})
}

func TestSaveSecret(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.mode("w/a", "save").Check(ctx))
	require.Equal(t, map[string]string{"token": "s3cr3t-t0ken-rotated"}, b.saved)
	i, err := b.dial("w/a", map[string]string{"mode": "save", "token": "refuse"})
	require.NoError(t, err)
	f := fault(t, i.Check(ctx))
	require.Equal(t, []any{sync.FromHost, "STORE"}, []any{f.Origin, f.Reason})
	require.Equal(t, "s3cr3t-t0ken-rotated", b.saved["token"])
}

// What a connector logs reaches our log, without secrets and addresses.
func TestLog(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.mode("w/a", "say").Check(ctx))
	require.Eventually(t, func() bool {
		return strings.Contains(b.log.String(), "a line") && strings.Contains(b.log.String(), "a raw line") && strings.Contains(b.log.String(), "another line")
	}, 2*time.Second, 10*time.Millisecond, b.log)
	for _, canary := range []string{"s3cr3t", "ann@", "1234567"} {
		require.NotContains(t, b.log.String(), canary)
	}
	require.Contains(t, b.log.String(), "connection=w/a")
}

// The new configuration, and the new program, are taken while a call still runs on the old one.
func TestHotUpgrade(t *testing.T) {
	b := newBench(t)
	old := b.mode("w/a", "sleep")
	pid := b.pid("w/a")
	var wg stdsync.WaitGroup
	wg.Go(func() { require.NoError(t, old.Check(ctx)) })
	time.Sleep(50 * time.Millisecond)
	b.mode("w/a", "")
	require.NotEqual(t, pid, b.pid("w/a"))
	wg.Wait()
	gone(t, pid, 2*time.Second)

	write := func() string {
		got, err := old.Upsert(ctx, sync.Batch{Items: []sync.Item{{Key: "1"}}})
		require.NoError(t, err)
		return got[0].ID
	}
	require.Equal(t, "v1.0.0-misbehave", write())
	pid = b.pid("w/a")
	_, err := b.store.Add(bytes.NewReader(packed(t, program(t, "v1.0.0-misbehave", "v1.1.0-misbehave"))), install.AddOptions{AllowUnsigned: true, Upgrade: true})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return write() == "v1.1.0-misbehave" }, 5*time.Second, 20*time.Millisecond)
	gone(t, pid, 3*time.Second)

	// One that does not start leaves the old one at work.
	_, err = b.store.Add(bytes.NewReader(packed(t, program(t, "v1.0.0-misbehave", "v1.2.0-misbehave", "misbehave lies: no", "misbehave lies: ye"))), install.AddOptions{AllowUnsigned: true, Upgrade: true})
	require.NoError(t, err)
	require.Eventually(t, func() bool { require.Equal(t, "v1.1.0-misbehave", write()); return b.Process("w/a").Fault != nil }, 5*time.Second, 20*time.Millisecond)
	require.Equal(t, reasonDifferent, b.Process("w/a").Fault.Reason)
	require.Equal(t, sync.ProcessRunning, b.Process("w/a").State)

	// One that is removed ends.
	pid = b.pid("w/a")
	_, err = b.store.Remove("misbehave")
	require.NoError(t, err)
	gone(t, pid, 4*time.Second)
	require.Equal(t, "NOT_INSTALLED", fault(t, old.Check(ctx)).Reason)
}

// A process under a debugger is used by a server for development, and by no other.
func TestAttached(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Development = true })
	cmd := exec.Command(program(t), "dev")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	var a install.Attachment
	require.NoError(t, json.Unmarshal(line, &a.Attachment))
	_, spec, err := b.store.Manifest("misbehave")
	require.NoError(t, err)
	a.Spec = spec
	require.NoError(t, b.store.Attach(a))
	streams, err := b.mode("w/a", "").Discover(ctx)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(streams), fmt.Sprintf("PID %d", cmd.Process.Pid))
	require.Empty(t, b.pids(), "nothing was started")

	other := New(Options{Store: b.store, Clock: core.SystemClock{}})
	defer other.Close(ctx)
	_, err = other.Dial(ctx, sync.Dial{Key: "w/a", Connector: "misbehave", Config: []byte("{}")})
	require.Equal(t, reasonDevelopment, fault(t, err).Reason)
	require.NoError(t, b.store.Detach("misbehave"))
	require.Eventually(t, func() bool {
		_, err := other.Dial(ctx, sync.Dial{Key: "w/a", Connector: "misbehave", Version: time.Now().UnixNano(), Config: []byte("{}")})
		return err == nil
	}, 5*time.Second, 50*time.Millisecond)
}
