package graph_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/policies"
)

const setPolicyQuery = `mutation($input: SetPolicyInput!) { setPolicy(input: $input) {
	policy { number status roles { name } } needsApproval alone aloneAt changes { role } userErrors { reason message path } } }`

// rules are the default ones with more, as the input has them.
func inputRules(more ...map[string]any) []map[string]any {
	var out []map[string]any
	for _, r := range policies.Default().Rules {
		m := map[string]any{"role": r.Role, "purpose": r.Purpose, "target": r.Target, "effect": r.Effect}
		if r.Form != "" {
			m["form"] = r.Form
		}
		out = append(out, m)
	}
	return append(out, more...)
}

const keyQuery = `mutation($roles: [String!]!, $purposes: [String!]) {
	createKey(input: {name: "x", roles: $roles, purposes: $purposes}) { secret warnings key { id roles } userErrors { code reason message path } } }`

// A role of the workspace's own is given to keys and members while the policy has it,
// shows what it inherits and no more, and goes when nobody has it.
func TestRolesOfTheWorkspace(t *testing.T) {
	w := newWorld(t)
	w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1", "traits": map[string]any{"email": "anna@example.com", "age": 40}})
	w.ask(`mutation { setFieldDefinition(input: {owner: "TRAIT", path: "age", category: DEMOGRAPHIC}) { userErrors { reason } } }`, nil)
	d := w.ask(keyQuery, map[string]any{"roles": []string{"insight"}})
	require.Equal(t, "UNKNOWN_ROLE", dig(d, "createKey", "userErrors", 0, "reason"))
	require.Contains(t, dig(d, "createKey", "userErrors", 0, "message"), "owner, admin, marketer, analyst, support, compliance, developer, connector, write")
	invite := func(role string) map[string]any {
		return w.ask(`mutation($roles: [String!]!) { inviteMember(input: {email: "ana@example.com", roles: $roles}) { member { id } token userErrors { reason message } } }`,
			map[string]any{"roles": []string{role}})
	}
	require.Equal(t, "UNKNOWN_ROLE", dig(invite("insight"), "inviteMember", "userErrors", 0, "reason"))

	insight := map[string]any{
		"rules": inputRules(map[string]any{"role": "insight", "target": "DEVICE", "effect": "DENY"}, map[string]any{"role": "reader", "target": "design", "effect": "ALLOW"}),
		"roles": []map[string]any{{"name": "insight", "inherits": []string{"analyst"}}, {"name": "reader"}},
	}
	d = w.ask(setPolicyQuery, map[string]any{"input": insight})
	require.Equal(t, "ACTIVE", dig(d, "setPolicy", "policy", "status"), "%v", d)
	d = w.ask(keyQuery, map[string]any{"roles": []string{"nobody"}})
	require.Contains(t, dig(d, "createKey", "userErrors", 0, "message"), "write, insight, reader", "those that the policy has are named")

	d = w.ask(keyQuery, map[string]any{"roles": []string{"insight"}})
	secret, id := dig(d, "createKey", "secret").(string), dig(d, "createKey", "key", "id").(string)
	const see = `{ profiles(first: 1) { edges { node { identifiers { namespace value } traits withheld { path reason } } } } }`
	own, analyst := w.as(secret, see, nil), w.as(w.analyst, see, nil)
	require.Empty(t, own.Errors, string(own.Body))
	require.NotContains(t, string(own.Body), "anna@example.com")
	require.NotContains(t, string(own.Body), `"u1"`)
	require.Contains(t, string(own.Body), "40", "what it inherits")
	require.Equal(t, analyst.Data, own.Data, "no more and no less than the role that it inherits")
	require.Equal(t, "FORBIDDEN ROLE", w.as(secret, keyQuery, map[string]any{"roles": []string{"analyst"}}).code())
	require.Equal(t, "FORBIDDEN ROLE", w.as(secret, `{ policy { number } }`, nil).code())
	cell := func(principal, category string) map[string]any {
		return w.ask(`query($p: ID!, $c: DataCategory!) { explainAccess(principal: $p, action: "read", category: $c, purpose: "operations") { effect form rule needsReason } }`,
			map[string]any{"p": principal, "c": category})["explainAccess"].(map[string]any)
	}
	require.Equal(t, "DENY", cell(id, "DEVICE")["effect"])
	require.Equal(t, "PSEUDONYM", cell(id, "CONTACT")["form"])
	require.Equal(t, "DENY", cell(id, "SPECIAL")["effect"])

	// To a member, and to somebody who is still invited.
	d = invite("insight")
	member := dig(d, "inviteMember", "member", "id").(string)
	d = w.ask(setPolicyQuery, map[string]any{"input": map[string]any{"rules": inputRules()}})
	require.Equal(t, "ROLE_IN_USE", dig(d, "setPolicy", "userErrors", 0, "reason"))
	require.Contains(t, dig(d, "setPolicy", "userErrors", 0, "message"), id+", "+member)
	d = w.ask(`mutation($id: ID!) { updateMember(input: {id: $id, roles: ["reader"]}) { member { roles } userErrors { reason } } }`, map[string]any{"id": member})
	require.Equal(t, []any{"reader"}, dig(d, "updateMember", "member", "roles"))
	w.ask(`mutation($id: ID!) { revokeKey(input: {id: $id}) { userErrors { reason } } }`, map[string]any{"id": id})
	d = w.ask(setPolicyQuery, map[string]any{"input": map[string]any{"rules": inputRules(), "roles": []map[string]any{{"name": "reader"}}}})
	require.Equal(t, []any{map[string]any{"name": "reader"}}, dig(d, "setPolicy", "policy", "roles"), "%v", d)

	// Nobody gives what they do not have, by a role of the workspace's own either.
	d = w.ask(setPolicyQuery, map[string]any{"input": map[string]any{
		"rules": inputRules(map[string]any{"role": "admin", "target": "SPECIAL", "effect": "DENY"}, map[string]any{"role": "doctor", "target": "SPECIAL", "effect": "ALLOW"}),
		"roles": []map[string]any{{"name": "reader"}, {"name": "doctor"}},
	}})
	require.Equal(t, "ACTIVE", dig(d, "setPolicy", "policy", "status"), "%v", d)
	require.Equal(t, "FORBIDDEN ESCALATION", w.as(w.admin, keyQuery, map[string]any{"roles": []string{"doctor"}}).code())
	a := w.as(w.admin, `mutation($id: ID!) { updateMember(input: {id: $id, roles: ["doctor"]}) { userErrors { reason } } }`, map[string]any{"id": member})
	require.Equal(t, "FORBIDDEN ESCALATION", a.code())
	require.Empty(t, w.as(w.admin, keyQuery, map[string]any{"roles": []string{"reader"}}).Errors)
}

