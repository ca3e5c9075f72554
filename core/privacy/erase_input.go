package privacy

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// erasureSum returns a keyed hash of what an erasure was asked for: it tells a
// repetition from another request under the same idempotency key.
func (s *Service) erasureSum(ctx context.Context, ws string, in EraseInput) ([]byte, error) {
	asked := bson.D{
		{Key: "type", Value: string(Erasure)}, {Key: "profile", Value: in.ProfileID}, {Key: "identifier", Value: in.Identifier},
		{Key: "received", Value: in.ReceivedAt}, {Key: "reason", Value: in.Reason},
	}
	if in.Anonymise {
		asked = append(asked, bson.E{Key: "anonymise", Value: true})
	}
	said, err := bson.Marshal(asked)
	if err != nil {
		return nil, err
	}
	return s.o.Keys.MAC(ctx, ws, secretRequests, said)
}

// sameErasure refuses an idempotency key that was used for another erasure.
func (s *Service) sameErasure(ctx context.Context, ws string, old *Request, in EraseInput) error {
	sum, err := s.erasureSum(ctx, ws, in)
	if err != nil {
		return err
	}
	if old.Handling == nil || !bytes.Equal(old.Handling.Sum, sum) {
		return errReused
	}
	return nil
}

var errReused = core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another request; use a new one").At("idempotencyKey")

// handling returns what the input says of the check of the identity.
func (in *EraseInput) handling(now time.Time) (*Handling, error) {
	if in.VerifiedHow == "" && in.VerifiedBy == "" {
		return &Handling{}, nil
	}
	how, err := wordsFor("verificationMethod", in.VerifiedHow)
	if err != nil {
		return nil, err
	}
	if len(in.VerifiedBy) > maxAssignee {
		return nil, errVerifiedBy
	}
	return &Handling{VerifiedHow: how, VerifiedAt: &now}, nil
}

func (in *EraseInput) verifiedBy(actor string) string {
	if in.VerifiedBy == "" && in.VerifiedHow != "" {
		return actor
	}
	return in.VerifiedBy
}

var errVerifiedBy = core.Errorf(core.Invalid, "VERIFIED_BY", "who checked is named in at most %d bytes", maxAssignee).At("verifiedBy")
