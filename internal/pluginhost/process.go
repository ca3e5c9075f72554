package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	stdsync "sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// process is one process of a connection, from its start to its end.
type process struct {
	h      *Host
	log    *slog.Logger
	sink   *logSink
	redact *redactor

	dial   sync.Dial
	digest string // of the installed package it runs; "" for an attached one
	schema []byte // of its configuration

	client *plugin.Client // nil for an attached one
	child  *child
	closer func() // what is closed at the end
	wire   grpc.ClientConnInterface
	remote *sdk.Remote
	conn   *sdk.RemoteConnection
	dir    string

	slots   chan struct{}
	saves   *rate.Limiter               // of secrets
	backoff func() time.Duration        // how long a start must wait now
	told    func(*process, *sync.Fault) // hears of the end before anybody else
	dead    chan struct{}               // closed when it is to end
	gone    chan struct{}               // closed when nothing of it is left

	mu       stdsync.Mutex
	why      *sync.Fault // why it ended; nil: it was to
	ended    bool
	calls    int
	idle     chan struct{} // closed when calls reaches 0 while draining; nil before
	failures int           // faults of its own in a row
	began    time.Time
	memory   int64 // bytes
}

// startProcess starts what is installed under the dial's name and opens its connection.
// The fault says whose it is that it does not run.
func (h *Host) startProcess(d sync.Dial, backoff func() time.Duration, ended func(*process, *sync.Fault)) (_ *process, f *sync.Fault) {
	p := &process{
		h: h, dial: d, redact: &redactor{}, backoff: backoff, told: ended, dead: make(chan struct{}), gone: make(chan struct{}), began: time.Now(),
		saves: rate.NewLimiter(1, savesBurst),
		log:   h.log.With("connector", d.Connector, "connection", d.Key),
	}
	p.sink = newLogSink(p.log, p.redact, h.limits.Flood, p.dead, func() {
		p.end(crashed(reasonFlood, "the connector wrote more log than anybody could read; its author must make it quieter"))
	}, h.hooks.Dropped)
	h.mu.Lock()
	h.processes[p] = true
	h.mu.Unlock()
	h.hooks.Processes(1)
	h.work.Go(func() {
		<-p.gone
		p.sink.close()
		h.mu.Lock()
		delete(h.processes, p)
		h.mu.Unlock()
		h.hooks.Processes(-1)
		word := "DONE"
		if why := p.fault(); why != nil {
			word = label(why)
		}
		h.hooks.Ended(word)
	})
	if a := h.attached(d.Connector); a != nil {
		f = p.attach(*a)
	} else {
		f = p.launch()
	}
	if f == nil {
		f = p.open()
	}
	if f != nil {
		p.end(f)
		<-p.gone
		// Why it was ended is nearer to the truth than what that looked like from here.
		if why := p.fault(); why != nil {
			f = why
		}
		return nil, f
	}
	if p.child != nil {
		go p.watch()
	}
	return p, nil
}

// launch starts the installed program.
func (p *process) launch() *sync.Fault {
	var bin *install.Binary
	var err error
	aside(func() { bin, err = p.h.store.Load(p.dial.Connector) })
	if err != nil {
		close(p.gone)
		return sync.AsFault(err)
	}
	defer bin.Release()
	p.digest, p.schema = bin.Entry.Digest, bin.Manifest.ConfigSchema
	p.know(bin.Manifest)
	if p.dir, err = os.MkdirTemp("", "headwater-connector-*"); err != nil { // mode 0700
		close(p.gone)
		return hostFault("FOLDER", "no folder could be made for the connector to work in")
	}
	p.dir, _ = filepath.EvalSymlinks(p.dir)
	work, sock := filepath.Join(p.dir, "work"), filepath.Join(p.dir, "sock")
	if err := errors.Join(os.Mkdir(work, 0o700), os.Mkdir(sock, 0o700)); err != nil {
		close(p.gone)
		return hostFault("FOLDER", "no folder could be made for the connector to work in")
	}
	stdout, stderr := p.sink.writer("stdout"), p.sink.writer("stderr")
	p.closer = func() { _ = errors.Join(stdout.Close(), stderr.Close()) }
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: sdk.Handshake, VersionedPlugins: sdk.HostPlugins(p.sink), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions: sdk.DialOptions(), AutoMTLS: true, SkipHostEnv: true, StartTimeout: p.h.limits.Start,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: sock},
		Logger:           hclog.NewNullLogger(), SyncStdout: stdout, SyncStderr: stderr,
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			return p.prepare(bin, cmd, work, sock)
		},
	})
	go p.clean()
	protocol, err := p.client.Client()
	if err != nil {
		p.log.Warn("a connector does not start", "error", p.redact.text(err.Error()))
		return p.noStart()
	}
	g, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return p.noStart()
	}
	p.wire = g.Conn
	raw, err := g.Dispense(sdk.PluginName)
	if err != nil {
		return p.noStart()
	}
	p.remote = raw.(*sdk.Remote)
	return p.compare(bin.Manifest)
}

