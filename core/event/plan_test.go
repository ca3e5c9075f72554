package event_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

const orderSchema = `{
	"type":"object","required":["order_id","total"],"additionalProperties":false,
	"properties":{
		"order_id":{"type":"string","pattern":"^A-[0-9]+$"},
		"total":{"type":"number","minimum":0,"multipleOf":0.01},
		"currency":{"enum":["EUR","RON"]},
		"email":{"type":"string","format":"email"},
		"products":{"type":"array","maxItems":2,"items":{"$ref":"#/$defs/line"}}},
	"$defs":{"line":{"type":"object","required":["sku"],"properties":{"quantity":{"type":"integer","exclusiveMinimum":0}}}}}`

func setPlan(t *testing.T, f *fixture, unplanned event.Action, rules ...event.PlanRule) *event.Plan {
	t.Helper()
	p, err := f.SetPlan(t.Context(), ws, event.PlanUpdate{Rules: rules, Unplanned: unplanned})
	require.NoError(t, err)
	return p
}

func check(t *testing.T, f *fixture, raw string) event.Verdict {
	t.Helper()
	in := decode(raw)
	require.Nil(t, in.Err)
	v, err := f.Check(t.Context(), ws, &in)
	require.Nil(t, err)
	return v
}

func order(props string) string {
	return `{"type":"track","event":"Order Completed","userId":"u","properties":` + props + `}`
}

func TestNoPlanAllowsEverything(t *testing.T) {
	f := open(t)
	v := check(t, f, order(`{}`))
	assert.Equal(t, event.Allow, v.Action)
	assert.Nil(t, v.Err())
	p, err := f.Plan(t.Context(), ws)
	require.NoError(t, err)
	assert.Zero(t, p.V)
}

func TestViolationsSayWhereAndWhatWouldBeRight(t *testing.T) {
	f := open(t)
	setPlan(t, f, event.Allow, event.PlanRule{Event: "Order Completed", Schema: orderSchema, Action: event.Warn})
	assert.Empty(t, check(t, f, order(`{"order_id":"A-1","total":12345678901234567890.11,"products":[{"sku":"s","quantity":2}]}`)).Violations)
	for name, c := range map[string]struct{ props, path, message string }{
		"missing":      {`{"order_id":"A-1"}`, "properties", `must have "total"`},
		"type":         {`{"order_id":"A-1","total":"secret"}`, "properties.total", "must be number, not string"},
		"pattern":      {`{"order_id":"secret","total":1}`, "properties.order_id", `must match "^A-[0-9]+$"`},
		"minimum":      {`{"order_id":"A-1","total":-77}`, "properties.total", "must be at least 0"},
		"multiple":     {`{"order_id":"A-1","total":1.777}`, "properties.total", "must be a multiple of 0.01"},
		"enum":         {`{"order_id":"A-1","total":1,"currency":"secret"}`, "properties.currency", `must be one of "EUR", "RON"`},
		"format":       {`{"order_id":"A-1","total":1,"email":"secret"}`, "properties.email", `must have the format "email"`},
		"unknown":      {`{"order_id":"A-1","total":1,"x":"secret"}`, "properties", `may not have "x"`},
		"too many":     {`{"order_id":"A-1","total":1,"products":[{"sku":1},{"sku":1},{"sku":1}]}`, "properties.products", "must have at most 2 items"},
		"in an object": {`{"order_id":"A-1","total":1,"products":[{"sku":1,"quantity":0}]}`, "properties.products.0.quantity", "must be greater than 0"},
		"whole number": {`{"order_id":"A-1","total":1,"products":[{"sku":1,"quantity":1.5}]}`, "properties.products.0.quantity", "must be integer, not number"},
	} {
		t.Run(name, func(t *testing.T) {
			v := check(t, f, order(c.props))
			assert.Equal(t, event.Warn, v.Action)
			assert.Equal(t, event.ReasonPlanViolation, v.Reason)
			require.Len(t, v.Violations, 1)
			assert.Equal(t, c.path, strings.Join(v.Violations[0].Path, "."))
			assert.Equal(t, c.message, v.Violations[0].Message)
			assert.NotContains(t, v.Violations[0].Message, "secret")
			assert.NotContains(t, v.Violations[0].Message, "77")
			assert.Nil(t, v.Err(), "a warning keeps nothing out")
		})
	}
	assert.Len(t, check(t, f, order(`{"order_id":5,"total":"a"}`)).Violations, 2)
}

