package sync

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

// report hands over what a vendor told of messages, each with a key and a time. It
// returns nil when all of it is on disk, or nobody wants it.
func (s *Service) report(ctx context.Context, c *Connection, told []Delivery, wrote []Inbound, at time.Time) error {
	if s.Reports == nil || len(told)+len(wrote) == 0 {
		return nil
	}
	deliveries := make([]Delivery, 0, len(told))
	for _, d := range told {
		if d.ID == "" && d.Key == "" {
			continue // about nothing that anybody could find
		}
		if d.Event == "" {
			d.Event = core.HashID(core.PrefixHook, c.ConnectionID(), d.ID, d.Key, d.State, d.At.UTC().Format(time.RFC3339Nano))
		}
		if d.At.IsZero() {
			d.At = at
		}
		deliveries = append(deliveries, d)
	}
	inbound := make([]Inbound, 0, len(wrote))
	for _, in := range wrote {
		if in.ID == "" {
			in.ID = core.HashID(core.PrefixHook, c.ConnectionID(), in.From, in.To, in.Text, in.At.UTC().Format(time.RFC3339Nano))
		}
		if in.At.IsZero() {
			in.At = at
		}
		inbound = append(inbound, in)
	}
	if len(deliveries)+len(inbound) == 0 {
		return nil
	}
	if err := s.Reports(ctx, c, deliveries, inbound); err != nil {
		return fmt.Errorf("sync: reports on messages: %w", err)
	}
	return nil
}

// Send hands a message to the vendor of a connection, for a purpose: that there is an
// agreement with who gets it for that purpose is asked here, whether the person agreed and
// is not suppressed is the caller's to ask. CallbackURL, where it is empty, is the
// connection's webhook. The error is a *Fault, of which FaultUnknownOutcome says that it may
// be under way: ask MessageStatus, or wait for Options.Reports.
func (s *Service) Send(ctx context.Context, ws, connection, purpose string, m Message) (Sent, error) {
	c, in, err := s.channel(ctx, ws, connection)
	if err != nil {
		return Sent{}, err
	}
	if err := s.agreed(ctx, c, purpose); err != nil {
		return Sent{}, err
	}
	if err := s.handed(ctx, c); err != nil {
		return Sent{}, err
	}
	if m.CallbackURL == "" && s.URL() != "" { // vendors take no address without a host
		m.CallbackURL = s.WebhookURL(c)
	}
	var sent Sent
	err = s.called(ctx, c, func(ctx context.Context) (err error) {
		sent, err = in.Send(ctx, m)
		return err
	})
	return sent, err
}

// MessageStatus asks a vendor what became of a message, by the vendor's id or by the key that
// it was handed over with. The error is a *Fault.
func (s *Service) MessageStatus(ctx context.Context, ws, connection, id, key string) (Delivery, error) {
	c, in, err := s.channel(ctx, ws, connection)
	if err != nil {
		return Delivery{}, err
	}
	var d Delivery
	err = s.called(ctx, c, func(ctx context.Context) (err error) {
		d, err = in.Status(ctx, id, key)
		return err
	})
	return d, err
}

// handed notes that data of people may have gone to a connection: erasures ask it then.
func (s *Service) handed(ctx context.Context, c *Connection) error {
	if c.Handed {
		return nil
	}
	return storeError("note the hand-off", s.insist(ctx, func() error {
		now, err := Connections.Get(ctx, s.Store, c.ID)
		if err != nil || now == nil || now.Handed {
			return err
		}
		now.Handed = true
		return work.Commit(ctx, s.Store, Connections.Replace(now))
	}))
}

// channel returns a connection that is not paused, and its instance.
func (s *Service) channel(ctx context.Context, ws, connection string) (*Connection, Instance, error) {
	c, err := s.mustConnection(ctx, ws, connection)
	if err != nil {
		return nil, nil, err
	}
	if c.Paused {
		return nil, nil, &Fault{Kind: FaultRetry, Origin: FromConfig, Reason: "PAUSED", Message: "the connection is paused: resume it", After: pausedFor}
	}
	in, _, err := s.dial(ctx, c)
	if err != nil {
		return nil, nil, AsFault(err)
	}
	return c, in, nil
}

// called calls a connector in the connection's queue, and notes how the connection is.
func (s *Service) called(ctx context.Context, c *Connection, f func(ctx context.Context) error) error {
	done, err := s.limiter(c).wait(ctx)
	if err != nil { // nothing was called
		return &Fault{Kind: FaultRetry, Origin: FromHost, Reason: NotCalled, Message: "the connection was too busy to be called in time; it is tried again", After: time.Second}
	}
	defer done()
	call, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	err = f(call)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fault := AsFault(err)
	if fault != nil && (fault.Kind == FaultInvalidRecord || fault.Kind == FaultUnknownOutcome || fault.Kind == FaultUnsupported || fault.Kind == FaultRecordGone) {
		return fault // about this message, not about the connection
	}
	if err := s.note(ctx, c, fault); err != nil {
		s.Logger.Warn("sync: note the state of a connection", "connection", c.ConnectionID(), "error", errorClass(err))
	}
	if fault != nil {
		return fault
	}
	return nil
}

// NotCalled is the reason of the fault of a call that was never made.
const NotCalled = "NOT_CALLED"

// sendFor is how long one message may take.
const sendFor = time.Minute
