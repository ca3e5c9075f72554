package sdk

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// Spec implements the service.
func (s *server) Spec(ctx context.Context, _ *pb.SpecRequest) (*pb.SpecResponse, error) {
	out := &pb.SpecResponse{}
	_, err := s.do(ctx, "Spec", func(context.Context) error {
		out.Spec = specTo(s.connector.Spec())
		return nil
	})
	return orNothing(out, err)
}

// Attend implements the service.
func (s *server) Attend(stream grpc.BidiStreamingServer[pb.AttendAnswer, pb.AttendMessage]) error {
	return s.serve(stream)
}

// Open implements the service.
func (s *server) Open(ctx context.Context, q *pb.OpenRequest) (*pb.OpenResponse, error) {
	out := &pb.OpenResponse{}
	hint, err := s.do(ctx, "Open", func(ctx context.Context) error {
		s.forgetHost()
		if err := s.begin(); err != nil {
			return err
		}
		var c *connection
		// A panic on the way leaves nothing half open.
		defer func() {
			s.mu.Lock()
			s.conn, s.opening = c, false
			s.mu.Unlock()
		}()
		if !json.Valid(q.ConfigJson) {
			return InvalidConfig("", "the configuration is not JSON")
		}
		s.redactor.learn(secretsOf(s.connector.Spec().ConfigSchema, q.ConfigJson)...)
		opened, err := s.connector.Open(ctx, q.ConfigJson, s)
		if err != nil {
			return err
		}
		c = &connection{Connection: opened}
		c.ctx, c.cancel = context.WithCancel(context.Background())
		out.Offers = text[string](s.offers(opened))
		return nil
	})
	out.Rate = rate(hint)
	return orNothing(out, err)
}

// forgetHost closes, under a debugger, what a host left open that was ended itself.
func (s *server) forgetHost() {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if s.debugged && c != nil {
		s.close(c)
	}
}

// begin makes sure that there is one connection.
func (s *server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.draining:
		return drained()
	default:
	}
	if s.conn != nil || s.opening {
		return alreadyOpen()
	}
	s.opening = true
	return nil
}

func alreadyOpen() *Fault {
	return &Fault{Kind: FaultInternal, Origin: FromHost, Reason: "ALREADY_OPEN",
		Message: "this process has its connection: start another one"}
}

// Offer is something that a connection answers.
type Offer string

// The offers.
const (
	OffersDiscover  Offer = "discover"
	OffersPull      Offer = "pull"
	OffersKept      Offer = "kept"
	OffersReceive   Offer = "receive"
	OffersUpsert    Offer = "upsert"
	OffersLists     Offer = "lists"
	OffersForward   Offer = "events"
	OffersConsents  Offer = "consents"
	OffersErase     Offer = "erase"
	OffersSend      Offer = "send"
	OffersStatus    Offer = "status"
	OffersAuthorize Offer = "authorize"
	OffersUpgrade   Offer = "upgrade"
)

func (s *server) offers(c Connection) []Offer {
	var out []Offer
	add := func(ok bool, o Offer) {
		if ok {
			out = append(out, o)
		}
	}
	add(does[Discoverer](c), OffersDiscover)
	add(does[Puller](c), OffersPull)
	add(does[Keeper](c), OffersKept)
	add(does[Receiver](c), OffersReceive)
	add(does[Upserter](c), OffersUpsert)
	add(does[Lister](c), OffersLists)
	add(does[Forwarder](c), OffersForward)
	add(does[ConsentSetter](c), OffersConsents)
	add(does[Eraser](c), OffersErase)
	add(does[Sender](c), OffersSend)
	add(does[StatusReader](c), OffersStatus)
	add(does[Authorizer](c), OffersAuthorize)
	add(does[Upgrader](c) || does[Upgrader](s.connector), OffersUpgrade)
	return out
}

func does[I any](v any) bool {
	_, ok := v.(I)
	return ok
}

// Check implements the service.
func (s *server) Check(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
	return answer(ctx, s, "Check", func(ctx context.Context, c Connection, _ *converter) (*pb.CheckResponse, error) {
		return &pb.CheckResponse{}, c.Check(ctx)
	})
}

// Close implements the service.
func (s *server) Close(context.Context, *pb.CloseRequest) (*pb.CloseResponse, error) {
	s.mu.Lock()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		s.close(c)
	}
	return &pb.CloseResponse{}, nil
}

// Upgrade implements the service. The Connector is asked before the Connection, because
// what an older version stored may not open.
func (s *server) Upgrade(ctx context.Context, q *pb.UpgradeRequest) (*pb.UpgradeResponse, error) {
	out := &pb.UpgradeResponse{}
	_, err := s.do(ctx, "Upgrade", func(ctx context.Context) error {
		u, ok := s.connector.(Upgrader)
		if !ok {
			conn, inner, leave, err := s.enter(ctx)
			if err != nil {
				return Unsupported("the connector has nothing to upgrade")
			}
			defer leave()
			ctx = inner
			if u, ok = conn.Connection.(Upgrader); !ok {
				return Unsupported("the connector has nothing to upgrade")
			}
		}
		s.redactor.learn(secretsOf(s.connector.Spec().ConfigSchema, q.GetStored().GetConfigJson())...)
		stored, err := u.Upgrade(ctx, storedFrom(q.Stored))
		out.Stored = storedTo(stored)
		return err
	})
	return orNothing(out, err)
}

// AuthorizeURL implements the service.
func (s *server) AuthorizeURL(ctx context.Context, q *pb.AuthorizeURLRequest) (*pb.AuthorizeURLResponse, error) {
	return answer(ctx, s, "AuthorizeURL", func(ctx context.Context, c Authorizer, _ *converter) (*pb.AuthorizeURLResponse, error) {
		url, err := c.AuthorizeURL(ctx, authorizeFrom(q))
		return &pb.AuthorizeURLResponse{Url: url}, err
	})
}

// Exchange implements the service.
func (s *server) Exchange(ctx context.Context, q *pb.ExchangeRequest) (*pb.ExchangeResponse, error) {
	s.redactor.learn(q.Code, q.Verifier)
	return answer(ctx, s, "Exchange", func(ctx context.Context, c Authorizer, _ *converter) (*pb.ExchangeResponse, error) {
		secrets, err := c.Exchange(ctx, grantFrom(q))
		for _, v := range secrets {
			s.redactor.learn(v)
		}
		return &pb.ExchangeResponse{Secrets: secrets}, err
	})
}

func orNothing[M any](m *M, err error) (*M, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

func protoValue(m proto.Message) protoreflect.Value {
	return protoreflect.ValueOfMessage(m.ProtoReflect())
}
