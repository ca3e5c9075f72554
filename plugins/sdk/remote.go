package sdk

import (
	"context"
	"log/slog"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// Remote is a connector in another process, as its host sees it. All its errors are
// faults. A call that was not answered, because the process ended, a deadline passed or
// the caller gave up, is FaultInternal with the Reason PROCESS_GONE, DEADLINE, CANCELLED,
// MESSAGE_TOO_LARGE or NO_FAULT; of a method that writes at the vendor it is
// FaultUnknownOutcome with these reasons. errors.Is finds the context's error in it.
//
// What the vendor said of its limits is reported to the context of each call: see
// WithRates.
type Remote struct {
	connector   pb.ConnectorClient
	source      pb.SourceClient
	destination pb.DestinationClient
	channel     pb.ChannelClient
	log         slog.Handler

	mu     sync.Mutex
	attend *attending
}

// NewRemote returns the host's end of a connection. log takes what the connector logs;
// nil drops it.
func NewRemote(conn grpc.ClientConnInterface, log slog.Handler) *Remote {
	if log == nil {
		log = slog.DiscardHandler
	}
	return &Remote{
		connector: pb.NewConnectorClient(conn), source: pb.NewSourceClient(conn),
		destination: pb.NewDestinationClient(conn), channel: pb.NewChannelClient(conn), log: log,
	}
}

// Spec asks for the description.
func (r *Remote) Spec(ctx context.Context) (Spec, error) {
	out, err := r.connector.Spec(ctx, &pb.SpecRequest{})
	if err != nil {
		return Spec{}, fromStatus(ctx, err, false)
	}
	return specFrom(out.Spec), nil
}

// Upgrade brings what an older version stored into the form of this one. Unsupported
// means that there is nothing to bring.
func (r *Remote) Upgrade(ctx context.Context, from Stored) (Stored, error) {
	out, err := r.connector.Upgrade(ctx, &pb.UpgradeRequest{Stored: storedTo(from)})
	if err != nil {
		return Stored{}, fromStatus(ctx, err, false)
	}
	return storedFrom(out.Stored), nil
}

// Open makes the one connection of the process and attends it until it is closed: host
// answers what it asks for, by one call at a time.
func (r *Remote) Open(ctx context.Context, config Config, host Host) (*RemoteConnection, error) {
	r.mu.Lock()
	open := r.attend != nil
	r.mu.Unlock()
	if open {
		return nil, alreadyOpen()
	}
	a := r.startAttending(host)
	out, err := r.connector.Open(ctx, &pb.OpenRequest{ConfigJson: config})
	if err != nil {
		r.stopAttending(a)
		return nil, fromStatus(ctx, err, false)
	}
	report(ctx, out.Rate)
	return &RemoteConnection{r: r, attend: a, offers: text[Offer](out.Offers)}, nil
}

// Unopened is the connection that is not open yet: its calls are refused with the Reason
// NOT_OPEN. It is for those who examine connectors.
func (r *Remote) Unopened() *RemoteConnection { return &RemoteConnection{r: r} }

func report(ctx context.Context, hint *pb.RateHint) {
	if hint != nil {
		ReportRate(ctx, *rateFrom(hint))
	}
}

// waitingWishes is how many wishes of a connector wait; more are refused.
const waitingWishes = 16

// attending is the host's end of Attend.
type attending struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex // Send is not for two at once
	stream grpc.BidiStreamingClient[pb.AttendAnswer, pb.AttendMessage]
}

func (r *Remote) startAttending(host Host) *attending {
	ctx, cancel := context.WithCancel(context.Background())
	a := &attending{cancel: cancel}
	r.mu.Lock()
	r.attend = a
	r.mu.Unlock()
	stream, err := r.connector.Attend(ctx)
	if err != nil {
		return a // the next call says what is wrong
	}
	a.stream = stream
	wishes := make(chan *pb.AttendMessage, waitingWishes)
	a.done.Add(2)
	go func() {
		defer a.done.Done()
		defer close(wishes)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			if line := m.GetLog(); line != nil {
				if record := logFrom(line); r.log.Enabled(ctx, record.Level) {
					_ = r.log.Handle(ctx, record) // a log that fails has nowhere to say so
				}
				continue
			}
			select {
			case wishes <- m:
			default:
				a.answer(m.Id, notHeard())
			}
		}
	}()
	go func() {
		defer a.done.Done()
		for m := range wishes {
			a.answer(m.Id, grant(ctx, host, m))
		}
	}()
	return a
}

// grant does what a connector asks for.
func grant(ctx context.Context, host Host, m *pb.AttendMessage) *Fault {
	wish := m.GetSaveSecret()
	if wish == nil || host == nil {
		return &Fault{Kind: FaultUnsupported, Origin: FromHost, Message: "this host does not do that"}
	}
	if err := host.SaveSecret(ctx, wish.Property, wish.Value); err != nil {
		if f, ok := faultOf(err); ok {
			return f
		}
		return notHeard()
	}
	return nil
}

func (a *attending) answer(id uint64, f *Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.stream.Send(&pb.AttendAnswer{Id: id, Fault: fault(f)}) // who does not listen is not answered
}

func (a *attending) stop() {
	a.cancel()
	a.done.Wait()
}

func (r *Remote) stopAttending(a *attending) {
	r.mu.Lock()
	if r.attend == a {
		r.attend = nil
	}
	r.mu.Unlock()
	if a != nil {
		a.stop()
	}
}
