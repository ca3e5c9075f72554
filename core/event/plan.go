package event

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Action is what becomes of an event that does not keep to the plan.
type Action string

// The actions.
const (
	Allow           Action = "ALLOW"      // taken, nothing said
	Warn            Action = "WARN"       // taken; its violations are counted and shown
	QuarantineEvent Action = "QUARANTINE" // kept aside
)

var actions = []Action{Allow, Warn, QuarantineEvent}

// The limits of a tracking plan.
const (
	MaxPlanRules  = 1000
	MaxRuleSchema = 64 << 10 // bytes of one schema
	MaxPlanBytes  = 1 << 20  // of all schemas
)

// PlanRule says what an event must look like. Its schema, a JSON Schema (draft
// 2020-12 unless it says otherwise), is checked against the properties; of
// "Identified" and "Grouped" against the traits.
type PlanRule struct {
	Event       string `bson:"event"`
	Schema      string `bson:"schema"` // JSON text
	Action      Action `bson:"action"`
	Description string `bson:"description,omitempty"`
}

// Plan is a workspace's tracking plan. Its version is that of the document.
type Plan struct {
	store.Meta `bson:",inline"` // key: workspace/plan
	Rules      []PlanRule       `bson:"rules,omitempty"`
	Unplanned  Action           `bson:"unplanned"` // what becomes of track events that no rule names
	UpdatedAt  time.Time        `bson:"updatedAt"`
	UpdatedBy  string           `bson:"updatedBy,omitempty"` // the actor's id
}

// Plans holds the tracking plans, one a workspace.
var Plans = store.Declare[Plan](store.Spec{Name: "plans"})

func planKey(ws string) string { return store.Key(ws, "plan") }

// PlanUpdate is a whole new plan.
type PlanUpdate struct {
	Rules           []PlanRule
	Unplanned       Action
	ExpectedVersion *int64 // 0: there is none yet
	DryRun          bool   // only check it, and show what it would be
}

// Plan returns the workspace's tracking plan; one that allows everything, with
// version 0, when none was set.
func (s *Service) Plan(ctx context.Context, ws string) (*Plan, error) {
	p, err := Plans.Get(ctx, s.db, planKey(ws))
	if err != nil {
		return nil, outward(err)
	}
	if p == nil {
		p = emptyPlan(ws)
	}
	return p, nil
}

func emptyPlan(ws string) *Plan {
	return &Plan{Meta: store.Meta{ID: planKey(ws)}, Unplanned: Allow}
}

// SetPlan replaces the workspace's tracking plan. A schema that does not compile,
// refers to anything outside itself, or is too large is INVALID.
func (s *Service) SetPlan(ctx context.Context, ws string, u PlanUpdate) (*Plan, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	var p *Plan
	err := retry(func() (err error) {
		if p, err = Plans.Get(ctx, s.db, planKey(ws)); err != nil {
			return err
		}
		if p == nil {
			p = emptyPlan(ws)
		}
		if u.ExpectedVersion != nil && *u.ExpectedVersion != p.V {
			return staleVersion("the tracking plan", p.V, *u.ExpectedVersion)
		}
		p.Rules, p.Unplanned = slices.Clone(u.Rules), u.Unplanned
		p.UpdatedAt, p.UpdatedBy = s.clock.Now().UTC().Truncate(time.Millisecond), actorID(ctx)
		if u.DryRun {
			return nil
		}
		return s.commit(ctx, Plans.Put(p))
	})
	if err != nil {
		return nil, err
	}
	if u.DryRun {
		return p, nil
	}
	s.plans.drop(ws)
	p.V++
	return p, nil
}

func actorID(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return ""
}

// check completes the update and refuses what cannot be a plan.
func (u *PlanUpdate) check() error {
	if u.Unplanned == "" {
		u.Unplanned = Allow
	}
	if !slices.Contains(actions, u.Unplanned) {
		return invalid("ACTION", "the action is one of %s", joined(actions)).At("unplanned")
	}
	if len(u.Rules) > MaxPlanRules {
		return invalid("PLAN_TOO_LARGE", "a tracking plan has at most %d rules", MaxPlanRules).At("rules")
	}
	u.Rules = slices.Clone(u.Rules)
	seen, size := map[string]bool{}, 0
	for i := range u.Rules {
		r := &u.Rules[i]
		if err := r.check(); err != nil {
			return err.At("rules", itoa(i))
		}
		if seen[r.Event] {
			return invalid("DUPLICATE_RULE", "two rules name the same event").At("rules", itoa(i), "event")
		}
		seen[r.Event] = true
		size += len(r.Schema)
	}
	if size > MaxPlanBytes {
		return invalid("PLAN_TOO_LARGE", "the schemas of a tracking plan have at most %d bytes in all", MaxPlanBytes).At("rules")
	}
	return nil
}

func (r *PlanRule) check() *core.Error {
	if r.Event == "" || len(r.Event) > MaxName {
		return invalid("EVENT", "a rule names an event, with 1 to %d bytes", MaxName).At("event")
	}
	if r.Action == "" {
		r.Action = Warn
	}
	if !slices.Contains(actions, r.Action) {
		return invalid("ACTION", "the action is one of %s", joined(actions)).At("action")
	}
	if len(r.Schema) > MaxRuleSchema {
		return invalid("SCHEMA_TOO_LARGE", "a schema has at most %d bytes", MaxRuleSchema).At("schema")
	}
	if !json.Valid([]byte(r.Schema)) {
		return invalid("SCHEMA", "a schema is JSON text").At("schema")
	}
	if _, err := compileSchema(r.Schema); err != nil {
		return err.At("schema")
	}
	return nil
}
