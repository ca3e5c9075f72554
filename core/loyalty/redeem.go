package loyalty

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RedeemInput says which coupon is used and for what.
type RedeemInput struct {
	Code      string
	ProfileID string // who uses it; "" when that is not known
	Reference string // what for: an order's number; the same reference again is a repetition
}

// Redeem uses a coupon up. The errors, besides those of the input: NOT_FOUND, reason COUPON_UNKNOWN;
// INVALID, reason COUPON_NOT_ASSIGNED (nobody was given it), COUPON_EXPIRED or, of a bound one,
// COUPON_NOT_YOURS; CONFLICT, reason COUPON_REDEEMED, when it was used for another reference.
func (s *Service) Redeem(ctx context.Context, ws string, in RedeemInput) (*Coupon, error) {
	code, ok := Normal(in.Code)
	if !ok {
		return nil, errCode().At("code")
	}
	if in.Reference == "" || len(in.Reference) > 200 {
		return nil, core.Errorf(core.Invalid, "REFERENCE", "say what the coupon is used for, such as an order's number, in at most 200 bytes").At("reference")
	}
	var out *Coupon
	err := work.Retry(ctx, attempts, func() error {
		c, err := Coupons.Get(ctx, s.Store, store.Key(ws, code))
		if err != nil {
			return err
		}
		now := s.now()
		again, err := s.redeemable(ctx, ws, c, in, now)
		if err != nil {
			return err
		}
		if again {
			out = c
			return nil
		}
		e := s.couponEvent(NameCouponRedeemed, c, bson.E{Key: "reference", Value: in.Reference})
		next := *c
		next.State, next.RedeemedAt, next.Reference = CouponRedeemed, now, in.Reference
		if err := s.commitOne(ctx, ws, e, c.Profile, Coupons.Replace(&next),
			store.AddTo(ws, stockCounter(c.Pool), lane(), map[string]int64{"redeemed": 1})); err != nil {
			return err
		}
		next.V++
		out = &next
		return nil
	})
	return out, err
}

// redeemable refuses what cannot be redeemed; again says that it was, by the same call.
func (s *Service) redeemable(ctx context.Context, ws string, c *Coupon, in RedeemInput, now time.Time) (again bool, err error) {
	if c == nil {
		return false, core.Errorf(core.NotFound, "COUPON_UNKNOWN", "there is no coupon with this code").At("code")
	}
	p, err := s.Pool(ctx, ws, c.Pool)
	if err != nil {
		return false, err
	}
	if p.Bound && c.State != CouponFree {
		if in.ProfileID == "" {
			return false, core.Errorf(core.Invalid, "COUPON_NOT_YOURS", "only the person whom it was given to may redeem this coupon; say who redeems it").At("profileId")
		}
		same, err := s.same(ctx, ws, c.Profile, in.ProfileID)
		if err != nil {
			return false, err
		}
		if !same {
			return false, core.Errorf(core.Invalid, "COUPON_NOT_YOURS", "this coupon was given to somebody else").At("profileId")
		}
	}
	switch c.StateAt(now) {
	case CouponFree:
		return false, core.Errorf(core.Invalid, "COUPON_NOT_ASSIGNED", "this coupon was given to nobody yet").At("code")
	case CouponExpired:
		return false, core.Errorf(core.Invalid, "COUPON_EXPIRED", "this coupon expired at %s", c.ExpiresAt.Format(time.RFC3339)).At("code")
	case CouponRedeemed:
		if c.Reference == in.Reference {
			return true, nil
		}
		return false, core.Errorf(core.Conflict, "COUPON_REDEEMED", "this coupon was redeemed at %s, for something else", c.RedeemedAt.Format(time.RFC3339)).At("code")
	}
	return false, nil
}

// Coupon returns the coupon with a code; NOT_FOUND, reason COUPON_UNKNOWN, when there is
// none.
func (s *Service) Coupon(ctx context.Context, ws, code string) (*Coupon, error) {
	n, ok := Normal(code)
	if !ok {
		return nil, errCode().At("code")
	}
	c, err := Coupons.Get(ctx, s.Store, store.Key(ws, n))
	if err != nil {
		return nil, work.Outward(err)
	}
	if c == nil {
		return nil, core.Errorf(core.NotFound, "COUPON_UNKNOWN", "there is no coupon with this code").At("code")
	}
	return c, nil
}

// CouponsOf returns the coupons that were given to a person, the latest first; at most
// limit.
func (s *Service) CouponsOf(ctx context.Context, ws string, parts []string, limit int) ([]*Coupon, error) {
	var all []*Coupon
	for _, part := range parts {
		found, err := Coupons.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("profile", part)}, Order: []string{"-assignedAt"}}, limit)
		if err != nil {
			return nil, work.Outward(err)
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b *Coupon) int { return b.AssignedAt.Compare(a.AssignedAt) })
	return all[:min(len(all), limit)], nil
}
