package message

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// outcome returns the document of a message that does not go.
func (l *letter) outcome(now time.Time) *Message {
	next := *l.m
	if l.again && l.m.Channel != InApp && l.m.Channel != WebChat { // those are delivered with their answer
		return l.unanswered(now)
	}
	next.Checks, next.Reason, next.Status = l.checks, l.reason, l.status
	next.Hold, next.Due, next.Flight = "", time.Time{}, time.Time{}
	switch l.status {
	case Held:
		next.Hold = l.hold
	case Deferred:
		next.Due = ceil(l.due)
		if !l.due.After(now) {
			next.Due = now.Add(time.Minute)
		}
	default:
		next.end(now)
	}
	return &next
}

// unanswered returns the document of a message that was handed over, that nobody answered,
// and that may not go again now. Where that may change it is asked about later; else nobody
// will ever know.
func (l *letter) unanswered(now time.Time) *Message {
	next := *l.m
	next.Checks = l.checks
	switch l.status {
	case Held, Deferred:
		next.Due = now.Add(time.Minute)
		if l.due.After(next.Due) {
			next.Due = ceil(l.due)
		}
	default:
		next.doubt(l.reason, now)
	}
	return &next
}

// doubt makes of a message one of which nobody knows whether it went. What would send it
// anew stays, for whoever resolves it.
func (m *Message) doubt(reason string, now time.Time) {
	to, data := m.To, m.Data
	m.end(now)
	m.Status, m.Reason, m.To, m.Data = Indeterminate, reason, to, data
}

// end takes out of a message what only serves to send it.
func (m *Message) end(now time.Time) {
	m.Lane, m.Due, m.Hold, m.Flight, m.To, m.Data, m.OverAt = "", time.Time{}, "", time.Time{}, nil, bson.Raw(nil), now
}

// unlessLost returns an error that is not a lost race: whoever won did what was to be done.
func unlessLost(err error) error {
	if lost := conflictOf(err); lost == nil {
		return err
	}
	return nil
}
