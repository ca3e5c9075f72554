package graph_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// TestGoldenMetrics runs the queries of testdata/golden/metrics: see TestGolden.
func TestGoldenMetrics(t *testing.T) {
	w := newWorld(t)
	w.ingest(
		map[string]any{"type": "TRACK", "userId": "ana", "event": "Trip Booked", "timestamp": "2026-03-01T10:00:00Z", "properties": map[string]any{"nights": 3, "board": "half", "total": 100, "currency": "EUR"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-03-02T10:00:00Z", "properties": map[string]any{"nights": 2, "board": "full", "total": 50.5, "currency": "USD"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-03-02T11:00:00Z", "properties": map[string]any{"nights": 1, "board": "full"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-02-02T11:00:00Z", "properties": map[string]any{"nights": 4}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Order Completed", "timestamp": "2026-03-02T11:00:00Z", "properties": map[string]any{"total": 4}},
	)
	golden(t, w, "testdata/golden/metrics", map[string]any{})
}

func did(user, name, day string) map[string]any {
	return map[string]any{"type": "TRACK", "userId": user, "event": name, "timestamp": "2026-03-" + day + "T10:00:00Z"}
}

// TestMetricChangedTellsEveryValue waits for values, not for times: several changes may be
// told by one.
func TestMetricChangedTellsEveryValue(t *testing.T) {
	w := newWorld(t)
	_, err := w.services.Figures.Refold(core.WithActor(context.Background(), access.System(w.ws, "test")), w.ws, true, nil)
	require.NoError(t, err)
	c := w.connect(t, w.admin)
	const asked = `subscription($to:DateTime!) { metricChanged(name:"orders", from:"2026-03-01T00:00:00Z", to:$to, by:["source"], grain:TOTAL) { name rows { value state } } }`
	c.subscribe("1", asked, map[string]any{"to": "2026-04-01T00:00:00Z"})
	value := func(id string) string {
		rows := dig(c.next(id), "metricChanged", "rows").([]any)
		if len(rows) == 0 {
			return ""
		}
		return fmt.Sprint(dig(rows[0], "value"), " ", dig(rows[0], "state"))
	}
	first := value("1")
	require.NotContains(t, first, "1")
	w.ingest(did("ana", "Order Completed", "02"))
	require.Equal(t, "1 OK", value("1"))
	w.ingest(did("bo", "Order Completed", "03"), did("bo", "Order Completed", "04"))
	for got := value("1"); got != "3 OK"; got = value("1") {
		require.Contains(t, []string{"2 OK"}, got)
	}

	// What happened outside the time is not told: the next that comes is of what is inside.
	w.ingest(map[string]any{"type": "TRACK", "userId": "bo", "event": "Order Completed", "timestamp": "2026-01-04T10:00:00Z"})
	w.ingest(did("cy", "Looked", "05"))
	w.ingest(did("cy", "Order Completed", "05"))
	require.Equal(t, "4 OK", value("1"))

	// A metric that is changed counts something else, which is told from then on.
	made := w.ask(`mutation { createMetric(input:{name:"looks", idempotencyKey:"1", definition:{title:"Looks", unit:COUNT, numerator:{value:COUNT, event:"Looked"}}}) { metric { version } userErrors { reason } } }`, nil)
	_, err = w.services.Figures.Refold(core.WithActor(context.Background(), access.System(w.ws, "test")), w.ws, true, nil)
	require.NoError(t, err)
	c.subscribe("3", `subscription { metricChanged(name:"looks", from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z", grain:TOTAL) { name rows { value state } } }`, nil)
	require.Equal(t, "1 OK", value("3"))
	changed := w.ask(`mutation($v:Int!) { updateMetric(input:{name:"looks", expectedVersion:$v, definition:{title:"Looks", unit:COUNT, numerator:{value:COUNT, event:"Peeked"}}}) { userErrors { reason } } }`,
		map[string]any{"v": dig(made, "createMetric", "metric", "version")})
	require.Empty(t, dig(changed, "updateMetric", "userErrors"))
	_, err = w.services.Figures.Refold(core.WithActor(context.Background(), access.System(w.ws, "test")), w.ws, true, nil)
	require.NoError(t, err)
	w.ingest(did("cy", "Peeked", "06"), did("di", "Peeked", "06"))
	for got := value("3"); got != "2 OK"; got = value("3") {
		require.Contains(t, []string{"<nil> INCOMPLETE", "0 OK", "1 OK"}, got)
	}

	c.subscribe("2", `subscription { metricChanged(name:"nothing", from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z") { name } }`, nil)
	f := c.hear()
	require.Equal(t, "2", f.ID)
	require.Contains(t, string(f.Payload), "NOT_FOUND")
}

// TestMetricTables asks for a funnel, cohorts and paths of a small story.
func TestMetricTables(t *testing.T) {
	w := newWorld(t)
	w.ingest(
		did("ana", "Saw", "01"), did("ana", "Put", "02"), did("ana", "Bought", "03"),
		did("bo", "Saw", "01"), did("bo", "Put", "20"), did("bo", "Bought", "21"), // too late
		did("cy", "Saw", "02"), did("cy", "Bought", "03"), // without the second step
		did("di", "Saw", "08"), did("di", "Saw", "16"),
	)
	d := w.ask(`{
		funnel(steps:[{event:"Saw"},{event:"Put"},{event:"Bought"}], within:"P7D", from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z") {
			people share steps { event count { people suppressed } rate median } }
		cohorts(start:{event:"Saw"}, back:{event:"Bought"}, from:"2026-03-02T00:00:00Z", to:"2026-03-23T00:00:00Z", grain:WEEK) {
			rows { from size { people } periods { people } } }
		paths(start:{event:"Saw"}, length:3, first:5, from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z") { people rows { events people } }
		short: paths(start:{event:"Bought"}, length:2, first:1, from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z") { rows { events people } }
	}`, nil)
	steps := dig(d, "funnel", "steps").([]any)
	var people, rates []any
	for _, s := range steps {
		people, rates = append(people, fmt.Sprint(dig(s, "count", "people"))), append(rates, dig(s, "rate"))
	}
	require.Equal(t, []any{"4", "1", "1"}, people)
	require.Equal(t, []any{"1.000000", "0.250000", "0.250000"}, rates)
	require.Equal(t, "PT48H", dig(steps[2], "median"))
	// Cy and Di saw it in the first week, and Cy bought; the others had seen it before.
	require.Equal(t, "[map[from:2026-03-02T00:00:00Z periods:[map[people:1] map[people:0] map[people:0]] size:map[people:2]]"+
		" map[from:2026-03-09T00:00:00Z periods:[map[people:0] map[people:0]] size:map[people:0]]"+
		" map[from:2026-03-16T00:00:00Z periods:[map[people:0]] size:map[people:0]]]", fmt.Sprint(dig(d, "cohorts", "rows")))
	require.Equal(t, "[map[events:[Saw Put Bought] people:2] map[events:[Saw Bought] people:1] map[events:[Saw] people:1]]", fmt.Sprint(dig(d, "paths", "rows")))
	require.Equal(t, "[map[events:[Bought] people:3]]", fmt.Sprint(dig(d, "short", "rows")))

	// Whoever sees aggregates only is shown no small numbers.
	few := w.as(w.analyst, `{ funnel(steps:[{event:"Saw"},{event:"Bought"}], from:"2026-03-01T00:00:00Z", to:"2026-04-01T00:00:00Z") { steps { count { people suppressed } rate } } }`, nil)
	for _, s := range dig(few.Data, "funnel", "steps").([]any) {
		require.Equal(t, true, dig(s, "count", "suppressed"))
		require.Nil(t, dig(s, "count", "people"))
		require.Nil(t, dig(s, "rate"))
	}
}
