package loopback

import (
	"context"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// overridden is a connection with its overrides.
type overridden struct {
	next *vendorClient
	over Over
}

// Check implements sdk.Connection.
func (o *overridden) Check(ctx context.Context) error {
	if f := o.over.Check; f != nil {
		return f(ctx, o.next.Check)
	}
	return o.next.Check(ctx)
}

// Close implements sdk.Connection.
func (o *overridden) Close() error {
	if f := o.over.Close; f != nil {
		return f(o.next.Close)
	}
	return o.next.Close()
}

// Discover implements sdk.Discoverer.
func (o *overridden) Discover(ctx context.Context) ([]sdk.Stream, error) {
	if f := o.over.Discover; f != nil {
		return f(ctx, o.next.Discover)
	}
	return o.next.Discover(ctx)
}

// Pull implements sdk.Puller.
func (o *overridden) Pull(ctx context.Context, q sdk.PullRequest, emit func(sdk.Page) error) error {
	if f := o.over.Pull; f != nil {
		return f(ctx, q, emit, o.next.Pull)
	}
	return o.next.Pull(ctx, q, emit)
}

// Receive implements sdk.Receiver.
func (o *overridden) Receive(ctx context.Context, w sdk.Webhook) (sdk.Received, error) {
	return with(ctx, w, o.over.Receive, o.next.Receive)
}

// Upsert implements sdk.Upserter.
func (o *overridden) Upsert(ctx context.Context, b sdk.Batch) ([]sdk.Result, error) {
	return with(ctx, b, o.over.Upsert, o.next.Upsert)
}

// Members implements sdk.Lister.
func (o *overridden) Members(ctx context.Context, l sdk.ListChange) (sdk.ListResult, error) {
	return with(ctx, l, o.over.Members, o.next.Members)
}

// Forward implements sdk.Forwarder.
func (o *overridden) Forward(ctx context.Context, e []sdk.Event) ([]sdk.Result, error) {
	return with(ctx, e, o.over.Forward, o.next.Forward)
}

// SetConsents implements sdk.ConsentSetter.
func (o *overridden) SetConsents(ctx context.Context, c []sdk.ConsentChange) ([]sdk.Result, error) {
	return with(ctx, c, o.over.Consents, o.next.SetConsents)
}

// Erase implements sdk.Eraser.
func (o *overridden) Erase(ctx context.Context, s sdk.Subject) (sdk.EraseReceipt, error) {
	return with(ctx, s, o.over.Erase, o.next.Erase)
}

// Send implements sdk.Sender.
func (o *overridden) Send(ctx context.Context, m sdk.Message) (sdk.Sent, error) {
	return with(ctx, m, o.over.Send, o.next.Send)
}

// Status implements sdk.StatusReader.
func (o *overridden) Status(ctx context.Context, q sdk.StatusQuery) (sdk.Delivery, error) {
	return with(ctx, q, o.over.Status, o.next.Status)
}

// with calls an override where there is one.
func with[I, O any](ctx context.Context, in I,
	over func(context.Context, I, func(context.Context, I) (O, error)) (O, error),
	next func(context.Context, I) (O, error)) (O, error) {
	if over != nil {
		return over(ctx, in, next)
	}
	return next(ctx, in)
}
