package insight

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Unit says what a metric's values are.
type Unit string

// The units.
const (
	Count    Unit = "COUNT"
	Ratio    Unit = "RATIO" // 0.25 is a quarter
	Money    Unit = "MONEY" // in the metric's currency
	Duration Unit = "DURATION"
	People   Unit = "PEOPLE"
)

// Calc says how a value is made of the measures.
type Calc string

// The ways.
const (
	Plain     Calc = "PLAIN"     // numerator, less Minus, over denominator where there is one
	Retention Calc = "RETENTION" // of the people of the period before, those who are there again
	Churn     Calc = "CHURN"     // of the people of the period before, those who are not
)

// Value says what a measure takes of an event.
type Value string

// The values.
const (
	Events   Value = "COUNT"  // each event counts one
	Sum      Value = "SUM"    // the numbers at Path
	Distinct Value = "PEOPLE" // the person, once for each period
	First    Value = "FIRST"  // the person, at their first such event ever
	Cost     Value = "COST"   // no event: what was spent on advertising
	Other    Value = "METRIC" // no event: the value of another metric
)

// Measure is one side of a metric.
type Measure struct {
	Value Value  `bson:"value" json:"value"`
	Event string `bson:"event,omitempty" json:"event,omitempty"`
	// Where and Context are JSON lists of predicates that the event's properties and its
	// context meet; "" for none.
	Where   string `bson:"where,omitempty" json:"where,omitempty"`
	Context string `bson:"context,omitempty" json:"context,omitempty"`
	Path    string `bson:"path,omitempty" json:"path,omitempty"` // of SUM, among the properties
	// Currency is the path of the currency's code among the properties; of an event without
	// one the money is in the metric's currency. "" says that the number is no money.
	Currency string `bson:"currency,omitempty" json:"currency,omitempty"`
	Metric   string `bson:"metric,omitempty" json:"metric,omitempty"` // of METRIC
	// ToDate counts from the beginning of all time to the end of the period.
	ToDate bool `bson:"toDate,omitempty" json:"toDate,omitempty"`
}

// Dimension is something by which a metric's values can be told apart.
type Dimension struct {
	Key string `bson:"key" json:"key"`
	// Paths are looked up one after another: "source", "properties.…" or "context.…"; the
	// first that holds a text, a number or a yes or no is the value.
	Paths []string `bson:"paths" json:"paths"`
}

// Metric is a figure that is declared.
type Metric struct {
	store.Meta  `bson:",inline"` // key: workspace/name
	Title       string           `bson:"title"`
	Description string           `bson:"description,omitempty"`
	Unit        Unit             `bson:"unit"`
	Calc        Calc             `bson:"calc"`
	Numerator   Measure          `bson:"numerator"`
	Minus       *Measure         `bson:"minus,omitempty"` // taken off the numerator
	Denominator *Measure         `bson:"denominator,omitempty"`
	Dimensions  []Dimension      `bson:"dimensions,omitempty"`
	Currency    string           `bson:"currency,omitempty"` // of MONEY; "": the workspace's (Reporting)
	TimeZone    string           `bson:"timeZone"`           // by whose days people are counted; IANA
	// Data are the categories that a caller must be able to read; empty: those of the
	// fields that the measures look at.
	Data      []core.Category `bson:"data,omitempty"`
	Archived  bool            `bson:"archived,omitempty"`
	BuiltIn   bool            `bson:"-"`
	CreatedAt time.Time       `bson:"createdAt"`
	UpdatedAt time.Time       `bson:"updatedAt"`
	// Claim is the key under which it was made, so that the same call again changes nothing.
	Claim string `bson:"claim,omitempty"`
}

// Name returns the metric's name.
func (m *Metric) Name() string { return store.Rest(m.ID) }

// Version returns the metric's version; 0 for a built-in one that nobody has changed.
func (m *Metric) Version() int64 { return m.V }

// head says what is known to be complete, and makes those exclude each other who correct
// rollups.
type head struct {
	store.Meta `bson:",inline"` // key: workspace/head
	Complete   []string         `bson:"complete,omitempty"` // measures, sorted
	Folds      int64            `bson:"folds"`              // corrections that were written
	At         time.Time        `bson:"at"`
	Unused     []unused         `bson:"unused,omitempty"` // of the document with the key workspace/unused, and nothing else
}

// guard makes a unit that was folded by other definitions build itself again.
type guard struct {
	store.Meta `bson:",inline"` // key: workspace/guard/number
	Rev        int64            `bson:"rev"`
}

// labels are the values of a cell's dimensions, in the order of the metric's.
type labels struct {
	store.Meta `bson:",inline"` // key: workspace/measure/cell
	Values     []string         `bson:"values"`
}

// first says which event was counted as a person's first of a measure, and where.
type first struct {
	store.Meta `bson:",inline"` // key: workspace/measure/prof_…, a part of the person
	Event      string           `bson:"event"` // evt_…
	At         time.Time        `bson:"at"`    // when it happened
	Cell       string           `bson:"cell"`
}

// rate is what one unit of a currency is worth in another from a day on.
type rate struct {
	store.Meta `bson:",inline"` // key: workspace/EUR/USD/2026-01-31
	Rate       string           `bson:"rate"`
}

// The collections.
var (
	Metrics = store.Declare[Metric](store.Spec{
		Name: "metrics", Reach: store.ReachNobody, // what members of the workspace wrote
		Data: map[string]core.Category{"numerator": core.Unclassified, "denominator": core.Unclassified, "minus": core.Unclassified},
	})
	heads  = store.Declare[head](store.Spec{Name: "figure_heads"})
	guards = store.Declare[guard](store.Spec{Name: "figure_guards"})
	// A value of a dimension that looks like something of a person is not kept: see label.
	cells   = store.Declare[labels](store.Spec{Name: "figure_cells", Derived: true})
	rollups = store.Declare[rollup](store.Spec{Name: "figure_rollups", Derived: true})
	crowds  = store.Declare[crowd](store.Spec{Name: "figure_people", Derived: true})
	firsts  = store.Declare[first](store.Spec{
		Name: "figure_firsts", Derived: true, Subject: "_id", Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("event")},
	})
	rates      = store.Declare[rate](store.Spec{Name: "figure_rates"})
	reportings = store.Declare[Reporting](store.Spec{Name: "figure_settings"})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Metrics.Spec, heads.Spec, guards.Spec, cells.Spec, rollups.Spec, crowds.Spec, firsts.Spec, rates.Spec, reportings.Spec}
}
