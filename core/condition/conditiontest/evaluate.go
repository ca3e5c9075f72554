package conditiontest

import (
	"math/big"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Evaluate says whether the condition holds of the history at now.
func Evaluate(n *condition.Node, h *History, now time.Time, zone condition.Zone) bool {
	v := view{h: h, now: now, zone: time.UTC}
	if zone.Location != nil {
		v.zone = zone.Location
	}
	if zone.OfProfile && h.Location != nil {
		v.zone = h.Location
	}
	return v.node(n)
}

// view is a history looked at from an instant and a place.
type view struct {
	h    *History
	now  time.Time
	zone *time.Location
}

func (v view) node(n *condition.Node) bool {
	switch {
	case n.And != nil:
		for _, c := range n.And {
			if !v.node(c) {
				return false
			}
		}
		return true
	case n.Or != nil:
		for _, c := range n.Or {
			if v.node(c) {
				return true
			}
		}
		return false
	case n.Not != nil:
		return !v.node(n.Not)
	case n.Trait != nil:
		return v.predicate(n.Trait, document(v.h.Traits))
	case n.Field != nil:
		return v.predicate(n.Field, document(v.h.Field))
	case n.Event != nil:
		return inRange(n.Event.Count, len(v.inside(n.Event.Window, v.matching(n.Event))))
	case n.FirstTime != nil:
		return v.firstTime(n.FirstTime)
	case n.Stopped != nil:
		return v.stopped(n.Stopped)
	case n.LastEvent != nil:
		return v.lastEvent(n.LastEvent)
	case n.Sequence != nil:
		return v.sequence(n.Sequence)
	case n.Aggregate != nil:
		return v.aggregate(n.Aggregate)
	case n.Object != nil:
		return v.object(n.Object)
	case n.Segment != nil:
		return v.membership(n.Segment)
	case n.List != nil:
		return v.membership(n.List)
	case n.Consent != nil:
		return v.h.consent(n.Consent.Purpose, n.Consent.Channel) == n.Consent.Status
	case n.Message != nil:
		return v.message(n.Message)
	case n.Prediction != nil:
		return v.prediction(n.Prediction)
	case n.Bucket != nil:
		b := bucketOf(v.h.ProfileID, n.Bucket.Salt)
		return n.Bucket.From <= b && b < n.Bucket.To
	case n.Geo != nil:
		return v.geo(n.Geo)
	}
	panic("a node without a kind")
}

// inRange tells whether a count lies in a range; without one it is at least 1.
func inRange(r *condition.Range, n int) bool {
	if r == nil {
		return n >= 1
	}
	return within(r, new(big.Rat).SetInt64(int64(n)))
}

// within tells whether a number meets each bound that is given.
func within(r *condition.Range, x *big.Rat) bool {
	return (r.Eq == "" || x.Cmp(number(r.Eq)) == 0) &&
		(r.Gte == "" || x.Cmp(number(r.Gte)) >= 0) &&
		(r.Gt == "" || x.Cmp(number(r.Gt)) > 0) &&
		(r.Lte == "" || x.Cmp(number(r.Lte)) <= 0) &&
		(r.Lt == "" || x.Cmp(number(r.Lt)) < 0)
}

func (v view) object(o *condition.Object) bool {
	related := v.h.related(o.Type, o.Relation)
	matching := 0
	for _, r := range related {
		if v.all(o.Where, document(r.Fields)) {
			matching++
		}
	}
	if o.Count != nil {
		return inRange(o.Count, matching)
	}
	switch o.Match {
	case condition.MatchAll:
		return len(related) > 0 && matching == len(related)
	case condition.MatchNone:
		return matching == 0
	}
	return matching > 0
}

func (v view) membership(m *condition.Membership) bool {
	since, in := v.h.member(m.ID)
	return in && (m.Entered == nil || v.lies(m.Entered, since))
}
