package graph_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExperimentPlanOverGraphQL(t *testing.T) {
	w := newWorld(t)
	d := w.ask(`{ experimentPlan(baseline: 0.2, effect: "0.05") { perArm exact formula alpha } }`, nil)
	require.Equal(t, "1031", fmt.Sprint(dig(d, "experimentPlan", "perArm")))
	require.Equal(t, "TWO_PROPORTIONS_BASELINE_NULL", dig(d, "experimentPlan", "formula"))
	a := w.as(w.admin, `{ experimentPlan(baseline: 1, effect: 0.05) { perArm } }`, nil)
	require.Contains(t, string(a.Body), `"inputPath":["baseline"]`)

	create := `mutation($power: Decimal!) { createExperiment(input: {name: "Green", idempotencyKey: "k", plan: {event: "Order Completed", window: "P1D", baseline: "0.1", effect: 0.5, power: $power,
		arms: [{name: "control"}, {name: "green"}], assignment: {via: EVENT, event: "Experiment Viewed", armPath: "properties.variation"}}}) {
		experiment { id status version size { perArm } plan { baseline arms { name weight } } } userErrors { reason path } } }`
	d = w.ask(create, map[string]any{"power": "1"})
	require.Equal(t, []any{"input", "plan", "power"}, dig(d, "createExperiment", "userErrors", 0, "path"))
	d = w.ask(create, map[string]any{"power": "0.8"})
	id, _ := dig(d, "createExperiment", "experiment", "id").(string)
	require.NotEmpty(t, id, "%v", d)
	d = w.ask(`mutation($id: ID!) { startExperiment(input: {id: $id, expectedVersion: 1}) { experiment { status hash version } userErrors { reason } } }`, map[string]any{"id": id})
	require.Equal(t, "RUNNING", dig(d, "startExperiment", "experiment", "status"), "%v", d)
	d = w.ask(`mutation($id: ID!) { updateExperiment(input: {id: $id, expectedVersion: 2, name: "Red"}) { userErrors { code reason } } }`, map[string]any{"id": id})
	require.Equal(t, "FROZEN", dig(d, "updateExperiment", "userErrors", 0, "reason"))
	d = w.ask(`mutation($id: ID!) { concludeExperiment(input: {id: $id, winner: "green"}) { userErrors { code reason } } }`, map[string]any{"id": id})
	require.Equal(t, "INSUFFICIENT_DATA", dig(d, "concludeExperiment", "userErrors", 0, "reason"))
	d = w.ask(`{ experiments(first: 5) { totalCount edges { node { name result { state arms { name missing converted } comparisons { arm } } } } } }`, nil)
	require.Equal(t, "INSUFFICIENT_DATA", dig(d, "experiments", "edges", 0, "node", "result", "state"))
	a = w.as(w.analyst, `mutation($id: ID!) { startExperiment(input: {id: $id}) { experiment { id } } }`, map[string]any{"id": id})
	require.Contains(t, string(a.Body), "FORBIDDEN")
}

// An analyst reads no identifiers in clear: what few people are behind is withheld.
func TestAttributionOverGraphQL(t *testing.T) {
	w := newWorld(t)
	now := time.Now().UTC()
	at := func(hours int) string { return now.Add(time.Duration(hours) * time.Hour).Format(time.RFC3339) }
	for i := range 15 {
		user, medium := fmt.Sprint("u", i), "email"
		if i >= 12 {
			medium = "cpc"
		}
		w.ingest(
			map[string]any{"type": "PAGE", "userId": user, "timestamp": at(-3), "context": map[string]any{"campaign": map[string]any{"medium": medium}}},
			map[string]any{"type": "TRACK", "event": "Order Completed", "userId": user, "timestamp": at(-2), "properties": map[string]any{"total": 9.99, "currency": "EUR"}},
		)
	}
	ask := `query($from: DateTime!, $to: DateTime!) { attribution(model: SHAPLEY, conversion: "purchase", from: $from, to: $to) {
		suppressed conversions amounts { currency amount } rows { values suppressed conversions touched amounts { amount } } } }`
	vars := map[string]any{"from": at(-24), "to": at(1)}
	d := w.ask(ask, vars)
	require.Equal(t, "15", fmt.Sprint(dig(d, "attribution", "conversions")))
	require.Equal(t, "149.85", dig(d, "attribution", "amounts", 0, "amount"))
	require.Equal(t, "email", dig(d, "attribution", "rows", 0, "values", 0))
	require.Equal(t, "12.0000", dig(d, "attribution", "rows", 0, "conversions"))
	require.Equal(t, "119.88", dig(d, "attribution", "rows", 0, "amounts", 0, "amount"))
	require.Equal(t, "3.0000", dig(d, "attribution", "rows", 1, "conversions"))

	a := w.as(w.analyst, ask, vars)
	require.Empty(t, a.Errors, string(a.Body))
	for i := range 2 { // one alone would follow from the total
		require.Equal(t, true, dig(a.Data, "attribution", "rows", i, "suppressed"))
		require.Nil(t, dig(a.Data, "attribution", "rows", i, "conversions"))
	}
	require.Equal(t, "15", fmt.Sprint(dig(a.Data, "attribution", "conversions")))

	d = w.ask(`{ attributionRules { version touches { key channel { path } } conversions { key } } }`, nil)
	require.Equal(t, "message-click", dig(d, "attributionRules", "touches", 0, "key"))
	d = w.ask(`mutation { setAttributionRules(input: {expectedVersion: 0, touches: [{key: "a", event: "A", channel: [{}]}], conversions: []}) { rules { version } userErrors { path } } }`, nil)
	require.Equal(t, []any{"input", "touches", "0", "channel", "0"}, dig(d, "setAttributionRules", "userErrors", 0, "path"))
}
