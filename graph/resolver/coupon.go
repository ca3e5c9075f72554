package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// ptr returns a pointer to a value.
func ptr[T any](v T) *T { return &v }

// positive returns nil for 0.
func positive(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// CouponPool answers Query.couponPool.
func (r query) CouponPool(ctx context.Context, id string) (*loyalty.Pool, error) {
	p, err := r.Rewards.Pool(ctx, workspace(ctx), id)
	if core.CodeOf(err) == core.NotFound {
		return nil, nil
	}
	return p, err
}

// Description answers CouponPool.description.
func (r poolFields) Description(_ context.Context, p *loyalty.Pool) (*string, error) {
	return text(p.Description), nil
}

// ValidDays answers CouponPool.validDays.
func (r poolFields) ValidDays(_ context.Context, p *loyalty.Pool) (*int, error) {
	return positive(p.ValidDays), nil
}

// ExpiresAt answers CouponPool.expiresAt.
func (r poolFields) ExpiresAt(_ context.Context, p *loyalty.Pool) (*time.Time, error) {
	return instant(p.ExpiresAt), nil
}

// Stock answers CouponPool.stock.
func (r poolFields) Stock(ctx context.Context, p *loyalty.Pool) (gen.CouponStock, error) {
	l, err := r.Rewards.Levels(ctx, p)
	return gen.CouponStock(l.Stock), err
}

// Codes answers CouponPool.codes.
func (r poolFields) Codes(ctx context.Context, p *loyalty.Pool) (int, error) {
	l, err := r.Rewards.Levels(ctx, p)
	return int(l.Codes), err
}

// Free answers CouponPool.free.
func (r poolFields) Free(ctx context.Context, p *loyalty.Pool) (int, error) {
	l, err := r.Rewards.Levels(ctx, p)
	return int(l.Free), err
}

// Assigned answers CouponPool.assigned.
func (r poolFields) Assigned(ctx context.Context, p *loyalty.Pool) (int, error) {
	l, err := r.Rewards.Levels(ctx, p)
	return int(l.Assigned), err
}

// Redeemed answers CouponPool.redeemed.
func (r poolFields) Redeemed(ctx context.Context, p *loyalty.Pool) (int, error) {
	l, err := r.Rewards.Levels(ctx, p)
	return int(l.Redeemed), err
}

// CreateCouponPool answers Mutation.createCouponPool.
func (r mutation) CreateCouponPool(ctx context.Context, in gen.CreateCouponPoolInput) (*gen.CreateCouponPoolPayload, error) {
	p, err := r.Rewards.CreatePool(ctx, workspace(ctx), loyalty.Pool{
		Name: in.Name, Description: value(in.Description), OnDemand: in.OnDemand, Prefix: value(in.Prefix), Length: in.Length,
		ValidDays: value(in.ValidDays), ExpiresAt: value(in.ExpiresAt), LowBelow: int64(in.LowBelow), Bound: in.Bound,
	}, in.IdempotencyKey)
	out := &gen.CreateCouponPoolPayload{Pool: p}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateCouponPool answers Mutation.updateCouponPool.
func (r mutation) UpdateCouponPool(ctx context.Context, in gen.UpdateCouponPoolInput) (*gen.UpdateCouponPoolPayload, error) {
	p, err := r.Rewards.UpdatePool(ctx, workspace(ctx), in.ID, int64(in.ExpectedVersion), func(p *loyalty.Pool) {
		if in.Name != nil {
			p.Name = *in.Name
		}
		if in.Description != nil {
			p.Description = *in.Description
		}
		if in.ValidDays != nil {
			p.ValidDays = *in.ValidDays
		}
		if in.ExpiresAt != nil {
			p.ExpiresAt = *in.ExpiresAt
		}
		if in.LowBelow != nil {
			p.LowBelow = int64(*in.LowBelow)
		}
	})
	out := &gen.UpdateCouponPoolPayload{Pool: p}
	out.UserErrors, err = problems(err)
	return out, err
}

// UploadCoupons answers Mutation.uploadCoupons.
func (r mutation) UploadCoupons(ctx context.Context, in gen.UploadCouponsInput) (*gen.UploadCouponsPayload, error) {
	made, err := r.Rewards.Upload(ctx, workspace(ctx), in.PoolID, in.Codes)
	return r.uploaded(ctx, in.PoolID, made, err)
}

// GenerateCoupons answers Mutation.generateCoupons.
func (r mutation) GenerateCoupons(ctx context.Context, in gen.GenerateCouponsInput) (*gen.GenerateCouponsPayload, error) {
	made, err := r.Rewards.Generate(ctx, workspace(ctx), in.PoolID, in.Count, in.IdempotencyKey)
	out, err := r.uploaded(ctx, in.PoolID, made, err)
	return (*gen.GenerateCouponsPayload)(out), err
}

func (r mutation) uploaded(ctx context.Context, pool string, made *loyalty.Uploaded, err error) (*gen.UploadCouponsPayload, error) {
	out := &gen.UploadCouponsPayload{TakenAt: []int{}}
	if err == nil {
		out.Added, out.Known, out.Taken = made.Added, made.Known, made.TakenBy
		out.TakenAt = append(out.TakenAt, made.Taken...)
		out.Pool, err = r.Rewards.Pool(ctx, workspace(ctx), pool)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// AssignCoupon answers Mutation.assignCoupon.
func (r mutation) AssignCoupon(ctx context.Context, in gen.AssignCouponInput) (*gen.AssignCouponPayload, error) {
	_, err := r.somebody(ctx, in.ProfileID)
	out := &gen.AssignCouponPayload{}
	if err == nil {
		var c *loyalty.Coupon
		c, err = r.Rewards.Assign(ctx, workspace(ctx), in.PoolID, in.ProfileID, in.IdempotencyKey)
		out.Coupon = r.coupon(c)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// RedeemCoupon answers Mutation.redeemCoupon.
func (r mutation) RedeemCoupon(ctx context.Context, in gen.RedeemCouponInput) (*gen.RedeemCouponPayload, error) {
	c, err := r.Rewards.Redeem(ctx, workspace(ctx), loyalty.RedeemInput{Code: in.Code, ProfileID: value(in.ProfileID), Reference: in.Reference})
	out := &gen.RedeemCouponPayload{Coupon: r.coupon(c)}
	out.UserErrors, err = problems(err)
	return out, err
}
