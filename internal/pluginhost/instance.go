package pluginhost

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// instance is a connection as core/sync calls it, whatever process runs it.
type instance struct{ c *connection }

var _ sync.Instance = (*instance)(nil)

// Check implements sync.Instance.
func (i *instance) Check(ctx context.Context) error {
	return i.c.call(ctx, method{name: "check"}, func(ctx context.Context, p *process) error { return p.conn.Check(ctx) })
}

// Discover implements sync.Instance.
func (i *instance) Discover(ctx context.Context) ([]sync.Stream, error) {
	return answered(ctx, i.c, method{name: "discover"}, func(ctx context.Context, p *process) ([]sync.Stream, error) {
		got, err := p.conn.Discover(ctx)
		return list(got, streamOf), err
	})
}

// Pull implements sync.Instance. emit is called here, between two pages.
func (i *instance) Pull(ctx context.Context, from sync.PullRequest, emit func(sync.Page) error) error {
	var stopped error
	err := i.c.call(ctx, method{name: "pull", stream: true}, func(ctx context.Context, p *process) error {
		hung := time.AfterFunc(p.h.limits.Page, func() {
			p.end(crashed(reasonHung, "the connector gave no page of a pull for "+p.h.limits.Page.String()+"; it was ended"))
		})
		defer hung.Stop()
		ctx, rates := sdk.WithRates(ctx)
		return p.conn.Pull(ctx, sdk.PullRequest(from), func(page sdk.Page) error {
			hung.Stop()
			p.rate(rates)
			if stopped = emit(pageOf(page)); stopped != nil {
				return stopped
			}
			hung.Reset(p.h.limits.Page)
			return nil
		})
	})
	if stopped != nil {
		return stopped
	}
	return err
}

// Receive implements sync.Instance.
func (i *instance) Receive(ctx context.Context, hook sync.Webhook) (sync.Received, error) {
	return answered(ctx, i.c, method{name: "receive"}, func(ctx context.Context, p *process) (sync.Received, error) {
		got, err := p.conn.Receive(ctx, sdk.Webhook(hook))
		return receivedOf(got), err
	})
}

// Upsert implements sync.Instance.
func (i *instance) Upsert(ctx context.Context, b sync.Batch) ([]sync.Result, error) {
	return answered(ctx, i.c, method{name: "upsert", writes: true}, func(ctx context.Context, p *process) ([]sync.Result, error) {
		got, err := p.conn.Upsert(ctx, batchTo(b))
		return p.cleaned(list(got, resultOf)), err
	})
}

// Members implements sync.Instance.
func (i *instance) Members(ctx context.Context, change sync.ListChange) (sync.ListResult, error) {
	return answered(ctx, i.c, method{name: "members", writes: true}, func(ctx context.Context, p *process) (sync.ListResult, error) {
		got, err := p.conn.Members(ctx, changeTo(change))
		out := listResultOf(got)
		out.List, out.Results = clip(out.List, 1000), p.cleaned(out.Results)
		return out, err
	})
}

// Forward implements sync.Instance.
func (i *instance) Forward(ctx context.Context, events []sync.Event) ([]sync.Result, error) {
	return answered(ctx, i.c, method{name: "forward", writes: true}, func(ctx context.Context, p *process) ([]sync.Result, error) {
		got, err := p.conn.Forward(ctx, list(events, func(e sync.Event) sdk.Event { return sdk.Event(e) }))
		return p.cleaned(list(got, resultOf)), err
	})
}

// SetConsents implements sync.Instance.
func (i *instance) SetConsents(ctx context.Context, changes []sync.ConsentChange) ([]sync.Result, error) {
	return answered(ctx, i.c, method{name: "consents", writes: true}, func(ctx context.Context, p *process) ([]sync.Result, error) {
		got, err := p.conn.SetConsents(ctx, list(changes, func(c sync.ConsentChange) sdk.ConsentChange { return sdk.ConsentChange(c) }))
		return p.cleaned(list(got, resultOf)), err
	})
}

// Erase implements sync.Instance.
func (i *instance) Erase(ctx context.Context, s sync.Subject) (sync.EraseReceipt, error) {
	return answered(ctx, i.c, method{name: "erase", writes: true}, func(ctx context.Context, p *process) (sync.EraseReceipt, error) {
		got, err := p.conn.Erase(ctx, sdk.Subject(s))
		got.Ref, got.Detail = clip(p.redact.text(got.Ref), 200), p.sink.clip(got.Detail)
		return sync.EraseReceipt(got), err
	})
}

// Send implements sync.Instance.
func (i *instance) Send(ctx context.Context, m sync.Message) (sync.Sent, error) {
	return answered(ctx, i.c, method{name: "send", writes: true}, func(ctx context.Context, p *process) (sync.Sent, error) {
		got, err := p.conn.Send(ctx, sdk.Message(m))
		return sentOf(got), err
	})
}

// Status implements sync.Instance.
func (i *instance) Status(ctx context.Context, id, key string) (sync.Delivery, error) {
	return answered(ctx, i.c, method{name: "status"}, func(ctx context.Context, p *process) (sync.Delivery, error) {
		got, err := p.conn.Status(ctx, sdk.StatusQuery{ID: id, Key: key})
		return deliveryOf(got), err
	})
}

// AuthorizeURL implements sync.Instance.
func (i *instance) AuthorizeURL(ctx context.Context, redirectURL, state, challenge string) (string, error) {
	return answered(ctx, i.c, method{name: "authorize"}, func(ctx context.Context, p *process) (string, error) {
		return p.conn.AuthorizeURL(ctx, sdk.AuthorizeRequest{RedirectURL: redirectURL, State: state, Challenge: challenge})
	})
}

// Exchange implements sync.Instance.
func (i *instance) Exchange(ctx context.Context, code, redirectURL, verifier string) (map[string]string, error) {
	return answered(ctx, i.c, method{name: "exchange"}, func(ctx context.Context, p *process) (map[string]string, error) {
		p.redact.learn(code, verifier)
		got, err := p.conn.Exchange(ctx, sdk.Grant{Code: code, RedirectURL: redirectURL, Verifier: verifier})
		for _, secret := range got {
			p.redact.learn(secret)
		}
		return got, err
	})
}

// Upgrade implements sync.Instance.
func (i *instance) Upgrade(ctx context.Context, from sync.Stored) (sync.Stored, error) {
	return answered(ctx, i.c, method{name: "upgrade"}, func(ctx context.Context, p *process) (sync.Stored, error) {
		p.redact.learn(secretsIn(p.schema, from.Config)...)
		got, err := p.conn.Upgrade(ctx, storedTo(from))
		return storedOf(got), err
	})
}

// answered is call for a method that answers something. What comes after nobody waits any
// more goes to a variable that nobody reads.
func answered[T any](ctx context.Context, c *connection, m method, f func(ctx context.Context, p *process) (T, error)) (T, error) {
	answer := make(chan T, 1)
	err := c.call(ctx, m, func(ctx context.Context, p *process) error {
		got, err := f(ctx, p)
		if err == nil {
			answer <- got
		}
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return <-answer, nil
}
