package graph_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// What lets the audit log forget sooner, or drops the consent that a purpose asks for,
// waits for somebody else who may govern; who is alone is not held up, and nothing that
// was changed otherwise meanwhile is agreed to.
func TestDangerousChangesWaitForSomebodyElse(t *testing.T) {
	w := newWorld(t)
	retain := func(key string, months string) any {
		a := w.as(key, `mutation { setAuditRetention(input: {months: `+months+`}) { retention { months } approval { id } userErrors { reason } } }`, nil)
		require.Empty(t, a.Errors, string(a.Body))
		return dig(a.Data, "setAuditRetention")
	}
	require.Nil(t, dig(retain(w.admin, "120"), "approval"), "nobody else is there")

	made, err := w.services.Access.CreateKey(core.WithActor(t.Context(), access.Operator("test")), access.NewKey{Workspace: w.ws, Name: "officer", Roles: []string{access.Compliance}})
	require.NoError(t, err)
	officer := made.Secret
	require.Nil(t, dig(retain(w.admin, "240"), "approval"), "longer is no danger")
	waits := retain(w.admin, "36")
	require.Equal(t, json.Number("240"), dig(waits, "retention", "months"), "as it is")
	id := dig(waits, "approval", "id")
	require.Equal(t, id, dig(retain(w.admin, "36"), "approval", "id"), "it waits already")

	const decide = `mutation($id: ID!) { decideApproval(input: {id: $id, approve: true}) { approval { status subject { ... on PendingChange { kind words content } } } userErrors { reason } } }`
	agree := func(key string, id any) answer { return w.as(key, decide, map[string]any{"id": id}) }
	require.Equal(t, "FORBIDDEN OWN_REQUEST", agree(w.admin, id).code())
	a := agree(officer, id)
	require.Equal(t, "APPROVED", dig(a.Data, "decideApproval", "approval", "status"), string(a.Body))
	require.Equal(t, "auditRetention", dig(a.Data, "decideApproval", "approval", "subject", "kind"))
	kept := func() any {
		return dig(w.as(officer, `{ auditRetention { months } }`, nil).Data, "auditRetention", "months")
	}
	require.Equal(t, json.Number("36"), kept())

	loosen := func() any {
		a := w.as(w.admin, `mutation { updatePurpose(input: {key: "advertising", consentRequired: false, legalBasis: LEGITIMATE_INTERESTS}) { purpose { consentRequired } approval { id } userErrors { reason } } }`, nil)
		require.Empty(t, a.Errors, string(a.Body))
		return dig(a.Data, "updatePurpose")
	}
	p := loosen()
	require.Equal(t, true, dig(p, "purpose", "consentRequired"))
	first := dig(p, "approval", "id")
	require.NotNil(t, first)
	a = w.as(w.admin, `mutation { updatePurpose(input: {key: "advertising", name: "Ads"}) { approval { id } userErrors { reason } } }`, nil)
	require.Nil(t, dig(a.Data, "updatePurpose", "approval"), string(a.Body))
	a = agree(officer, first)
	require.Equal(t, "CHANGE_OUTDATED", dig(a.Data, "decideApproval", "userErrors", 0, "reason"), string(a.Body))
	a = agree(officer, dig(loosen(), "approval", "id"))
	require.Equal(t, "APPROVED", dig(a.Data, "decideApproval", "approval", "status"), string(a.Body))
	reg, err := w.services.Consent.Register(t.Context(), w.ws)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		reg, err = w.services.Consent.Register(t.Context(), w.ws)
		return err == nil && !reg.Purpose("advertising").ConsentRequired
	}, 5e9, 5e7)
	require.Equal(t, "Ads", reg.Purpose("advertising").Name)
	// A yes that counts with less behind it.
	a = w.as(w.admin, `mutation { updatePurpose(input: {key: "marketing", evidenceRequired: true, doubleOptIn: true}) { approval { id } userErrors { reason } } }`, nil)
	require.Nil(t, dig(a.Data, "updatePurpose", "approval"), string(a.Body))
	for _, edit := range []string{"evidenceRequired: false", "doubleOptIn: false"} {
		a = w.as(w.admin, `mutation { updatePurpose(input: {key: "marketing", `+edit+`}) { purpose { evidenceRequired doubleOptIn } approval { id } userErrors { reason } } }`, nil)
		require.NotNil(t, dig(a.Data, "updatePurpose", "approval"), string(a.Body))
		require.Equal(t, true, dig(a.Data, "updatePurpose", "purpose", strings.TrimSuffix(edit, ": false")), "as it is")
		a = agree(officer, dig(a.Data, "updatePurpose", "approval", "id"))
		require.Equal(t, "APPROVED", dig(a.Data, "decideApproval", "approval", "status"), string(a.Body))
	}
	// Rules by which silence is a yes.
	settle := func(rest string) any {
		a := w.as(w.admin, `mutation { setConsentSettings(input: {`+rest+`}) { consentSettings { default version jurisdictions { country rule } } approval { id } userErrors { reason } } }`, nil)
		require.Empty(t, a.Errors, string(a.Body))
		return dig(a.Data, "setConsentSettings")
	}
	silence := `jurisdictions: [{country: "US", rule: OPT_OUT}]`
	require.Nil(t, dig(settle(silence+", dryRun: true"), "approval"))
	got := settle(silence)
	require.Equal(t, json.Number("0"), dig(got, "consentSettings", "version"), "as they are")
	late := dig(got, "approval", "id")
	require.NotNil(t, late)
	require.Equal(t, late, dig(settle(silence), "approval", "id"), "it waits already")
	require.Nil(t, dig(settle(`jurisdictions: [{country: "DE", rule: OPT_IN}]`), "approval"), "stricter is no danger")
	a = agree(officer, late)
	require.Equal(t, "CHANGE_OUTDATED", dig(a.Data, "decideApproval", "userErrors", 0, "reason"), string(a.Body))
	a = agree(w.admin, dig(settle(silence), "approval", "id"))
	require.Equal(t, "FORBIDDEN OWN_REQUEST", a.code())
	a = agree(officer, dig(settle(silence), "approval", "id"))
	require.Equal(t, "APPROVED", dig(a.Data, "decideApproval", "approval", "status"), string(a.Body))
	require.Equal(t, "consentSettings", dig(a.Data, "decideApproval", "approval", "subject", "kind"))
	require.Eventually(t, func() bool {
		reg, err = w.services.Consent.Register(t.Context(), w.ws)
		return err == nil && reg.Rule("US-CA", "marketing") == "OPT_OUT"
	}, 5e9, 5e7)
	require.Equal(t, int64(2), reg.Settings().Version)
}
