package graph_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/privacy"
)

const requestFields = `{ id type status version dueAt firstDueAt extendedTo overdue profileId verifiedBy verificationMethod assignee refusal closingNote completedAt
	purposes paths tasks { target status evidence } job { id kind status } receipt { signedNote keyId retained destinations { target status } } }`

// office is what an officer does through the API.
type office struct {
	*world
	key string
}

func newOffice(t *testing.T) *office {
	w := newWorld(t)
	return &office{world: w, key: w.admin}
}

// do runs a mutation about requests and returns the request.
func (o *office) do(name string, input map[string]any) map[string]any {
	o.t.Helper()
	kind := strings.ToUpper(name[:1]) + name[1:] + "Input"
	a := o.as(o.key, `mutation($in: `+kind+`!) { `+name+`(input: $in) { request `+requestFields+` userErrors { code reason message path } } }`, map[string]any{"in": input})
	require.Empty(o.t, a.Errors, string(a.Body))
	require.Empty(o.t, dig(a.Data, name, "userErrors"), string(a.Body))
	r, _ := dig(a.Data, name, "request").(map[string]any)
	require.NotNil(o.t, r, string(a.Body))
	return r
}

// until waits for a status.
func (o *office) until(id any, status string) map[string]any {
	o.t.Helper()
	var r map[string]any
	require.Eventually(o.t, func() bool {
		a := o.as(o.key, `query($id: ID!) { privacyRequest(id: $id) `+requestFields+` }`, map[string]any{"id": id})
		require.Empty(o.t, a.Errors, string(a.Body))
		r, _ = dig(a.Data, "privacyRequest").(map[string]any)
		return r["status"] == status
	}, 30*time.Second, 20*time.Millisecond, "%v is not %s: %v", id, status, r)
	return r
}

// verify says that the identity was checked, and looks at the job.
func (o *office) verify(r map[string]any) {
	o.t.Helper()
	require.Equal(o.t, "RECEIVED", r["status"])
	require.Nil(o.t, r["job"])
	r = o.do("verifyPrivacyRequest", map[string]any{"id": r["id"], "expectedVersion": r["version"], "method": "passport at the counter"})
	require.Equal(o.t, "IN_PROGRESS", r["status"])
	require.Equal(o.t, "privacy.answer", dig(r, "job", "kind"))
}

// files fetches what was made for a request, by format.
func (o *office) files(id any) map[string]string {
	o.t.Helper()
	ask := `query($id: ID!) { privacyRequest(id: $id) { download { url sha256 } job { download { url sha256 format } } downloads { url format expiresAt } } }`
	body, err := json.Marshal(map[string]any{"query": ask, "variables": map[string]any{"id": id}})
	require.NoError(o.t, err)
	a := o.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+o.key, "X-Reason", "ticket 12")
	require.Empty(o.t, a.Errors, string(a.Body))
	require.NotNil(o.t, dig(a.Data, "privacyRequest", "download"))
	require.NotEmpty(o.t, dig(a.Data, "privacyRequest", "download", "sha256"))
	require.Equal(o.t, dig(a.Data, "privacyRequest", "download", "sha256"), dig(a.Data, "privacyRequest", "job", "download", "sha256"), "the job leads to the same file")
	hidden := o.as(o.marketer, `{ jobs(kind: "privacy.answer") { edges { node { download { url } } } } }`, nil)
	require.Empty(o.t, hidden.Errors, string(hidden.Body))
	require.NotEmpty(o.t, dig(hidden.Data, "jobs", "edges"))
	require.NotContains(o.t, string(hidden.Body), "url", "who does not govern hears of no file")
	list, _ := dig(a.Data, "privacyRequest", "downloads").([]any)
	out := map[string]string{}
	for _, d := range list {
		_, token, _ := strings.Cut(dig(d, "url").(string), privacy.DownloadPath)
		f, err := o.services.Desk.Fetch(context.Background(), token)
		require.NoError(o.t, err)
		text, err := io.ReadAll(f)
		require.NoError(o.t, err)
		out[dig(d, "format").(string)] = string(text)
	}
	return out
}

