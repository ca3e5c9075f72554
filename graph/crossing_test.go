package graph_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTwoWorkspacesDoNotMeet plants a person in each of two workspaces, collects every id
// and cursor that the first gives out, and asks the second for them, changed in all sorts
// of ways: nothing of the first is ever in an answer.
func TestTwoWorkspacesDoNotMeet(t *testing.T) {
	w := newWorld(t)
	other := w.otherWorkspace()
	mark := "zzmark" // stands in everything of the first workspace
	events := []map[string]any{
		{"type": "IDENTIFY", "userId": mark + "-1", "traits": map[string]any{"email": mark + "@a.example", "plan": mark}},
		{"type": "TRACK", "event": mark + " Bought", "userId": mark + "-1", "properties": map[string]any{"total": 7, "note": mark}},
		{"type": "IDENTIFY", "userId": mark + "-2", "traits": map[string]any{"plan": mark}},
	}
	ids := w.ingest(events...)
	d := w.ask(`query($id: ID!) { profile(id: $id) { id cursor events { edges { cursor node { id source } } } } profiles { edges { cursor } pageInfo { endCursor } }
		events { edges { cursor } } sources { id } viewer { id workspaceId } }`, map[string]any{"id": ids[0]})
	raw, err := json.Marshal(d)
	require.NoError(t, err)
	// What the first gave out: ids and cursors.
	var given []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) > 8 {
				given = append(given, v)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var plain any
	require.NoError(t, json.Unmarshal(raw, &plain))
	walk(plain)
	given = append(given, w.ws+"/"+ids[0], ids[0]+"\x00", "../"+w.ws, w.ws)
	queries := []string{
		`query($x: String!, $id: ID!) { profile(id: $id) { id identifiers { value } traits } by: profile(identifier: {namespace: "user_id", value: $x}) { id traits } }`,
		`query($id: ID!) { node(id: $id) { id ... on Profile { traits } ... on Event { properties } ... on Source { name } } }`,
		`query($c: Cursor) { profiles(after: $c) { totalCount edges { node { id traits } } } }`,
		`query($c: Cursor) { events(after: $c) { totalCount edges { node { id name properties } } } }`,
		`query($c: Cursor) { events(before: $c, last: 5) { edges { node { id name properties } } } }`,
		`query($x: JSON!) { profiles(where: {trait: {path: "plan", eq: $x}}) { totalCount edges { node { id } } } }`,
		`query($id: ID!) { profiles(segmentId: $id) { totalCount edges { node { id } } } }`,
		`mutation($id: ID!, $b: ID!) { mergeProfiles(input: {winnerId: $id, loserId: $b, reason: "x"}) { profile { id traits } userErrors { code } } }`,
		`mutation($id: ID!) { unmergeProfiles(input: {mergeId: $id}) { profiles { id } userErrors { code } } }`,
		`query($x: String!) { fieldDefinitions(owner: $x) { owner path sampleValues } }`,
	}
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SampledFrom(given).Draw(t, "given")
		switch rapid.IntRange(0, 4).Draw(t, "how") {
		case 0:
			at := rapid.IntRange(0, len(x)-1).Draw(t, "at")
			x = x[:at] + rapid.SampledFrom([]string{"A", "0", "_", "/", "%", "-"}).Draw(t, "with") + x[at+1:]
		case 1:
			x = x[:rapid.IntRange(1, len(x)).Draw(t, "cut")]
		case 2:
			x += rapid.SampledFrom(given).Draw(t, "more")
		}
		query := rapid.SampledFrom(queries).Draw(t, "query")
		vars := map[string]any{}
		for _, v := range []string{"x", "id", "c", "b"} {
			if strings.Contains(query, "$"+v+":") {
				vars[v] = x
			}
		}
		if strings.Contains(query, "$x") && rapid.Bool().Draw(t, "known") {
			vars["x"] = rapid.SampledFrom([]string{mark, mark + "-1", mark + " Bought", "TRAIT"}).Draw(t, "value")
		}
		body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
		require.NoError(t, err)
		a := w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+other)
		answer := string(a.Body)
		require.NotContains(t, answer, mark, query)
		for _, id := range ids {
			if !strings.Contains(x, id) {
				require.NotContains(t, answer, id, query)
			}
		}
		require.NotContains(t, answer, `"totalCount":1`)
		require.NotContains(t, answer, `"INTERNAL"`, query)
	})
	// The first workspace is as it was.
	again := w.ask(`query($id: ID!) { profile(id: $id) { id traits } profiles { totalCount } }`, map[string]any{"id": ids[0]})
	require.Equal(t, json.Number("2"), dig(again, "profiles", "totalCount"))
}
