package predict

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Named is a number with its name.
type Named struct {
	Name  string
	Value float64
}

func namedOf(m map[string]float64) []Named {
	out := make([]Named, 0, len(m))
	for name, v := range m {
		out = append(out, Named{name, v})
	}
	slices.SortFunc(out, func(a, b Named) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Qualities returns how good the model is, sorted by name.
func (m *Model) Qualities() []Named { return namedOf(m.Quality) }

// Drifts returns how far people have moved from those of the training, sorted by name.
func (m *Model) Drifts() []Named { return namedOf(m.Drift) }

// Parameters returns what the model predicts by: none of BASKETS, whose products are
// listed by Products; of CONVERSIONS the intercept and the coefficient of each number.
func (m *Model) Parameters() []Named {
	if c := m.Conversion; c != nil {
		out := []Named{{"intercept", c.Fit.Intercept}}
		for i, key := range c.Keys {
			out = append(out, Named{key, c.Fit.Coef[i]})
		}
		return out
	}
	if m.Hours != nil {
		out := []Named{{"weight", m.Hours.Weight}}
		for h, share := range m.Hours.Shares {
			out = append(out, Named{fmt.Sprintf("hour%02d", h), share})
		}
		return out
	}
	if m.Params == nil {
		return nil
	}
	o := m.Params.Orders
	out := []Named{{"r", o.R}, {"alpha", o.Alpha}, {"a", o.A}, {"b", o.B}}
	if s := m.Params.Spend; s != nil {
		out = append(out, Named{"p", s.P}, Named{"q", s.Q}, Named{"gamma", s.Gamma})
	}
	return out
}

// Becoming returns what becoming a customer is to a model of CONVERSIONS; nil of others.
func (m *Model) Becoming() *Outcome {
	if m.Conversion == nil {
		return nil
	}
	return &m.Conversion.Outcome
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Began returns when the orders begin that the model was trained on; nil: there are none.
func (m *Model) Began() *time.Time { return known(m.From) }

// DriftedAt returns when Drifts was worked out; nil: never.
func (m *Model) DriftedAt() *time.Time { return known(m.DriftAt) }

// ActiveSince returns when the model last became active; nil: never.
func (m *Model) ActiveSince() *time.Time { return known(m.ActiveAt) }

// FamilyName returns the product's family; nil: none.
func (p *Product) FamilyName() *string {
	if p.Family == "" {
		return nil
	}
	return &p.Family
}

// Times returns how often the product was bought again by who had bought it.
func (p *Product) Times() int64 { return p.Rebuy.Times }

// LowDays returns how many days it takes until a quarter of those who buy it again have;
// nil: too few did for an answer.
func (p *Product) LowDays() *float64 { return p.days(p.Rebuy.Low) }

// MedianDays returns how many days it takes until half have; nil as LowDays.
func (p *Product) MedianDays() *float64 { return p.days(p.Rebuy.Median) }

// HighDays returns how many days it takes until three quarters have; nil as LowDays.
func (p *Product) HighDays() *float64 { return p.days(p.Rebuy.High) }

func (p *Product) days(n float64) *float64 {
	if p.Rebuy.Times < MinTogether {
		return nil
	}
	return &n
}
