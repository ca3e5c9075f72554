package loyalty

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ReasonPoolEmpty is the reason of the error of a pool without a free code.
const ReasonPoolEmpty = "POOL_EMPTY"

// Assign gives somebody a coupon of a pool, once for each key: the same key gets the
// same coupon, whatever has become of it, until Release. A key is of one person's: the
// enrollment, node and visit of a journey, say. Without a free code the error is
// CONFLICT, reason POOL_EMPTY; after the pool's end INVALID, POOL_EXPIRED. The operations
// with are committed with the assignment, and not when the key has its coupon already.
func (s *Service) Assign(ctx context.Context, ws, poolID, profileID, key string, with ...store.Op) (*Coupon, error) {
	var out *Coupon
	err := work.Retry(ctx, attempts, func() error {
		a, err := s.Prepare(ctx, ws, poolID, profileID, key)
		if err != nil {
			return err
		}
		if out = a.Coupon; len(a.Ops) == 0 {
			return nil
		}
		return s.commitOne(ctx, ws, a.Events[0].Input, profileID, append(a.Ops, with...)...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Assignment is what assigns a coupon, for whoever commits it together with effects of
// its own.
type Assignment struct {
	// Coupon is the coupon as it is once the operations are committed.
	Coupon *Coupon
	// Events and Ops are to be committed together, with event.Committer.CommitAll. There
	// are none when the key has its coupon already.
	Events []event.SystemEvent
	Ops    []store.Op
}

// Prepare is Assign without the commit. A lost race about the operations
// (store.ErrConflict) means: prepare anew.
func (s *Service) Prepare(ctx context.Context, ws, poolID, profileID, key string) (*Assignment, error) {
	if err := checkKey(key, "key"); err != nil {
		return nil, err
	}
	hash := core.HashID("given", poolID, key)
	given, err := assignments.Get(ctx, s.Store, store.Key(ws, hash))
	if err != nil {
		return nil, work.Outward(err)
	}
	if given != nil {
		c, err := s.given(ctx, ws, given, profileID)
		if err != nil {
			return nil, err
		}
		return &Assignment{Coupon: c}, nil
	}
	p, err := s.Pool(ctx, ws, poolID)
	if err != nil {
		return nil, err
	}
	if _, err := s.person(ctx, ws, profileID); err != nil {
		return nil, err
	}
	now := s.now()
	if p.over(now) {
		return nil, core.Errorf(core.Invalid, "POOL_EXPIRED", "the coupon pool ended at %s; choose another or give it a later end", p.ExpiresAt.Format(time.RFC3339)).At("poolId")
	}
	c, err := s.free(ctx, ws, p)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, s.empty(ctx, ws, hash)
	}
	made := c.V == 0
	c.State, c.Free, c.Profile, c.Key, c.AssignedAt, c.ExpiresAt = CouponAssigned, 0, profileID, hash, now, p.ends(now)
	stock := map[string]int64{"assigned": 1, "free": -1}
	if made {
		stock = map[string]int64{"assigned": 1, "codes": 1}
	}
	a := &Assignment{
		Events: []event.SystemEvent{{ProfileID: profileID, Input: s.couponEvent(NameCouponAssigned, c)}},
		Ops: []store.Op{
			Coupons.Put(c),
			assignments.Insert(&assignment{Meta: store.Meta{ID: store.Key(ws, hash)}, Profile: profileID, Code: c.Code()}),
			store.AddTo(ws, stockCounter(poolID), lane(), stock),
		},
	}
	after := *c
	after.V++
	a.Coupon = &after
	return a, nil
}

// couponEvent makes the event of what becomes of a coupon, which has the version that
// is replaced: of one version one thing becomes.
func (s *Service) couponEvent(name string, c *Coupon, more ...bson.E) event.Input {
	props := append(bson.D{{Key: "pool", Value: c.Pool}}, more...)
	if name == NameCouponAssigned && !c.ExpiresAt.IsZero() {
		props = append(props, bson.E{Key: "expiresAt", Value: c.ExpiresAt})
	}
	id := core.HashID("coupon", name, c.Code(), strconv.FormatInt(c.V, 10), c.Key)
	return saying(name, "loyalty:"+id, props, props)
}

// given returns the coupon of an assignment, which must be the same person's.
func (s *Service) given(ctx context.Context, ws string, a *assignment, profileID string) (*Coupon, error) {
	if a.Profile != profileID {
		same, err := s.same(ctx, ws, a.Profile, profileID)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "somebody else has a coupon under this key; a key is of one person's").At("key")
		}
	}
	c, err := Coupons.Get(ctx, s.Store, store.Key(ws, a.Code))
	if err != nil {
		return nil, work.Outward(err)
	}
	if c == nil { // released between the two reads
		return nil, store.ErrConflict
	}
	return c, nil
}

// same reports whether two ids are those of one person now.
func (s *Service) same(ctx context.Context, ws, a, b string) (bool, error) {
	p, err := s.person(ctx, ws, a)
	if err != nil {
		return false, err
	}
	q, err := s.person(ctx, ws, b)
	if err != nil {
		return false, err
	}
	return p.ID == q.ID, nil
}

// candidates are how many free codes are looked at, of which one is taken: of those who
// look at the same moment few take the same.
const candidates = 8

// free returns a code that nobody has: a new one where the pool makes them. Nil means
// that there is none.
func (s *Service) free(ctx context.Context, ws string, p *Pool) (*Coupon, error) {
	if p.OnDemand {
		return &Coupon{Meta: store.Meta{ID: store.Key(ws, newCode(p.Prefix, p.Length))}, Pool: p.PoolID()}, nil
	}
	inPool, from := store.Eq("pool", p.PoolID()), place()
	for _, where := range []store.Cond{store.Gte("free", from), store.Lt("free", from)} {
		found, err := Coupons.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{inPool, where}, Order: []string{"free"}}, candidates)
		if err != nil {
			return nil, work.Outward(err)
		}
		if len(found) > 0 {
			return found[rand.IntN(len(found))], nil
		}
	}
	return nil, nil
}

