package main

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/internal/demo"
)

// inItsYear asks for the year of the demo instead of that of the document.
func inItsYear(text string, lastDay time.Time) string {
	return strings.NewReplacer(
		"2026-01-01T00:00:00Z", lastDay.AddDate(0, -demo.Months, 0).Format(time.RFC3339), "2027-01-01T00:00:00Z", lastDay.AddDate(0, 0, 1).Format(time.RFC3339),
	).Replace(text)
}

// figured reports whether a query asks for figures.
func figured(text string) bool {
	return strings.Contains(text, "metric(") || strings.Contains(text, "attribution(")
}

// silent returns which of the answers have no number: of rows with a state one at least is
// OK, lists are not empty, and nothing else is null.
func silent(t *testing.T, out map[string]json.RawMessage) []string {
	t.Helper()
	var bad []string
	for name, raw := range out {
		var v any
		require.NoError(t, json.Unmarshal(raw, &v))
		if !says(v) {
			bad = append(bad, name)
		}
	}
	slices.Sort(bad)
	return bad
}

// says reports whether there is a number in what was answered.
func says(v any) bool {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			if first, ok := v[0].(map[string]any); ok && first["state"] != nil {
				if _, arms := first["arms"]; !arms {
					return slices.ContainsFunc(v, func(one any) bool { row := one.(map[string]any); return row["state"] == "OK" && row["value"] != nil })
				}
			}
		}
		return slices.ContainsFunc(v, says)
	case map[string]any:
		for key, one := range v {
			if inner, ok := one.(map[string]any); ok && !says(inner) {
				return false
			}
			switch key {
			case "rows", "edges", "predictions", "steps", "comparisons", "moves":
				if list, _ := one.([]any); !says(one) && (key == "rows" || key == "edges" || key == "predictions" || len(list) > 0) {
					return false
				}
			}
		}
		return len(v) > 0
	}
	return v != nil
}

// TestSaysFindsWhatIsMissing: the check of the document's queries can fail.
func TestSaysFindsWhatIsMissing(t *testing.T) {
	for text, want := range map[string]bool{
		`{"rows":[{"value":"1","state":"OK"},{"value":null,"state":"ZERO_DENOMINATOR"}]}`: true,
		`{"rows":[{"value":null,"state":"ZERO_DENOMINATOR"}]}`:                            false,
		`{"rows":[]}`:  false,
		`{"edges":[]}`: false,
		`{"edges":[{"node":{"members":{"edges":[{"node":{"predictions":[{"value":null,"state":"INSUFFICIENT_DATA"}]}}]}}}]}`: false,
		`{"edges":[{"node":{"of":"roas-social","shift":{"moves":[{"channel":"email"}]}}}]}`:                                  true,
		`{"perArm":1031}`: true,
	} {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		require.Equal(t, want, says(v), text)
	}
}

// entered is somebody who came into a programme of the demo.
type entered struct {
	at   time.Time
	held bool
	hit  bool
}

// liftsAsCountedByHand compares what the API says of the demo's programmes with a plain
// reading of the messages of its history.
func liftsAsCountedByHand(t *testing.T, url string, keys *demoKeys) {
	t.Helper()
	type number = json.Number
	var out struct {
		Experiments struct {
			Edges []struct {
				Node struct {
					Name   string
					Size   struct{ PerArm int }
					Result struct {
						State string
						Arms  []struct {
							Name              string
							Judged, Converted int
						}
						Comparisons []struct {
							Lift         number
							LiftInterval struct{ Low, High number }
						}
					}
				}
			}
		}
	}
	query(t, url, keys.AdminKey, `{ experiments(first: 10) { edges { node { name size { perArm } result { state arms { name judged converted }
		comparisons { lift liftInterval { low high } } } } } } }`, nil, &out)
	messages, err := demo.Messages(demo.People, keys.LastDay)
	require.NoError(t, err)
	found := 0
	for _, g := range demo.Programmes {
		for _, e := range out.Experiments.Edges {
			if e.Node.Name != g.Name {
				continue
			}
			found++
			want := perArm(g.Baseline, g.Baseline+g.Effect)
			require.Equal(t, want, e.Node.Size.PerArm, g.Name)
			people := enteredInto(t, messages, g, time.Now())
			n, hits := map[bool]int{}, map[bool]int{}
			for _, p := range people { // the first so many of each arm
				if n[p.held] < want {
					n[p.held]++
					if p.hit {
						hits[p.held]++
					}
				}
			}
			r := e.Node.Result
			require.Len(t, r.Arms, 2)
			require.Equal(t, []int{n[true], hits[true], n[false], hits[false]}, []int{r.Arms[0].Judged, r.Arms[0].Converted, r.Arms[1].Judged, r.Arms[1].Converted}, g.Name)
			p0, p1 := float64(hits[true])/float64(n[true]), float64(hits[false])/float64(n[false])
			half := 1.959963984540054 * math.Sqrt((1-p1)/float64(hits[false])+(1-p0)/float64(hits[true]))
			require.Len(t, r.Comparisons, 1)
			for i, pair := range [][2]any{
				{p1/p0 - 1, r.Comparisons[0].Lift}, {p1/p0*math.Exp(-half) - 1, r.Comparisons[0].LiftInterval.Low}, {p1/p0*math.Exp(half) - 1, r.Comparisons[0].LiftInterval.High},
			} {
				said, err := strconv.ParseFloat(string(pair[1].(number)), 64)
				require.NoError(t, err)
				require.InDelta(t, pair[0], said, 1e-6, "%s, %d", g.Name, i)
			}
			require.Positive(t, p1/p0-1, g.Name)
		}
	}
	require.Equal(t, len(demo.Programmes), found)
}

// perArm is how many people each arm needs, at a level of 0.05 with a power of 0.8.
func perArm(p, q float64) int {
	root := 1.959963984540054*math.Sqrt(2*p*(1-p)) + 0.8416212335729143*math.Sqrt(p*(1-p)+q*(1-q))
	return int(math.Ceil(root * root / ((q - p) * (q - p))))
}

// enteredInto returns who came into a programme so long ago that the time to order is over,
// the first to enter first.
func enteredInto(t *testing.T, messages []json.RawMessage, g demo.Programme, now time.Time) []entered {
	t.Helper()
	type happened struct {
		Event, UserID, AnonymousID string
		Timestamp                  time.Time
		Properties                 struct{ Programme, Arm string }
	}
	all, owner := make([]happened, len(messages)), map[string]string{}
	for i, m := range messages {
		require.NoError(t, json.Unmarshal(m, &all[i]))
		if all[i].UserID != "" {
			owner[all[i].AnonymousID] = all[i].UserID
		}
	}
	orders, in := map[string][]time.Time{}, map[string]*entered{}
	for _, h := range all {
		who := owner[h.AnonymousID]
		switch {
		case h.Event == "Order Completed":
			orders[who] = append(orders[who], h.Timestamp)
		case h.Event == demo.ProgrammeEntered && h.Properties.Programme == g.Key && in[who] == nil:
			in[who] = &entered{at: h.Timestamp, held: h.Properties.Arm == demo.Holdout}
		}
	}
	var out []entered
	for who, e := range in {
		until := e.at.Add(g.Window)
		if !now.After(until) {
			continue
		}
		for _, at := range orders[who] {
			e.hit = e.hit || !at.Before(e.at) && !at.After(until)
		}
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b entered) int { return a.at.Compare(b.at) })
	return out
}
