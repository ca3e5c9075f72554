package benchmark

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// The bench's connector, and the host that is killed, are this very program under other
// names, so that nothing has to be built beside it.
const (
	actorName  = "headwater-bench"
	victimName = "headwater-bench-host"
	victimDir  = "HEADWATER_BENCH_CONNECTORS"
)

// Act plays the part that a bench has started this program for, and reports whether there
// was one.
func Act() bool {
	if len(os.Args) != 1 {
		return false
	}
	switch os.Args[0] {
	case actorName:
		sdk.Serve(actor{})
	case victimName:
		if err := victim(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		return false
	}
	return true
}

// actor is a connector that behaves as it is told.
type actor struct{}

// Spec implements sdk.Connector.
func (actor) Spec() sdk.Spec {
	return sdk.Spec{
		Name: actorName, Version: "v1.0.0", Title: "Bench", Kinds: []sdk.Kind{sdk.Destination}, Capabilities: []sdk.Capability{sdk.CanUpsert},
		ConfigSchema: json.RawMessage(`{"type":"object","properties":{"mode":{"type":"string"}}}`),
		Hosts:        []string{"api.example.com"}, Categories: []string{string(core.Categories[0])}, Processor: sdk.Processor{Name: "Nobody"},
	}
}

// Open implements sdk.Connector.
func (actor) Open(_ context.Context, config sdk.Config, _ sdk.Host) (sdk.Connection, error) {
	var c acting
	return &c, config.Into(&c)
}

type acting struct {
	Mode string `json:"mode"`
}

// Check implements sdk.Connection: it is where the trouble begins.
func (c *acting) Check(context.Context) error {
	switch c.Mode {
	case "panic":
		go panic("as it was told")
		select {}
	case "hang":
		select {}
	case "stop":
		stopProcess(os.Getpid())
		select {}
	case "flood":
		line := []byte(strings.Repeat("all work and no play ", 10) + "\n")
		for {
			_, _ = os.Stderr.Write(line)
		}
	case "eat":
		for all := [][]byte{}; ; {
			all = append(all, bytes.Repeat([]byte("x"), 1<<20))
		}
	}
	return nil
}

// Discover implements sdk.Discoverer: the number of the process, or 2 GiB.
func (c *acting) Discover(context.Context) ([]sdk.Stream, error) {
	return []sdk.Stream{{Name: fmt.Sprint(os.Getpid()), Schema: json.RawMessage(`{}`)}}, nil
}

// Pull implements sdk.Puller: an answer of 2 GiB.
func (c *acting) Pull(_ context.Context, _ sdk.PullRequest, emit func(sdk.Page) error) error {
	return emit(sdk.Page{Records: []sdk.Record{{ID: strings.Repeat("x", 2<<30)}}})
}

// Upsert implements sdk.Upserter: it does nothing, fast.
func (c *acting) Upsert(_ context.Context, b sdk.Batch) ([]sdk.Result, error) {
	out := make([]sdk.Result, len(b.Items))
	for i := range out {
		out[i] = sdk.Result{ID: b.Items[i].Key, Outcome: sdk.Unchanged}
	}
	return out, nil
}

// Close implements sdk.Connection.
func (c *acting) Close() error { return nil }

// connectorStore is a folder with the bench's connector installed.
func connectorStore(dir, binary string) (*install.Store, error) {
	s, err := install.Open(install.Options{Dir: dir, MAC: install.MAC([]byte("bench")), Clock: core.SystemClock{}})
	if err != nil || binary == "" {
		return s, err
	}
	manifest, err := json.Marshal(actor{}.Spec())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = install.Pack(&b, install.Package{Manifest: manifest, Binaries: map[install.Platform]string{{OS: runtime.GOOS, Arch: runtime.GOARCH}: binary}})
	if err != nil {
		return nil, err
	}
	_, err = s.Add(&b, install.AddOptions{AllowUnsigned: true})
	return s, err
}

func dialActor(ctx context.Context, h *pluginhost.Host, key, mode string) (sync.Instance, error) {
	return h.Dial(ctx, sync.Dial{Key: key, Connector: actorName, Version: 1, Config: fmt.Appendf(nil, `{"mode":%q}`, mode)})
}

// actorPID asks a connector for the number of its process.
func actorPID(ctx context.Context, i sync.Instance) (pid int, err error) {
	streams, err := i.Discover(ctx)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(streams[0].Name, &pid)
	return pid, err
}

// victim is a host with three connectors; it never ends by itself.
func victim() error {
	s, err := connectorStore(os.Getenv(victimDir), "")
	if err != nil {
		return err
	}
	h := pluginhost.New(pluginhost.Options{Store: s, Clock: core.SystemClock{}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var pids []int
	for n := range 3 {
		i, err := dialActor(ctx, h, fmt.Sprint(n), "")
		if err != nil {
			return err
		}
		pid, err := actorPID(ctx, i)
		if err != nil {
			return err
		}
		pids = append(pids, pid)
	}
	if err := json.NewEncoder(os.Stdout).Encode(pids); err != nil {
		return err
	}
	select {}
}
