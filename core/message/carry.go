package message

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// result is what a call came to.
type result struct {
	m        *Message // as its hand-off stored it
	route    *route
	sent     sync.Sent
	fault    *sync.Fault
	unsure   bool       // it may have happened all the same
	uncalled bool       // its time was over before it was called
	ops      []store.Op // of a channel of our own: what delivers it
	took     time.Duration
}

// carry calls the channel for one message.
func (s *Service) carry(ctx context.Context, ws string, rt *route, l *letter) result {
	out := result{m: l.next, route: rt}
	if s.now().Sub(l.next.Flight) > freshFor {
		out.uncalled = true
		return out
	}
	began := time.Now()
	defer func() { out.took = time.Since(began) }()
	switch l.m.Channel {
	case InApp, WebChat:
		op, err := s.deliver(ctx, ws, l)
		if err != nil {
			out.fault = sync.AsFault(err)
			return out
		}
		out.sent, out.ops = sync.Sent{State: sync.DeliveryDelivered}, []store.Op{op}
		return out
	case Webhook:
		out.fault, out.unsure = s.post(ctx, ws, rt.way, l)
		return out
	}
	call, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	sent, err := s.Vendors.Send(call, ws, rt.id(), l.m.Purpose, l.message(rt))
	out.sent, out.fault = sent, sync.AsFault(err)
	var own *core.Error // of this server's, before anybody was called
	out.unsure = unsure(out.fault) && !errors.As(err, &own)
	return out
}

// message is what a connector gets.
func (l *letter) message(rt *route) sync.Message {
	m := sync.Message{
		Key: l.m.MessageID(), Channel: l.m.Channel, To: l.to, From: rt.way.From, ReplyTo: rt.way.ReplyTo,
		Subject: oneLine(l.content.Subject), HTML: l.content.HTML, Text: l.content.Text, Headers: l.headers(),
		Tags: map[string]string{"message": l.m.MessageID()},
	}
	if name := oneLine(l.content.FromName); name != "" && m.From != "" && l.m.Channel == Email {
		m.From = quoted(name) + " <" + m.From + ">"
	}
	if l.m.Channel == Push && m.Subject == "" {
		m.Subject = oneLine(l.content.Title)
	}
	return m
}

// unsure reports whether a fault leaves open if the message went.
func unsure(f *sync.Fault) bool {
	if f == nil {
		return false
	}
	switch f.Kind {
	case sync.FaultUnknownOutcome, sync.FaultInternal:
		return true
	}
	return f.Origin == sync.FromHost && f.Reason == "UNREACHED" // an error that is none of a connector's
}

// The faults that are about the message alone, and those that are about the channel.
func refuses(f *sync.Fault) bool {
	switch f.Kind {
	case sync.FaultInvalidRecord, sync.FaultRecordGone, sync.FaultUnsupported, sync.FaultSchemaChanged, sync.FaultCursorLost:
		return true
	}
	return false
}

func blocks(f *sync.Fault) bool {
	switch f.Kind {
	case sync.FaultUnauthorized, sync.FaultInvalidConfig, sync.FaultBlocked, sync.FaultQuota, sync.FaultCrashLoop:
		return true
	}
	return false
}
