package consent

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// tokenUse is what the tokens of double opt-in are for.
const tokenUse = "double-opt-in"

// claims say what a token confirms.
type claims struct {
	Entry string    `json:"e"`
	Part  string    `json:"p"`
	Until time.Time `json:"u"` // when the yes expires; zero: never
}

// Confirm makes a yes of one that is PENDING. A token works once, while its word is the
// latest: what was withdrawn since stays withdrawn, for the confirmation has the time of
// the yes that it confirms.
func (s *Service) Confirm(ctx context.Context, ws, token string) (*Record, error) {
	var c claims
	if err := s.Tokens.Verify(ctx, ws, tokenUse, token, &c, s.now()); err != nil {
		var e *core.Error
		if errors.As(err, &e) {
			return nil, e.At("token")
		}
		return nil, err
	}
	used, err := store.Claims.Get(ctx, s.Store, store.Key(ws, tokenUse, c.Entry))
	if err != nil {
		return nil, storeError("confirm consent", err)
	}
	if used != nil {
		return nil, errUsed
	}
	pending, err := s.Entry(ctx, ws, c.Entry)
	if err != nil {
		return nil, err
	}
	who, err := s.People.Subject(ctx, ws, c.Part)
	if err != nil {
		return nil, err
	}
	if pending == nil || who == nil || who.Holds(c.Entry) != Pending {
		return nil, core.Errorf(core.Conflict, "CONSENT_SUPERSEDED", "something was said about this purpose since; agree to it anew").At("token")
	}
	say := Saying{Purpose: pending.Purpose, Channel: pending.Channel, Status: Granted, ExpiresAt: c.Until, Confirmed: true}
	props := bson.D{
		{Key: "purpose", Value: say.Purpose}, {Key: "status", Value: Granted}, {Key: "actor", Value: actor(ctx)},
		{Key: "evidence", Value: bson.D{{Key: "method", Value: "DOUBLE_OPT_IN"}, {Key: "confirms", Value: c.Entry}, {Key: "confirmedAt", Value: s.now()}}},
	}
	if say.Channel != "" {
		props = append(props, bson.E{Key: "channel", Value: say.Channel})
	}
	e := event.Input{
		MessageID: "consent:" + core.HashID("confirm", c.Entry), Name: NameRecorded, Timestamp: pending.At.Add(time.Millisecond),
		Properties: document(props), Context: say.Context(), Sum: sumOf(bson.D{{Key: "confirms", Value: c.Entry}}),
	}
	who.Part = c.Part
	id := EntryID(store.Rest(event.SystemKey(ws, e.MessageID)))
	lifted, err := s.anew(ctx, ws, who, say, true, id, e.Timestamp)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, ws, e, who, Trace{Action: "consent.confirm", Resource: id, Purpose: say.Purpose}, append(lifted, store.Claim(ws, tokenUse, c.Entry, id))...)
	if errors.Is(err, store.ErrConflict) {
		return nil, errUsed
	}
	if err != nil {
		return nil, err
	}
	return s.recorded(ctx, ws, who, id, c.Until)
}

var errUsed = core.Errorf(core.Conflict, "TOKEN_USED", "this was confirmed already").At("token")
