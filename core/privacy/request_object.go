package privacy

import (
	"context"

	"github.com/headwater-cdp/headwater/core/consent"
)

// ObjectThrough writes objections into the ledger of a consent service: as a DENIED word
// whose evidence names the request.
func ObjectThrough(s *consent.Service) func(ctx context.Context, o ObjectionWord) (string, error) {
	return func(ctx context.Context, o ObjectionWord) (string, error) {
		done, err := s.Record(ctx, o.Workspace, consent.RecordInput{
			ProfileID: o.ProfileID, Purpose: o.Purpose, Channel: o.Channel, Status: consent.Denied,
			IdempotencyKey: o.Request + " " + o.Purpose,
			Evidence:       &consent.Evidence{NoticeHash: o.Request, Locale: "und", Surface: "privacy request", Method: "OBJECTION"},
		})
		if err != nil {
			return "", err
		}
		return done.Entry.ID, nil
	}
}
