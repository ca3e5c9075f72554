package message

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
)

// Rehearsal is what would become of a message now.
type Rehearsal struct {
	Goes   bool
	Status Status    // of one that does not go
	Check  SendCheck // which check said no
	Reason string
}

// Rehearse asks everything that is asked before a hand-off about messages over one channel,
// and sends nothing. The intents are in the order of the answers; of two for one person only
// the first is looked at, and the second's answer says that it does not go.
func (s *Service) Rehearse(ctx context.Context, ws, channel string, list []Intent) ([]Rehearsal, error) {
	out := make([]Rehearsal, len(list))
	at := make(map[string]int, len(list))
	messages := make([]*Message, 0, len(list))
	for i, in := range list {
		m, err := s.outgoing(ctx, ws, in)
		if err != nil {
			return nil, err
		}
		at[m.ID] = i
		out[i] = Rehearsal{Status: Skipped, Reason: "SAME_PERSON"}
		messages = append(messages, m)
	}
	r, err := s.newRound(ctx, ws, laneOf(channel, "rehearsal", ""), channel)
	if err != nil {
		return nil, err
	}
	letters, err := r.people(ctx, messages)
	if err != nil {
		return nil, err
	}
	if err := r.ask(ctx, letters); err != nil {
		return nil, err
	}
	for _, l := range letters {
		one := Rehearsal{Goes: l.goes(), Status: l.status, Check: l.check, Reason: l.reason}
		if n := len(l.checks); !one.Goes && n > 0 && one.Check == "" {
			one.Check, one.Reason = l.checks[n-1].Check, l.checks[n-1].Reason
		}
		out[at[l.m.ID]] = one
	}
	return out, nil
}

// Usable reports what is wrong with sending a template over a channel; nil is nothing.
func (s *Service) Usable(ctx context.Context, ws, template string, version int64, channel string) error {
	return s.usable(ctx, ws, template, version, channel)
}

// Zones returns where each of some people is: by their trait, else by the workspace's zone.
// A nil person is where the workspace is.
func (s *Service) Zones(ctx context.Context, ws string, people []*profile.Profile) ([]*time.Location, error) {
	set, err := s.settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := make([]*time.Location, len(people))
	for i, p := range people {
		out[i] = set.zoneOf(p)
	}
	return out, nil
}
