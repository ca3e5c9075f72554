package message

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Verdict is what a guard says of a message.
type Verdict string

// The verdicts.
const (
	Go     Verdict = "GO"
	Hold   Verdict = "HOLD"   // not now: it is asked about again until it is something else
	Cancel Verdict = "CANCEL" // never
)

// Stand is how whoever decided a message stands to it just before its hand-off. The zero
// Stand lets it go.
type Stand struct {
	Verdict Verdict   // "" is GO
	Check   SendCheck // which question that answers; "" is APPROVAL
	Reason  string    // a stable word
	// Scope says what a held message waits for: those with the same one are asked about
	// together, one for all. "" is Check and Reason.
	Scope string
	// Ops go into the commit of the hand-off, each of them a check: once what they are about
	// has changed, no hand-off commits that was asked for before. Several messages of a
	// commit may bring the same.
	Ops []store.Op
}

// Guard is asked about each message before its hand-off commits.
type Guard func(ctx context.Context, ws string, m *Message) (Stand, error)

// OnHandOff adds a guard; all of them are asked. Call it before the first message.
func (s *Service) OnHandOff(g Guard) { s.guards = append(s.guards, g) }

// Flight is a message that is with its channel, which has not answered.
type Flight struct {
	ID, Channel, Purpose string
	HandedAt             time.Time
}

// maxFlights is how many messages of one person InFlight lists.
const maxFlights = 100

// InFlight lists the messages of a person that were handed over and not answered when it
// is asked: what a withdrawal cannot reach any more.
func (s *Service) InFlight(ctx context.Context, ws, profileID string) ([]Flight, error) {
	parts := []string{profileID}
	p, err := s.Profiles.Get(ctx, ws, profileID)
	if err != nil {
		return nil, err
	}
	if p != nil {
		parts = p.Parts
	}
	var out []Flight
	for _, part := range parts {
		list, err := Messages.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("part", part), store.Gt("flight", time.Unix(0, 0))}, Order: []string{"flight"},
		}, maxFlights)
		if err != nil {
			return nil, storeError("read the messages", err)
		}
		for _, m := range list {
			out = append(out, Flight{ID: m.MessageID(), Channel: m.Channel, Purpose: m.Purpose, HandedAt: m.Flight})
		}
	}
	return out, nil
}
