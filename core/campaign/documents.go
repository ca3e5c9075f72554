package campaign

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Status is where a campaign stands.
type Status string

// The statuses; the last three are final.
const (
	Draft     Status = "DRAFT"
	Scheduled Status = "SCHEDULED"
	Running   Status = "RUNNING"
	Paused    Status = "PAUSED"
	Done      Status = "DONE"
	Cancelled Status = "CANCELLED"
	Failed    Status = "FAILED"
)

// Final reports whether nothing is sent any more.
func (s Status) Final() bool { return s == Done || s == Cancelled || s == Failed }

// Campaign is what is sent, with what it is for. While it runs, its document changes only
// when somebody stops it or changes what it says of itself: hand-offs check it.
type Campaign struct {
	store.Meta  `bson:",inline"` // key: workspace/cmp_…
	Name        string           `bson:"name"`
	Description string           `bson:"description,omitempty"`
	Tags        []string         `bson:"tags,omitempty"`
	Cost        *Cost            `bson:"cost,omitempty"`
	Parts       []string         `bson:"parts,omitempty"` // jrn_… and cmp_… whose figures are in the totals; each belongs to one campaign
	Definition  Definition       `bson:"def"`
	Hash        string           `bson:"hash"` // of the definition
	Author      string           `bson:"author"`
	Risky       bool             `bson:"risky,omitempty"` // somebody else agrees before it is scheduled
	Status      Status           `bson:"status"`
	Before      Status           `bson:"before,omitempty"` // of PAUSED: what it goes back to
	Reason      string           `bson:"reason,omitempty"` // of FAILED: a stable word
	StartsAt    time.Time        `bson:"at,omitempty"`     // when the run begins
	LocalAt     string           `bson:"localAt,omitempty"`
	ResumedAt   time.Time        `bson:"resumed,omitempty"` // when the run was last let go on after a pause
	CreatedAt   time.Time        `bson:"createdAt"`
	UpdatedAt   time.Time        `bson:"updatedAt"`
	CreatedBy   string           `bson:"createdBy"`
	Sum         string           `bson:"sum,omitempty"` // of what it was created with
}

// Cost is what a campaign costs.
type Cost struct {
	Minor    int64  `bson:"minor"` // in the currency's smallest unit
	Currency string `bson:"currency"`
}

// CampaignID returns the campaign's id, cmp_….
func (c *Campaign) CampaignID() string { return store.Rest(c.ID) }

// Workspace returns the workspace that it belongs to.
func (c *Campaign) Workspace() string { return store.WorkspaceOf(c.ID) }

// Phase is how far a run has come.
type Phase string

// The phases, in their order.
const (
	Freezing Phase = "FREEZING" // whom it is for is written down
	Sending  Phase = "SENDING"  // to everybody, or to the part of a test
	Deciding Phase = "DECIDING" // the test is waited for
	Resting  Phase = "RESTING"  // the winner goes to the rest
	Over     Phase = "OVER"
)

// Run is how far a campaign has come. Each commit of the run replaces it.
type Run struct {
	store.Meta `bson:",inline"` // key: workspace/cmp_…
	Phase      Phase            `bson:"phase"`
	After      string           `bson:"after,omitempty"` // of FREEZING: the last person who was looked at
	People     int64            `bson:"people"`          // who are on the list, or were
	Tested     int64            `bson:"tested"`          // of them, in the test
	Queued     map[string]int64 `bson:"queued,omitempty"`
	Merged     int64            `bson:"merged"` // who turned out to be somebody who was written to
	Gone       int64            `bson:"gone"`   // who are no more
	NextAt     time.Time        `bson:"next,omitempty"`
	MovedAt    time.Time        `bson:"moved,omitempty"` // when the list was last written or taken from
	BackAt     time.Time        `bson:"back,omitempty"`  // when somebody was at it again after nobody had been for long
	DecideAt   time.Time        `bson:"decideAt,omitempty"`
	Decision   *Decision        `bson:"decision,omitempty"`
	StartedAt  time.Time        `bson:"startedAt"`
	EndedAt    time.Time        `bson:"endedAt,omitempty"`
}

// Decision is which arm went to the rest, and why.
type Decision struct {
	Winner string    `bson:"winner"`
	Why    string    `bson:"why"` // BEST, TIE, TOO_FEW or BY_HAND
	By     string    `bson:"by,omitempty"`
	At     time.Time `bson:"at"`
	Arms   []Count   `bson:"arms"` // in the order of the definition
}

// Count is how an arm did.
type Count struct {
	Arm  string `bson:"arm"`
	Sent int64  `bson:"sent"`
	Hits int64  `bson:"hits"` // by the metric
}

// Target is a person whom a campaign will write to. It goes with the commit that queues
// the message.
type Target struct {
	store.Meta `bson:",inline"` // key: workspace/cmp_…/group/due/prof_…
	Part       string           `bson:"part"`
	Due        time.Time        `bson:"due,omitempty"` // zero: at once
}

// The groups: those of the test, or everybody, go first.
const (
	groupFirst = "a"
	groupRest  = "b"
)

// The collections of the package.
var (
	Campaigns = store.Declare[Campaign](store.Spec{
		Name: "campaigns", Reach: store.ReachNobody, // what members of the workspace wrote
		Data:    map[string]core.Category{"name": core.None, "description": core.None, "def": core.Unclassified},
		Indexes: []store.Index{store.On("-createdAt"), store.On("status", "-createdAt")},
	})
	Runs    = store.Declare[Run](store.Spec{Name: "campaign_runs"})
	Targets = store.Declare[Target](store.Spec{
		Name: "campaign_targets", Subject: "part", Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part").WithFewTies()},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec { return []*store.Spec{Campaigns.Spec, Runs.Spec, Targets.Spec} }
