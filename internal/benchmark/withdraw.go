package benchmark

import (
	"context"
	"errors"
	"fmt"
)

const (
	recordQuery = `mutation($user: String!) {
  recordConsent(input: {identifier: {namespace: "user_id", value: $user}, purpose: "marketing", channel: EMAIL,
    evidence: {noticeHash: "bench", locale: "en", surface: "bench", method: "checkbox"}}) { profileId userErrors { message } }
}`
	withdrawQuery = `mutation($id: ID!) {
  withdrawConsent(input: {profileId: $id, purpose: "marketing"}) { userErrors { message } }
}`
	decideQuery = `query($id: ID!) { consentDecision(profileId: $id, purpose: "marketing", channel: EMAIL) { allowed } }`
)

// Withdraw measures how long it takes until the withdrawal of a consent is acknowledged,
// beside a steady stream of events. Each person consented before, and a decision that
// still says yes afterwards is an error.
func Withdraw(ctx context.Context, r *Report, s *Server, l ReadLoad) error {
	g := newGraphQL(s)
	ids := make([]string, int(l.For.Seconds()*float64(l.Rate)))
	for i := range ids {
		var out struct {
			RecordConsent struct {
				ProfileID  string
				UserErrors []struct{ Message string }
			}
		}
		if err := g.query(ctx, &out, recordQuery, map[string]any{"user": UserID(i)}); err != nil {
			return fmt.Errorf("withdrawals: record: %w", err)
		}
		if ids[i] = out.RecordConsent.ProfileID; ids[i] == "" {
			return fmt.Errorf("withdrawals: record: %v", out.RecordConsent.UserErrors)
		}
	}
	took, err := besideEvents(ctx, s, l, func(ctx context.Context, n int) error {
		var out struct {
			WithdrawConsent struct{ UserErrors []struct{ Message string } }
		}
		if err := g.query(ctx, &out, withdrawQuery, map[string]any{"id": ids[n]}); err != nil {
			return err
		}
		if faults := out.WithdrawConsent.UserErrors; len(faults) > 0 {
			return fmt.Errorf("withdraw: %v", faults)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("withdrawals: %w", err)
	}
	for _, id := range ids {
		var out struct {
			ConsentDecision *struct{ Allowed bool }
		}
		if err := g.query(ctx, &out, decideQuery, map[string]any{"id": id}); err != nil {
			return fmt.Errorf("withdrawals: decide: %w", err)
		}
		if out.ConsentDecision == nil || out.ConsentDecision.Allowed {
			return errors.New("withdrawals: a decision after a withdrawal says yes")
		}
	}
	against := fmt.Sprintf("%d withdrawals/s beside %d events/s, %d people", l.Rate, l.Ingest, l.People)
	if err := r.Add(Line{Bench: "consent.withdraw.p50", Value: millis(percentile(took, 50)), Unit: "ms", Against: against}); err != nil {
		return err
	}
	return r.Add(Line{Bench: "consent.withdraw.p99", Value: millis(percentile(took, 99)), Unit: "ms", Against: against}.atMost("<= 250", 250))
}
