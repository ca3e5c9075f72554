package campaign

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
)

// freshFor is how long a guard trusts what this process knows of a campaign: a hand-off that
// rests on an older state does not commit in any case.
const freshFor = 20 * time.Millisecond

// messageID is the id of the message of a campaign to a person: there is one.
func messageID(ws, campaign, profile string) string {
	return core.HashID(core.PrefixMessage, ws, campaign, profile)
}

// Stand is a message.Guard: it says how a campaign stands to a message of its own just
// before that is handed over.
func (s *Service) Stand(ctx context.Context, ws string, m *message.Message) (message.Stand, error) {
	if m.Campaign == "" || m.Test {
		return message.Stand{}, nil
	}
	c, err := s.recent(ctx, ws, m.Campaign)
	if err != nil {
		return message.Stand{}, err
	}
	cancel := func(why string) (message.Stand, error) {
		return message.Stand{Verdict: message.Cancel, Check: message.CheckApproval, Reason: why}, nil
	}
	switch {
	case c == nil:
		return cancel("CAMPAIGN_GONE")
	case c.Status == Cancelled || c.Status == Failed:
		return cancel("CAMPAIGN_" + string(c.Status))
	case c.Status != Running && c.Status != Done:
		return message.Stand{Verdict: message.Hold, Check: message.CheckApproval, Reason: "CAMPAIGN_" + string(c.Status), Scope: "campaign/" + m.Campaign}, nil
	}
	twice, err := s.twice(ctx, ws, m)
	if err != nil {
		return message.Stand{}, err
	}
	if twice {
		return cancel("MERGED")
	}
	return message.Stand{Ops: []store.Op{Campaigns.Check(c)}}, nil
}

// recent returns a campaign as it was a moment ago.
func (s *Service) recent(ctx context.Context, ws, id string) (*Campaign, error) {
	key := store.Key(ws, id)
	if have, ok := s.known.Load(key); ok && time.Since(have.(known).at) < freshFor {
		return have.(known).c, nil
	}
	at := time.Now()
	c, err := Campaigns.Get(ctx, s.Store, key)
	if err != nil {
		return nil, err
	}
	s.known.Store(key, known{c, at})
	return c, nil
}

// twice tells whether a person who was merged after their messages were queued gets another
// one of the campaign: that which is out already, else that with the least id. The hand-off
// checks the person, so that no merge is missed.
func (s *Service) twice(ctx context.Context, ws string, m *message.Message) (bool, error) {
	p, err := s.Profiles.Get(ctx, ws, m.Part)
	if err != nil || p == nil || len(p.Parts) < 2 {
		return false, err
	}
	var keys []string
	for _, part := range p.Parts {
		if id := messageID(ws, m.Campaign, part); id != m.MessageID() {
			keys = append(keys, store.Key(ws, id))
		}
	}
	others, err := message.Messages.GetMany(ctx, s.Store, keys)
	if err != nil {
		return false, err
	}
	for _, o := range others {
		switch {
		case o == nil:
		case out(o.Status), waits(o.Status) && o.ID < m.ID:
			return true, nil
		}
	}
	return false, nil
}

// out tells whether a message went, or may have.
func out(s message.Status) bool {
	switch s {
	case message.Handed, message.Sent, message.Delivered, message.Bounced, message.Indeterminate:
		return true
	}
	return false
}

func waits(s message.Status) bool {
	return s == message.Pending || s == message.Deferred || s == message.Held
}

// needs is a message.Keeper: until a campaign is over, by its messages it is known who was
// written to, and a test is decided.
func (s *Service) needs(ctx context.Context, ws string, m *message.Message) (bool, error) {
	if m.Campaign == "" {
		return false, nil
	}
	c, err := s.recent(ctx, ws, m.Campaign)
	return c != nil && c.Status != Done && c.Status != Cancelled && c.Status != Failed, err
}
