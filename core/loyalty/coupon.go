package loyalty

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Stock says how much is left of a pool.
type Stock string

// The states of a stock.
const (
	StockEnough  Stock = "ENOUGH"
	StockLow     Stock = "LOW" // fewer free codes than Pool.LowBelow
	StockEmpty   Stock = "EMPTY"
	StockExpired Stock = "EXPIRED" // the pool's own end has come
)

// Pool is a supply of codes of one offer.
type Pool struct {
	store.Meta  `bson:",inline"` // key: workspace/cpl_…
	Name        string           `bson:"name"`
	Description string           `bson:"description,omitempty"`
	// OnDemand pools make a code when one is assigned and never run dry; others give
	// what was uploaded or made in advance.
	OnDemand  bool      `bson:"onDemand,omitempty"`
	Prefix    string    `bson:"prefix,omitempty"`    // of codes that are made here
	Length    int       `bson:"length"`              // random characters of codes that are made here
	ValidDays int       `bson:"validDays,omitempty"` // a coupon is good for so many days of 24 hours from its assignment; 0: as long as the pool
	ExpiresAt time.Time `bson:"expiresAt,omitempty"` // no coupon is good for longer; zero: never
	LowBelow  int64     `bson:"lowBelow,omitempty"`
	Bound     bool      `bson:"bound,omitempty"` // only the person whom a coupon was given to may redeem it
	CreatedAt time.Time `bson:"createdAt"`
	Sum       []byte    `bson:"sum"` // of what was asked for, to tell a repetition
}

// PoolID returns the pool's id, cpl_….
func (p *Pool) PoolID() string { return store.Rest(p.ID) }

// CouponState is where a coupon stands.
type CouponState string

// The states of a coupon. EXPIRED is not stored: it follows from the time.
const (
	CouponFree     CouponState = "FREE"
	CouponAssigned CouponState = "ASSIGNED"
	CouponRedeemed CouponState = "REDEEMED"
	CouponExpired  CouponState = "EXPIRED"
)

// Coupon is one code.
type Coupon struct {
	store.Meta `bson:",inline"` // key: workspace/CODE
	Pool       string           `bson:"pool"`
	State      CouponState      `bson:"state"`
	Free       int64            `bson:"free,omitempty"`    // its random place among the free ones; 0: it is not free
	Profile    string           `bson:"profile,omitempty"` // prof_… that it was given to: a part of that person for ever
	Key        string           `bson:"key,omitempty"`     // hash of the key that it was given under
	AssignedAt time.Time        `bson:"assignedAt,omitempty"`
	ExpiresAt  time.Time        `bson:"expiresAt,omitempty"` // zero: never
	RedeemedAt time.Time        `bson:"redeemedAt,omitempty"`
	Reference  string           `bson:"reference,omitempty"` // what it was redeemed for: an order's number
}

// Code returns the code.
func (c *Coupon) Code() string { return store.Rest(c.ID) }

// StateAt returns the coupon's state at an instant. It expires at ExpiresAt: not
// redeemable at that instant any more.
func (c *Coupon) StateAt(now time.Time) CouponState {
	if c.State == CouponAssigned && !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt) {
		return CouponExpired
	}
	return c.State
}

// assignment says which code was given under a key.
type assignment struct {
	store.Meta `bson:",inline"` // key: workspace/ and the hash of pool and key
	Profile    string           `bson:"profile"`
	Code       string           `bson:"code"`
}

// The collections of coupons.
var (
	Pools = store.Declare[Pool](store.Spec{
		Name: "coupon_pools", Reach: store.ReachNobody,
		Data: map[string]core.Category{"name": core.None, "description": core.None},
	})
	Coupons = store.Declare[Coupon](store.Spec{
		Name: "coupons", Subject: "profile",
		Data: map[string]core.Category{"*": core.Transaction},
		Indexes: []store.Index{
			store.On("profile", "-assignedAt").WithFewTies(),
			store.On("pool", "free").WithFewTies(),
		},
	})
	assignments = store.Declare[assignment](store.Spec{
		Name: "coupon_assignments", Subject: "profile",
		Data:    map[string]core.Category{"*": core.Transaction},
		Indexes: []store.Index{store.On("profile").WithFewTies()},
	})
)

// stockCounter names the counter of a pool, with the sums "codes" (ever), "free",
// "assigned" (ever, less what was released) and "redeemed".
func stockCounter(pool string) string { return "coupons/" + pool }

// The names of the system events about coupons. Their properties are pool and, of the
// last, reference; never the code, which is as good as money.
const (
	NameCouponAssigned = "Coupon Assigned"
	NameCouponReleased = "Coupon Released"
	NameCouponRedeemed = "Coupon Redeemed"
)
