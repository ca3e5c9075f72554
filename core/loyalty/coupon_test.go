package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestKeyGetsItsCouponOnce(t *testing.T) {
	r := newRig(t)
	ana, ben := r.somebody("ana"), r.somebody("ben")
	p := r.pool(Pool{ValidDays: 7}, "spring-1", "spring-2").PoolID()

	c, err := r.Assign(r.ctx, rigWS, p, ana, "enr_1/coupon/1")
	require.NoError(t, err)
	require.Equal(t, CouponAssigned, c.State)
	require.Equal(t, rigStart.AddDate(0, 0, 7), c.ExpiresAt)
	r.clock.Advance(time.Hour)
	again, err := r.Assign(r.ctx, rigWS, p, ana, "enr_1/coupon/1")
	require.NoError(t, err)
	require.Equal(t, c, again)

	_, err = r.Assign(r.ctx, rigWS, p, ben, "enr_1/coupon/1")
	require.Equal(t, "IDEMPOTENCY_KEY_USED", reason(err))

	other, err := r.Assign(r.ctx, rigWS, p, ana, "enr_1/coupon/2")
	require.NoError(t, err)
	require.NotEqual(t, c.Code(), other.Code())
	_, err = r.Assign(r.ctx, rigWS, p, ben, "enr_2/coupon/1")
	require.Equal(t, ReasonPoolEmpty, reason(err))

	pool, err := r.Pool(r.ctx, rigWS, p)
	require.NoError(t, err)
	levels, err := r.Levels(r.ctx, pool)
	require.NoError(t, err)
	require.Equal(t, Levels{Codes: 2, Assigned: 2, Stock: StockEmpty}, levels)
	of, err := r.CouponsOf(r.ctx, rigWS, []string{ana}, 10)
	require.NoError(t, err)
	require.Len(t, of, 2)
}

func TestCodesAreUniqueAcrossPools(t *testing.T) {
	r := newRig(t)
	a, b := r.pool(Pool{}, "one").PoolID(), r.pool(Pool{}).PoolID()
	out, err := r.Upload(r.ctx, rigWS, b, []string{"two", "ONE ", "TWO", "three"})
	require.NoError(t, err)
	require.Equal(t, &Uploaded{Added: 2, Known: 1, Taken: []int{1}, TakenBy: 1}, out)
	out, err = r.Upload(r.ctx, rigWS, a, []string{"One"})
	require.NoError(t, err)
	require.Equal(t, &Uploaded{Known: 1}, out)
	_, err = r.Upload(r.ctx, rigWS, a, []string{"ok", "not ok"})
	require.Equal(t, "COUPON_CODE", reason(err))
}

func TestGeneratedCodes(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	p := r.pool(Pool{Prefix: "vip-", Length: 12, LowBelow: 500})
	for range 2 { // the second call is a repetition
		_, err := r.Generate(r.ctx, rigWS, p.PoolID(), 450, "k1")
		require.NoError(t, err)
	}
	levels, err := r.Levels(r.ctx, p)
	require.NoError(t, err)
	require.Equal(t, Levels{Codes: 450, Free: 450, Stock: StockLow}, levels)
	n, err := Coupons.Count(r.ctx, r.Store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.EqualValues(t, 450, n)
	c, err := r.Assign(r.ctx, rigWS, p.PoolID(), ana, "k")
	require.NoError(t, err)
	rest, ok := strings.CutPrefix(c.Code(), "VIP-")
	require.True(t, ok)
	require.Len(t, rest, 12)
	require.Empty(t, strings.Trim(rest, letters))
	require.False(t, strings.ContainsAny(letters, "0O1IL2Z5S8BV"))

	made := r.pool(Pool{OnDemand: true}).PoolID()
	c, err = r.Assign(r.ctx, rigWS, made, ana, "k")
	require.NoError(t, err)
	require.Len(t, c.Code(), lengthElse)
	released, err := r.Release(r.ctx, rigWS, made, "k")
	require.NoError(t, err)
	require.True(t, released)
	_, err = r.Coupon(r.ctx, rigWS, c.Code())
	require.Equal(t, "COUPON_UNKNOWN", reason(err))
}

// Many workers take from one pool at once: nobody gets another's code, and nobody is
// refused while there is one.
func TestManyTakeAtOnce(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	const n = 40
	codes := make([]string, n)
	for i := range codes {
		codes[i] = fmt.Sprint("code-", i)
	}
	p := r.pool(Pool{}, codes...).PoolID()
	var mu sync.Mutex
	got := map[string]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range n / 4 { // each key is tried by two workers
				key := fmt.Sprint(w/2, "/", i)
				c, err := r.Assign(r.ctx, rigWS, p, ana, key)
				if err != nil {
					t.Errorf("%s: %v", key, err)
					return
				}
				mu.Lock()
				if had, ok := got[key]; ok && had != c.Code() {
					t.Errorf("%s got two codes", key)
				}
				got[key] = c.Code()
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, code := range got {
		require.False(t, seen[code])
		seen[code] = true
	}
	require.Len(t, seen, n)
}

// Whoever asks again under a key while its coupon, the pool's last, is on its way hears
// of that coupon and not of an empty pool.
func TestLastCodeTakenTwice(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	for round := range 20 {
		p := r.pool(Pool{}, fmt.Sprint("last-", round)).PoolID()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				c, err := r.Assign(r.ctx, rigWS, p, ana, "k")
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				} else if want := fmt.Sprint("LAST-", round); c.Code() != want {
					t.Errorf("got %s, want %s", c.Code(), want)
				}
			})
		}
		wg.Wait()
		_, err := r.Assign(r.ctx, rigWS, p, ana, "another")
		require.Equal(t, ReasonPoolEmpty, reason(err))
	}
}