// TestEveryTypeOfRequestGoesItsWay plays the six requests of a data subject through the
// API, from the letter to the proof.
func TestEveryTypeOfRequestGoesItsWay(t *testing.T) {
	o := newOffice(t)
	ids := o.ingest(
		map[string]any{"type": "IDENTIFY", "userId": "ana", "traits": map[string]any{"email": "ana@example.com", "city": "Berlin"}},
		map[string]any{"type": "TRACK", "userId": "ana", "event": "Order Completed", "properties": map[string]any{"total": 12.5}},
		map[string]any{"type": "IDENTIFY", "userId": "ben", "traits": map[string]any{"email": "ben@example.com"}},
	)
	ana := ids[0]
	byEmail := map[string]any{"namespace": "email", "value": "ana@example.com"}

	// Access: everything, for people and machines. Who took it out is in the log.
	r := o.do("requestAccess", map[string]any{"identifier": byEmail, "reason": "letter 1", "idempotencyKey": "a1"})
	require.Equal(t, ana, r["profileId"])
	require.Equal(t, r["id"], o.do("requestAccess", map[string]any{"identifier": byEmail, "reason": "letter 1", "idempotencyKey": "a1"})["id"])
	r = o.do("assignPrivacyRequest", map[string]any{"id": r["id"], "assignee": "mem_1"})
	r = o.do("extendPrivacyRequest", map[string]any{"id": r["id"], "reason": "many requests"})
	require.Equal(t, r["extendedTo"], r["dueAt"])
	require.NotEmpty(t, r["firstDueAt"])
	require.NotEqual(t, r["firstDueAt"], r["dueAt"])
	o.verify(r)
	require.Eventually(t, func() bool { // the person must still be told of the extension
		a := o.as(o.key, `query($id: ID!) { privacyRequest(id: $id) `+requestFields+` }`, map[string]any{"id": r["id"]})
		return dig(a.Data, "privacyRequest", "tasks", 0, "status") == "SUCCEEDED"
	}, 30*time.Second, 20*time.Millisecond)
	r = o.do("setPrivacyTask", map[string]any{"id": r["id"], "target": "the person: extension", "status": "SUCCEEDED", "evidence": "letter 2"})
	r = o.do("closePrivacyRequest", map[string]any{"id": r["id"], "note": "sent"})
	require.Equal(t, "COMPLETED", r["status"])
	refused := o.as(o.key, `query($id: ID!) { privacyRequest(id: $id) { download { url } } }`, map[string]any{"id": r["id"]})
	require.Equal(t, "FORBIDDEN REASON_REQUIRED", refused.code(), string(refused.Body))
	files := o.files(r["id"])
	require.Contains(t, files["JSON"], "ana@example.com")
	require.Contains(t, files["JSON"], "Order Completed")
	require.NotContains(t, files["JSON"], "ben@example.com")
	require.Contains(t, files["HTML"], "ana@example.com")
	require.Eventually(t, func() bool {
		a := o.as(o.key, `query($id: ID!) { auditEntries(where: {profileId: $id}, first: 100) { edges { node { action actor reason fields resource } } } }`, map[string]any{"id": ana})
		require.Empty(t, a.Errors, string(a.Body))
		text := string(a.Body)
		return strings.Contains(text, "PrivacyRequest.downloads") && strings.Contains(text, "ticket 12") && strings.Contains(text, "privacy.download")
	}, 30*time.Second, 50*time.Millisecond, "who asked for the links, and that they were used")

	// Portability: what the person gave.
	r = o.do("requestPortability", map[string]any{"profileId": ana, "idempotencyKey": "p1"})
	o.verify(r)
	r = o.until(r["id"], "COMPLETED")
	require.Contains(t, o.files(r["id"])["NDJSON"], "Order Completed")

	// Rectification.
	r = o.do("requestRectification", map[string]any{"profileId": ana, "traits": map[string]any{"city": "Bern"}, "idempotencyKey": "r1"})
	require.Equal(t, []any{"city"}, r["paths"])
	o.verify(r)
	o.until(r["id"], "COMPLETED")
	require.Equal(t, "Bern", dig(o.ask(`query($id: ID!) { profile(id: $id) { traits } }`, map[string]any{"id": ana}), "profile", "traits", "city"))
	// One that cannot be carried out stays with whoever works on it, until it is refused.
	r = o.do("requestRectification", map[string]any{"profileId": ana, "addIdentifier": map[string]any{"namespace": "email", "value": "ben@example.com"}, "idempotencyKey": "r2"})
	o.verify(r)
	require.Eventually(t, func() bool {
		a := o.as(o.key, `query($id: ID!) { privacyRequest(id: $id) { status tasks { status evidence } } }`, map[string]any{"id": r["id"]})
		return dig(a.Data, "privacyRequest", "tasks", 0, "evidence") == "IDENTIFIER_TAKEN" && dig(a.Data, "privacyRequest", "status") == "IN_PROGRESS"
	}, 30*time.Second, 20*time.Millisecond)
	r = o.do("refusePrivacyRequest", map[string]any{"id": r["id"], "reason": "this address is somebody else's"})
	require.Equal(t, "REFUSED", r["status"])

	// Restriction: who may not be used for marketing is not seen for it, until that ends.
	r = o.do("requestRestriction", map[string]any{"profileId": ana, "idempotencyKey": "s1"})
	o.verify(r)
	r = o.until(r["id"], "COMPLETED")
	hidden := func() bool {
		body, err := json.Marshal(map[string]any{"query": `query($id: ID!) { profile(id: $id) { id } }`, "variables": map[string]any{"id": ana}})
		require.NoError(t, err)
		a := o.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+o.admin, "X-Purpose", "analytics")
		return dig(a.Data, "profile") == nil
	}
	require.True(t, hidden())
	r = o.do("resumeProcessing", map[string]any{"id": r["id"], "reason": "the data was right"})
	require.Equal(t, "COMPLETED", r["status"])
	require.False(t, hidden())

	// Objection: a no in the ledger, which proves it.
	r = o.do("requestObjection", map[string]any{"profileId": ana, "purposes": []string{"analytics"}, "idempotencyKey": "o1"})
	o.verify(r)
	r = o.until(r["id"], "COMPLETED")
	require.Contains(t, dig(r, "tasks", 0, "evidence"), "con_")
	require.Equal(t, false, dig(o.ask(`query($id: ID!) { consentDecision(profileId: $id, purpose: "analytics") { allowed } }`, map[string]any{"id": ana}), "consentDecision", "allowed"))

	// Erasure: the job is named at once, the receipt is signed at the end.
	erase := map[string]any{"profileId": ana, "reason": "letter 7", "verificationMethod": "passport", "idempotencyKey": "e1"}
	r = o.do("requestErasure", erase)
	require.Equal(t, "privacy.erase", dig(r, "job", "kind"))
	require.Equal(t, "passport", r["verificationMethod"])
	require.NotNil(t, r["verifiedBy"])
	cancel := o.as(o.key, `mutation($id: ID!) { cancelJob(input: {id: $id}) { userErrors { reason } } }`, map[string]any{"id": dig(r, "job", "id")})
	require.Contains(t, []any{"NOT_CANCELLABLE", "JOB_FINISHED"}, dig(cancel.Data, "cancelJob", "userErrors", 0, "reason"))
	reused := o.as(o.key, `mutation($id: ID!) { requestErasure(input: {profileId: $id, idempotencyKey: "e1"}) { request { id } userErrors { reason } } }`, map[string]any{"id": ids[2]})
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", dig(reused.Data, "requestErasure", "userErrors", 0, "reason"))
	r = o.until(r["id"], "COMPLETED")
	require.Contains(t, dig(r, "receipt", "signedNote"), privacy.ReceiptFormat)
	require.NotContains(t, dig(r, "receipt", "signedNote"), "ana")
	gone := o.as(o.key, `query($id: ID!) { profile(id: $id) { id } }`, map[string]any{"id": ana})
	require.Nil(t, dig(gone.Data, "profile"))

	// Everything is in one list, and nothing is due.
	all := o.ask(`{ all: privacyRequests(first: 50) { totalCount } due: privacyRequests(dueBefore: "2999-01-01T00:00:00Z") { totalCount edges { node { id } } } }`, nil)
	require.Equal(t, json.Number("7"), dig(all, "all", "totalCount"))
	require.Equal(t, json.Number("0"), dig(all, "due", "totalCount"))
	require.Empty(t, dig(all, "due", "edges"))
}

// Who only governs handles requests, and takes nobody's data out without a word.
func TestToGovernIsNotToRead(t *testing.T) {
	o := newOffice(t)
	ana := o.ingest(map[string]any{"type": "IDENTIFY", "userId": "ana", "traits": map[string]any{"email": "ana@example.com"}})[0]
	made, err := o.services.Access.CreateKey(core.WithActor(t.Context(), access.Operator("test")), access.NewKey{Workspace: o.ws, Name: "officer", Roles: []string{access.Compliance}, Purposes: []string{"marketing"}})
	require.NoError(t, err)
	r := o.do("requestAccess", map[string]any{"profileId": ana, "idempotencyKey": "1"})
	o.verify(r)
	o.until(r["id"], "COMPLETED")
	o.key = made.Secret
	a := o.as(o.key, `query($id: ID!) { privacyRequest(id: $id) { status downloads { url } } }`, map[string]any{"id": r["id"]})
	require.Equal(t, "FORBIDDEN REASON_REQUIRED", a.code(), string(a.Body))
	require.NotContains(t, string(a.Body), privacy.DownloadPath)
	require.NotEmpty(t, o.files(r["id"]), "with a reason")
}
