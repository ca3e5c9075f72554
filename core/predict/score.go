package predict

import (
	"math"
	"time"

	"github.com/headwater-cdp/headwater/core/predict/btyd"
)

// The names of predictions, sorted.
const (
	BestHour       = "best_hour"        // of the person's day, 0 to 23: at which they are likeliest to engage
	BestHourChance = "best_hour_chance" // that an engagement of theirs falls into it
	ChurnRisk      = "churn_risk"       // the chance that they are a customer no more
	CLV            = "clv"              // what their orders of the next ValueDays are worth now
	ExpectedOrders = "expected_orders"  // within HorizonDays
	LeadConversion = "lead.conversion"  // the chance that they become a customer within OutcomeDays
	NextOrderAt    = "next_order_at"    // seconds since 1970: when half of those like them who come back will have
	PAlive         = "p_alive"          // 1 − churn_risk
)

var names = []string{BestHour, BestHourChance, ChurnRisk, CLV, ExpectedOrders, LeadConversion, NextOrderAt, PAlive}

// tail is the chance that a figure lies below its interval, and that it lies above.
const tail = 0.1

// Figure is one prediction.
type Figure struct {
	Name      string
	Value     float64
	Low, High *float64 // of nine in ten at most, and at least; nil: there is no such interval
}

// Contribution is what one number of a person adds to a prediction.
type Contribution struct {
	Key string  `bson:"key" json:"key"`
	Is  float64 `bson:"is" json:"is"` // the number: times, weeks or money
	By  float64 `bson:"by" json:"by"`
}

// Reasons say how a prediction comes about: Baseline and what the contributions add are
// the value, but for rounding.
type Reasons struct {
	// Scale is VALUE where contributions are in the unit of the value, CHANCE, of best_hour,
	// where they are in that of best_hour_chance, and LOG_ODDS where they add up to
	// ln(value/(1−value)).
	Scale         string         `bson:"scale" json:"scale"`
	Baseline      float64        `bson:"baseline" json:"baseline"`
	Contributions []Contribution `bson:"contributions" json:"contributions"`
	Band          string         `bson:"band,omitempty" json:"band,omitempty"` // of churn_risk: LOW, MEDIUM, HIGH
}

// The bands of a churn risk.
const (
	mediumRisk = 0.3
	highRisk   = 0.7
)

// Band says in a word how great a churn risk is.
func Band(risk float64) string {
	switch {
	case risk >= highRisk:
		return "HIGH"
	case risk >= mediumRisk:
		return "MEDIUM"
	}
	return "LOW"
}

// scorer predicts by one model and the settings of a workspace.
type scorer struct {
	*Params
	set *Settings
}

func (k scorer) horizon() float64 { return float64(k.set.HorizonDays) / week }

// value returns what the orders of somebody are worth now, whose orders are worth amount
// each by their history of x.
func (k scorer) value(c btyd.Customer, x, amount float64) float64 {
	rate := math.Log1p(k.set.Discount) / (365.25 / week)
	return k.Orders.DiscountedOrders(c, float64(k.set.ValueDays)/week, rate) * k.Spend.Expected(x, amount) * k.set.Margin
}

// figures returns what is predicted of somebody at an instant. Whoever has ordered on one
// day only is not said to leave: the model has people leave after a repeated order, so
// that it knows nothing of them.
func (k scorer) figures(h history, now time.Time) []Figure {
	c := h.customer()
	p := k.Orders
	var out []Figure
	add := func(name string, value float64, low, high *float64) {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			out = append(out, Figure{name, value, low, high})
		}
	}
	alive := p.PAlive(c)
	if h.x > 0 {
		add(ChurnRisk, 1-alive, nil, nil)
	}
	if k.Spend != nil {
		value := k.value(c, float64(h.worthDays), h.mean)
		weeks := float64(k.set.ValueDays) / week
		low, high := btyd.Interval(p.Orders(c, weeks, maxOrders), tail)
		// Of the number of orders; each is taken to be worth what is expected.
		each := value / max(p.Expected(c, weeks), 1e-12)
		add(CLV, value, ptr(float64(low)*each), ptr(float64(high)*each))
	}
	low, high := btyd.Interval(p.Orders(c, k.horizon(), maxOrders), tail)
	add(ExpectedOrders, p.Expected(c, k.horizon()), ptr(float64(low)), ptr(float64(high)))
	if h.x > 0 {
		at := func(share float64) float64 {
			weeks := min(p.NextOrder(c, share), 5200)
			return float64(now.Unix()) + math.Round(weeks*week*86400)
		}
		add(NextOrderAt, at(0.5), ptr(at(tail)), ptr(at(1-tail)))
		add(PAlive, alive, nil, nil)
	}
	return out
}

// maxOrders bounds the distribution that an interval is read from.
const maxOrders = 1000

func ptr[T any](v T) *T { return &v }

// reasons returns how a figure comes about: Shapley's values of the numbers of a person
// against those of a typical customer, which add up whatever the formula is (Lundberg and
// Lee, "A Unified Approach to Interpreting Model Predictions", 2017).
func (k scorer) reasons(h history, name string, now time.Time) Reasons {
	t := k.Typical
	own := [4]float64{float64(h.x), float64(h.t-h.tx) / week, float64(h.t) / week, h.mean}
	usual := [4]float64{t.X, t.Gap, t.Tenure, t.Amount}
	keys := []string{"orders_after_first", "weeks_since_last_order", "weeks_since_first_order", "average_order"}
	n := 3
	if name == CLV {
		n = 4
	}
	var values [16]float64
	for set := range 1 << n {
		v := usual
		for i := range n {
			if set&(1<<i) != 0 {
				v[i] = own[i]
			}
		}
		worth := float64(h.worthDays)
		if n == 4 && set&8 == 0 {
			worth = max(1, t.X)
		}
		values[set] = k.one(name, v, worth, now)
	}
	out := Reasons{Scale: "VALUE", Baseline: values[0]}
	for i := range n {
		by := 0.0
		for set := range 1 << n {
			if set&(1<<i) == 0 {
				by += shapley(n, set) * (values[set|1<<i] - values[set])
			}
		}
		out.Contributions = append(out.Contributions, Contribution{Key: keys[i], Is: own[i], By: by})
	}
	if name == ChurnRisk {
		out.Band = Band(values[1<<n-1])
	}
	return out
}

// shapley is the weight of a set of numbers among the orders in which they can be known.
func shapley(n, set int) float64 {
	known := 0
	for ; set > 0; set &= set - 1 {
		known++
	}
	factorial := [5]float64{1, 1, 2, 6, 24}
	return factorial[known] * factorial[n-known-1] / factorial[n]
}

// one returns one figure of somebody with these numbers; whoever has been a customer for
// less than the time since the last order has ordered at the beginning last.
func (k scorer) one(name string, v [4]float64, worth float64, now time.Time) float64 {
	c := btyd.Customer{X: v[0], T: v[2], TX: max(0, v[2]-v[1])}
	switch name {
	case ChurnRisk:
		return 1 - k.Orders.PAlive(c)
	case PAlive:
		return k.Orders.PAlive(c)
	case ExpectedOrders:
		return k.Orders.Expected(c, k.horizon())
	case CLV:
		return k.value(c, worth, v[3])
	case NextOrderAt:
		return float64(now.Unix()) + math.Round(min(k.Orders.NextOrder(c, 0.5), 5200)*week*86400)
	}
	return math.NaN()
}
