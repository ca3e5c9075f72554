package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Of a ready journey there is one that lets people in, unless somebody asks for another or it
// is about something else.
func TestReadyJourneysOnce(t *testing.T) {
	w := newWorld(t)
	install := func(input map[string]any) (id, reason string) {
		t.Helper()
		d := w.ask(`mutation($in: InstallReadyJourneyInput!) { installReadyJourney(input: $in) {
			journey { id needsApproval status } userErrors { code reason message path } } }`, map[string]any{"in": input})
		if journey, ok := dig(d, "installReadyJourney", "journey").(map[string]any); ok {
			require.Equal(t, input["needsApproval"] == true, journey["needsApproval"])
			return journey["id"].(string), ""
		}
		fault := dig(d, "installReadyJourney", "userErrors").([]any)[0].(map[string]any)
		require.Equal(t, "CONFLICT", fault["code"])
		require.Equal(t, []any{"input", "key"}, fault["path"])
		return "", fault["reason"].(string)
	}
	with := func(key, idempotencyKey string, more ...any) map[string]any {
		in := map[string]any{"key": key, "idempotencyKey": idempotencyKey}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	one, _ := install(with("cart-recovery", "1", "needsApproval", true))
	require.NotEmpty(t, one)
	same, _ := install(with("cart-recovery", "1", "needsApproval", true))
	require.Equal(t, one, same, "the same key again")
	_, reason := install(with("cart-recovery", "2"))
	require.Equal(t, "READY_JOURNEY_INSTALLED", reason)
	d := w.ask(`{ templates(first: 50) { edges { node { id } } } }`, nil)
	made := len(dig(d, "templates", "edges").([]any))
	second, _ := install(with("cart-recovery", "3", "another", true))
	require.NotContains(t, []string{"", one}, second)
	d = w.ask(`{ templates(first: 50) { edges { node { id } } } }`, nil)
	require.Len(t, dig(d, "templates", "edges"), 2*made, "what is refused makes nothing")
	for _, id := range []string{one, second} {
		d := w.ask(`mutation($id: ID!) { archiveJourney(input: {id: $id}) { userErrors { message } } }`, map[string]any{"id": id})
		require.Empty(t, dig(d, "archiveJourney", "userErrors"))
	}
	third, _ := install(with("cart-recovery", "4"))
	require.NotContains(t, []string{"", one, second}, third, "those before are archived")

	coffee, tea := map[string]any{"value.sku": "COF-250", "value.interval": "P21D"}, map[string]any{"value.sku": "TEA-100", "value.interval": "P21D"}
	_, reason = install(with("replenishment", "5", "choices", coffee))
	require.Empty(t, reason)
	_, reason = install(with("replenishment", "6", "choices", tea))
	require.Empty(t, reason, "about something else")
	coffee["value.interval"] = "P14D"
	_, reason = install(with("replenishment", "7", "choices", coffee))
	require.Equal(t, "READY_JOURNEY_INSTALLED", reason)
}