func TestPlanActions(t *testing.T) {
	f := open(t)
	setPlan(t, f, event.QuarantineEvent,
		event.PlanRule{Event: "Order Completed", Schema: orderSchema, Action: event.QuarantineEvent},
		event.PlanRule{Event: "Identified", Schema: `{"required":["email"]}`, Action: event.QuarantineEvent},
		event.PlanRule{Event: "Free", Schema: `false`, Action: event.Allow},
	)
	err := check(t, f, order(`{"order_id":"A-1","total":"x","extra":1}`)).Err()
	require.NotNil(t, err)
	assert.Equal(t, event.ReasonPlanViolation, err.Reason)
	assert.Contains(t, err.Message, "(and 1 more)")
	assert.NotEmpty(t, err.Path)

	assert.Equal(t, event.ReasonUnplanned, check(t, f, `{"type":"track","event":"Odd","userId":"u"}`).Err().Reason)
	assert.Nil(t, check(t, f, `{"type":"page","userId":"u"}`).Err(), "only track events have names to plan")
	assert.Nil(t, check(t, f, `{"type":"track","event":"Free","userId":"u"}`).Err())
	assert.NotNil(t, check(t, f, `{"type":"identify","userId":"u","traits":{"name":"n"}}`).Err())
	assert.Nil(t, check(t, f, `{"type":"identify","userId":"u","traits":{"email":"e"}}`).Err())
	system := event.Input{Type: event.System, Name: "Odd"}
	v, fault := f.Check(t.Context(), ws, &system)
	require.Nil(t, fault)
	assert.Equal(t, event.Allow, v.Action)
}

func TestBadPlans(t *testing.T) {
	f := open(t)
	rule := func(schema string) []event.PlanRule { return []event.PlanRule{{Event: "x", Schema: schema}} }
	for name, c := range map[string]struct {
		rules  []event.PlanRule
		reason string
	}{
		"not JSON":         {rule(`{`), "SCHEMA"},
		"not a schema":     {rule(`{"type":"animal"}`), "SCHEMA"},
		"number":           {rule(`5`), "SCHEMA"},
		"bad pattern":      {rule(`{"pattern":"(a"}`), "SCHEMA"},
		"look-around":      {rule(`{"pattern":"(?=a)"}`), "SCHEMA"},
		"file":             {rule(`{"$ref":"file:///etc/passwd"}`), "SCHEMA_REF"},
		"relative file":    {rule(`{"$ref":"passwd.json"}`), "SCHEMA_REF"},
		"network":          {rule(`{"properties":{"a":{"$ref":"http://127.0.0.1:1/x.json"}}}`), "SCHEMA_REF"},
		"by its id":        {rule(`{"$id":"http://127.0.0.1:1/a","$ref":"b.json"}`), "SCHEMA_REF"},
		"other metaschema": {rule(`{"$schema":"http://127.0.0.1:1/draft"}`), "SCHEMA_REF"},
		"too large":        {rule(`{"title":"` + strings.Repeat("x", 64<<10) + `"}`), "SCHEMA_TOO_LARGE"},
		"action":           {[]event.PlanRule{{Event: "x", Schema: `true`, Action: "DROP"}}, "ACTION"},
		"no event":         {[]event.PlanRule{{Schema: `true`}}, "EVENT"},
		"twice":            {append(rule(`true`), rule(`true`)...), "DUPLICATE_RULE"},
		"too many":         {make([]event.PlanRule, event.MaxPlanRules+1), "PLAN_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.SetPlan(t.Context(), ws, event.PlanUpdate{Rules: c.rules})
			require.Error(t, err)
			assert.Equal(t, core.Invalid, core.CodeOf(err))
			assert.Equal(t, c.reason, reason(t, err))
		})
	}
	_, err := f.SetPlan(t.Context(), ws, event.PlanUpdate{Unplanned: "DROP"})
	assert.Equal(t, "ACTION", reason(t, err))
	p, err := f.Plan(t.Context(), ws)
	require.NoError(t, err)
	assert.Zero(t, p.V, "nothing was stored")
}

func TestPlanVersions(t *testing.T) {
	f := open(t)
	ctx := core.WithActor(context.Background(), &core.Actor{ID: "key_1"})
	p, err := f.SetPlan(ctx, ws, event.PlanUpdate{Unplanned: event.Warn, ExpectedVersion: ptr(int64(0))})
	require.NoError(t, err)
	assert.EqualValues(t, 1, p.V)
	assert.Equal(t, "key_1", p.UpdatedBy)
	_, err = f.SetPlan(ctx, ws, event.PlanUpdate{ExpectedVersion: ptr(int64(0))})
	assert.Equal(t, "VERSION_CONFLICT", reason(t, err))
	p, err = f.SetPlan(ctx, ws, event.PlanUpdate{ExpectedVersion: ptr(int64(1))})
	require.NoError(t, err)
	assert.EqualValues(t, 2, p.V)
}

func TestAnotherProcessesPlanHoldsWithinASecond(t *testing.T) {
	f := open(t)
	g := f.second(t)
	const odd = `{"type":"track","event":"Odd","userId":"u"}`
	assert.Nil(t, check(t, f, odd).Err())
	setPlan(t, g, event.QuarantineEvent)
	assert.NotNil(t, check(t, g, odd).Err(), "at once where it was set")
	f.clock.Advance(event.CacheTTL)
	assert.NotNil(t, check(t, f, odd).Err())
	reads := f.db.reads.Load()
	for range 1000 {
		check(t, f, odd)
	}
	assert.Equal(t, reads, f.db.reads.Load())
}
