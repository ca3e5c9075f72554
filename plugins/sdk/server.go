package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// closeWait is how long a connection's calls have to end after they were cancelled.
const closeWait = 5 * time.Second

// server answers a host for one connector.
type server struct {
	pb.UnsafeConnectorServer
	pb.UnsafeSourceServer
	pb.UnsafeDestinationServer
	pb.UnsafeChannelServer

	connector Connector
	attendance
	redactor redactor
	log      *slog.Logger
	debugged bool // hosts come and go

	mu       sync.Mutex
	conn     *connection
	opening  bool
	draining chan struct{}
	once     sync.Once
}

// connection is a Connection and what runs on it.
type connection struct {
	Connection
	ctx    context.Context
	cancel context.CancelFunc
	calls  sync.WaitGroup
}

func newServer(c Connector) *server {
	s := &server{connector: c, draining: make(chan struct{})}
	s.attendance = *newAttendance(&s.redactor)
	var level slog.LevelVar
	if err := level.UnmarshalText([]byte(os.Getenv("HEADWATER_LOG_LEVEL"))); err != nil {
		level.Set(slog.LevelInfo)
	}
	s.log = slog.New(&handler{attendance: &s.attendance, redactor: &s.redactor, level: &level})
	return s
}

func (s *server) register(g *grpc.Server) {
	pb.RegisterConnectorServer(g, s)
	pb.RegisterSourceServer(g, s)
	pb.RegisterDestinationServer(g, s)
	pb.RegisterChannelServer(g, s)
}

// Logger is what the function of that name finds.
func (s *server) Logger() *slog.Logger { return s.log }

// do runs an author's method: a panic becomes a fault, and an error that is no fault
// loses its text. Neither's values are logged.
func (s *server) do(ctx context.Context, method string, f func(ctx context.Context) error) (hint *RateHint, err error) {
	ctx, rates := WithRates(ctx)
	defer func() {
		hint = rates.Last()
		if p := recover(); p != nil {
			s.log.Error("the connector panicked", "method", method, "panic", fmt.Sprintf("%T", p), "stack", stack())
			err = toStatus(unsure(method, &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "PANIC",
				Message: "the connector panicked in " + method + "; its log says where"}), hint)
		}
	}()
	if err = f(ctx); err != nil {
		told, ok := faultOf(err)
		if !ok {
			s.log.Error("the connector failed with an error that is no fault", "method", method, "type", fmt.Sprintf("%T", err))
		}
		return rates.Last(), toStatus(unsure(method, s.redactor.fault(told)), rates.Last())
	}
	return rates.Last(), nil
}

// unsure says of a message that was perhaps sent that nobody knows: it must not go out
// twice because the connector stumbled after the vendor took it.
func unsure(method string, f *Fault) *Fault {
	if method == "Send" && f.Kind == FaultInternal {
		f.Kind = FaultUnknownOutcome
	}
	return f
}

// stack lists the functions that led to a panic, without their arguments.
func stack() []string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var out []string
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			out = append(out, fmt.Sprintf("%s:%d", f.Function, f.Line))
		}
		if !more || len(out) == 12 {
			return out
		}
	}
}

// enter finds the connection and counts a call on it.
func (s *server) enter(ctx context.Context) (*connection, context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.draining:
		return nil, nil, nil, drained()
	default:
	}
	if s.conn == nil {
		return nil, nil, nil, &Fault{Kind: FaultInternal, Origin: FromHost, Reason: "NOT_OPEN",
			Message: "call Open first"}
	}
	c := s.conn
	c.calls.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return c, ctx, func() {
		stop()
		cancel()
		c.calls.Done()
	}, nil
}

func drained() *Fault {
	return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "DRAINING", After: time.Second,
		Message: "the connector is ending; its next process goes on"}
}

// answer runs a method of an open connection that implements I.
func answer[I any, R proto.Message](ctx context.Context, s *server, method string,
	f func(ctx context.Context, c I, w *converter) (R, error)) (R, error) {
	var out R
	hint, err := s.do(ctx, method, func(ctx context.Context) error {
		conn, ctx, leave, err := s.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
		c, ok := conn.Connection.(I)
		if !ok {
			return Unsupported("the connector cannot " + method)
		}
		w := &converter{}
		out, err = f(ctx, c, w)
		if err == nil {
			err = w.err
		}
		return err
	})
	if err != nil {
		var none R
		return none, err
	}
	setRate(out, hint)
	return out, nil
}

// setRate puts a hint into a response; each that a vendor can lie behind has the field.
func setRate(m proto.Message, hint *RateHint) {
	if hint == nil {
		return
	}
	r := m.ProtoReflect()
	if f := r.Descriptor().Fields().ByName("rate"); f != nil {
		r.Set(f, protoValue(rate(hint)))
	}
}

// drain refuses new calls and lets those that run come to an end, for at most wait; then
// the connection is closed.
func (s *server) drain(wait time.Duration) {
	s.mu.Lock()
	s.once.Do(func() { close(s.draining) })
	c := s.conn
	s.mu.Unlock()
	if c == nil {
		return
	}
	within(wait, c.calls.Wait)
	s.close(c)
	s.attendance.flush(time.Second)
}

// close ends a connection, once.
func (s *server) close(c *connection) {
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return
	}
	s.conn = nil
	s.mu.Unlock()
	c.cancel()
	if !within(closeWait, c.calls.Wait) {
		s.log.Warn("calls still run after they were cancelled")
	}
	_, err := s.do(context.Background(), "Close", func(context.Context) error { return c.Close() })
	if err != nil {
		s.log.Warn("the connection was not closed cleanly")
	}
}

// within tells whether f returned in time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}
