package experiment

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Status is where an experiment stands.
type Status string

// The statuses; the last two are final.
const (
	Draft     Status = "DRAFT"
	Running   Status = "RUNNING"
	Concluded Status = "CONCLUDED" // with what was decided
	Stopped   Status = "STOPPED"   // without a decision
)

// Kind is what is compared.
type Kind string

// The kinds.
const (
	OfConversion Kind = "CONVERSION" // the share of people who did something
	OfValue      Kind = "VALUE"      // what it was worth, for each person in the arm
)

// Mode is how it is judged.
type Mode string

// The modes.
const (
	Fixed      Mode = "FIXED"      // once, on the number of people that the plan asks for
	Sequential Mode = "SEQUENTIAL" // at any time, by an always valid p
	Bandit     Mode = "BANDIT"     // not a test: people are spread by what is known so far
)

// Via is how people come to be in an arm.
type Via string

// The ways.
const (
	ViaEvent    Via = "EVENT"    // an event names the arm
	ViaBucket   Via = "BUCKET"   // from an event on, by the salted hash of the profile's id
	ViaCampaign Via = "CAMPAIGN" // a message of a campaign's arm was sent
	ViaJourney  Via = "JOURNEY"  // a split or a holdout of a journey was passed
)

// Arm is one of what is compared.
type Arm struct {
	Name   string `bson:"name" json:"name"`
	Weight int    `bson:"weight" json:"weight"`
}

// Assignment says who is in which arm.
type Assignment struct {
	Via      Via    `bson:"via" json:"via"`
	Event    string `bson:"event,omitempty" json:"event,omitempty"`       // of EVENT and BUCKET
	ArmPath  string `bson:"armPath,omitempty" json:"armPath,omitempty"`   // of EVENT: the property that names the arm
	KeyPath  string `bson:"keyPath,omitempty" json:"keyPath,omitempty"`   // of EVENT: the property that must be Key
	Key      string `bson:"key,omitempty" json:"key,omitempty"`           // of EVENT: what the client calls the experiment
	Salt     string `bson:"salt,omitempty" json:"salt,omitempty"`         // of BUCKET; a split with the same salt and arms gives the same arms
	Campaign string `bson:"campaign,omitempty" json:"campaign,omitempty"` // cmp_…
	Journey  string `bson:"journey,omitempty" json:"journey,omitempty"`   // jrn_…
	Node     string `bson:"node,omitempty" json:"node,omitempty"`
}

// Plan is what is looked for, how, and in whom. It is frozen when the experiment starts.
type Plan struct {
	Kind       Kind          `bson:"kind" json:"kind"`
	Mode       Mode          `bson:"mode" json:"mode"`
	Event      string        `bson:"event" json:"event"`                             // the conversion
	ValuePath  string        `bson:"valuePath,omitempty" json:"valuePath,omitempty"` // of VALUE: a property that is a number
	Window     time.Duration `bson:"window" json:"window"`                           // from the exposure on
	Baseline   float64       `bson:"baseline,omitempty" json:"baseline,omitempty"`   // of CONVERSION: the control's rate as one believes
	Deviation  float64       `bson:"deviation,omitempty" json:"deviation,omitempty"` // of VALUE: the standard deviation
	Effect     float64       `bson:"effect" json:"effect"`                           // the least change worth finding, in rate or value; below 0 when less is better
	Alpha      float64       `bson:"alpha" json:"alpha"`
	Power      float64       `bson:"power" json:"power"`
	Arms       []Arm         `bson:"arms" json:"arms"` // the first is the control
	Assignment Assignment    `bson:"assignment" json:"assignment"`
}

// Experiment is a plan and how far it has come.
type Experiment struct {
	store.Meta `bson:",inline"` // key: workspace/exp_…
	Name       string           `bson:"name"`
	Hypothesis string           `bson:"hypothesis,omitempty"`
	Status     Status           `bson:"status"`
	Live       bool             `bson:"live,omitempty"` // RUNNING, for the index
	Plan       Plan             `bson:"plan"`
	Size       Size             `bson:"size"`
	Hash       string           `bson:"hash,omitempty"` // hex of the SHA-256 of the frozen plan's JSON
	CreatedAt  time.Time        `bson:"createdAt"`
	CreatedBy  string           `bson:"createdBy"`
	StartedAt  time.Time        `bson:"startedAt,omitempty"` // exposures before it do not count
	EndedAt    time.Time        `bson:"endedAt,omitempty"`
	EndedBy    string           `bson:"endedBy,omitempty"`
	Winner     string           `bson:"winner,omitempty"` // an arm; "" for none
	Reason     string           `bson:"reason,omitempty"` // why it ended, in somebody's words
	Final      *Result          `bson:"final,omitempty"`  // as it was when it ended
	Sum        string           `bson:"sum"`              // of the input that made it, for its idempotency key
}

// ExperimentID returns the experiment's id, exp_….
func (e *Experiment) ExperimentID() string { return store.Rest(e.ID) }

// Version returns the experiment's version.
func (e *Experiment) Version() int64 { return e.V }

// Fact is that somebody came to an arm, or did what is counted.
type Fact struct {
	store.Meta `bson:",inline"` // key: workspace/exp_…/evt_…
	Experiment string           `bson:"x"`
	Part       string           `bson:"part"`
	At         time.Time        `bson:"at"` // the event's own time
	Source     string           `bson:"src"`
	Exposed    bool             `bson:"e,omitempty"`
	Arm        string           `bson:"a,omitempty"` // of an exposure
	Hit        bool             `bson:"h,omitempty"` // a conversion
	Value      float64          `bson:"v,omitempty"` // of a conversion
}

// Stored is the latest result that a job has made of an experiment.
type Stored struct {
	store.Meta `bson:",inline"` // key: workspace/exp_…
	Result     Result           `bson:"result"`
}

// The collections of the package.
var (
	Experiments = store.Declare[Experiment](store.Spec{
		Name: "experiments", Reach: store.ReachNobody,
		Data:    map[string]core.Category{"name": core.None, "hypothesis": core.None, "reason": core.None},
		Indexes: []store.Index{store.On("-createdAt"), store.On("live")},
	})
	Facts = store.Declare[Fact](store.Spec{
		Name: "experiment_facts", Subject: "part",
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part").WithFewTies(), store.On("x", "part", "at")},
	})
	Results = store.Declare[Stored](store.Spec{Name: "experiment_results", Reach: store.ReachNobody, Data: map[string]core.Category{"result": core.None}})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec { return []*store.Spec{Experiments.Spec, Facts.Spec, Results.Spec} }