func TestKeysOfEveryPurposeAreWarnedOf(t *testing.T) {
	w := newWorld(t)
	warned := func(role string, purposes ...string) bool {
		d := w.ask(keyQuery, map[string]any{"roles": []string{role}, "purposes": purposes})
		return len(dig(d, "createKey", "warnings").([]any)) > 0
	}
	require.True(t, warned("marketer"))
	require.False(t, warned("marketer", "marketing"))
	require.False(t, warned("analyst"), "it sees pseudonyms")
	require.False(t, warned("admin"))
	cells := w.ask(`{ accessMatrix(role: "compliance", purpose: "compliance") { category effect needsReason } }`, nil)["accessMatrix"].([]any)
	for _, c := range cells {
		require.Equal(t, dig(c, "category") == "SPECIAL", dig(c, "needsReason"), "%v", c)
	}
}

func TestInvitationsAreListedAndWithdrawn(t *testing.T) {
	w := newWorld(t)
	token := w.signIn()
	const invite = `mutation($email: String!) { inviteMember(input: {email: $email, roles: ["analyst"]}) { token member { id } } }`
	d := w.ask(invite, map[string]any{"email": "ana@example.com"})
	ana, anaID := dig(d, "inviteMember", "token").(string), dig(d, "inviteMember", "member", "id").(string)
	d = w.ask(invite, map[string]any{"email": "ben@example.com"})
	ben, benID := dig(d, "inviteMember", "token").(string), dig(d, "inviteMember", "member", "id").(string)
	list := func() []any {
		a := w.as(w.admin, `{ invitations(first: 10) { totalCount edges { node { id email status roles invitationExpiresAt } } } }`, nil)
		require.Empty(t, a.Errors, string(a.Body))
		require.NotContains(t, string(a.Body), ana)
		edges := dig(a.Data, "invitations", "edges").([]any)
		require.Equal(t, json.Number(string(rune('0'+len(edges)))), dig(a.Data, "invitations", "totalCount"))
		return edges
	}
	require.Len(t, list(), 2)
	require.Equal(t, anaID, dig(list()[0], "node", "id"))
	require.Equal(t, "FORBIDDEN ROLE", w.as(w.analyst, `{ invitations { totalCount } }`, nil).code())

	const revoke = `mutation($id: ID!) { revokeInvitation(input: {id: $id}) { member { id } userErrors { code reason path } } }`
	require.Equal(t, anaID, dig(w.ask(revoke, map[string]any{"id": anaID}), "revokeInvitation", "member", "id"))
	a := w.as(token("ana", "ana@example.com"), acceptQuery, map[string]any{"token": ana})
	require.Equal(t, "INVITATION_INVALID", dig(a.Data, "acceptInvitation", "userErrors", 0, "reason"), string(a.Body))
	a = w.as(token("ben", "ben@example.com"), acceptQuery, map[string]any{"token": ben})
	require.Equal(t, w.ws, dig(a.Data, "acceptInvitation", "workspaceId"), string(a.Body))
	require.Empty(t, list())
	a = w.as(w.admin, revoke, map[string]any{"id": benID})
	require.Contains(t, string(a.Body), "MEMBER_STATUS", "who joined is no invitation")
}

