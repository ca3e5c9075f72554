package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// somebody returns a person whom the caller may see.
func (r *Resolver) somebody(ctx context.Context, id string) (*profile.Profile, error) {
	p, err := r.Profiles.Show(ctx, workspace(ctx), id)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	return p, nil
}

// atMost checks how many of a list are asked for.
func atMost(first *int) (int, error) {
	n := core.DefaultPage
	if first != nil {
		n = *first
	}
	if n < 0 || n > core.MaxPage {
		return 0, core.Errorf(core.Invalid, "PAGE_SIZE", "ask for 0 to %d at once", core.MaxPage).At("first")
	}
	return n, nil
}

// Loyalty answers Profile.loyalty.
func (r profileFields) Loyalty(ctx context.Context, p *profile.Profile) (*gen.Loyalty, error) {
	ws := workspace(ctx)
	a, err := r.Rewards.Account(ctx, ws, p.ProfileID())
	if err != nil {
		return nil, err
	}
	program, err := r.Rewards.Program(ctx, ws)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	out := &gen.Loyalty{Profile: p, Balance: ptr(int(a.Balance(now))), Earned: ptr(0), Expiring: []*gen.PointsLot{}}
	count, missing := program.Points(a, now)
	out.TierPoints, out.MissingPoints = ptr(int(count)), ptr(int(missing))
	for _, l := range a.Expiring(now) {
		out.Expiring = append(out.Expiring, &gen.PointsLot{Points: ptr(int(l.Points)), ExpiresAt: l.ExpiresAt})
	}
	if a == nil {
		return out, nil
	}
	out.Earned = ptr(int(a.Earned))
	if key, since := program.TierOf(a); key != "" {
		out.TierSince = &since
		if t := program.Tier(key); t != nil {
			out.Tier = tierOf(t)
		}
	}
	return out, nil
}

// Ledger answers Loyalty.ledger.
func (r loyaltyFields) Ledger(ctx context.Context, l *gen.Loyalty, first *int) ([]*gen.PointsEntry, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	list, err := r.Rewards.Ledger(ctx, workspace(ctx), l.Profile.Parts, n)
	if err != nil {
		return nil, err
	}
	out := make([]*gen.PointsEntry, len(list))
	for i, e := range list {
		out[i] = pointsEntry(e)
	}
	return out, nil
}

// Coupons answers Loyalty.coupons.
func (r loyaltyFields) Coupons(ctx context.Context, l *gen.Loyalty, first *int) ([]*gen.Coupon, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	list, err := r.Rewards.CouponsOf(ctx, workspace(ctx), l.Profile.Parts, n)
	if err != nil {
		return nil, err
	}
	out := make([]*gen.Coupon, len(list))
	for i, c := range list {
		out[i] = r.coupon(c)
	}
	return out, nil
}

func pointsEntry(e *loyalty.Entry) *gen.PointsEntry {
	if e == nil {
		return nil
	}
	kind := gen.PointsKind(e.Kind)
	out := &gen.PointsEntry{ID: e.EntryID(), Kind: kind, Points: ptr(int(e.Points)), At: e.At, Reason: text(e.Reason), Reference: text(e.Reference), Tier: text(e.Tier)}
	if !e.ExpiresAt.IsZero() {
		out.ExpiresAt = &e.ExpiresAt
	}
	return out
}

func (r *Resolver) coupon(c *loyalty.Coupon) *gen.Coupon {
	if c == nil {
		return nil
	}
	return &gen.Coupon{
		Code: text(c.Code()), PoolID: c.Pool, State: gen.CouponState(c.StateAt(r.Clock.Now())), AssignedAt: instant(c.AssignedAt),
		ExpiresAt: instant(c.ExpiresAt), RedeemedAt: instant(c.RedeemedAt), Reference: text(c.Reference),
	}
}

func tierOf(t *loyalty.Tier) *gen.LoyaltyTier {
	out := &gen.LoyaltyTier{Key: t.Key, Name: t.Name, From: int(t.From), Perks: []*gen.LoyaltyPerk{}}
	for _, p := range t.Perks {
		out.Perks = append(out.Perks, &gen.LoyaltyPerk{Key: p.Key, Name: p.Name, Description: text(p.Description), Value: text(p.Value)})
	}
	return out
}

func programOf(p *loyalty.Program) *gen.LoyaltyProgram {
	if p == nil {
		return nil
	}
	out := &gen.LoyaltyProgram{
		ExpireDays: positive(p.ExpireDays), Period: gen.LoyaltyPeriod(p.Period), PeriodDays: positive(p.PeriodDays), KeepTiers: p.KeepTiers,
		Tiers: []*gen.LoyaltyTier{}, InviterPoints: int(p.InviterPoints), InvitedPoints: int(p.InvitedPoints), Version: int(p.Version()),
	}
	for i := range p.Tiers {
		out.Tiers = append(out.Tiers, tierOf(&p.Tiers[i]))
	}
	return out
}

