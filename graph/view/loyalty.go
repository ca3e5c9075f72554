package view

import "github.com/headwater-cdp/headwater/core/loyalty"

// CouponPoolConnection is a page of coupon pools.
type CouponPoolConnection = Connection[loyalty.Pool]

// CouponPoolEdge is an item of such a page.
type CouponPoolEdge = Edge[loyalty.Pool]
