package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// Nobody makes readable what they may not read, by saying that it holds something else.
func TestFieldsAreNotOpenedByWhoMayNotReadThem(t *testing.T) {
	w := newWorld(t)
	w.services.Access.SetPolicy(w.policy)
	id := w.ingest(identify("u1", map[string]any{"diagnosis": "canary-flu"}))[0]
	const set = `mutation($c: DataCategory!) { setFieldDefinition(input: {owner: "TRAIT", path: "diagnosis", category: $c}) { fieldDefinition { category } userErrors { reason } } }`
	category := func(a answer) any {
		require.Empty(t, a.Errors, string(a.Body))
		require.Empty(t, dig(a.Data, "setFieldDefinition", "userErrors"))
		return dig(a.Data, "setFieldDefinition", "fieldDefinition", "category")
	}
	a := w.send("POST", "", "application/json", []byte(`{"query":"mutation { setFieldDefinition(input: {owner: \"TRAIT\", path: \"diagnosis\", category: SPECIAL}) { fieldDefinition { category } userErrors { reason } } }"}`),
		"Authorization", "Bearer "+w.admin, "X-Reason", "ticket: 1")
	require.Equal(t, "SPECIAL", category(a))
	got := w.entries("mutation.setFieldDefinition", 1)[0]
	require.Equal(t, map[string]string{"owner": "TRAIT", "path": "diagnosis", "from": "UNCLASSIFIED", "to": "SPECIAL"}, got.Details)

	w.policy.deny(core.Special)
	for _, c := range []string{"BEHAVIOUR", "NONE", "UNCLASSIFIED"} {
		a := w.as(w.admin, set, map[string]any{"c": c})
		require.Len(t, a.Errors, 1, string(a.Body))
		require.Equal(t, "PROTECTED_FIELD", a.Errors[0].Extensions.Reason)
	}
	a = w.as(w.admin, `query($id: ID!) { profile(id: $id) { traits } }`, map[string]any{"id": id})
	require.NotContains(t, string(a.Body), "canary-flu")
	w.policy.deny(core.FreeText)
	require.Equal(t, "FREE_TEXT", category(w.as(w.admin, set, map[string]any{"c": "FREE_TEXT"})), "they may read neither")
}