// LoyaltyProgram answers Query.loyaltyProgram.
func (r query) LoyaltyProgram(ctx context.Context) (*gen.LoyaltyProgram, error) {
	p, err := r.Rewards.Program(ctx, workspace(ctx))
	return programOf(p), err
}

// SetLoyaltyProgram answers Mutation.setLoyaltyProgram.
func (r mutation) SetLoyaltyProgram(ctx context.Context, in gen.SetLoyaltyProgramInput) (*gen.SetLoyaltyProgramPayload, error) {
	p, err := r.Rewards.SetProgram(ctx, workspace(ctx), int64(in.ExpectedVersion), func(p *loyalty.Program) {
		p.ExpireDays, p.Period, p.PeriodDays, p.KeepTiers = value(in.ExpireDays), loyalty.Period(in.Period), value(in.PeriodDays), in.KeepTiers
		p.InviterPoints, p.InvitedPoints, p.Tiers = int64(in.InviterPoints), int64(in.InvitedPoints), nil
		for _, t := range in.Tiers {
			tier := loyalty.Tier{Key: t.Key, Name: t.Name, From: int64(t.From)}
			for _, k := range t.Perks {
				tier.Perks = append(tier.Perks, loyalty.Perk{Key: k.Key, Name: k.Name, Description: value(k.Description), Value: value(k.Value)})
			}
			p.Tiers = append(p.Tiers, tier)
		}
	})
	out := &gen.SetLoyaltyProgramPayload{Program: programOf(p)}
	out.UserErrors, err = problems(err)
	return out, err
}

// EarnPoints answers Mutation.earnPoints.
func (r mutation) EarnPoints(ctx context.Context, in gen.EarnPointsInput) (*gen.EarnPointsPayload, error) {
	e, balance, err := r.points(ctx, loyalty.Points{
		ProfileID: in.ProfileID, Points: int64(in.Points), Key: in.IdempotencyKey, Reason: value(in.Reason), Reference: value(in.Reference), ExpiresAt: in.ExpiresAt,
	}, r.Rewards.Earn)
	out := &gen.EarnPointsPayload{Entry: e, Balance: balance}
	out.UserErrors, err = problems(err)
	return out, err
}

// SpendPoints answers Mutation.spendPoints.
func (r mutation) SpendPoints(ctx context.Context, in gen.SpendPointsInput) (*gen.SpendPointsPayload, error) {
	e, balance, err := r.points(ctx, loyalty.Points{
		ProfileID: in.ProfileID, Points: int64(in.Points), Key: in.IdempotencyKey, Reason: value(in.Reason), Reference: value(in.Reference),
	}, r.Rewards.Spend)
	out := &gen.SpendPointsPayload{Entry: e, Balance: balance}
	out.UserErrors, err = problems(err)
	return out, err
}

// points changes the points of somebody whom the caller may see.
func (r mutation) points(ctx context.Context, in loyalty.Points, do func(context.Context, string, loyalty.Points) (*loyalty.Entry, error)) (*gen.PointsEntry, *int, error) {
	p, err := r.somebody(ctx, in.ProfileID)
	if err != nil {
		return nil, nil, err
	}
	e, err := do(ctx, workspace(ctx), in)
	if err != nil {
		return nil, nil, err
	}
	a, err := r.Rewards.Account(ctx, workspace(ctx), p.ProfileID())
	return pointsEntry(e), ptr(int(a.Balance(r.Clock.Now()))), err
}

// ReferralCode answers Mutation.referralCode.
func (r mutation) ReferralCode(ctx context.Context, in gen.ReferralCodeInput) (*gen.ReferralCodePayload, error) {
	out := &gen.ReferralCodePayload{}
	_, err := r.somebody(ctx, in.ProfileID)
	if err == nil {
		var code string
		code, err = r.Rewards.InvitationCode(ctx, workspace(ctx), in.ProfileID)
		out.Code = text(code)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// AcceptReferral answers Mutation.acceptReferral.
func (r mutation) AcceptReferral(ctx context.Context, in gen.AcceptReferralInput) (*gen.AcceptReferralPayload, error) {
	out := &gen.AcceptReferralPayload{}
	_, err := r.somebody(ctx, in.ProfileID)
	if err == nil {
		var a *loyalty.Acceptance
		a, err = r.Rewards.AcceptInvitation(ctx, workspace(ctx), in.Code, in.ProfileID)
		out.Accepted = err == nil && !a.Before
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// CouponPools answers Query.couponPools.
func (r query) CouponPools(ctx context.Context, first *int, after *string, last *int, before *string) (*view.CouponPoolConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Rewards.PoolPage(ctx, ws, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Rewards.PoolCount(ctx, ws) }), nil
}
