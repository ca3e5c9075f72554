package consent

import (
	"context"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core"
)

// UnsubscribeLink is what a letter carries so that its reader can end such letters with
// one click (RFC 8058).
type UnsubscribeLink struct {
	Link
	ListUnsubscribe     string // value of the header List-Unsubscribe
	ListUnsubscribePost string // value of the header List-Unsubscribe-Post
}

// OneClick is the body of the request that unsubscribes, as the header
// List-Unsubscribe-Post announces it.
const OneClick = "List-Unsubscribe=One-Click"

// UnsubscribeLink makes the link of one letter: to a person, for a purpose, over a
// channel ("" is every one).
func (s *Service) UnsubscribeLink(ctx context.Context, ws, profile, purpose, channel string) (*UnsubscribeLink, error) {
	if s.URL == "" {
		return nil, core.Errorf(core.Invalid, "PUBLIC_URL", "a letter needs a whole URL: start the server with --public-url")
	}
	if e := checkChannel(channel); e != nil {
		return nil, e
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	switch p := r.Purpose(purpose); {
	case p == nil:
		return nil, errNoPurpose("purpose")
	case !p.Objectionable():
		return nil, core.Errorf(core.Invalid, "OBJECTION_DOES_NOT_APPLY", "the legal basis of this purpose knows no withdrawal").At("purpose")
	}
	l, err := s.link(ctx, ws, UnsubscribePath, useUnsubscribe, UnsubscribeFor, link{Profile: profile, Purpose: purpose, Channel: channel})
	if err != nil {
		return nil, err
	}
	return &UnsubscribeLink{Link: *l, ListUnsubscribe: "<" + l.URL + ">", ListUnsubscribePost: OneClick}, nil
}

// Unsubscribing is what a link of a letter would end.
type Unsubscribing struct {
	Workspace string // what the person knows it by; "" where it says nothing
	Purpose   string // its name
	Key       string // the purpose's own
	Channel   string // "" is every channel
	Done      bool   // it has ended
	OnTheWay  int    // messages to the person that were handed to their channels before and may still arrive
}

// Unsubscribing tells what a link of a letter would end. It changes nothing.
func (s *Service) Unsubscribing(ctx context.Context, token string) (*Unsubscribing, error) {
	ctx, ws, l, who, err := s.follow(ctx, useUnsubscribe, token)
	if err != nil {
		return nil, err
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := &Unsubscribing{Purpose: l.Purpose, Key: l.Purpose, Channel: l.Channel}
	if p := r.Purpose(l.Purpose); p != nil {
		out.Purpose = p.Name
	}
	if s.Name != nil {
		if out.Workspace, err = s.Name(ctx, ws); err != nil {
			return nil, err
		}
	}
	now := s.now()
	status, _ := Status(who.Words(now), l.Purpose, l.Channel, now)
	if out.Done = No(status); out.Done {
		out.OnTheWay, err = s.onTheWay(ctx, ws, who)
	}
	return out, err
}

// Unsubscribe ends what a link of a letter is about. Again, it changes nothing, unless
// the person agreed anew in between: the latest click counts.
func (s *Service) Unsubscribe(ctx context.Context, token string) error {
	ctx, ws, l, who, err := s.follow(ctx, useUnsubscribe, token)
	if err != nil {
		return err
	}
	w := &withdrawing{s: s, ws: ws, in: WithdrawInput{Channel: l.Channel}, purposes: []string{l.Purpose}}
	if !slices.ContainsFunc(who.Parts, func(part string) bool { return !w.holds(who, part) }) {
		return nil
	}
	evidence, err := s.said(ctx, ws, l, nil, Evidence{Surface: SurfaceOneClick, Method: "POST"})
	if err != nil {
		return err
	}
	_, err = s.Withdraw(ctx, ws, WithdrawInput{
		ProfileID: who.Part, Purpose: l.Purpose, Channel: l.Channel, Evidence: evidence,
		// Clicks at the same moment are one word.
		IdempotencyKey: core.HashID("click", token) + strconv.FormatInt(who.Latest(l.Purpose).UnixMilli(), 10),
	})
	return err
}
