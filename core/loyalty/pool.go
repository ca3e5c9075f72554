package loyalty

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// maxPools is how many pools a workspace may have.
const maxPools = 1000

// Levels tells how a pool stands.
type Levels struct {
	Codes    int64 // that ever were in it
	Free     int64 // that can be assigned; of an on-demand pool 0
	Assigned int64 // that were given to somebody, the redeemed ones among them
	Redeemed int64
	Stock    Stock
}

// CreatePool adds a pool. The same key again returns the pool that it made.
func (s *Service) CreatePool(ctx context.Context, ws string, p Pool, idempotencyKey string) (*Pool, error) {
	if err := checkKey(idempotencyKey, "idempotencyKey"); err != nil {
		return nil, err
	}
	if p.Length == 0 {
		p.Length = lengthElse
	}
	if err := p.check(s.now()); err != nil {
		return nil, err
	}
	p.Sum = sumOf(p.words())
	p.Meta = store.Meta{ID: store.Key(ws, core.HashID(core.PrefixCouponPool, ws, idempotencyKey))}
	p.CreatedAt = s.now()
	var out *Pool
	err := work.Retry(ctx, attempts, func() error {
		old, err := Pools.Get(ctx, s.Store, p.ID)
		switch {
		case err != nil:
			return err
		case old != nil && string(old.Sum) != string(p.Sum):
			return errKeyUsed
		case old != nil:
			out = old
			return nil
		}
		n, err := Pools.Count(ctx, s.Store, store.Query{Workspace: ws})
		if err != nil {
			return err
		}
		if n >= maxPools {
			return core.Errorf(core.Invalid, "TOO_MANY_POOLS", "a workspace has at most %d coupon pools", maxPools)
		}
		if err := work.Commit(ctx, s.Store, Pools.Insert(&p)); err != nil {
			return err
		}
		p.V = 1
		out = &p
		return nil
	})
	return out, err
}

// words are what was asked for.
func (p *Pool) words() bson.D {
	return bson.D{
		{Key: "name", Value: p.Name}, {Key: "description", Value: p.Description}, {Key: "onDemand", Value: p.OnDemand}, {Key: "prefix", Value: p.Prefix},
		{Key: "length", Value: p.Length}, {Key: "validDays", Value: p.ValidDays}, {Key: "expiresAt", Value: p.ExpiresAt},
		{Key: "lowBelow", Value: p.LowBelow}, {Key: "bound", Value: p.Bound},
	}
}

// UpdatePool changes a pool that has the version expected. How codes are made stays; so
// do the ends of coupons that were given out.
func (s *Service) UpdatePool(ctx context.Context, ws, id string, expected int64, change func(*Pool)) (*Pool, error) {
	var out *Pool
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.Pool(ctx, ws, id)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the pool has version %d, not %d; read it and try again", old.V, expected).At("expectedVersion")
		}
		p := *old
		change(&p)
		p.OnDemand, p.Prefix, p.Length = old.OnDemand, old.Prefix, old.Length
		if err := p.check(time.Time{}); err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, Pools.Replace(&p)); err != nil {
			return err
		}
		p.V++
		out = &p
		return nil
	})
	return out, err
}

// check refuses a pool that cannot be; now is zero for one that exists.
func (p *Pool) check(now time.Time) *core.Error {
	p.Prefix = strings.ToUpper(p.Prefix)
	p.ExpiresAt = p.ExpiresAt.UTC().Truncate(time.Millisecond)
	switch {
	case strings.TrimSpace(p.Name) == "" || len(p.Name) > 200:
		return core.Errorf(core.Invalid, "NAME", "give the pool a name of at most 200 bytes").At("name")
	case len(p.Description) > 2000:
		return core.Errorf(core.Invalid, "DESCRIPTION", "a description has at most 2000 bytes").At("description")
	case p.Length < MinLength || p.Length > MaxLength:
		return core.Errorf(core.Invalid, "CODE_LENGTH", "codes are made of %d to %d random characters", MinLength, MaxLength).At("length")
	case p.ValidDays < 0 || p.ValidDays > 3660:
		return core.Errorf(core.Invalid, "VALID_DAYS", "a coupon is good for 1 to 3660 days, or 0 for no end of its own").At("validDays")
	case p.LowBelow < 0:
		return core.Errorf(core.Invalid, "LOW_BELOW", "the number of codes below which the pool is low is 0 or more").At("lowBelow")
	case !now.IsZero() && !p.ExpiresAt.IsZero() && !p.ExpiresAt.After(now):
		return core.Errorf(core.Invalid, "EXPIRES_PAST", "a pool ends later than now").At("expiresAt")
	}
	if p.Prefix != "" {
		if n, ok := Normal(p.Prefix); !ok || n != p.Prefix || len(n) > maxPrefix {
			return core.Errorf(core.Invalid, "CODE_PREFIX", "a prefix has at most %d bytes, without spaces and slashes", maxPrefix).At("prefix")
		}
	}
	return nil
}

// Pool returns a pool; NOT_FOUND when there is none.
func (s *Service) Pool(ctx context.Context, ws, id string) (*Pool, error) {
	p, err := Pools.Get(ctx, s.Store, store.Key(ws, id))
	if err != nil {
		return nil, work.Outward(err)
	}
	if p == nil {
		return nil, core.Errorf(core.NotFound, "COUPON_POOL", "there is no coupon pool with this id").At("poolId")
	}
	return p, nil
}

// PoolPage lists the pools.
func (s *Service) PoolPage(ctx context.Context, ws string, w core.Window) (store.Page[Pool], error) {
	page, err := Pools.Page(ctx, s.Store, store.Query{Workspace: ws}, w)
	return page, work.Outward(err)
}

// PoolCount returns how many pools there are.
func (s *Service) PoolCount(ctx context.Context, ws string) (int64, error) {
	n, err := Pools.Count(ctx, s.Store, store.Query{Workspace: ws})
	return n, work.Outward(err)
}

// Levels returns how a pool stands.
func (s *Service) Levels(ctx context.Context, p *Pool) (Levels, error) {
	n, err := store.Sum(ctx, s.Store, store.WorkspaceOf(p.ID), stockCounter(p.PoolID()))
	if err != nil {
		return Levels{}, work.Outward(err)
	}
	l := Levels{Codes: n["codes"], Free: n["free"], Assigned: n["assigned"], Redeemed: n["redeemed"], Stock: StockEnough}
	switch {
	case p.over(s.now()):
		l.Stock = StockExpired
	case p.OnDemand:
	case l.Free <= 0:
		l.Stock = StockEmpty
	case l.Free < p.LowBelow:
		l.Stock = StockLow
	}
	return l, nil
}

// over reports whether the pool's end has come.
func (p *Pool) over(now time.Time) bool { return !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt) }

// ends returns when a coupon that is assigned at an instant expires; zero: never.
func (p *Pool) ends(at time.Time) time.Time {
	if p.ValidDays == 0 {
		return p.ExpiresAt
	}
	end := at.Add(time.Duration(p.ValidDays) * 24 * time.Hour)
	if !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(end) {
		return p.ExpiresAt
	}
	return end
}
