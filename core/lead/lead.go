package lead

import (
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Lead is what is known of one person: the fold of their events, part by part.
type Lead struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Rev        int64            `bson:"rev"`   // version of the model that it was last folded by
	Parts      []Part           `bson:"parts"` // sorted by part
	Fits       []FitState       `bson:"fits,omitempty"`
	Qualified  bool             `bson:"qualified,omitempty"` // as it is once the latches are told
	Latches    []Latch          `bson:"latches,omitempty"`   // crossings that no event tells of yet, in order
	Shard      int64            `bson:"shard"`
	Due        time.Time        `bson:"due,omitempty"` // when the sweep must look; zero: never
}

// Part is what the events of one part of the person say.
type Part struct {
	Part  string      `bson:"p"`
	Rules []RuleState `bson:"r,omitempty"` // of engagement; sorted by rule
	Given []Given     `bson:"v,omitempty"` // beside the rules; sorted by whoever gave them
	// What was last told of the part.
	Told        bool      `bson:"q,omitempty"` // Lead Qualified, and not Lead Cooled since
	ToldAt      time.Time `bson:"qa,omitempty"`
	Published   int64     `bson:"s,omitempty"`
	PublishedAt time.Time `bson:"sa,omitempty"`
	Stage       string    `bson:"g,omitempty"`
	StageAt     time.Time `bson:"ga,omitempty"`
	StageEvent  string    `bson:"ge,omitempty"` // evt_…
	Supersedes  []string  `bson:"gs,omitempty"` // evt_… of other parts, whose stages hold no more while this one is here
	Converted   time.Time `bson:"c,omitempty"`
}

// RuleState counts the events of one rule.
type RuleState struct {
	Rule  string    `bson:"r"`           // hash of what the rule says
	Count int64     `bson:"n"`           // of events, ever
	Value float64   `bson:"v,omitempty"` // of HALF_LIFE: how many events' worth was left at At
	At    time.Time `bson:"t,omitempty"`
	Days  []Day     `bson:"d,omitempty"` // of LINEAR
}

// Given is the points that were given beside the rules: they do not fade.
type Given struct {
	By     string `bson:"b"` // who gave them: a journey and its node, say
	Points int64  `bson:"p"`
	Count  int64  `bson:"n"`           // of adjustments
	Reason string `bson:"w,omitempty"` // of the last one
}

// Day is how many events there were on one day, UTC.
type Day struct {
	Day int64 `bson:"d"` // since 1970-01-01
	N   int64 `bson:"n"`
}

// FitState is the answer to one rule about fit.
type FitState struct {
	Rule string    `bson:"r"`
	In   bool      `bson:"i,omitempty"`
	Next time.Time `bson:"x,omitempty"` // when it can change by itself, or must be asked; zero: never
}

// Latch is a crossing that is not told yet.
type Latch struct {
	Up    bool      `bson:"u,omitempty"`
	At    time.Time `bson:"t"`
	Score int64     `bson:"s"`
}

// guard makes those exclude each other who tell of one person, or move them.
type guard struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	N          int64            `bson:"n"`
}

// The collections.
var (
	Leads = store.Declare[Lead](store.Spec{
		Name: "leads", Derived: true, Subject: "_id",
		Data:    map[string]core.Category{"*": core.Inferred},
		Indexes: []store.Index{store.On("shard", "due").WithFewTies()},
	})
	guards = store.Declare[guard](store.Spec{Name: "lead_guards", Subject: "_id", Data: map[string]core.Category{"*": core.Behaviour}})
	models = store.Declare[Model](store.Spec{
		Name: "lead_models", Reach: store.ReachNobody, // what members of the workspace wrote
		Data: map[string]core.Category{"rules": core.Unclassified},
	})
	machines = store.Declare[Machine](store.Spec{Name: "lead_stages"})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Leads.Spec, guards.Spec, models.Spec, machines.Spec}
}

// ProfileID returns the id of the profile.
func (l *Lead) ProfileID() string { return store.Rest(l.ID) }

func newLead(key string) *Lead {
	return &Lead{Meta: store.Meta{ID: key}, Shard: int64(profile.BucketOf(store.Rest(key), "")) % shards}
}

// clone returns a copy that shares nothing that changes.
func (l *Lead) clone() *Lead {
	c := *l
	c.Fits, c.Latches, c.Parts = slices.Clone(l.Fits), slices.Clone(l.Latches), slices.Clone(l.Parts)
	for i := range c.Parts {
		c.Parts[i] = c.Parts[i].clone()
	}
	return &c
}

func (p Part) clone() Part {
	p.Rules, p.Given = slices.Clone(p.Rules), slices.Clone(p.Given)
	for i := range p.Rules {
		p.Rules[i].Days = slices.Clone(p.Rules[i].Days)
	}
	return p
}

// part returns what is known of a part, made when there is nothing.
func (l *Lead) part(id string) *Part {
	i, ok := slices.BinarySearchFunc(l.Parts, id, func(p Part, id string) int { return strings.Compare(p.Part, id) })
	if !ok {
		l.Parts = slices.Insert(l.Parts, i, Part{Part: id})
	}
	return &l.Parts[i]
}

// empty reports whether nothing is known that must be kept.
func (l *Lead) empty() bool {
	return len(l.Parts) == 0 && len(l.Latches) == 0 && !slices.ContainsFunc(l.Fits, func(f FitState) bool { return f.In || !f.Next.IsZero() })
}

// told reports whether the person was last told to have qualified.
func (l *Lead) told() bool {
	var last *Part
	for i := range l.Parts {
		p := &l.Parts[i]
		if !p.ToldAt.IsZero() && (last == nil || p.ToldAt.After(last.ToldAt) || p.ToldAt.Equal(last.ToldAt) && p.Told) {
			last = p
		}
	}
	return last != nil && last.Told
}

// published returns the score that was last published, and when; the zero time: never.
func (l *Lead) published() (score int64, at time.Time) {
	for i := range l.Parts {
		if p := &l.Parts[i]; p.PublishedAt.After(at) {
			score, at = p.Published, p.PublishedAt
		}
	}
	return score, at
}

// fit returns the answer to a rule, made when there is none.
func (l *Lead) fit(id string) *FitState {
	i, ok := slices.BinarySearchFunc(l.Fits, id, func(f FitState, id string) int { return strings.Compare(f.Rule, id) })
	if !ok {
		l.Fits = slices.Insert(l.Fits, i, FitState{Rule: id})
	}
	return &l.Fits[i]
}

// state returns the counts of a rule, made when there are none.
func (p *Part) state(id string) *RuleState {
	i, ok := slices.BinarySearchFunc(p.Rules, id, func(r RuleState, id string) int { return strings.Compare(r.Rule, id) })
	if !ok {
		p.Rules = slices.Insert(p.Rules, i, RuleState{Rule: id})
	}
	return &p.Rules[i]
}
