package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

const (
	// drainWait is how long calls have after SIGTERM.
	drainWait = 10 * time.Second
	// lastWords is how long what was written has to leave the process.
	lastWords = 300 * time.Millisecond
	// parentPoll is how often the host is looked for.
	parentPoll = 250 * time.Millisecond
)

// Attachment is what a connector prints, as JSON, when it was started with "dev": where
// a host finds it.
type Attachment struct {
	Protocol int    `json:"protocol"` // version of the contract
	Network  string `json:"network"`
	Address  string `json:"address"`
	PID      int    `json:"pid"`
}

// Serve serves a connector until its host is gone or ends it. It is all that main does.
//
// The program is started by a host. By hand it takes one word: "spec" prints the Spec as
// JSON, and "dev" serves without a host that started it, until it is interrupted, for a
// debugger: it prints an Attachment for `headwater connector dev`.
//
// What is written to slog's default logger, or to Logger, reaches the host.
func Serve(c Connector) {
	if code := serve(c, os.Args[1:], os.Stdout); code != 0 {
		os.Exit(code)
	}
}

func serve(c Connector, args []string, out io.Writer) int {
	s := newServer(c)
	switch {
	case len(args) == 1 && args[0] == "spec":
		b, err := json.MarshalIndent(c.Spec(), "", "  ")
		if err != nil {
			fmt.Fprintln(stderr, "the spec is not JSON:", err)
			return 1
		}
		fmt.Fprintf(out, "%s\n", b)
		return 0
	case len(args) == 1 && args[0] == "dev":
		return s.dev(out)
	case len(args) > 0 || os.Getenv(Handshake.MagicCookieKey) != Handshake.MagicCookieValue:
		fmt.Fprintln(stderr, "This is a connector for Headwater: headwater connector add installs it.\n"+
			"By hand: spec prints its manifest, dev serves it to a host that attaches.")
		return 2
	}
	slog.SetDefault(s.log)
	s.run(func(config *plugin.ServeConfig, stop func()) {
		go watchParent(hostPID(), stop)
		plugin.Serve(config)
	})
	return 0
}

// run serves with what both ways have in common: SIGTERM drains.
func (s *server) run(f func(config *plugin.ServeConfig, stop func())) {
	var mu sync.Mutex
	var made *grpc.Server
	stop := func() {
		mu.Lock()
		defer mu.Unlock()
		if made != nil {
			made.Stop()
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		if _, ok := <-signals; ok {
			s.drain(drainWait)
			// What was answered last is still on its way out; the streams that do not end
			// by themselves are cut.
			within(lastWords, func() {
				mu.Lock()
				g := made
				mu.Unlock()
				if g != nil {
					g.GracefulStop()
				}
			})
			stop()
		}
	}()
	f(&plugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: connectorPlugins(s),
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			mu.Lock()
			defer mu.Unlock()
			made = grpc.NewServer(append(o, serverOptions()...)...)
			return made
		},
	}, stop)
	s.drain(time.Second)
}

// hostPID is the process that must live: the one that started this one. A host may name
// itself in HEADWATER_HOST_PID, so that it is missed even when it dies before we look.
func hostPID() int {
	if pid, err := strconv.Atoi(os.Getenv("HEADWATER_HOST_PID")); err == nil {
		return pid
	}
	return os.Getppid()
}

// watchParent ends the process when its host is gone, however it went: a connector never
// outlives it.
func watchParent(parent int, stop func()) {
	for os.Getppid() == parent {
		time.Sleep(parentPoll)
	}
	// Stop takes the socket away; what an author's method holds is not waited for.
	within(parentPoll, stop)
	os.Exit(0)
}

// dev serves until it is interrupted.
func (s *server) dev(out io.Writer) int {
	s.debugged = true
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	s.run(func(config *plugin.ServeConfig, _ func()) {
		found := make(chan *plugin.ReattachConfig, 1)
		config.Test = &plugin.ServeTestConfig{Context: ctx, ReattachConfigCh: found}
		go func() {
			at := <-found
			b, err := json.Marshal(Attachment{
				Protocol: at.ProtocolVersion, Network: at.Addr.Network(), Address: at.Addr.String(), PID: at.Pid,
			})
			if err == nil {
				fmt.Fprintf(out, "%s\n", b)
			}
		}()
		plugin.Serve(config)
	})
	return 0
}

// Attach connects to a connector that was started with "dev". The caller closes the
// returned connection. It has no transport security: the socket is a local one.
func Attach(a Attachment, log slog.Handler) (*Remote, io.Closer, error) {
	if a.Protocol != ProtocolVersion {
		return nil, nil, fmt.Errorf("the connector speaks version %d of the contract, this host %d", a.Protocol, ProtocolVersion)
	}
	return dial(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, a.Network, a.Address)
	}, log)
}

// InProcess serves a connector within this process and returns the host's end of it, over
// a real gRPC connection in memory. stop ends both.
func InProcess(c Connector, log slog.Handler) (r *Remote, stop func(), err error) {
	s := newServer(c)
	g := grpc.NewServer(serverOptions()...)
	s.register(g)
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(listener) // it ends with Stop
	}()
	r, conn, err := dial(listener.DialContext, log)
	if err != nil {
		g.Stop()
		return nil, nil, err
	}
	return r, func() {
		s.drain(closeWait)
		conn.Close()
		g.Stop()
		<-served
	}, nil
}

func dial(dialer func(context.Context) (net.Conn, error), log slog.Handler) (*Remote, io.Closer, error) {
	options := append(DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialer(ctx) }))
	conn, err := grpc.NewClient("passthrough:///connector", options...)
	if err != nil {
		return nil, nil, err
	}
	return NewRemote(conn, log), conn, nil
}
