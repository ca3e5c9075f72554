package budget

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Cost is what was spent on one day.
type Cost struct {
	store.Meta `bson:",inline"` // key: workspace/hash of account and Ref, or else day and dimensions
	Account    string           `bson:"account"` // who bills it: "google-ads"
	Day        string           `bson:"day"`     // 2026-11-22, as the account counts days
	Currency   string           `bson:"currency"`
	Amount     string           `bson:"amount"` // decimal, not negative
	Channel    string           `bson:"channel,omitempty"`
	Campaign   string           `bson:"campaign,omitempty"`
	Source     string           `bson:"source,omitempty"`
	Ref        string           `bson:"ref,omitempty"` // the account's own id of what was billed; "": there is one of each day and dimensions
	At         time.Time        `bson:"at"`            // when it was told
}

// Account is who bills costs.
type Account struct {
	store.Meta `bson:",inline"` // key: workspace/NAME
	First      string           `bson:"first"` // the first and the last day of which costs were told
	Last       string           `bson:"last"`
	At         time.Time        `bson:"at"` // when costs were last told
}

// Name returns the account's name.
func (a *Account) Name() string { return store.Rest(a.ID) }

// Direction says on which side of a target a figure should be.
type Direction string

// The directions.
const (
	AtLeast Direction = "AT_LEAST"
	AtMost  Direction = "AT_MOST"
)

// Target is what a metric should come to.
type Target struct {
	store.Meta `bson:",inline"` // key: workspace/KEY
	Metric     string           `bson:"metric"`
	Value      string           `bson:"value"` // decimal, above 0
	Direction  Direction        `bson:"direction"`
	// Dimensions are those of the cells that it is of: {"channel":"search"}; none: the whole.
	Dimensions map[string]string `bson:"dimensions,omitempty"`
	Tolerance  int64             `bson:"tolerance"` // by how much it may be missed, in hundredths of a percent
	Days       int64             `bson:"days"`      // over how many days before today it is looked at
	// Aggregates says that who set it sees aggregates only: it is not looked at where few
	// people are behind the figure, for its alert would tell what the figure does not.
	Aggregates bool      `bson:"aggregates,omitempty"`
	SetBy      string    `bson:"setBy"`
	SetAt      time.Time `bson:"setAt"`
}

// Key returns the target's key.
func (t *Target) Key() string { return store.Rest(t.ID) }

// AlertKind says what an alert is about.
type AlertKind string

// The kinds.
const (
	Missed AlertKind = "TARGET_MISSED"
	Gap    AlertKind = "COSTS_MISSING"
)

// Alert is something that somebody should look at. There is one for each target and each
// account; its history is that of its last raising.
type Alert struct {
	store.Meta `bson:",inline"` // key: workspace/target/KEY or workspace/account/NAME
	Kind       AlertKind        `bson:"kind"`
	Of         string           `bson:"of"` // key of the target, or name of the account
	Open       bool             `bson:"open"`
	Status     string           `bson:"status"`           // OPEN or CLEARED: for the index
	Value      string           `bson:"value,omitempty"`  // what the figure came to, of TARGET_MISSED
	Target     string           `bson:"target,omitempty"` // what it should come to
	From       time.Time        `bson:"from"`             // the period that was looked at
	To         time.Time        `bson:"to"`
	Days       []string         `bson:"days,omitempty"` // of COSTS_MISSING: up to maxGaps days
	RaisedAt   time.Time        `bson:"raisedAt"`
	ClearedAt  time.Time        `bson:"clearedAt,omitempty"`
	CheckedAt  time.Time        `bson:"checkedAt"`
	Shift      *Shift           `bson:"shift,omitempty"`
	Metric     string           `bson:"metric,omitempty"` // of TARGET_MISSED
	Few        bool             `bson:"few,omitempty"`    // few people are behind the value, or behind one of the shift
}

// Decision says what became of a proposed shift.
type Decision string

// The decisions.
const (
	Proposed Decision = "PROPOSED"
	Approved Decision = "APPROVED"
	Rejected Decision = "REJECTED"
)

// Shift is a proposal to spend otherwise, for the days to come as many as were looked at.
type Shift struct {
	Currency  string    `bson:"currency"`
	Moves     []Move    `bson:"moves"` // by channel; what is taken and what is given are the same sum
	Status    Decision  `bson:"status"`
	AskedBy   string    `bson:"askedBy,omitempty"` // who had it worked out; "" for Headwater
	DecidedBy string    `bson:"decidedBy,omitempty"`
	DecidedAt time.Time `bson:"decidedAt,omitempty"`
}

// Move is what a channel spent and should spend.
type Move struct {
	Channel string `bson:"channel"`
	Spent   string `bson:"spent"` // decimal
	Next    string `bson:"next"`
	Value   string `bson:"value"` // its figure, and
	Target  string `bson:"target"`
}

// The collections. None holds anything about a person.
var (
	Costs    = store.Declare[Cost](store.Spec{Name: "ad_costs", Indexes: []store.Index{store.On("day"), store.On("account", "day")}})
	Accounts = store.Declare[Account](store.Spec{Name: "ad_accounts"})
	Targets  = store.Declare[Target](store.Spec{Name: "targets"})
	Alerts   = store.Declare[Alert](store.Spec{Name: "alerts", Indexes: []store.Index{store.On("-raisedAt"), store.On("status", "-raisedAt")}})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Costs.Spec, Accounts.Spec, Targets.Spec, Alerts.Spec}
}

// AlertID returns the alert's id without its workspace: "target/KEY" or "account/NAME".
func (a *Alert) AlertID() string { return store.Rest(a.ID) }

func costKey(ws string, c *Cost) string {
	if c.Ref != "" {
		return store.Key(ws, core.HashID("cost-ref", c.Account, c.Ref))
	}
	return store.Key(ws, core.HashID("cost", c.Account, c.Day, c.Channel, c.Campaign, c.Source))
}
