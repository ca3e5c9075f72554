package consent_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Hand-offs and a withdrawal race, again and again: whatever was handed
// off was so before the withdrawal was acknowledged, and what had asked before it and
// commits after it loses.
func TestHandOffsLoseAgainstAConcurrentWithdrawal(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	var lost, made int
	for round := range 8 {
		p.record(id, consent.Marketing)
		_, early, err := p.Check(p.ctx(), ws, id, consent.Marketing, consent.Email)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		acked, first := false, make(chan struct{})
		under := sync.OnceFunc(func() { close(first) })
		for sender := range 3 {
			wg.Go(func() {
				for n := range 30 {
					mu.Lock()
					after := acked // acknowledged before this one even asked
					mu.Unlock()
					v, basis, err := p.Check(p.ctx(), ws, id, consent.Marketing, consent.Email)
					if err != nil || !v.Allowed {
						return
					}
					err = work.Commit(p.ctx(), p.db, basis.Op, store.Claim(ws, "sent", string(rune('a'+round))+string(rune('a'+sender))+string(rune('a'+n)), id))
					mu.Lock()
					switch {
					case err == nil && after:
						t.Error("a hand-off committed after the withdrawal was acknowledged")
					case err == nil:
						made++
						under()
					case errors.Is(err, store.ErrConflict):
						lost++
					default:
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		<-first
		_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id, Purpose: consent.Marketing})
		require.NoError(t, err)
		mu.Lock()
		acked = true
		mu.Unlock()
		// One that asked before the withdrawal and was held up until after it.
		require.True(t, errors.Is(work.Commit(p.ctx(), p.db, early.Op, store.Claim(ws, "late", string(rune('a'+round)), id)), store.ErrConflict))
		wg.Wait()
		require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, consent.Email))
	}
	t.Logf("%d hand-offs made, %d lost", made, lost)
	require.GreaterOrEqual(t, made, 8)
}
