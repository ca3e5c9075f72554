package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// Whoever is limited to some people speaks for those alone, and learns of nobody else's
// consent: not by a link, not by a mutation, not by a guess.
func TestConsentHeedsLimits(t *testing.T) {
	w := newWorld(t)
	w.services.Access.SetPolicy(w.policy)
	ids := w.ingest(
		map[string]any{"type": "IDENTIFY", "userId": "anna", "traits": map[string]any{"owner": "alice", "email": "anna@example.com"}},
		map[string]any{"type": "IDENTIFY", "userId": "bob", "traits": map[string]any{"owner": "carl", "email": "bob@example.com"}},
	)
	op := core.WithActor(t.Context(), access.Operator("test"))
	key := func(role string, limits core.Limits) string {
		made, err := w.services.Access.CreateKey(op, access.NewKey{Workspace: w.ws, Name: role, Roles: []string{role}, Limits: limits})
		require.NoError(t, err)
		return made.Secret
	}
	limited := key("compliance", core.Limits{Owners: []string{"alice"}})
	reason := func(a answer, field string) string {
		t.Helper()
		if len(a.Errors) > 0 {
			return a.code()
		}
		errs, _ := dig(a.Data, field, "userErrors").([]any)
		if len(errs) == 0 {
			return ""
		}
		text, _ := dig(errs[0], "reason").(string)
		return text
	}
	asks := map[string]string{
		"createPreferencesLink": `mutation($id: ID) { createPreferencesLink(input: {profileId: $id}) { url userErrors { reason } } }`,
		"recordConsent":         `mutation($id: ID) { recordConsent(input: {profileId: $id, purpose: "marketing"}) { profileId userErrors { reason } } }`,
		"withdrawConsent":       `mutation($id: ID) { withdrawConsent(input: {profileId: $id, purpose: "marketing"}) { profileId userErrors { reason } } }`,
	}
	for field, query := range asks {
		query = strings.ReplaceAll(query, "$id: ID)", "$id: ID!)")
		require.Empty(t, reason(w.as(limited, query, map[string]any{"id": ids[0]}), field), field)
		require.Equal(t, "PROFILE", reason(w.as(limited, query, map[string]any{"id": ids[1]}), field), field)
	}
	byMail := `mutation($v: String!) { withdrawConsent(input: {identifier: {namespace: "email", value: $v}, purpose: "marketing"}) { profileId userErrors { reason } } }`
	require.Empty(t, reason(w.as(limited, byMail, map[string]any{"v": "anna@example.com"}), "withdrawConsent"))
	for _, v := range []string{"bob@example.com", "nobody@example.com"} {
		require.Equal(t, "PROFILE", reason(w.as(limited, byMail, map[string]any{"v": v}), "withdrawConsent"), "known or not, the same")
	}
	// Under a purpose that Bob did not agree to, his limits still hide him.
	a := w.send("POST", "", "application/json", []byte(`{"query":"{ consentDecision(profileId: \"`+ids[1]+`\", purpose: \"marketing\") { allowed } }"}`),
		"Authorization", "Bearer "+key("marketer", core.Limits{Owners: []string{"alice"}}), "X-Purpose", "marketing")
	require.Equal(t, "NOT_FOUND PROFILE", a.code(), string(a.Body))

	// Who may not read addresses may not have guesses confirmed.
	support := key("support", core.Limits{})
	a = w.as(support, `{ suppressions(filter: {identifier: {namespace: "email", value: "bob@example.com"}}) { totalCount } }`, nil)
	require.Equal(t, "FORBIDDEN PROTECTED_FIELD", a.code(), string(a.Body))
}
