package consent_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
)

// The reply of the first call was lost; until it is made again the person has become
// another's part, and the workspace has another purpose.
func TestAWithdrawalIsRepeatedAfterAMerge(t *testing.T) {
	p := open(t)
	ana, ben := p.page("ana", nil, 0), p.page("ben", nil, 0)
	for _, id := range []string{ana, ben} {
		p.record(id, consent.Marketing)
	}
	in := consent.WithdrawInput{ProfileID: ana, IdempotencyKey: "k"}
	first, err := p.Withdraw(p.ctx(), ws, in)
	require.NoError(t, err)
	m, err := p.profiles.Merge(p.ctx(), ws, profile.MergeInput{WinnerID: ben, LoserID: ana, Reason: "one person"})
	require.NoError(t, err)
	_, err = p.CreatePurpose(p.ctx(), ws, consent.Purpose{Key: "surveys", Name: "Surveys", LegalBasis: consent.BasisConsent, ConsentRequired: true}, consent.Edit{})
	require.NoError(t, err)
	entries := func(w *consent.Withdrawal) (out []string) {
		for _, e := range w.Entries {
			out = append(out, e.ID)
		}
		return out
	}
	var again *consent.Withdrawal
	for range 2 {
		again, err = p.Withdraw(p.ctx(), ws, in)
		require.NoError(t, err)
		require.Len(t, again.Entries, len(first.Entries)+1)
		require.Subset(t, entries(again), entries(first), "what was written the first time")
	}
	_, err = p.profiles.Unmerge(p.ctx(), ws, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	for _, id := range []string{ana, ben} {
		require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, ""))
		require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, "surveys", ""))
	}
	_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: ana, IdempotencyKey: "k", Channel: consent.SMS})
	p.reason(err, core.Conflict, "IDEMPOTENCY_KEY_USED", "idempotencyKey")
	p.exact()
}

func TestTheSameWithdrawalSeveralTimesAtOnce(t *testing.T) {
	p := open(t)
	ana, ben := p.page("ana", nil, 0), p.page("ben", nil, 0)
	_, err := p.profiles.Merge(p.ctx(), ws, profile.MergeInput{WinnerID: ben, LoserID: ana, Reason: "one person"})
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: ana, Purpose: consent.Marketing, IdempotencyKey: "k"})
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, consent.Marketing, ""))
	n, err := p.CountLedger(p.ctx(), ws, ana)
	require.NoError(t, err)
	require.Positive(t, n)
}
