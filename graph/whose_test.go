package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
)

const recordReads = `query($rec: ID!, $p: ID!) {
	all: objects(type: "order", first: 1) { totalCount edges { cursor node { externalId links { identifier { value } profileId } } } pageInfo { hasNextPage endCursor } }
	some: objects(type: "order", where: {field: {path: "total", gt: 0}}) { totalCount edges { node { externalId } } }
	back: objects(type: "order", last: 10) { edges { node { externalId links { identifier { value } } related(relation: "shop") { externalId } } } }
	one: object(type: "order", externalId: "o-ben") { externalId }
	node: node(id: $rec) { ... on Record { externalId } }
	shop: object(type: "shop", externalId: "s1") { externalId }
	profile(id: $p) { objects(type: "order") { edges { node { externalId links { identifier { value } } } } } }
	objectType(key: "order") { recordCount { value } } }`

// TestRecordsOfHiddenPeopleAreHidden has orders of two people, of both together and of
// nobody, and a key that may see one of them.
func TestRecordsOfHiddenPeopleAreHidden(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(identify("ana", map[string]any{"owner": "alice"}), identify("ben", map[string]any{"owner": "bob"}))
	for _, define := range []string{
		`mutation{createObjectType(input:{key:"shop",name:"Shop",idempotencyKey:"s"}){userErrors{message}}}`,
		`mutation{createObjectType(input:{key:"order",name:"Order",idempotencyKey:"o",fields:[{key:"total",type:DECIMAL,category:TRANSACTION}],relations:[{key:"customer",many:true},{key:"shop",target:"shop"}]}){userErrors{message path}}}`,
		`mutation{upsertObjects(input:{type:"shop",records:[{externalId:"s1"}]}){userErrors{message}}}`,
	} {
		require.NotContains(t, fmt.Sprint(w.ask(define, nil)), "message", define)
	}
	user := func(ids ...string) []any {
		var to []any
		for _, id := range ids {
			to = append(to, map[string]any{"identifier": map[string]any{"namespace": "user_id", "value": id}})
		}
		return []any{map[string]any{"relation": "customer", "to": to}, map[string]any{"relation": "shop", "to": []any{map[string]any{"externalId": "s1"}}}}
	}
	byID := []any{map[string]any{"relation": "customer", "to": []any{map[string]any{"profileId": ids[1]}}}}
	record := func(id string, links []any) map[string]any {
		return map[string]any{"externalId": id, "fields": map[string]any{"total": 5}, "links": links}
	}
	put := w.ask(`mutation($r:[RecordInput!]!){upsertObjects(input:{type:"order",records:$r}){results{error{message} record{id}}}}`, map[string]any{"r": []any{
		record("o-ben", user("ben")), record("o-ana", user("ana")), record("o-both", user("ana", "ben")), record("o-ben2", byID),
		record("o-none", nil), record("o-stranger", user("stranger")),
	}})
	vars := map[string]any{"rec": dig(put, "upsertObjects", "results", 0, "record", "id"), "p": ids[0]}
	require.NotEmpty(t, vars["rec"], put)

	all := w.ask(recordReads, vars)
	require.Equal(t, json.Number("6"), dig(all, "all", "totalCount"), all)
	require.Equal(t, "o-ben", dig(all, "one", "externalId"))

	limited, err := w.services.Access.CreateKey(core.WithActor(t.Context(), access.Operator("test")), access.NewKey{
		Workspace: w.ws, Name: "alice", Roles: []string{access.Admin}, Limits: core.Limits{Owners: []string{"alice"}},
	})
	require.NoError(t, err)
	a := w.as(limited.Secret, recordReads, vars)
	require.Empty(t, a.Errors, string(a.Body))
	require.NotContains(t, string(a.Body), `"ben"`)
	require.NotContains(t, string(a.Body), "o-ben")
	require.NotContains(t, string(a.Body), "stranger", "whose it is cannot be told")
	require.Nil(t, a.Data["one"])
	require.Nil(t, a.Data["node"])
	require.NotNil(t, a.Data["shop"])
	require.Equal(t, json.Number("3"), dig(a.Data, "all", "totalCount"))
	require.Equal(t, json.Number("3"), dig(a.Data, "some", "totalCount"))
	require.Equal(t, json.Number("3"), dig(a.Data, "objectType", "recordCount", "value"))
	require.Len(t, dig(a.Data, "back", "edges"), 3)
	require.Len(t, dig(a.Data, "profile", "objects", "edges"), 2)
	var paged []string
	after := ""
	for {
		b := w.as(limited.Secret, `query($a:Cursor){objects(type:"order",first:1,after:$a){edges{node{externalId}}pageInfo{hasNextPage endCursor}}}`, map[string]any{"a": nilOr(after)})
		require.Empty(t, b.Errors, string(b.Body))
		id, _ := dig(b.Data, "objects", "edges", 0, "node", "externalId").(string)
		paged = append(paged, id)
		if dig(b.Data, "objects", "pageInfo", "hasNextPage") != true {
			break
		}
		after, _ = dig(b.Data, "objects", "pageInfo", "endCursor").(string)
	}
	require.ElementsMatch(t, []string{"o-ana", "o-both", "o-none"}, paged)

	// What is written is not shown either, and the audit knows whose records were.
	changed := w.as(limited.Secret, `mutation{upsertObject(input:{type:"order",externalId:"o-ben",fields:{total:6}}){record{id fields} outcome}}`, nil)
	require.Equal(t, map[string]any{"record": nil, "outcome": "UPDATED"}, changed.Data["upsertObject"], string(changed.Body))
	heard := func() int {
		list, _ := dig(w.ask(`query($p:ID!){auditEntries(first:100,where:{profileId:$p}){edges{node{id}}}}`, map[string]any{"p": ids[1]}), "auditEntries", "edges").([]any)
		return len(list)
	}
	time.Sleep(time.Second) // what was asked until now is in the log
	before := heard()
	w.as(w.admin, `{object(type:"order",externalId:"o-ben2"){externalId}}`, nil)
	require.Eventually(t, func() bool { return heard() > before }, 10*time.Second, 50*time.Millisecond)
}

