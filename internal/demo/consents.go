package demo

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// asked is for how many days the shop has asked for consent by a form of its own, beside the
// SDK's banner.
const asked = 21

// consents records what those who signed up lately answered to the form.
func (f Figures) consents(ctx context.Context, w Workspace) error {
	to := midnight(w.LastDay)
	for i := range w.People {
		p := newPerson(i, to.AddDate(0, -Months, 0), to)
		if p.signup.IsZero() || p.signup.Before(to.AddDate(0, 0, -asked)) {
			continue
		}
		status := consent.Denied
		if p.consentEmail {
			status = consent.Granted
		}
		at := p.signup
		_, err := f.Consent.Record(ctx, w.ID, consent.RecordInput{
			Identifier: &event.Identifier{Namespace: profile.UserID, Value: p.userID()}, Purpose: consent.Marketing, Channel: "EMAIL",
			Status: status, At: &at, IdempotencyKey: "demo/" + p.userID(),
		})
		if err != nil {
			return fmt.Errorf("record a word: %w", err)
		}
	}
	return nil
}