// prepare makes the process, after a last look at the bytes that it will run: a
// SecureConfig is used up by one look.
func (p *process) prepare(bin *install.Binary, cmd *exec.Cmd, work, sock string) (runner.Runner, error) {
	ok := false
	aside(func() {
		same, err := secure(bin).Check(bin.Path())
		ok = same && err == nil
	})
	if !ok {
		return nil, fmt.Errorf("the program is not what was installed: %w", plugin.ErrChecksumsDoNotMatch)
	}
	run := exec.Command(bin.Path())
	run.Args = []string{p.dial.Connector}
	run.Dir = work
	run.Env = append(p.environment(work), cmd.Env...)
	c := newChild(run, sock, rlimits{memory: p.memory, files: p.h.limits.Files}, p.sink)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, context.Canceled
	}
	p.child = c
	return c, nil
}

// environment is all of ours that a connector sees.
func (p *process) environment(work string) []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", // for programs that are scripts
		"HOME=" + work, "TMPDIR=" + work, "LANG=C.UTF-8", "TZ=UTC",
		"GOMEMLIMIT=" + strconv.FormatInt(p.memory*8/10, 10),
		"HEADWATER_HOST_PID=" + strconv.Itoa(os.Getpid()), sdk.PrivateVariable + "=" + map[bool]string{true: "1", false: "0"}[p.dial.Private],
	}
	for _, name := range append([]string{"SSL_CERT_FILE", "SSL_CERT_DIR"}, p.h.env...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// know takes the limits of the manifest.
func (p *process) know(spec *sdk.Spec) {
	l := p.h.limits
	n := l.Concurrency
	if spec.Limits.Concurrency > 0 {
		n = min(spec.Limits.Concurrency, 1024)
	}
	p.slots = make(chan struct{}, n)
	mib := l.Memory
	if spec.Limits.MemoryMiB > 0 {
		mib = spec.Limits.MemoryMiB
	}
	p.memory = int64(min(mib, l.MaxMemory)) << 20
}

// compare asks the process what it is: it must say what its manifest says.
func (p *process) compare(manifest *sdk.Spec) *sync.Fault {
	ctx, cancel := context.WithTimeout(context.Background(), p.h.limits.Start)
	defer cancel()
	spec, err := p.remote.Spec(ctx)
	if err != nil {
		return p.noStart()
	}
	if !reflect.DeepEqual(canonical(spec), canonical(*manifest)) {
		return crashed(reasonDifferent, "the connector says other things of itself than its manifest does; its author must pack it again")
	}
	return nil
}

// open hands the configuration over.
func (p *process) open() *sync.Fault {
	p.redact.learn(secretsIn(p.schema, p.dial.Config)...)
	ctx, cancel := context.WithTimeout(context.Background(), p.h.limits.Open)
	defer cancel()
	ctx, rates := sdk.WithRates(ctx)
	conn, err := p.remote.Open(ctx, p.dial.Config, secretKeeper{p})
	p.rate(rates)
	if err != nil {
		return callFault(err, method{name: "open"}, p)
	}
	p.conn = conn
	return nil
}

// noStart is why a process did not get to its first answer.
func (p *process) noStart() *sync.Fault {
	if f := p.fault(); f != nil {
		return f
	}
	if p.child != nil && p.child.byItself() {
		return p.exitFault()
	}
	return crashed(reasonNoStart, "the connector did not answer within "+p.h.limits.Start.String()+" of its start; its log may say why")
}

// exitFault is for a process that ended by itself.
func (p *process) exitFault() *sync.Fault {
	time.Sleep(20 * time.Millisecond) // for the last line of its log
	panicked, outOfRoom := p.sink.saw()
	switch {
	case outOfRoom:
		return crashed(reasonMemory, fmt.Sprintf("the connector needs more memory than the %d MiB that it may have", p.memory>>20))
	case panicked:
		return crashed(reasonPanic, "the connector panicked; its log says where")
	}
	return crashed(reasonExited, "the connector's process ended by itself ("+p.child.code+"); its log may say why")
}

func (p *process) fault() *sync.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// alive reports whether it takes calls.
func (p *process) alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// end ends the process at once, once. nil says that it was to end.
func (p *process) end(why *sync.Fault) {
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	p.ended, p.why = true, why
	c, closer := p.child, p.closer
	p.mu.Unlock()
	p.told(p, why)
	close(p.dead)
	if c != nil {
		_ = c.Kill(context.Background()) // it is watched until it has ended
	}
	if closer != nil {
		closer()
	}
	if why != nil {
		p.log.Warn("a connector's process was ended", "reason", why.Word(), "origin", string(why.Origin), "ran", time.Since(p.began).Round(time.Millisecond).String())
	}
}

// clean takes away what the process leaves, after its end.
func (p *process) clean() {
	<-p.dead
	p.client.Kill() // the process has been killed: this only tidies
	if p.child != nil {
		select {
		case <-p.child.exited:
		case <-time.After(5 * time.Second): // it never started
		}
	}
	_ = os.RemoveAll(p.dir)
	close(p.gone)
}

// drain ends the process when its calls are over, or the limit is.
func (p *process) drain(limit time.Duration) {
	p.mu.Lock()
	if p.idle == nil {
		p.idle = make(chan struct{})
		if p.calls == 0 {
			close(p.idle)
		}
	}
	idle := p.idle
	p.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-idle:
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if p.conn != nil && p.alive() {
			_ = p.conn.CloseContext(ctx) // a connector that does not close is killed as well
		}
	case <-t.C:
		p.log.Warn("calls of a connector still ran when it had to end")
	case <-p.dead:
	}
	p.end(nil)
}

func hostFault(reason, message string) *sync.Fault {
	return &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: reason, Message: message, After: 5 * time.Second}
}
