package graph_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// entries returns the log's entries of an action, when there are n.
func (w *world) entries(action string, n int) []*audit.Record {
	w.t.Helper()
	var page []*audit.Record
	require.Eventually(w.t, func() bool {
		p, err := w.services.Audit.Entries(w.t.Context(), w.ws, audit.Filter{Action: action}, core.Window{Limit: 200})
		require.NoError(w.t, err)
		page = p.Items
		return len(page) >= n
	}, 10*time.Second, 10*time.Millisecond)
	require.Len(w.t, page, n)
	return page
}

func person(id, email string) map[string]any {
	return map[string]any{"type": "IDENTIFY", "userId": id, "traits": map[string]any{"email": email}}
}

func TestEveryReadOfPeopleIsAnEntry(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(person("u1", "ann@example.com"), person("u2", "bob@example.com"))
	a := w.as(w.analyst, `query($id: ID!) { profile(id: $id) { ...P } } fragment P on Profile { id traits events(first: 1) { edges { node { properties name } } } }`, map[string]any{"id": ids[0]})
	require.Empty(t, a.Errors, string(a.Body))
	got := w.entries("query.profile", 1)[0]
	require.Equal(t, 1, got.SubjectCount)
	require.Equal(t, core.Mask, got.Decision, "an analyst sees pseudonyms")
	require.Contains(t, got.Fields, "Profile.traits")
	require.Contains(t, got.Fields, "Event.properties")
	require.NotContains(t, got.Fields, "Profile.id")
	require.True(t, strings.HasPrefix(got.RequestID, "req_"))
	require.NotContains(t, string(got.Body), "ann@")
	require.NotContains(t, string(got.Body), ids[0])

	w.ask(`{ profiles(first: 10) { edges { node { traits } } } }`, nil)
	require.Equal(t, 2, w.entries("query.profiles", 1)[0].SubjectCount)
	w.ask(`{ profile(identifier: {namespace: "email", value: "nobody@example.com"}) { traits } }`, nil)
	miss := w.entries("query.profile", 2)[0]
	require.Equal(t, 0, miss.SubjectCount)
	require.Len(t, miss.Identifiers, 1)

	// A change is one, whatever it reads; what says nothing of people is none.
	w.ask(`mutation { createSegment(input: {name: "All", where: {trait: {path: "email", exists: true}}}) { segment { id } } }`, nil)
	w.entries("mutation.createSegment", 1)
	w.ask(`{ viewer { id } workspace { name } }`, nil)
	refused := w.as(w.analyst, `mutation { createSegment(input: {name: "No", where: {trait: {path: "email", exists: true}}}) { segment { id } } }`, nil)
	require.Contains(t, refused.code(), "FORBIDDEN")
	require.Equal(t, core.Deny, w.entries("mutation.createSegment", 2)[0].Decision)
	w.entries("query.viewer+workspace", 0)
}

func TestTheLogIsReadOverTheAPI(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(person("u1", "ann@example.com"))
	w.ask(`query($id: ID!) { profile(id: $id) { traits } }`, map[string]any{"id": ids[0]})
	w.entries("query.profile", 1)
	d := w.ask(`query($f: AuditFilter!) { auditEntries(where: $f, first: 5) { totalCount edges { cursor node { id index actor subjects subjectCount decision details reason } } } auditCheckpoint { size keyId } }`,
		map[string]any{"f": map[string]any{"profileId": ids[0], "action": "query.profile"}})
	require.Equal(t, json.Number("1"), dig(d, "auditEntries", "totalCount"))
	id, size := dig(d, "auditEntries", "edges", 0, "node", "id"), dig(d, "auditCheckpoint", "size")
	d = w.ask(`query($id: ID!, $size: Int!) { node(id: $id) { ... on AuditEntry { index leafHash proof(size: $size) } } auditCheckpoint(size: $size) { signedNote consistency(from: 1) } auditKeys { key keyId until } auditRetention { months } }`,
		map[string]any{"id": id, "size": size})
	require.NotEmpty(t, dig(d, "node", "proof"), d)
	require.True(t, strings.HasPrefix(dig(d, "auditCheckpoint", "signedNote").(string), "headwater audit "+w.ws+"\n"))
	d = w.ask(`mutation { rotateAuditKey(input: {reason: "yearly"}) { key { keyId } userErrors { reason } } setAuditRetention(input: {months: 36, expectedVersion: 0}) { retention { months version } userErrors { reason } } }`, nil)
	require.Equal(t, json.Number("36"), dig(d, "setAuditRetention", "retention", "months"), d)
	require.Equal(t, "yearly", w.entries("audit.rotateKey", 1)[0].Reason)
	d = w.ask(`mutation { setAuditRetention(input: {months: 2000}) { userErrors { reason path } } }`, nil)
	require.Equal(t, "RETENTION", dig(d, "setAuditRetention", "userErrors", 0, "reason"), d)
	require.Equal(t, "FORBIDDEN ROLE", w.as(w.marketer, `{ auditEntries { totalCount } }`, nil).code())
	// Who reads the log is in it.
	w.entries("query.auditCheckpoint+auditEntries", 1)
}

// unwritable is a trail that cannot be written.
type unwritable struct{ *audit.Trail }

func (unwritable) Close(context.Context, error) error {
	return core.Errorf(core.Unavailable, audit.ReasonUnavailable, "no")
}

func TestNoEntryNoAnswer(t *testing.T) {
	var w *world
	fail := false
	w = newWorld(t, func(o *graph.Options) {
		log := o.Audit
		o.Trails = func(ctx context.Context, action, resource string) (context.Context, engine.Trail) {
			ctx, trail := log.Begin(ctx, action, resource)
			if fail {
				return ctx, unwritable{trail}
			}
			return ctx, trail
		}
	})
	w.ingest(person("u1", "ann@example.com"))
	fail = true
	a := w.as(w.admin, `{ profiles { edges { node { traits } } } }`, nil)
	require.Equal(t, "UNAVAILABLE AUDIT_UNAVAILABLE", a.code())
	require.Nil(t, a.Data)
	require.NotContains(t, string(a.Body), "ann@")
}

func TestEachEventOfASubscriptionIsAnEntry(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(person("u1", "ann@example.com"))
	c := w.connect(t, w.admin)
	c.subscribe("1", `subscription($id: ID!) { profileChanged(id: $id) { profile { traits } } }`, map[string]any{"id": ids[0]})
	c.next("1")
	w.ingest(person("u1", "ann2@example.com"))
	c.next("1")
	for _, e := range w.entries("subscription.profileChanged", 2) {
		require.Equal(t, 1, e.SubjectCount)
		require.Contains(t, e.Fields, "Profile.traits")
	}
}
