package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
)

// The test binary is a connector too, and a host that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv("SDK_TEST_AS") {
	case "connector":
		Serve(processConnector{})
	case "host":
		hostForEver()
	default:
		os.Exit(m.Run())
	}
}

// processConnector says on its log what it does.
type processConnector struct{}

func (processConnector) Spec() Spec {
	return Spec{Name: "process", Version: "v1.0.0", ConfigSchema: schema}
}

func (processConnector) Open(_ context.Context, _ Config, host Host) (Connection, error) {
	return &processConnection{host: host, log: Logger(host)}, nil
}

type processConnection struct {
	host Host
	log  *slog.Logger
}

func (c *processConnection) Check(ctx context.Context) error {
	slog.Info("checking", "token", "s3cr3t-t0ken")
	return c.host.SaveSecret(ctx, "token", "fresh-"+strconv.Itoa(os.Getpid()))
}

func (c *processConnection) Close() error {
	c.log.Info("closed")
	return nil
}

func (c *processConnection) Pull(ctx context.Context, _ PullRequest, emit func(Page) error) error {
	for i := 0; ; i++ {
		if err := emit(Page{Cursor: []byte(strconv.Itoa(i))}); err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *processConnection) Upsert(_ context.Context, b Batch) ([]Result, error) {
	return make([]Result, len(b.Items)), nil
}

// started is the connector as a process, by go-plugin, as a host starts it.
func started(t testing.TB, log slog.Handler) (*Remote, *plugin.Client, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"SDK_TEST_AS=connector", "TMPDIR=" + t.TempDir()}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: Handshake, VersionedPlugins: HostPlugins(log), Cmd: cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, GRPCDialOptions: DialOptions(),
		AutoMTLS: true, SkipHostEnv: true, Logger: hclog.NewNullLogger(), StartTimeout: 20 * time.Second,
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	if v := client.NegotiatedVersion(); v != ProtocolVersion {
		t.Fatalf("negotiated %d", v)
	}
	raw, err := protocol.Dispense(PluginName)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := raw.(*Remote)
	if !ok {
		t.Fatalf("dispensed a %T", raw)
	}
	return r, client, cmd
}

func exited(t *testing.T, client *plugin.Client, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); !client.Exited(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the process is still there after %s", within)
		}
	}
}

func TestAsAProcess(t *testing.T) {
	log := &logged{heard: make(chan struct{}, 1)}
	r, client, cmd := started(t, log)
	host := &secretHost{slow: 20 * time.Millisecond}
	c, err := r.Open(t.Context(), Config(`{"token":"s3cr3t-t0ken"}`), host)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	host.mu.Lock()
	if got, want := host.saved["token"], "fresh-"+strconv.Itoa(cmd.Process.Pid); got != want {
		t.Errorf("saved %q, want %q", got, want)
	}
	host.err = &Fault{Kind: FaultInvalidConfig, Origin: FromHost, Message: "no such property"}
	host.mu.Unlock()
	if got := AsFault(c.Check(t.Context())); got.Kind != FaultInvalidConfig || got.Origin != FromHost {
		t.Errorf("a secret that is not kept: %+v", got)
	}
	<-log.heard
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if text := log.text(); strings.Contains(text, "s3cr3t") || !strings.Contains(text, `INFO checking token=[secret]`) {
		t.Errorf("logged %s", text)
	}
	client.Kill()
	exited(t, client, 2*time.Second)
}

// A host that speaks the next version too finds the highest that both speak.
func TestVersionsAreNegotiated(t *testing.T) {
	versions := HostPlugins(nil)
	versions[2] = plugin.PluginSet{PluginName: &plugin.NetRPCUnsupportedPlugin{}}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"SDK_TEST_AS=connector", "TMPDIR=" + t.TempDir()}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: Handshake, VersionedPlugins: versions, Cmd: cmd, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	defer client.Kill()
	if _, err := client.Client(); err != nil {
		t.Fatal(err)
	}
	if v := client.NegotiatedVersion(); v != 1 {
		t.Errorf("negotiated %d", v)
	}
}

// Without AutoMTLS a connector serves as well: the host asks for it, or does not.
func TestWithoutTLS(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"SDK_TEST_AS=connector", "TMPDIR=" + t.TempDir(), "HEADWATER_HOST_PID=" + strconv.Itoa(os.Getpid())}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: Handshake, VersionedPlugins: HostPlugins(nil), Cmd: cmd, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := protocol.Ping(); err != nil {
		t.Error(err)
	}
}

