//go:build linux

package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
)

func TestMain(m *testing.M) {
	if os.Getenv("PLUGINHOST_VICTIM") != "" {
		victim()
		return
	}
	_ = flag.Set("test.parallel", "8") // they wait more than they work
	code := m.Run()
	_ = os.RemoveAll(built)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "something is left running:", err)
		code = 1
	}
	os.Exit(code)
}

var (
	built    string
	building stdsync.Mutex
	packages = map[string][]byte{}
)

// program builds testdata/misbehave, once, and writes other words over those that the
// program has for it.
func program(t *testing.T, words ...string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	if built == "" {
		dir, err := os.MkdirTemp("", "misbehave-*")
		require.NoError(t, err)
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "misbehave"), "-ldflags", "-s -w", "./testdata/misbehave")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		built = dir
	}
	path := filepath.Join(built, "misbehave")
	if len(words) == 0 {
		return path
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 0; i < len(words); i += 2 {
		require.Len(t, words[i+1], len(words[i]))
		require.Contains(t, string(raw), words[i])
		raw = bytes.ReplaceAll(raw, []byte(words[i]), []byte(words[i+1]))
	}
	other := filepath.Join(built, fmt.Sprintf("%x", words))
	require.NoError(t, os.WriteFile(other, raw, 0o700))
	return other
}

// packed is a package of the program, unsigned.
func packed(t *testing.T, program string) []byte {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	if b := packages[program]; b != nil {
		return b
	}
	manifest, err := exec.Command(program, "spec").Output()
	require.NoError(t, err)
	packages[program] = pack(t, manifest, program)
	return packages[program]
}

func pack(t *testing.T, manifest []byte, program string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, install.Pack(&b, install.Package{
		Manifest: manifest, Binaries: map[install.Platform]string{{OS: runtime.GOOS, Arch: runtime.GOARCH}: program},
	}))
	return b.Bytes()
}

// quick are limits for tests.
func quick() Limits {
	return Limits{
		Start: 5 * time.Second, Open: time.Second, Grace: 200 * time.Millisecond, Page: 500 * time.Millisecond, Ping: 100 * time.Millisecond,
		Silence: 500 * time.Millisecond, Drain: 2 * time.Second, BackoffMin: 500 * time.Millisecond, BackoffMax: 2 * time.Second,
		Flood: 300 * time.Millisecond, Healthy: 5 * time.Second, Loop: 3,
		Calls: map[string]time.Duration{"check": time.Second},
	}
}

type bench struct {
	*Host
	t     *testing.T
	store *install.Store
	log   *buffer
	saved map[string]string
	saves int
	ended map[string]int
	mu    stdsync.Mutex
	n     int64
}

// newBench is a host with misbehave installed, for a test that runs beside others.
func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	if t.Name() != "TestSurroundings" { // which changes the environment
		t.Parallel()
	}
	store, err := install.Open(install.Options{Dir: t.TempDir(), MAC: install.MAC([]byte("key")), Clock: core.SystemClock{}})
	require.NoError(t, err)
	_, err = store.Add(bytes.NewReader(packed(t, program(t))), install.AddOptions{AllowUnsigned: true})
	require.NoError(t, err)
	b := &bench{t: t, store: store, log: &buffer{}, saved: map[string]string{}, ended: map[string]int{}}
	o := Options{
		Store: store, Clock: core.SystemClock{}, Limits: quick(), Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Hooks: Hooks{Ended: func(reason string) { b.mu.Lock(); b.ended[reason]++; b.mu.Unlock() }},
	}
	for _, f := range change {
		f(&o)
	}
	b.Host = New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		b.Close(ctx)
		require.Empty(t, b.pids())
	})
	return b
}

// dial runs a connection with a configuration.
func (b *bench) dial(key string, config map[string]string) (sync.Instance, error) {
	raw, err := json.Marshal(config)
	require.NoError(b.t, err)
	b.mu.Lock()
	b.n++
	version := b.n
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return b.Dial(ctx, sync.Dial{
		Key: key, Connector: "misbehave", Version: version, Config: raw,
		SaveSecret: func(_ context.Context, property, value string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if strings.Contains(value, "refuse") {
				return core.Errorf(core.Unavailable, "STORE", "no room")
			}
			b.saved[property] = value
			b.saves++
			return nil
		},
	})
}

func (b *bench) mode(key, mode string) sync.Instance {
	b.t.Helper()
	i, err := b.dial(key, map[string]string{"mode": mode, "token": "s3cr3t-t0ken"})
	require.NoError(b.t, err)
	return i
}

func (b *bench) pid(key string) int {
	b.t.Helper()
	b.Host.mu.Lock()
	c := b.connections[key]
	b.Host.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotNil(b.t, c.cur)
	return c.cur.child.pid()
}

func fault(t *testing.T, err error) *sync.Fault {
	t.Helper()
	var f *sync.Fault
	require.ErrorAs(t, err, &f)
	return f
}

// gone waits until no process of that number runs; a dead one that nobody has asked after
// yet runs no more.
func gone(t *testing.T, pid int, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return true
		}
		state := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))[0]
		return state == "Z" || state == "X"
	}, within, 10*time.Millisecond, "process %d is still there", pid)
}

// buffer is a log for several goroutines.
type buffer struct {
	mu stdsync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
