package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestProfileAsItWasBeforeAMerge looks a person up by a name that belongs to
// somebody else by now.
func TestProfileAsItWasBeforeAMerge(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(identify("ana", nil), identify("ben", map[string]any{"city": "Cluj"}))
	instant := func() string {
		time.Sleep(5 * time.Millisecond)
		defer time.Sleep(5 * time.Millisecond)
		return time.Now().UTC().Format(time.RFC3339Nano)
	}
	apart := instant()
	done := w.ask(`mutation($a:ID!,$b:ID!){mergeProfiles(input:{winnerId:$a,loserId:$b,reason:"same"}){merge{id} userErrors{reason}}}`, map[string]any{"a": ids[0], "b": ids[1]})
	joined := instant()
	w.ask(`mutation($m:ID!){unmergeProfiles(input:{mergeId:$m}){userErrors{reason}}}`, map[string]any{"m": dig(done, "mergeProfiles", "merge", "id")})
	w.ask(`mutation($a:ID!,$b:ID!){mergeProfiles(input:{winnerId:$a,loserId:$b,reason:"same after all"}){userErrors{reason}}}`, map[string]any{"a": ids[0], "b": ids[1]})
	d := w.ask(`query($ben:IdentifierInput!,$apart:DateTime!,$joined:DateTime!){
		now: profile(identifier:$ben) { id merges { reason undoneAt } }
		apart: profile(identifier:$ben, asOf:$apart) { id cursor parts identifiers { value } merges { reason } }
		joined: profile(identifier:$ben, asOf:$joined) { id parts merges { reason undoneAt } }
		before: profile(identifier:$ben, asOf:"2020-01-01T00:00:00Z") { id } }`,
		map[string]any{"ben": map[string]any{"namespace": "user_id", "value": "ben"}, "apart": apart, "joined": joined})
	require.Equal(t, ids[0], dig(d, "now", "id"))
	require.Len(t, dig(d, "now", "merges"), 2)
	require.Equal(t, ids[1], dig(d, "apart", "id"))
	require.Equal(t, []any{map[string]any{"value": "ben"}}, dig(d, "apart", "identifiers"))
	require.Empty(t, dig(d, "apart", "merges"))
	require.Equal(t, ids[0], dig(d, "joined", "id"))
	require.Equal(t, []any{map[string]any{"reason": "same", "undoneAt": nil}}, dig(d, "joined", "merges"))
	require.Nil(t, dig(d, "before"))

	// From the cursor of then comes what has changed since.
	c := w.connect(t, w.admin)
	c.subscribe("1", changedQuery, map[string]any{"id": ids[1], "after": dig(d, "apart", "cursor")})
	got := dig(c.next("1"), "profileChanged")
	require.Equal(t, ids[0], dig(got, "profile", "id"))
	require.Equal(t, "MERGE", dig(got, "cause"))
}

func TestTraitWithADotInItsName(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", map[string]any{"a.b": map[string]any{"c": 1}, "a": map[string]any{"b": 2}}))[0]
	d := w.ask(`query($id:ID!){profile(id:$id){
		dotted: trait(path:"a\\.b.c") { value } plain: trait(path:"a.b") { value }
		some: traits(paths:["a\\.b"]) half: trait(path:"a\\") { value } }}`, map[string]any{"id": id})
	require.EqualValues(t, "1", dig(d, "profile", "dotted", "value"))
	require.EqualValues(t, "2", dig(d, "profile", "plain", "value"))
	require.Nil(t, dig(d, "profile", "half"))
	require.NotNil(t, dig(d, "profile", "some", "a.b", "c"))
	require.Nil(t, dig(d, "profile", "some", "a"))
}

// TestSubscriptionsHaveOneRootField refuses before anything runs what would
// fail only then.
func TestSubscriptionsHaveOneRootField(t *testing.T) {
	w := newWorld(t)
	for name, query := range map[string]string{
		"two fields":       `subscription{jobChanged(id:"a"){id} profileChanged(id:"b"){cursor}}`,
		"two aliases":      `subscription{a:jobChanged(id:"a"){id} b:jobChanged(id:"b"){id}}`,
		"fragments":        `subscription{...f ...g} fragment f on Subscription{a:jobChanged(id:"a"){id}} fragment g on Subscription{b:jobChanged(id:"b"){id}}`,
		"inline fragments": `subscription{a:jobChanged(id:"a"){id} ... on Subscription{b:jobChanged(id:"b"){id}}}`,
		"introspection":    `subscription{__typename}`,
		"skipped":          `subscription{jobChanged(id:"a") @skip(if:true){id}}`,
		"skipped fragment": `subscription{... @include(if:false){jobChanged(id:"a"){id}}}`,
	} {
		body, err := json.Marshal(map[string]string{"query": query})
		require.NoError(t, err)
		a := w.send("POST", "", "application/json", body, "Authorization", "Bearer "+w.admin, "Accept", "text/event-stream")
		require.Contains(t, string(a.Body), `GRAPHQL_VALIDATION_FAILED`, name)
		require.NotContains(t, string(a.Body), `"INTERNAL"`, name)
	}
	require.NotContains(t, w.log.text(), "level=ERROR")
}

