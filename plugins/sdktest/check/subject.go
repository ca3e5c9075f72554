package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Subject is a connector that can be started again and again.
type Subject interface {
	Start(ctx context.Context) (*Instance, error)
	// Process tells whether Start starts one.
	Process() bool
}

// Instance is a connector that runs, and what it said. It is the sdk.Host of its connection.
type Instance struct {
	Remote *sdk.Remote
	Stop   func()

	cmd  *exec.Cmd      // of a process
	done func() bool    // whether the process has ended
	dir  string         // its only folder
	said *output        // log, standard output and standard error
	mu   sync.Mutex     // of saved
	kept map[string]int // how often a secret was saved, by property
}

// SaveSecret implements sdk.Host.
func (i *Instance) SaveSecret(_ context.Context, property, _ string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kept == nil {
		i.kept = map[string]int{}
	}
	i.kept[property]++
	return nil
}

// Memory is a connector in this process, over a gRPC connection in memory.
func Memory(c sdk.Connector) Subject { return memory{c} }

type memory struct{ connector sdk.Connector }

// Process implements Subject.
func (memory) Process() bool { return false }

// Start implements Subject.
func (m memory) Start(context.Context) (*Instance, error) {
	i := &Instance{said: &output{}}
	var err error
	i.Remote, i.Stop, err = sdk.InProcess(m.connector, slog.NewTextHandler(i.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return i, err
}

// Program is a connector's binary. env is added to its environment, which is empty
// otherwise.
func Program(path string, env ...string) Subject { return program{path, env} }

type program struct {
	path string
	env  []string
}

// Process implements Subject.
func (program) Process() bool { return true }

// Start implements Subject.
func (p program) Start(context.Context) (*Instance, error) {
	dir, err := os.MkdirTemp("", "connector-")
	if err != nil {
		return nil, err
	}
	i := &Instance{said: &output{}, dir: dir}
	i.cmd = exec.Command(p.path)
	i.cmd.Dir = dir
	i.cmd.Env = append([]string{"HEADWATER_HOST_PID=" + strconv.Itoa(os.Getpid()), "TMPDIR=" + dir, "HOME=" + dir, "HEADWATER_LOG_LEVEL=DEBUG"}, p.env...)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  sdk.Handshake,
		VersionedPlugins: sdk.HostPlugins(slog.NewTextHandler(i.said, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Cmd:              i.cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  sdk.DialOptions(),
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     30 * time.Second,
		Logger:           hclog.NewNullLogger(),
		Stderr:           i.said, SyncStdout: i.said, SyncStderr: i.said,
	})
	i.done = client.Exited
	i.Stop = func() {
		end(client, i.cmd)
		os.RemoveAll(dir)
	}
	protocol, err := client.Client()
	if err != nil {
		said := i.said.String()
		i.Stop()
		return nil, fmt.Errorf("%w; it said: %s", err, firstLine(said))
	}
	raw, err := protocol.Dispense(sdk.PluginName)
	if err != nil {
		i.Stop()
		return nil, err
	}
	r, ok := raw.(*sdk.Remote)
	if !ok {
		i.Stop()
		return nil, errors.New("it speaks another contract")
	}
	i.Remote = r
	return i, nil
}

// end kills a process; the polite way never returns when the process is stopped.
func end(client *plugin.Client, cmd *exec.Cmd) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		client.Kill()
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		if cmd.Process != nil {
			_ = cmd.Process.Kill() // it may have ended by now
		}
		<-done
	}
}

// exits waits for the end of a process.
func (i *Instance) exits(within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if i.done() {
			return true
		}
	}
	return i.done()
}

// output collects what is written, up to a limit.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() < 8<<20 {
		o.buf.Write(p)
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	if line, _, ok := strings.Cut(s, "\n"); ok {
		s = line
	}
	if s == "" {
		return "nothing"
	}
	return s
}
