package loyalty

import (
	"context"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// MaxUpload is how many codes one call adds to a pool.
const MaxUpload = 10_000

// uploadSlice is how many codes one commit adds.
const uploadSlice = 400

// Uploaded tells what became of codes.
type Uploaded struct {
	Added   int
	Known   int   // the pool had them, or they were named twice: nothing was changed
	Taken   []int // indexes of the first codes that another pool has; at most 100
	TakenBy int   // how many those are
}

// Upload adds codes to a pool; letters become capitals. A code that the pool has already is
// passed over, so that the same call again is harmless. When the call fails midway,
// what was added stays.
func (s *Service) Upload(ctx context.Context, ws, poolID string, codes []string) (*Uploaded, error) {
	p, err := s.Pool(ctx, ws, poolID)
	if err != nil {
		return nil, err
	}
	switch {
	case p.OnDemand:
		return nil, core.Errorf(core.Invalid, "POOL_ON_DEMAND", "this pool makes its codes when they are needed; make another pool for codes of your own").At("poolId")
	case len(codes) == 0 || len(codes) > MaxUpload:
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "upload 1 to %d codes at once", MaxUpload).At("codes")
	}
	out := &Uploaded{}
	seen := make(map[string]bool, len(codes))
	var normal []string
	var at []int
	for i, code := range codes {
		n, ok := Normal(code)
		if !ok {
			return nil, errCode().At("codes", strconv.Itoa(i))
		}
		if seen[n] {
			out.Known++
			continue
		}
		seen[n] = true
		normal, at = append(normal, n), append(at, i)
	}
	for len(normal) > 0 {
		n := min(uploadSlice, len(normal))
		if err := s.add(ctx, ws, poolID, normal[:n], at[:n], out); err != nil {
			return nil, err
		}
		normal, at = normal[n:], at[n:]
	}
	return out, nil
}

// add adds one slice of codes.
func (s *Service) add(ctx context.Context, ws, pool string, codes []string, at []int, out *Uploaded) error {
	keys := make([]string, len(codes))
	for i, c := range codes {
		keys[i] = store.Key(ws, c)
	}
	return work.Retry(ctx, attempts, func() error {
		have, err := Coupons.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		known, taken := 0, []int(nil)
		var ops []store.Op
		for i, c := range have {
			switch {
			case c == nil:
				ops = append(ops, Coupons.Insert(&Coupon{Meta: store.Meta{ID: keys[i]}, Pool: pool, State: CouponFree, Free: place()}))
			case c.Pool == pool:
				known++
			default:
				taken = append(taken, at[i])
			}
		}
		if n := int64(len(ops)); n > 0 {
			ops = append(ops, store.AddTo(ws, stockCounter(pool), lane(), map[string]int64{"codes": n, "free": n}))
			if err := work.Commit(ctx, s.Store, ops...); err != nil {
				return err
			}
			out.Added += int(n)
		}
		out.Known += known
		out.TakenBy += len(taken)
		out.Taken = slices.Concat(out.Taken, taken[:min(len(taken), max(0, 100-len(out.Taken)))])
		return nil
	})
}

// Generate makes n random codes in advance, for an offer of which there are so many. The
// same key again makes what a call that failed midway has not made, and no more.
func (s *Service) Generate(ctx context.Context, ws, poolID string, n int, key string) (*Uploaded, error) {
	if err := checkKey(key, "idempotencyKey"); err != nil {
		return nil, err
	}
	p, err := s.Pool(ctx, ws, poolID)
	if err != nil {
		return nil, err
	}
	switch {
	case p.OnDemand:
		return nil, core.Errorf(core.Invalid, "POOL_ON_DEMAND", "this pool makes its codes when they are needed").At("poolId")
	case n < 1 || n > MaxUpload:
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "make 1 to %d codes at once", MaxUpload).At("count")
	}
	out := &Uploaded{}
	for from := 0; from < n; from += uploadSlice {
		made, err := s.generate(ctx, ws, p, min(uploadSlice, n-from), core.HashID("made", poolID, key, strconv.Itoa(n), strconv.Itoa(from)))
		if err != nil {
			return nil, err
		}
		out.Added += made
	}
	return out, nil
}

// generate makes one slice of codes, once for the name of a slice.
func (s *Service) generate(ctx context.Context, ws string, p *Pool, n int, slice string) (made int, err error) {
	err = work.Retry(ctx, attempts, func() error {
		done, err := store.Claims.Get(ctx, s.Store, store.Key(ws, "coupon-batch", slice))
		if err != nil || done != nil {
			return err
		}
		ops := []store.Op{
			store.Claim(ws, "coupon-batch", slice, p.PoolID()),
			store.AddTo(ws, stockCounter(p.PoolID()), lane(), map[string]int64{"codes": int64(n), "free": int64(n)}),
		}
		seen := make(map[string]bool, n)
		for len(seen) < n {
			code := newCode(p.Prefix, p.Length)
			if seen[code] {
				continue
			}
			seen[code] = true
			ops = append(ops, Coupons.Insert(&Coupon{Meta: store.Meta{ID: store.Key(ws, code)}, Pool: p.PoolID(), State: CouponFree, Free: place()}))
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil { // a code that there is already: others are drawn
			return err
		}
		made = n
		return nil
	})
	return made, err
}