// TestErrorsDoNotQuoteLiterals holds values out of messages, wherever in a query
// they stand.
func TestErrorsDoNotQuoteLiterals(t *testing.T) {
	w := newWorld(t)
	for _, query := range []string{
		`{jobs(first:"zqsecret@x.y"){totalCount}}`,
		`{jobs(status:"zqsecret"){totalCount}}`,
		`{jobs(status:zqsecret){totalCount}}`,
		`{jobs(kind:{a:"zqsecret, found zqsecret"}){totalCount}}`,
		`{profile(identifier:"zqsecret"){id}}`,
		`{profile(identifier:{namespace:["zqsecret"],value:"x"}){id}}`,
		`query($n:Int="zqsecret"){jobs(first:$n){totalCount}}`,
		`{jobs(first:1) "zqsecret" {totalCount}}`,
		`{jobs(kind:"\zqsecret"){totalCount}}`,
		`{viewer{id}} "zqsecret"`,
		`{viewer{id}} """zqsecret"""`,
		`mutation{ingest(input:{events:[{type:"zqsecret"}]}){accepted}}`,
	} {
		a := w.as(w.admin, query, nil)
		require.NotEmpty(t, a.Errors, query)
		require.Contains(t, a.Errors[0].Extensions.Reason, "GRAPHQL_", query)
		require.NotContains(t, string(a.Body), "zqsecret", query)
	}
	a := w.as(w.admin, `{jobs(first:"x"){nothing}}`, nil)
	require.True(t, strings.Contains(string(a.Body), "Int") && strings.Contains(string(a.Body), "nothing"), "names are told")
}

func TestBadScalarsSayWhere(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		query string
		vars  map[string]any
		path  []any
		input []string
	}{
		{`query($t:DateTime){p:profile(id:"prof_1",asOf:$t){id}}`, map[string]any{"t": "yesterday"}, []any{"p"}, []string{"asOf"}},
		{`{p:profile(id:"prof_1",asOf:"yesterday"){id}}`, nil, []any{"p"}, []string{"asOf"}},
		{`mutation{k:rotateKey(input:{id:"key_1",grace:"long"}){userErrors{reason}}}`, nil, []any{"k"}, []string{"input", "grace"}},
		{`mutation($d:Duration){k:rotateKey(input:{id:"key_1",grace:$d}){userErrors{reason}}}`, map[string]any{"d": 5}, []any{"k"}, []string{"input", "grace"}},
	} {
		a := w.as(w.admin, c.query, c.vars)
		require.Equal(t, "INVALID BAD_VALUE", a.code(), string(a.Body))
		require.Equal(t, c.path, a.Errors[0].Path)
		require.Equal(t, c.input, a.Errors[0].Extensions.InputPath)
	}
}

// TestATraitRuleHoldsForWhatWasThere sets a rule and waits until the rebuild that
// it starts has folded an old profile by it.
func TestATraitRuleHoldsForWhatWasThere(t *testing.T) {
	w := newWorld(t)
	crm := dig(w.ask(`mutation{createSource(input:{name:"CRM",kind:HTTP}){source{id} userErrors{reason}}}`, nil), "createSource", "source", "id")
	send := func(source any, plan string) {
		d := w.ask(`mutation($s:ID,$e:[EventInput!]!){ingest(input:{source:$s,events:$e}){rejected userErrors{reason}}}`,
			map[string]any{"s": source, "e": []any{identify("u1", map[string]any{"plan": plan})}})
		require.Empty(t, dig(d, "ingest", "userErrors"))
		time.Sleep(5 * time.Millisecond)
	}
	send(crm, "pro")
	send(nil, "free")
	const read = `{profile(identifier:{namespace:"user_id",value:"u1"}){trait(path:"plan"){value rule}}}`
	require.Equal(t, map[string]any{"value": "free", "rule": "LAST_WRITE"}, dig(w.ask(read, nil), "profile", "trait"))
	d := w.ask(`mutation($s:ID!){setTraitRule(input:{trait:"plan",sources:[$s]}){job{id} userErrors{reason}}}`, map[string]any{"s": crm})
	job := dig(d, "setTraitRule", "job", "id")
	require.NotNil(t, job)
	require.Eventually(t, func() bool {
		return dig(w.ask(`query($j:ID!){job(id:$j){status}}`, map[string]any{"j": job}), "job", "status") == "SUCCEEDED"
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, map[string]any{"value": "pro", "rule": "SOURCE_PRIORITY"}, dig(w.ask(read, nil), "profile", "trait"))
	refused := w.as(w.analyst, `mutation($s:ID!){setTraitRule(input:{trait:"plan",sources:[$s]}){job{id}}}`, map[string]any{"s": crm})
	require.Equal(t, "FORBIDDEN", refused.Errors[0].Extensions.Code)
}