// empty returns the error of a pool without a free code; or a lost race, when the last
// one went to the same key meanwhile: then the key has its coupon, and may not hear of
// an empty pool.
func (s *Service) empty(ctx context.Context, ws, hash string) error {
	given, err := assignments.Get(ctx, s.Store, store.Key(ws, hash))
	if err != nil {
		return work.Outward(err)
	}
	if given != nil {
		return store.ErrConflict
	}
	return core.Errorf(core.Conflict, ReasonPoolEmpty, "the coupon pool has no free code left; upload or make more").At("poolId")
}

// Release takes back the coupon of a key whose message was never sent: its code is free
// again, or gone where the pool makes them. Without one, or after it was redeemed,
// nothing happens; released says which. The operations demands are committed with it.
func (s *Service) Release(ctx context.Context, ws, poolID, key string, demands ...store.Op) (released bool, err error) {
	err = work.Retry(ctx, attempts, func() error {
		released = false
		a, err := assignments.Get(ctx, s.Store, store.Key(ws, core.HashID("given", poolID, key)))
		if err != nil || a == nil {
			return err
		}
		c, err := Coupons.Get(ctx, s.Store, store.Key(ws, a.Code))
		if err != nil {
			return err
		}
		if c == nil || c.State != CouponAssigned {
			return nil
		}
		p, err := s.Pool(ctx, ws, poolID)
		if err != nil {
			return err
		}
		e := s.couponEvent(NameCouponReleased, c)
		back := Coupon{Meta: c.Meta, Pool: c.Pool, State: CouponFree, Free: place()}
		ops := []store.Op{assignments.Delete(a)}
		if p.OnDemand {
			ops = append(ops, Coupons.Delete(c), store.AddTo(ws, stockCounter(poolID), lane(), map[string]int64{"assigned": -1, "codes": -1}))
		} else {
			ops = append(ops, Coupons.Replace(&back), store.AddTo(ws, stockCounter(poolID), lane(), map[string]int64{"assigned": -1, "free": 1}))
		}
		if err := s.commitOne(ctx, ws, e, c.Profile, append(ops, demands...)...); err != nil {
			return err
		}
		released = true
		return nil
	})
	return released, err
}