func TestRedeem(t *testing.T) {
	r := newRig(t)
	ana, ben := r.somebody("ana"), r.somebody("ben")
	p := r.pool(Pool{ValidDays: 7, Bound: true}, "first-code", "second-code").PoolID()
	redeem := func(code, who, order string) (*Coupon, error) {
		return r.Redeem(r.ctx, rigWS, RedeemInput{Code: code, ProfileID: who, Reference: order})
	}
	_, err := redeem("first-code", "", "o1")
	require.Equal(t, "COUPON_NOT_ASSIGNED", reason(err))
	_, err = redeem("nix", "", "o1")
	require.Equal(t, "COUPON_UNKNOWN", reason(err))

	c, err := r.Assign(r.ctx, rigWS, p, ana, "1")
	require.NoError(t, err)
	late, err := r.Assign(r.ctx, rigWS, p, ana, "2")
	require.NoError(t, err)
	_, err = redeem(c.Code(), "", "o1")
	require.Equal(t, "COUPON_NOT_YOURS", reason(err))
	_, err = redeem(c.Code(), ben, "o1")
	require.Equal(t, "COUPON_NOT_YOURS", reason(err))
	r.clock.Advance(7*24*time.Hour - time.Millisecond)
	used, err := redeem(strings.ToLower(c.Code()), ana, "o1")
	require.NoError(t, err)
	require.Equal(t, CouponRedeemed, used.State)
	r.clock.Advance(time.Millisecond)
	again, err := redeem(c.Code(), ana, "o1")
	require.NoError(t, err, "the same order again")
	require.Equal(t, used.RedeemedAt, again.RedeemedAt)
	_, err = redeem(c.Code(), ana, "o2")
	require.Equal(t, "COUPON_REDEEMED", reason(err))
	_, err = redeem(late.Code(), ana, "o2")
	require.Equal(t, "COUPON_EXPIRED", reason(err))
	require.Equal(t, CouponExpired, late.StateAt(r.clock.Now()))
	released, err := r.Release(r.ctx, rigWS, p, "1")
	require.NoError(t, err)
	require.False(t, released, "it was redeemed")

	var names []string
	require.NoError(t, event.Events.Each(r.ctx, r.Store, store.Query{Workspace: rigWS, Where: []store.Cond{store.Eq("part", ana)}, Order: []string{"timestamp"}}, func(e *event.Event) error {
		names = append(names, e.Name)
		require.NotContains(t, string(e.Properties), c.Code())
		return nil
	}))
	require.ElementsMatch(t, []string{"Identified", NameCouponAssigned, NameCouponAssigned, NameCouponRedeemed}, names)
}

func TestReleasedCodeIsFreeAgain(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	p := r.pool(Pool{}, "only").PoolID()
	for range 3 { // with the same key and the same code each time
		c, err := r.Assign(r.ctx, rigWS, p, ana, "k")
		require.NoError(t, err)
		require.Equal(t, "ONLY", c.Code())
		_, err = r.Assign(r.ctx, rigWS, p, ana, "l")
		require.Equal(t, ReasonPoolEmpty, reason(err))
		released, err := r.Release(r.ctx, rigWS, p, "k")
		require.NoError(t, err)
		require.True(t, released)
	}
	pool, err := r.Pool(r.ctx, rigWS, p)
	require.NoError(t, err)
	levels, err := r.Levels(r.ctx, pool)
	require.NoError(t, err)
	require.Equal(t, Levels{Codes: 1, Free: 1, Stock: StockEnough}, levels)
}

func TestPoolEnds(t *testing.T) {
	r := newRig(t)
	ana := r.somebody("ana")
	p := r.pool(Pool{ValidDays: 7, ExpiresAt: rigStart.Add(48 * time.Hour)}, "a", "b").PoolID()
	c, err := r.Assign(r.ctx, rigWS, p, ana, "1")
	require.NoError(t, err)
	require.Equal(t, rigStart.Add(48*time.Hour), c.ExpiresAt)
	r.clock.Advance(48 * time.Hour)
	_, err = r.Assign(r.ctx, rigWS, p, ana, "2")
	require.Equal(t, "POOL_EXPIRED", reason(err))
	_, err = r.Assign(r.ctx, rigWS, p, "prof_nobody", "3")
	require.Equal(t, "PROFILE", reason(err))
}
