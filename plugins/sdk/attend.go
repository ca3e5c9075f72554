package sdk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// The host opens Attend beside its first call: how long a wish waits for it.
const attendWait = 10 * time.Second

// waitingLines is how many lines of log wait for a slow host; more are dropped and counted.
const waitingLines = 1024

// attendance is the connector's end of the stream over which it speaks by itself.
type attendance struct {
	redactor *redactor

	mu      sync.Mutex
	current *attended
	changed chan struct{} // closed when current changes
	last    uint64
	dropped int
}

type attended struct {
	lines   chan *pb.LogRecord
	wishes  chan *pb.AttendMessage
	waiting map[uint64]chan *pb.Fault
	gone    chan struct{}
}

func newAttendance(r *redactor) *attendance {
	return &attendance{redactor: r, changed: make(chan struct{})}
}

// replace makes another stream the current one; nil is none.
func (a *attendance) replace(old, next *attended) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old != nil && a.current != old {
		return
	}
	a.current = next
	close(a.changed)
	a.changed = make(chan struct{})
}

// serve is the Attend method. The stream that comes last is the one that counts.
func (a *attendance) serve(stream grpc.BidiStreamingServer[pb.AttendAnswer, pb.AttendMessage]) error {
	me := &attended{
		lines: make(chan *pb.LogRecord, waitingLines), wishes: make(chan *pb.AttendMessage),
		waiting: map[uint64]chan *pb.Fault{}, gone: make(chan struct{}),
	}
	a.replace(nil, me)
	defer close(me.gone)
	defer a.replace(me, nil)
	go func() {
		for {
			answer, err := stream.Recv()
			if err != nil {
				return // the stream's context ends too
			}
			a.answer(me, answer)
		}
	}()
	for {
		var message *pb.AttendMessage
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case message = <-me.wishes:
		case line := <-me.lines:
			message = &pb.AttendMessage{Message: &pb.AttendMessage_Log{Log: line}}
		}
		if err := stream.Send(message); err != nil {
			return status.Error(codes.Unavailable, "the host is gone")
		}
	}
}

func (a *attendance) answer(me *attended, answer *pb.AttendAnswer) {
	a.mu.Lock()
	waiting := me.waiting[answer.Id]
	delete(me.waiting, answer.Id)
	a.mu.Unlock()
	if waiting != nil {
		waiting <- answer.Fault // it has room for one
	}
}

// attending waits for a host that listens.
func (a *attendance) attending(ctx context.Context) (*attended, error) {
	ctx, cancel := context.WithTimeout(ctx, attendWait)
	defer cancel()
	for {
		a.mu.Lock()
		me, changed := a.current, a.changed
		a.mu.Unlock()
		if me != nil {
			return me, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, notHeard()
		}
	}
}

func notHeard() *Fault {
	return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: "NOT_ATTENDED", After: time.Second,
		Message: "the host did not hear it; the old value is the stored one"}
}

// tell sends a line of log; false when no host attends.
func (a *attendance) tell(line *pb.LogRecord) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return false
	}
	if a.dropped > 0 {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of log were dropped", 0)
		select {
		case a.current.lines <- logTo(r, map[string]any{"count": a.dropped}):
			a.dropped = 0
		default:
		}
	}
	select {
	case a.current.lines <- line:
	default:
		a.dropped++
	}
	return true
}

// SaveSecret implements Host.
func (a *attendance) SaveSecret(ctx context.Context, property, value string) error {
	a.redactor.learn(value)
	me, err := a.attending(ctx)
	if err != nil {
		return err
	}
	done := make(chan *pb.Fault, 1)
	a.mu.Lock()
	a.last++
	id := a.last
	me.waiting[id] = done
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(me.waiting, id)
		a.mu.Unlock()
	}()
	wish := &pb.AttendMessage{Id: id, Message: &pb.AttendMessage_SaveSecret{
		SaveSecret: &pb.SaveSecret{Property: property, Value: value},
	}}
	select {
	case me.wishes <- wish:
	case <-me.gone:
		return notHeard()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case f := <-done:
		if f != nil {
			return faultFrom(f)
		}
		return nil
	case <-me.gone:
		return notHeard()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush waits until the lines that wait have gone out.
func (a *attendance) flush(wait time.Duration) {
	end := time.Now().Add(wait)
	for time.Now().Before(end) {
		a.mu.Lock()
		empty := a.current == nil || len(a.current.lines) == 0
		a.mu.Unlock()
		if empty {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
