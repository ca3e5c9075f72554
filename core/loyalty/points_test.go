package loyalty

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

const day = 24 * time.Hour

func (r *rig) earn(who string, n int64, key string) error {
	_, err := r.Earn(r.ctx, rigWS, Points{ProfileID: who, Points: n, Key: key, Reason: "order"})
	return err
}

func (r *rig) spend(who string, n int64, key string) error {
	_, err := r.Spend(r.ctx, rigWS, Points{ProfileID: who, Points: n, Key: key})
	return err
}

func (r *rig) account(who string) *Account {
	r.t.Helper()
	p, err := r.people.Get(r.ctx, rigWS, who)
	require.NoError(r.t, err)
	a, err := r.Account(r.ctx, rigWS, p.ProfileID())
	require.NoError(r.t, err)
	return a
}

func (r *rig) balance(who string) int64 { return r.account(who).Balance(r.clock.Now()) }

func (r *rig) program(change func(*Program)) {
	r.t.Helper()
	p, err := r.readProgram(r.ctx, rigWS)
	require.NoError(r.t, err)
	_, err = r.SetProgram(r.ctx, rigWS, p.V, change)
	require.NoError(r.t, err)
}

// kinds returns what the ledger of somebody says, the latest first.
func (r *rig) kinds(who string) []Kind {
	r.t.Helper()
	p, err := r.people.Get(r.ctx, rigWS, who)
	require.NoError(r.t, err)
	list, err := r.Ledger(r.ctx, rigWS, p.Parts, 1000)
	require.NoError(r.t, err)
	var out []Kind
	for _, e := range list {
		out = append(out, e.Kind)
	}
	return out
}

func TestReplayChangesNothing(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	for range 3 {
		require.NoError(t, r.earn(ana, 100, "o1"))
		r.clock.Advance(time.Hour)
	}
	for range 3 {
		require.NoError(t, r.spend(ana, 70, "s1"), "the second finds 30, and is the first")
	}
	require.EqualValues(t, 30, r.balance(ana))
	require.Equal(t, []Kind{Spent, Earned}, r.kinds(ana))
	require.Equal(t, "IDEMPOTENCY_KEY_USED", reason(r.earn(ana, 101, "o1")))
	require.Equal(t, "IDEMPOTENCY_KEY_USED", reason(r.spend(ana, 1, "o1")))
	require.Equal(t, "POINTS_TOO_FEW", reason(r.spend(ana, 31, "s2")))
	require.EqualValues(t, 30, r.balance(ana))
	require.Equal(t, "POINTS", reason(r.earn(ana, 0, "x")))
	require.Equal(t, "KEY", reason(r.earn(ana, 1, "")))
}

// What clients send under the names of the ledger is nothing.
func TestClientsEarnNothing(t *testing.T) {
	r := newRig(t)
	ana := r.send(`{"type":"track","userId":"ana","event":"Points Earned","properties":{"points":1000}}`)
	require.Nil(t, r.account(ana))
}

