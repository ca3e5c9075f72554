package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Violation is one way in which an event does not keep to the plan. It says where
// and what would be right, never what was sent.
type Violation struct {
	Path    []string // from the event: ["properties", "total"]
	Message string
}

// Verdict is what the tracking plan says of an event.
type Verdict struct {
	Action     Action
	Reason     string // ReasonPlanViolation or ReasonUnplanned; "" when nothing is wrong
	Violations []Violation
	Version    int64 // of the plan
}

// Err returns the reason to keep the event aside, nil unless Action is
// QuarantineEvent.
func (v Verdict) Err() *core.Error {
	if v.Action != QuarantineEvent {
		return nil
	}
	if v.Reason == ReasonUnplanned {
		return invalid(ReasonUnplanned, "the tracking plan does not know this event").At("event")
	}
	first := v.Violations[0]
	err := invalid(ReasonPlanViolation, "against the tracking plan: %s", first.Message).At(first.Path...)
	if more := len(v.Violations) - 1; more > 0 {
		err.Message += fmt.Sprintf(" (and %d more)", more)
	}
	return err
}

// maxViolations bounds what is told of one event.
const maxViolations = 20

// compiledPlan is a plan ready to be used.
type compiledPlan struct {
	plan  *Plan
	rules map[string]compiledRule
}

type compiledRule struct {
	schema *jsonschema.Schema
	action Action
}

// Check says what the workspace's tracking plan wants done with an event. Compiled
// schemas are kept; the plan's version is looked up once per CacheTTL.
func (s *Service) Check(ctx context.Context, ws string, in *Input) (Verdict, *core.Error) {
	p, err := s.plans.get(ws, s.clock.Now(), func(old *compiledPlan) (*compiledPlan, error) {
		return s.compilePlan(ctx, ws, old)
	})
	if err != nil {
		return Verdict{}, core.AsError(outward(err))
	}
	return p.check(in), nil
}

func (s *Service) compilePlan(ctx context.Context, ws string, old *compiledPlan) (*compiledPlan, error) {
	p, err := Plans.Get(ctx, s.db, planKey(ws))
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = emptyPlan(ws)
	}
	if old != nil && old.plan.V == p.V {
		return old, nil
	}
	c := &compiledPlan{plan: p, rules: make(map[string]compiledRule, len(p.Rules))}
	for _, r := range p.Rules {
		schema, err := compileSchema(r.Schema)
		if err != nil {
			return nil, err.At("rules", r.Event) // it compiled when it was set
		}
		c.rules[r.Event] = compiledRule{schema, r.Action}
	}
	return c, nil
}

func (p *compiledPlan) check(in *Input) Verdict {
	v := Verdict{Action: Allow, Version: p.plan.V}
	if in.Type == System {
		return v
	}
	rule, planned := p.rules[in.Name]
	if !planned {
		if in.Type == Track && p.plan.Unplanned != Allow {
			v.Action, v.Reason = p.plan.Unplanned, ReasonUnplanned
		}
		return v
	}
	if rule.action == Allow {
		return v
	}
	where, doc := "properties", in.Properties
	if in.Type == Identify || in.Type == Group {
		where, doc = "traits", in.Traits
	}
	err := rule.schema.Validate(instance(bson.TypeEmbeddedDocument, doc))
	var bad *jsonschema.ValidationError
	if errors.As(err, &bad) {
		v.Action, v.Reason = rule.action, ReasonPlanViolation
		v.Violations = violations(nil, where, bad)
	}
	return v
}

// instance turns a value into what the validator takes; numbers keep every digit.
func instance(t bson.Type, val []byte) any {
	v := bson.RawValue{Type: t, Value: val}
	switch t {
	case bson.TypeEmbeddedDocument:
		m := map[string]any{}
		for it := Elements(val); it.Next(); {
			m[string(it.key)] = instance(it.t, it.val)
		}
		return m
	case bson.TypeArray:
		list := []any{}
		for it := Elements(val); it.Next(); {
			list = append(list, instance(it.t, it.val))
		}
		return list
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeBoolean:
		return v.Boolean()
	case bson.TypeNull:
		return nil
	case bson.TypeInt64:
		return json.Number(strconv.FormatInt(v.Int64(), 10))
	}
	text, err := ValueToJSON(v)
	if err != nil {
		return nil
	}
	if len(text) > 0 && text[0] == '"' {
		return string(text[1 : len(text)-1]) // a time
	}
	return json.Number(text)
}

// violations appends the leaves of a validation error.
func violations(out []Violation, where string, e *jsonschema.ValidationError) []Violation {
	if len(out) >= maxViolations {
		return out
	}
	// What failed in each branch of anyOf and the like says less than that none fits.
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains:
	default:
		if len(e.Causes) > 0 {
			for _, c := range e.Causes {
				out = violations(out, where, c)
			}
			return out
		}
	}
	return append(out, Violation{Path: append([]string{where}, e.InstanceLocation...), Message: rightWould(e.ErrorKind)})
}

// rightWould says what would be right, without the value that is wrong.
func rightWould(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "must be " + strings.Join(k.Want, " or ") + ", not " + k.Got
	case *kind.Required:
		return "must have " + quoted(k.Missing)
	case *kind.DependentRequired:
		return "must have " + quoted(k.Missing) + " beside " + strconv.Quote(k.Prop)
	case *kind.Dependency:
		return "must have " + quoted(k.Missing) + " beside " + strconv.Quote(k.Prop)
	case *kind.AdditionalProperties:
		return "may not have " + quoted(k.Properties)
	case *kind.FalseSchema:
		return "may not be there"
	case *kind.Enum:
		return "must be one of " + jsonList(k.Want)
	case *kind.Const:
		return "must be " + jsonList([]any{k.Want})
	case *kind.Format:
		return "must have the format " + strconv.Quote(k.Want)
	case *kind.Pattern:
		return "must match " + strconv.Quote(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d members", k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d members", k.Want)
	case *kind.Minimum:
		return "must be at least " + ratText(k.Want)
	case *kind.Maximum:
		return "must be at most " + ratText(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be greater than " + ratText(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + ratText(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + ratText(k.Want)
	case *kind.UniqueItems:
		return "must not hold the same item twice"
	}
	return "must satisfy " + strconv.Quote(strings.Join(k.KeywordPath(), "/"))
}

func quoted(names []string) string {
	out := make([]string, 0, len(names))
	for _, n := range names[:min(len(names), 10)] {
		out = append(out, strconv.Quote(n))
	}
	if len(names) > 10 {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

func jsonList(values []any) string {
	var b bytes.Buffer
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		text, err := json.Marshal(v)
		if err != nil || b.Len()+len(text) > 500 {
			b.WriteString("…")
			break
		}
		b.Write(text)
	}
	return b.String()
}

func itoa(i int) string { return strconv.Itoa(i) }