func TestSIGTERMDrains(t *testing.T) {
	log := &logged{}
	r, client, cmd := started(t, log)
	c, err := r.Open(t.Context(), Config(`{}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	err = c.Pull(t.Context(), PullRequest{}, func(Page) error {
		if pages++; pages == 3 {
			return cmd.Process.Signal(syscall.SIGTERM)
		}
		return nil
	})
	if got := AsFault(err); got.Reason != "DRAINING" || got.Kind != FaultRetry || pages < 3 {
		t.Errorf("after %d pages: %+v", pages, got)
	}
	exited(t, client, 3*time.Second)
	c.attend.stop()
	if text := log.text(); !strings.Contains(text, "closed") {
		t.Errorf("the connection was not closed: %q", text)
	}
}

func TestAKilledProcessIsTold(t *testing.T) {
	r, _, cmd := started(t, nil)
	c, err := r.Open(t.Context(), Config(`{}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Pull(t.Context(), PullRequest{}, func(Page) error { return cmd.Process.Kill() })
	if got := AsFault(err); got.Kind != FaultInternal || got.Origin != FromConnector || got.Reason != "PROCESS_GONE" {
		t.Errorf("a pull: %+v", got)
	}
	_, err = c.Upsert(t.Context(), Batch{Items: []Item{{}}})
	if got := AsFault(err); got.Kind != FaultUnknownOutcome || got.Reason != "PROCESS_GONE" {
		t.Errorf("a write: %+v", got)
	}
}

// hostForEver starts a connector, says its process id, and waits to be killed.
func hostForEver() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"SDK_TEST_AS=connector", "TMPDIR=" + os.Getenv("TMPDIR")}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: Handshake, VersionedPlugins: HostPlugins(nil), Cmd: cmd, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	if _, err := client.Client(); err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.Itoa(cmd.Process.Pid) + "\n")
	time.Sleep(time.Hour)
}

func TestNoOrphanOutlivesItsHost(t *testing.T) {
	host := exec.Command(os.Args[0])
	host.Env = []string{"SDK_TEST_AS=host", "TMPDIR=" + t.TempDir()}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the connector is not there")
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	host.Wait()
	for end := time.Now().Add(2 * time.Second); alive(pid); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the connector outlived its host by 2 s")
		}
	}
}

// alive tells a running process from one that has ended and that nobody has buried.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	_, after, _ := bytes.Cut(b, []byte(") "))
	return len(after) > 0 && after[0] != 'Z'
}

func TestByHand(t *testing.T) {
	var out bytes.Buffer
	if code := serve(processConnector{}, []string{"spec"}, &out); code != 0 {
		t.Errorf("spec exits with %d", code)
	}
	var spec Spec
	if err := json.Unmarshal(out.Bytes(), &spec); err != nil || spec.Name != "process" {
		t.Errorf("spec prints %s (%v)", out.String(), err)
	}
	if code := serve(processConnector{}, nil, io.Discard); code != 2 {
		t.Errorf("without a host it exits with %d", code)
	}
}

func TestDevServesToWhoAttaches(t *testing.T) {
	cmd := exec.Command(os.Args[0], "dev")
	cmd.Env = []string{"SDK_TEST_AS=connector", "TMPDIR=" + t.TempDir()}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var at Attachment
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		t.Fatal(err)
	}
	if at.PID != cmd.Process.Pid {
		t.Errorf("attachment %+v", at)
	}
	for i := range 3 { // a debugger's process is opened again and again
		r, conn, err := Attach(at, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Open(t.Context(), Config(`{"token":"abcdef"}`), &secretHost{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if i != 0 { // the first host is killed before it closes
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		conn.Close()
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

// BenchmarkProcessCall and BenchmarkDirectCall: the difference is what a call costs. The
// median is reported, in microseconds.
func BenchmarkProcessCall(b *testing.B) {
	r, _, _ := started(b, nil)
	c, err := r.Open(b.Context(), Config(`{}`), nil)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkUpsert(b, c)
}

// BenchmarkDirectCall is the same call without a process between.
func BenchmarkDirectCall(b *testing.B) { benchmarkUpsert(b, &processConnection{}) }
