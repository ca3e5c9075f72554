package consent

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
)

// ConfirmPath is the path of the page on which a person confirms a word of theirs, before
// its token.
const ConfirmPath = "/y/"

// Proof signs what confirms a word that was prepared and will be PENDING; "" for another.
// It goes to the person alone, over the channel whose address it is to prove.
func (s *Service) Proof(ctx context.Context, ws string, p *Prepared) (token string, until time.Time, err error) {
	if p.entry.Status != Pending {
		return "", until, nil
	}
	token, err = s.Tokens.Sign(ctx, ws, tokenUse, claims{Entry: p.entry.ID, Part: p.who.Part, Until: p.lasts}, p.entry.ExpiresAt)
	return token, p.entry.ExpiresAt, err
}

// Confirming is what the link of a message would confirm.
type Confirming struct {
	Workspace string // what the person knows it by; "" where it says nothing
	Purpose   string // its name
	Key       string // the purpose's own
	Channel   string // "" is every channel
	Done      bool   // it was confirmed
}

// Confirming tells what the link of a message would confirm. It changes nothing: programs
// that open every link agree to nothing for anybody.
func (s *Service) Confirming(ctx context.Context, token string) (*Confirming, error) {
	ctx, ws, c, err := s.confirms(ctx, token)
	if err != nil {
		return nil, err
	}
	entry, err := s.Entry(ctx, ws, c.Entry)
	if err != nil {
		return nil, err
	}
	if entry == nil { // erased
		return nil, errLink
	}
	used, err := store.Claims.Get(ctx, s.Store, store.Key(ws, tokenUse, c.Entry))
	if err != nil {
		return nil, storeError("read a confirmation", err)
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := &Confirming{Purpose: entry.Purpose, Key: entry.Purpose, Channel: entry.Channel, Done: used != nil}
	if p := r.Purpose(entry.Purpose); p != nil {
		out.Purpose = p.Name
	}
	if s.Name != nil {
		out.Workspace, err = s.Name(ctx, ws)
	}
	return out, err
}

// ConfirmClicked confirms what the link of a message is about, by the person's own click.
// Again, it changes nothing.
func (s *Service) ConfirmClicked(ctx context.Context, token string) error {
	ctx, ws, _, err := s.confirms(ctx, token)
	if err != nil {
		return err
	}
	if _, err = s.Confirm(ctx, ws, token); errors.Is(err, errUsed) {
		return nil
	}
	return err
}

// confirms opens the token of such a link, and returns a context in which the person acts.
func (s *Service) confirms(ctx context.Context, token string) (context.Context, string, claims, error) {
	var c claims
	if len(token) > maxToken {
		return ctx, "", c, errLink
	}
	ws, err := keyring.TokenWorkspace(token)
	if err == nil {
		err = s.Tokens.Verify(ctx, ws, tokenUse, token, &c, s.now())
	}
	return core.WithActor(ctx, &core.Actor{Workspace: ws, ID: actorSubject, Name: actorSubject, Purpose: Compliance}), ws, c, err
}
