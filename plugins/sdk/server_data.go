package sdk

import (
	"context"

	"google.golang.org/grpc"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// Discover implements the service.
func (s *server) Discover(ctx context.Context, _ *pb.DiscoverRequest) (*pb.DiscoverResponse, error) {
	return answer(ctx, s, "Discover", func(ctx context.Context, c Discoverer, _ *converter) (*pb.DiscoverResponse, error) {
		streams, err := c.Discover(ctx)
		return &pb.DiscoverResponse{Streams: list(streams, streamTo)}, err
	})
}

// Pull implements the service.
func (s *server) Pull(q *pb.PullRequest, stream grpc.ServerStreamingServer[pb.PullResponse]) error {
	_, err := s.do(stream.Context(), "Pull", func(ctx context.Context) error {
		conn, inner, leave, err := s.enter(ctx)
		if err != nil {
			return err
		}
		defer leave()
		c, ok := conn.Connection.(Puller)
		if !ok {
			return Unsupported("the connector cannot Pull")
		}
		rates, _ := inner.Value(rateKey{}).(*Rates)
		return c.Pull(inner, pullFrom(q), func(p Page) error {
			w := &converter{}
			page := w.page(p)
			if w.err != nil {
				return w.err
			}
			if rates != nil {
				page.Rate = rate(rates.Last())
			}
			if err := inner.Err(); err != nil {
				return err
			}
			if err := stream.Send(page); err != nil {
				return emitFault(inner, err)
			}
			select {
			case <-s.draining:
				return drained()
			default:
				return nil
			}
		})
	})
	return err
}

// emitFault is why a page did not go out.
func emitFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fromStatus(ctx, err, false)
}

// Kept implements the service.
func (s *server) Kept(ctx context.Context, q *pb.KeptRequest) (*pb.KeptResponse, error) {
	return answer(ctx, s, "Kept", func(ctx context.Context, c Keeper, _ *converter) (*pb.KeptResponse, error) {
		return &pb.KeptResponse{}, c.Kept(ctx, q.Stream, q.Cursor)
	})
}

// Receive implements the service.
func (s *server) Receive(ctx context.Context, q *pb.ReceiveRequest) (*pb.ReceiveResponse, error) {
	return answer(ctx, s, "Receive", func(ctx context.Context, c Receiver, w *converter) (*pb.ReceiveResponse, error) {
		got, err := c.Receive(ctx, webhookFrom(q))
		if err != nil {
			return nil, err
		}
		return w.received(got), nil
	})
}

// Upsert implements the service.
func (s *server) Upsert(ctx context.Context, q *pb.UpsertRequest) (*pb.UpsertResponse, error) {
	return answer(ctx, s, "Upsert", func(ctx context.Context, c Upserter, w *converter) (*pb.UpsertResponse, error) {
		batch := w.batchFrom(q)
		if w.err != nil {
			return nil, w.err
		}
		results, err := c.Upsert(ctx, batch)
		return &pb.UpsertResponse{Results: s.results(results)}, err
	})
}

// Members implements the service.
func (s *server) Members(ctx context.Context, q *pb.MembersRequest) (*pb.MembersResponse, error) {
	return answer(ctx, s, "Members", func(ctx context.Context, c Lister, w *converter) (*pb.MembersResponse, error) {
		change := w.changeFrom(q)
		if w.err != nil {
			return nil, w.err
		}
		got, err := c.Members(ctx, change)
		return &pb.MembersResponse{List: got.List, Results: s.results(got.Results)}, err
	})
}

// Forward implements the service.
func (s *server) Forward(ctx context.Context, q *pb.ForwardRequest) (*pb.ForwardResponse, error) {
	return answer(ctx, s, "Forward", func(ctx context.Context, c Forwarder, w *converter) (*pb.ForwardResponse, error) {
		events := list(q.Events, w.eventFrom)
		if w.err != nil {
			return nil, w.err
		}
		results, err := c.Forward(ctx, events)
		return &pb.ForwardResponse{Results: s.results(results)}, err
	})
}

// SetConsents implements the service.
func (s *server) SetConsents(ctx context.Context, q *pb.SetConsentsRequest) (*pb.SetConsentsResponse, error) {
	return answer(ctx, s, "SetConsents", func(ctx context.Context, c ConsentSetter, _ *converter) (*pb.SetConsentsResponse, error) {
		results, err := c.SetConsents(ctx, list(q.Changes, consentFrom))
		return &pb.SetConsentsResponse{Results: s.results(results)}, err
	})
}

// Erase implements the service.
func (s *server) Erase(ctx context.Context, q *pb.EraseRequest) (*pb.EraseResponse, error) {
	return answer(ctx, s, "Erase", func(ctx context.Context, c Eraser, _ *converter) (*pb.EraseResponse, error) {
		receipt, err := c.Erase(ctx, subjectFrom(q))
		return receiptTo(receipt), err
	})
}

// Send implements the service.
func (s *server) Send(ctx context.Context, q *pb.SendRequest) (*pb.SendResponse, error) {
	return answer(ctx, s, "Send", func(ctx context.Context, c Sender, _ *converter) (*pb.SendResponse, error) {
		sent, err := c.Send(ctx, messageFrom(q))
		return sentTo(sent), err
	})
}

// Status implements the service.
func (s *server) Status(ctx context.Context, q *pb.StatusRequest) (*pb.StatusResponse, error) {
	return answer(ctx, s, "Status", func(ctx context.Context, c StatusReader, _ *converter) (*pb.StatusResponse, error) {
		d, err := c.Status(ctx, queryFrom(q))
		return &pb.StatusResponse{Delivery: deliveryTo(d)}, err
	})
}

// results takes secrets out of the faults of single items too.
func (s *server) results(in []Result) []*pb.Result {
	return list(in, func(r Result) *pb.Result {
		if r.Fault != nil {
			r.Fault = s.redactor.fault(r.Fault)
		}
		return resultTo(r)
	})
}