func nilOr(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TestAKeysPurposesAreItsSources makes write keys with purposes.
func TestAKeysPurposesAreItsSources(t *testing.T) {
	w := newWorld(t)
	src, err := w.services.Events.CreateSource(core.WithActor(t.Context(), access.Operator("test")), w.ws, event.SourceInput{Name: "Newsletter"})
	require.NoError(t, err)
	key := func(purposes ...string) answer {
		return w.as(w.admin, `mutation($s:ID!,$p:[String!]){createKey(input:{name:"x",roles:["write"],source:$s,purposes:$p}){secret key{source{purposes}} userErrors{reason path}}}`,
			map[string]any{"s": src.SourceID(), "p": purposes})
	}
	made := key("marketing", "analytics")
	secret, _ := dig(made.Data, "createKey", "secret").(string)
	require.NotEmpty(t, secret, string(made.Body))
	require.Equal(t, []any{"analytics", "marketing"}, dig(made.Data, "createKey", "key", "source", "purposes"))
	again := key("marketing")
	require.Equal(t, "SOURCE_PURPOSES", dig(again.Data, "createKey", "userErrors", 0, "reason"), string(again.Body))
	more := key("marketing", "analytics", "support")
	require.NotNil(t, dig(more.Data, "createKey", "secret"), string(more.Body))
	unknown := key("nonsense")
	require.NotEmpty(t, dig(unknown.Data, "createKey", "userErrors"), string(unknown.Body))

	sent := w.as(secret, ingestQuery, map[string]any{"events": []any{identify("ana", map[string]any{"plan": "pro"})}})
	id, _ := dig(sent.Data, "ingest", "results", 0, "profileId").(string)
	require.NotEmpty(t, id, string(sent.Body))
	time.Sleep(event.CacheTTL + 50*time.Millisecond)
	body, err := json.Marshal(map[string]any{"query": `query($id:ID!){profile(id:$id){traits withheld{path reason}} profiles(where:{trait:{path:"plan",eq:"pro"}}){totalCount}}`, "variables": map[string]any{"id": id}})
	require.NoError(t, err)
	for purpose, want := range map[string]string{"operations": "0", "analytics": "1"} {
		a := w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+w.admin, "X-Purpose", purpose)
		require.Empty(t, a.Errors, string(a.Body))
		require.Equal(t, json.Number(want), dig(a.Data, "profiles", "totalCount"), purpose)
		require.Equal(t, want == "0", strings.Contains(string(a.Body), core.WithheldPurpose), string(a.Body))
	}
}
