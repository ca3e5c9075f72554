package message

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// maxLost is how many of a message's hand-offs may be lost with the process that made them: a
// process that dies again and again leaves what it had handed over, called or not, to the next.
const maxLost = 200

// resends reports whether a message that was handed over and not answered may go again
// under its key: the channel is the same, and knows its keys again.
func (r *round) resends(m *Message) bool {
	return m.Attempt != nil && m.Attempt.Connection == r.route.id() && r.route.dedupes() && m.Tries < 2*maxTries && m.Lost < maxLost
}

// pollAt is how long after a message went its channel is asked what became of it, where it
// tells nothing by itself.
var pollAt = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 4 * time.Hour, 24 * time.Hour, 72 * time.Hour}

// pollNext makes a message that went one that is asked about, where that is the only way.
func (m *Message) pollNext(r *route, now time.Time) {
	m.Lane, m.Due = "", time.Time{}
	if m.Status != Sent || r == nil || !r.asks() || r.spec.Webhooks || m.Polls >= int64(len(pollAt)) {
		return
	}
	m.Lane, m.Due = laneOf(m.Channel, m.Part, m.MessageID()), now.Add(pollAt[m.Polls])
	m.Polls++
}

// inquire asks the channel of a message what became of it: one that nobody answered, or one
// that went and whose channel tells nothing by itself. Where nobody can be asked, nobody
// knows. It returns 1 when it moved the message.
func (ln *lane) inquire(ctx context.Context, m *Message) (int, error) {
	s := ln.s
	now := s.now()
	rt, err := s.routeOf(ctx, m)
	if err != nil {
		return 0, err
	}
	next := *m
	if rt == nil || !rt.asks() || m.Polls > 2*int64(len(pollAt)) {
		if m.Status == Handed {
			reason := "NO_ANSWER"
			if m.Attempt != nil && m.Attempt.Fault != "" {
				reason = m.Attempt.Fault
			}
			next.doubt(reason, now)
		} else {
			next.Lane, next.Due = "", time.Time{}
		}
		return 1, ln.put(ctx, &next, m.Status)
	}
	// It is taken first, so that no other process asks at the same time.
	next.Due = now.Add(flightFor)
	next.Polls++
	if err := work.Commit(ctx, s.Store, Messages.Replace(&next)); err != nil {
		return 0, storeError("write the message", unlessLost(err))
	}
	next.V++
	under := context.WithoutCancel(ctx)
	go s.inquired(under, rt, &next)
	return 1, nil
}

func (ln *lane) put(ctx context.Context, next *Message, before Status) error {
	t := tally{}
	next.figures(t, before)
	err := work.Commit(ctx, ln.s.Store, append([]store.Op{Messages.Replace(next)}, t.ops(ln.ws)...)...)
	return storeError("write the message", unlessLost(err))
}

// routeOf returns the route that a message went by; nil when its connection is gone.
func (s *Service) routeOf(ctx context.Context, m *Message) (*route, error) {
	if m.Attempt == nil || m.Attempt.Connection == "" {
		return nil, nil
	}
	c, err := s.Vendors.Connection(ctx, m.Workspace(), m.Attempt.Connection)
	if c == nil || err != nil {
		return nil, err
	}
	return &route{conn: c, spec: s.Vendors.Connector(c.Connector)}, nil
}

// inquired asks the vendor, and applies what it says.
func (s *Service) inquired(ctx context.Context, rt *route, m *Message) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	id := ""
	if _, vendors, ok := cutRef(m.Ref); ok {
		id = vendors
	}
	d, err := s.Vendors.MessageStatus(ctx, m.Workspace(), rt.id(), id, m.MessageID())
	f := sync.AsFault(err)
	known := f == nil && d.State != sync.DeliveryUnknown && d.State != ""
	if known {
		d.Key = m.MessageID()
		if d.Event == "" {
			d.Event = "poll:" + d.State
		}
		if d.At.IsZero() {
			d.At = s.now()
		}
		if err := s.report(ctx, rt.conn, &d); err != nil {
			s.Logger.Warn("message: apply what a vendor said", "message", m.MessageID(), "error", err.Error())
		}
		if m, err = Messages.Get(ctx, s.Store, m.ID); err != nil || m == nil || m.Lane == "" {
			return
		}
	}
	next := *m
	now := s.now()
	switch {
	case m.Status == Handed && f != nil && !refuses(f): // nobody could be asked
		next.Due = now.Add(time.Minute)
	case m.Status == Handed && !known:
		next.doubt("NOT_KNOWN_THERE", now)
	default:
		next.pollNext(rt, now)
	}
	t := tally{}
	next.figures(t, m.Status)
	if err := work.Commit(ctx, s.Store, append([]store.Op{Messages.Replace(&next)}, t.ops(m.Workspace())...)...); err != nil && conflictOf(err) == nil {
		s.Logger.Warn("message: write what a vendor said", "message", m.MessageID(), "error", err.Error())
	}
}