func TestSpendsExcludeEachOther(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 100, "o"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 8 {
		wg.Go(func() {
			err := r.spend(ana, 30, string(rune('a'+i)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if reason(err) != "POINTS_TOO_FEW" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 3, done)
	require.EqualValues(t, 10, r.balance(ana))
}

func TestPointsExpire(t *testing.T) {
	r := newRig(t)
	r.program(func(p *Program) { p.ExpireDays = 30 })
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 100, "o1"))
	r.clock.Advance(10 * day)
	require.NoError(t, r.earn(ana, 50, "o2"))
	require.NoError(t, r.spend(ana, 60, "s1")) // of those that expire first
	require.Equal(t, []Lot{{rigStart.Add(30 * day), 40}, {rigStart.Add(40 * day), 50}}, r.account(ana).Lots)

	r.clock.Advance(20*day - time.Millisecond)
	require.EqualValues(t, 90, r.balance(ana))
	r.clock.Advance(time.Millisecond)
	require.EqualValues(t, 50, r.balance(ana), "though nobody has swept")
	require.Equal(t, "POINTS_TOO_FEW", reason(r.spend(ana, 51, "s2")))
	require.NoError(t, r.spend(ana, 10, "s3"))
	for range 3 {
		r.sweepAll()
	}
	require.EqualValues(t, 40, r.balance(ana))
	require.Equal(t, []Kind{Expired, Spent, Spent, Earned, Earned}, r.kinds(ana))
	list, err := r.Ledger(r.ctx, rigWS, []string{ana}, 1)
	require.NoError(t, err)
	require.EqualValues(t, 40, list[0].Points)
	r.clock.Advance(365 * day)
	r.sweepAll()
	require.Zero(t, r.balance(ana))
	require.Empty(t, r.account(ana).Lots)
	require.Zero(t, r.account(ana).Debt)
	require.True(t, r.account(ana).Due.IsZero())
}

func tiers(p *Program) {
	p.Tiers = []Tier{{Key: "silver", Name: "Silver", From: 100}, {Key: "gold", Name: "Gold", From: 500, Perks: []Perk{{Key: "ship", Name: "Free shipping"}}}}
}

func (r *rig) tier(who string) string {
	p, err := r.readProgram(r.ctx, rigWS)
	require.NoError(r.t, err)
	key, _ := p.told(r.account(who))
	return key
}

func count(list []Kind, k Kind) (n int) {
	for _, x := range list {
		if x == k {
			n++
		}
	}
	return n
}

func TestTierOncePerCrossing(t *testing.T) {
	r := newRig(t)
	r.program(tiers)
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 99, "1"))
	r.sweepAll()
	require.Equal(t, "", r.tier(ana))
	require.NoError(t, r.earn(ana, 1, "2"))
	other := rigOver(t, r.Store, r.clock) // another process sweeps as well
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other, r, other} {
		wg.Go(p.sweepAll)
	}
	wg.Wait()
	require.Equal(t, "silver", r.tier(ana))
	require.Equal(t, 1, count(r.kinds(ana), Tiered))
	require.NoError(t, r.spend(ana, 100, "s"))
	require.NoError(t, r.earn(ana, 1000, "3"))
	r.sweepAll()
	r.sweepAll()
	require.Equal(t, "gold", r.tier(ana))
	require.Equal(t, 2, count(r.kinds(ana), Tiered))
}

func TestTierIsLostAtTheEndOfThePeriod(t *testing.T) {
	r := newRig(t)
	r.program(func(p *Program) { tiers(p); p.Period = CalendarYear })
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 600, "1")) // in 2026
	r.sweepAll()
	require.Equal(t, "gold", r.tier(ana))
	r.clock.Advance(time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC).Sub(r.clock.Now()))
	require.NoError(t, r.earn(ana, 150, "2")) // silver's worth in 2027
	r.sweepAll()
	require.Equal(t, "gold", r.tier(ana))
	r.clock.Advance(time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC).Sub(r.clock.Now()))
	r.sweepAll()
	require.Equal(t, "silver", r.tier(ana))
	r.clock.Advance(366 * day)
	r.sweepAll()
	require.Equal(t, "", r.tier(ana))
	require.Equal(t, 3, count(r.kinds(ana), Tiered))
	require.True(t, r.account(ana).Due.IsZero())
}

func TestRollingPeriodAndKeptTiers(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t)
		r.program(func(p *Program) { tiers(p); p.Period, p.PeriodDays, p.KeepTiers = Rolling, 30, keep })
		ana := r.somebody("ana")
		require.NoError(t, r.earn(ana, 100, "1"))
		r.clock.Advance(20 * day)
		require.NoError(t, r.earn(ana, 99, "2"))
		r.sweepAll()
		require.Equal(t, "silver", r.tier(ana))
		r.clock.Advance(10 * day)
		r.sweepAll()
		require.Equal(t, keep, r.tier(ana) == "silver")
	}
}

