package sdk

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	pb "github.com/headwater-cdp/headwater/plugins/proto/headwater/plugin/v1"
)

// RemoteConnection is a Connection in another process. It has the methods of every
// interface of this package; those that the connector does not implement fail with
// FaultUnsupported.
type RemoteConnection struct {
	r      *Remote
	attend *attending
	offers []Offer
}

var _ interface {
	Connection
	Discoverer
	Puller
	Keeper
	Receiver
	Upserter
	Lister
	Forwarder
	ConsentSetter
	Eraser
	Sender
	StatusReader
	Authorizer
	Upgrader
} = (*RemoteConnection)(nil)

// Offers lists what the connector implements, whatever its Spec says.
func (c *RemoteConnection) Offers() []Offer { return slices.Clone(c.offers) }

// Check implements Connection.
func (c *RemoteConnection) Check(ctx context.Context) error {
	_, err := ask(ctx, c.r.connector.Check, &pb.CheckRequest{}, false)
	return err
}

// Close implements Connection; it waits up to the connector's own limit of some seconds.
func (c *RemoteConnection) Close() error { return c.CloseContext(context.Background()) }

// CloseContext is Close with a limit. The connection is not attended afterwards.
func (c *RemoteConnection) CloseContext(ctx context.Context) error {
	defer c.r.stopAttending(c.attend)
	_, err := c.r.connector.Close(ctx, &pb.CloseRequest{})
	return fromStatus(ctx, err, false)
}

// Upgrade implements Upgrader.
func (c *RemoteConnection) Upgrade(ctx context.Context, from Stored) (Stored, error) {
	return c.r.Upgrade(ctx, from)
}

// AuthorizeURL implements Authorizer.
func (c *RemoteConnection) AuthorizeURL(ctx context.Context, a AuthorizeRequest) (string, error) {
	out, err := ask(ctx, c.r.connector.AuthorizeURL, authorizeTo(a), false)
	return out.GetUrl(), err
}

// Exchange implements Authorizer.
func (c *RemoteConnection) Exchange(ctx context.Context, g Grant) (map[string]string, error) {
	out, err := ask(ctx, c.r.connector.Exchange, grantTo(g), false)
	return out.GetSecrets(), err
}

// Discover implements Discoverer.
func (c *RemoteConnection) Discover(ctx context.Context) ([]Stream, error) {
	out, err := ask(ctx, c.r.source.Discover, &pb.DiscoverRequest{}, false)
	return list(out.GetStreams(), streamFrom), err
}

// Pull implements Puller. When emit fails the connector's pull is cancelled, and that
// error is returned as it is; when it returns nil the page counts as kept, and a connector
// that waits for it is told.
func (c *RemoteConnection) Pull(ctx context.Context, from PullRequest, emit func(Page) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	kept := slices.Contains(c.offers, OffersKept)
	stream, err := c.r.source.Pull(inner, pullTo(from))
	if err != nil {
		return fromStatus(ctx, err, false)
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fromStatus(ctx, err, false)
		}
		report(ctx, m.Rate)
		w := &converter{}
		page := w.pageFrom(m)
		if w.err != nil {
			return w.err
		}
		if err := emit(page); err != nil {
			return err
		}
		if kept && len(page.Cursor) > 0 {
			// Who does not hear it gives the page again.
			_ = c.Kept(ctx, from.Stream, page.Cursor)
		}
	}
}

// Kept implements Keeper. Pull calls it by itself.
func (c *RemoteConnection) Kept(ctx context.Context, stream string, cursor []byte) error {
	_, err := c.r.source.Kept(ctx, &pb.KeptRequest{Stream: stream, Cursor: cursor})
	return fromStatus(ctx, err, false)
}

// Receive implements Receiver.
func (c *RemoteConnection) Receive(ctx context.Context, hook Webhook) (Received, error) {
	out, err := ask(ctx, c.r.source.Receive, webhookTo(hook), false)
	if err != nil {
		return Received{}, err
	}
	w := &converter{}
	got := w.receivedFrom(out)
	return got, w.err
}

// Upsert implements Upserter.
func (c *RemoteConnection) Upsert(ctx context.Context, batch Batch) ([]Result, error) {
	w := &converter{}
	in := w.batch(batch)
	if w.err != nil {
		return nil, w.err
	}
	out, err := ask(ctx, c.r.destination.Upsert, in, true)
	return results(out.GetResults(), len(batch.Items), err)
}

// Members implements Lister.
func (c *RemoteConnection) Members(ctx context.Context, change ListChange) (ListResult, error) {
	w := &converter{}
	in := w.change(change)
	if w.err != nil {
		return ListResult{}, w.err
	}
	out, err := ask(ctx, c.r.destination.Members, in, true)
	got, err := results(out.GetResults(), len(change.Add)+len(change.Remove), err)
	return ListResult{List: out.GetList(), Results: got}, err
}

// Forward implements Forwarder.
func (c *RemoteConnection) Forward(ctx context.Context, events []Event) ([]Result, error) {
	w := &converter{}
	in := &pb.ForwardRequest{Events: list(events, w.event)}
	if w.err != nil {
		return nil, w.err
	}
	out, err := ask(ctx, c.r.destination.Forward, in, true)
	return results(out.GetResults(), len(events), err)
}

// SetConsents implements ConsentSetter.
func (c *RemoteConnection) SetConsents(ctx context.Context, changes []ConsentChange) ([]Result, error) {
	out, err := ask(ctx, c.r.destination.SetConsents, &pb.SetConsentsRequest{Changes: list(changes, consentTo)}, true)
	return results(out.GetResults(), len(changes), err)
}

// Erase implements Eraser.
func (c *RemoteConnection) Erase(ctx context.Context, subject Subject) (EraseReceipt, error) {
	out, err := ask(ctx, c.r.destination.Erase, subjectTo(subject), true)
	if err != nil {
		return EraseReceipt{}, err
	}
	return receiptFrom(out), nil
}

// Send implements Sender.
func (c *RemoteConnection) Send(ctx context.Context, m Message) (Sent, error) {
	out, err := ask(ctx, c.r.channel.Send, messageTo(m), true)
	if err != nil {
		return Sent{}, err
	}
	return sentFrom(out), nil
}

// Status implements StatusReader.
func (c *RemoteConnection) Status(ctx context.Context, q StatusQuery) (Delivery, error) {
	out, err := ask(ctx, c.r.channel.Status, queryTo(q), false)
	if err != nil {
		return Delivery{}, err
	}
	return deliveryFrom(out.Delivery), nil
}

// ask makes a call whose response has a RateHint.
func ask[Q any, A interface{ GetRate() *pb.RateHint }](ctx context.Context,
	method func(context.Context, Q, ...grpc.CallOption) (A, error), q Q, writes bool) (A, error) {
	out, err := method(ctx, q)
	if err != nil {
		return out, fromStatus(ctx, err, writes)
	}
	report(ctx, out.GetRate())
	return out, nil
}

// results checks that there is one for each; else nobody knows which was meant.
func results(in []*pb.Result, want int, err error) ([]Result, error) {
	if err != nil {
		return nil, err
	}
	if len(in) != want {
		return nil, &Fault{Kind: FaultUnknownOutcome, Origin: FromConnector, Reason: "WRONG_NUMBER_OF_RESULTS",
			Message: "the connector gave back another number of results than of items"}
	}
	return list(in, resultFrom), nil
}
