package message

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Resolution is what an operator knows of a message that nobody answered for.
type Resolution string

// The resolutions.
const (
	ResolveSent   Resolution = "SENT"   // it went
	ResolveFailed Resolution = "FAILED" // it did not, and is not sent
	ResolveAgain  Resolution = "AGAIN"  // it is sent anew: twice, if it went
)

// Resolve settles messages that are INDETERMINATE. Others are a CONFLICT.
func (s *Service) Resolve(ctx context.Context, ws, id string, as Resolution, expected *int64) (*Message, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	if as != ResolveSent && as != ResolveFailed && as != ResolveAgain {
		return nil, core.Errorf(core.Invalid, "RESOLUTION", "a message is resolved as SENT, FAILED or AGAIN").At("as")
	}
	return s.edit(ctx, ws, id, expected, "message.resolve", string(as), func(m *Message, now time.Time) (*Message, []event.SystemEvent, error) {
		if m.Status != Indeterminate {
			return nil, nil, core.Errorf(core.Conflict, "NOT_INDETERMINATE", "only messages of which nobody knows whether they went are resolved").At("id")
		}
		next := *m
		next.Resolved = string(as)
		switch as {
		case ResolveSent:
			connection := ""
			if m.Attempt != nil {
				connection = m.Attempt.Connection
			}
			ref := m.Ref
			events := next.took(sync.Sent{}, connection, now)
			next.Ref = ref
			return &next, events, nil
		case ResolveFailed:
			next.Status, next.Reason = Failed, "RESOLVED"
			next.end(now)
		default:
			if m.Part == "" {
				return nil, nil, core.Errorf(core.Conflict, "NOBODY", "a message to a bare address is not sent anew; send another").At("id")
			}
			next.Status, next.Reason, next.Lane, next.Due = Pending, "", laneOf(m.Channel, m.Part, m.MessageID()), now
			next.OverAt = time.Time{}
		}
		return &next, nil, nil
	})
}

// Cancel ends messages that are not handed over yet. One that is over stays as it is.
func (s *Service) Cancel(ctx context.Context, ws, id string, expected *int64) (*Message, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	return s.edit(ctx, ws, id, expected, "message.cancel", "", func(m *Message, now time.Time) (*Message, []event.SystemEvent, error) {
		switch m.Status {
		case Pending, Deferred, Held:
		case Cancelled:
			return nil, nil, nil
		default:
			return nil, nil, core.Errorf(core.Conflict, "TOO_LATE", "the message is %s; only what is not handed over is cancelled", m.Status).At("id")
		}
		next := *m
		next.Status, next.Reason = Cancelled, "BY_HAND"
		next.end(now)
		return &next, nil, nil
	})
}

// edit changes a message as somebody asks it.
func (s *Service) edit(ctx context.Context, ws, id string, expected *int64, action, word string, f func(*Message, time.Time) (*Message, []event.SystemEvent, error)) (*Message, error) {
	for try := 0; ; try++ {
		m, err := s.Show(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if m == nil {
			return nil, core.Errorf(core.NotFound, "MESSAGE", "there is no message with this id").At("id")
		}
		if expected != nil && *expected != m.V {
			return nil, core.Errorf(core.Conflict, "VERSION", "the message is at version %d now; read it again", m.V).At("expectedVersion")
		}
		next, events, err := f(m, s.now())
		if err != nil {
			return nil, err
		}
		if next == nil {
			return m, nil
		}
		t := tally{}
		next.figures(t, m.Status)
		e := audit.Entry{Workspace: ws, Action: action, Resource: id, Details: map[string]string{"as": word}}
		if m.Part != "" {
			e.Subjects = []string{m.Part}
		}
		ops, err := s.audited(ctx, e, append(append([]store.Op{Messages.Replace(next)}, s.outcomes(ws, moved{m, next})...), t.ops(ws)...)...)
		if err != nil {
			return nil, err
		}
		err = s.commitTold(ctx, ws, events, ops...)
		if errors.Is(err, store.ErrConflict) && try < 20 && expected == nil {
			continue
		}
		if err != nil {
			return nil, storeError("write the message", err)
		}
		s.observe(moved{m, next})
		s.Wake(ws, m.Channel)
		next.V++
		return next, nil
	}
}