// A program that changes has everybody looked at again.
func TestReview(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 300, "1"))
	require.True(t, r.account(ana).Due.IsZero())
	r.program(tiers)
	r.clock.Advance(2 * time.Second)
	ctx, stop := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Runner.Run(ctx) }()
	require.Eventually(t, func() bool { r.clock.Advance(time.Second); return r.tier(ana) == "silver" }, 10*time.Second, 20*time.Millisecond)
	stop()
	<-done
}

func TestMergeAndUnmerge(t *testing.T) {
	r := newRig(t)
	r.program(func(p *Program) { tiers(p); p.ExpireDays = 100 })
	anon := r.send(`{"type":"track","anonymousId":"dev1","event":"Seen"}`)
	require.NoError(t, r.earn(anon, 80, "1"))
	ana := r.somebody("ana")
	require.NoError(t, r.earn(ana, 60, "2"))
	require.NoError(t, r.spend(ana, 20, "s1"))
	merged := r.send(`{"type":"identify","userId":"ana","anonymousId":"dev1"}`)
	require.EqualValues(t, 120, r.balance(anon))
	require.EqualValues(t, 120, r.balance(ana))
	r.sweepAll()
	require.Equal(t, "silver", r.tier(merged), "140 were earned together")
	require.NoError(t, r.spend(merged, 110, "s2"))
	require.EqualValues(t, 10, r.balance(merged))

	merges, err := r.people.Merges(r.ctx, rigWS, merged)
	require.NoError(t, err)
	require.Len(t, merges, 1)
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: merges[0].MergeID()})
	require.NoError(t, err)
	var sum int64
	for _, id := range []string{anon, ana} {
		sum += r.balance(id)
	}
	require.EqualValues(t, 10, sum, "what was spent was spent, by one of them")
}

// What is kept is what the events fold to, whatever happened.
func TestAccountsAreTheFold(t *testing.T) {
	r := newRig(t)
	r.program(func(p *Program) { tiers(p); p.ExpireDays, p.Period, p.PeriodDays = 20, Rolling, 30 })
	rng := rand.New(rand.NewPCG(1, 2))
	people := []string{r.somebody("a"), r.somebody("b"), r.somebody("c")}
	names := []string{"a", "b", "c"}
	for i := range 120 {
		n := rng.IntN(3)
		switch rng.IntN(8) {
		case 0, 1, 2:
			require.NoError(t, r.earn(people[n], 1+rng.Int64N(90), string(rune(1000+i))))
		case 3, 4:
			if err := r.spend(people[n], 1+rng.Int64N(60), string(rune(1000+i))); err != nil {
				require.Equal(t, "POINTS_TOO_FEW", reason(err))
			}
		case 5:
			r.clock.Advance(time.Duration(rng.IntN(5*24)) * time.Hour)
		case 6:
			r.sweepAll()
		case 7:
			if i == 60 {
				r.send(`{"type":"alias","userId":"` + names[0] + `x","previousId":"` + names[0] + `"}`)
			}
		}
	}
	r.sweepAll()
	entries, accounts := 0, 0
	require.NoError(t, Accounts.Each(r.ctx, r.Store, store.Query{Workspace: rigWS}, func(a *Account) error {
		accounts++
		p, err := r.people.Get(r.ctx, rigWS, a.ProfileID())
		require.NoError(t, err)
		all, err := r.entries(r.ctx, rigWS, p.Parts)
		require.NoError(t, err)
		entries += len(all)
		want := fold(a.ID, all)
		want.V, want.Due = a.V, a.Due
		require.Equal(t, want, a)
		var sum int64
		for _, e := range all {
			switch e.Kind {
			case Earned:
				sum += e.Points
			case Spent, Expired:
				sum -= e.Points
			}
		}
		require.Equal(t, sum, a.Balance(r.clock.Now()))
		require.Zero(t, a.Debt)
		return nil
	}))
	require.Equal(t, 3, accounts)
	require.Greater(t, entries, 60)
	found, err := r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, found)
}