// Those who govern learn of each broken glass, and one of them looks at it.
func TestBrokenGlassIsReviewed(t *testing.T) {
	w := newWorld(t)
	send := func(key, reason, query string) answer {
		body, err := json.Marshal(map[string]any{"query": query})
		require.NoError(t, err)
		return w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+key, "X-Reason", reason)
	}
	const uses = `{ breakGlassUses(open: true) { totalCount edges { node { id actor reason purpose open reviewedBy note } } } }`
	open := func(key string) []any {
		a := w.as(key, uses, nil)
		require.Empty(t, a.Errors, string(a.Body))
		return dig(a.Data, "breakGlassUses", "edges").([]any)
	}
	require.Equal(t, "INVALID REASON_TEXT", send(w.admin, "break-glass:", `{ viewer { breakGlass } }`).code(), "a glass is not broken without saying why")
	require.Empty(t, open(w.admin))
	require.Equal(t, true, dig(send(w.admin, "break-glass: the site is down", `{ viewer { breakGlass } }`).Data, "viewer", "breakGlass"))
	require.Equal(t, false, dig(send(w.admin, "the site is down", `{ viewer { breakGlass } }`).Data, "viewer", "breakGlass"), "for one request")
	require.Equal(t, "FORBIDDEN BREAK_GLASS", send(w.admin, "break-glass: x", keyQueryFor("admin")).code(), "to look, not to make keys")

	officer, err := w.services.Access.CreateKey(core.WithActor(t.Context(), access.Operator("test")), access.NewKey{Workspace: w.ws, Name: "officer", Roles: []string{access.Compliance}})
	require.NoError(t, err)
	found := open(officer.Secret)
	require.Len(t, found, 2)
	require.Equal(t, "break-glass: the site is down", dig(found[1], "node", "reason"))
	require.Equal(t, "FORBIDDEN ROLE", w.as(w.marketer, uses, nil).code())
	id := dig(found[1], "node", "id")
	const review = `mutation($id: ID!) { reviewBreakGlass(input: {id: $id, note: "agreed by phone"}) { use { open reviewedBy note } userErrors { reason } } }`
	require.Equal(t, "FORBIDDEN OWN_REQUEST", w.as(w.admin, review, map[string]any{"id": id}).code())
	for range 2 {
		a := w.as(officer.Secret, review, map[string]any{"id": id})
		require.Equal(t, officer.Key.KeyID, dig(a.Data, "reviewBreakGlass", "use", "reviewedBy"), string(a.Body))
	}
	require.Len(t, open(officer.Secret), 1)
}

func keyQueryFor(role string) string {
	return `mutation { createKey(input: {name: "x", roles: ["` + role + `"]}) { secret userErrors { reason } } }`
}

// Rules come to hold for no other purpose by a change of the register.
func TestPurposesMoveNoRules(t *testing.T) {
	w := newWorld(t)
	officer, err := w.services.Access.CreateKey(core.WithActor(t.Context(), access.Operator("test")), access.NewKey{Workspace: w.ws, Name: "officer", Roles: []string{access.Compliance}})
	require.NoError(t, err)
	const move = `mutation($parent: String) { updatePurpose(input: {key: "marketing", parent: $parent}) { purpose { parent } userErrors { code reason path } } }`
	a := w.as(w.admin, move, map[string]any{"parent": "compliance"})
	require.Contains(t, string(a.Body), "PARENT_COMPLIANCE")
	a = w.as(officer.Secret, move, map[string]any{"parent": "operations"})
	require.Equal(t, "FORBIDDEN OWN_GAIN", a.code(), "the officer would read for marketing: %s", a.Body)
	a = w.as(w.admin, move, map[string]any{"parent": "operations"})
	require.Equal(t, "operations", dig(a.Data, "updatePurpose", "purpose", "parent"), "the admin gains nothing by it: %s", a.Body)
	a = w.as(officer.Secret, `mutation { createPurpose(input: {key: "audits", name: "Audits", parent: "compliance", legalBasis: LEGAL_OBLIGATION, consentRequired: false}) { purpose { key } userErrors { reason } } }`, nil)
	require.NotContains(t, string(a.Body), "OWN_GAIN", "what is new takes nothing from anybody")
}
