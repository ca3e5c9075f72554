package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/graph/limit"
)

// hostile requests and the reason each is refused with. Together with the time
// that their refusal may take they are the edge's promise about cost.
var hostile = []struct {
	name   string
	query  func() string
	vars   string
	reason string
}{
	{name: "ten thousand aliases", query: func() string {
		return "{" + repeat(10_000, func(i int) string { return fmt.Sprintf("a%d:viewer{id}", i) }) + "}"
	}, reason: "QUERY_TOO_LARGE"},
	{name: "many aliases in a small text", query: func() string {
		return "{" + repeat(1000, func(i int) string { return fmt.Sprintf("a%d:viewer{id}", i) }) + "}"
	}, reason: "TOO_MANY_ALIASES"},
	{name: "aliases of leaves", query: func() string {
		return "{viewer{" + repeat(1500, func(i int) string { return fmt.Sprintf("a%d:id ", i) }) + "}}"
	}, reason: "TOO_MANY_ALIASES"},
	{name: "exponential spreads", query: func() string {
		return "{...f0}" + repeat(60, func(i int) string { return fmt.Sprintf("fragment f%d on Query{...f%d ...f%d}", i, i+1, i+1) }) + "fragment f60 on Query{viewer{id}}"
	}, reason: "TOO_MANY_FIELDS"},
	{name: "exponential nesting", query: func() string {
		return "{profiles{...f0}}" + repeat(40, func(i int) string {
			return fmt.Sprintf("fragment f%d on ProfileConnection{edges{node{events{edges{node{profile{id}}}}}} ...f%d a:edges{node{id}} ...f%d}", i, i+1, i+1)
		}) + "fragment f40 on ProfileConnection{totalCount}"
	}, reason: "TOO_MANY_FIELDS"},
	{name: "fragment cycle", query: func() string {
		return "{...a} fragment a on Query{...b} fragment b on Query{...a}"
	}, reason: "GRAPHQL_VALIDATION_FAILED"},
	{name: "fragment that spreads itself", query: func() string {
		return "{...a} fragment a on Query{viewer{id} ...a ...a}"
	}, reason: "GRAPHQL_VALIDATION_FAILED"},
	{name: "many fragments", query: func() string {
		return "{...f0}" + repeat(500, func(i int) string { return fmt.Sprintf("fragment f%d on Query{viewer{id}}", i) })
	}, reason: "TOO_MANY_FRAGMENTS"},
	{name: "one megabyte of query", query: func() string {
		return "{viewer{" + strings.Repeat("id ", 300_000) + "}}"
	}, reason: "QUERY_TOO_LARGE"},
	{name: "one megabyte of comment", query: func() string {
		return "#" + strings.Repeat("x", 1_000_000) + "\n{viewer{id}}"
	}, reason: "QUERY_TOO_LARGE"},
	{name: "body beyond its limit", query: func() string {
		return strings.Repeat(" ", 1_100_000)
	}, reason: "BODY_TOO_LARGE"},
	{name: "tokens", query: func() string {
		return "{viewer{" + strings.Repeat("id ", 20_000) + "}}"
	}, reason: "TOO_MANY_TOKENS"},
	{name: "the same field again and again", query: func() string {
		return "{viewer{" + strings.Repeat("id ", 2000) + "}}"
	}, reason: "TOO_MANY_OVERLAPS"},
	{name: "overlapping trees", query: func() string {
		tree := "id"
		for range 9 {
			tree = "profile{" + tree + "}profile{" + tree + "}"
		}
		return "{events{edges{node{" + tree + "}}}}"
	}, reason: "TOO_MANY_OVERLAPS"},
	{name: "deep selections", query: func() string {
		return "{" + strings.Repeat("viewer{", 2000) + "id" + strings.Repeat("}", 2001)
	}, reason: "TOO_DEEP"},
	{name: "deep inline fragments", query: func() string {
		return "{" + strings.Repeat("...{", 2000) + "viewer{id}" + strings.Repeat("}", 2001)
	}, reason: "TOO_DEEP"},
	{name: "deep literals", query: func() string {
		return "mutation{ingest(input:{events:[{type:TRACK properties:" + strings.Repeat("[", 3900) + strings.Repeat("]", 3900) + "}]}){accepted}}"
	}, reason: "TOO_NESTED"},
	{name: "directives", query: func() string {
		return "{viewer{id" + strings.Repeat("@include(if:true)", 900) + "}}"
	}, reason: "TOO_MANY_DIRECTIVES"},
	{name: "unknown directives", query: func() string {
		return "{viewer{id" + strings.Repeat("@x", 3900) + "}}"
	}, reason: "TOO_MANY_DIRECTIVES"},
	{name: "operations", query: func() string {
		return repeat(500, func(i int) string { return fmt.Sprintf("query q%d{viewer{id}}", i) })
	}, reason: "TOO_MANY_OPERATIONS"},
	{name: "variables", query: func() string {
		return "query q(" + repeat(1000, func(i int) string { return fmt.Sprintf("$v%d:Int ", i) }) + "){viewer{id}}"
	}, reason: "TOO_MANY_VARIABLES"},
	{name: "deep variables", query: func() string { return "query q($v:JSON){viewer{id}}" },
		vars: `{"v":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, reason: "TOO_NESTED"},
	{name: "huge variables", query: func() string { return "query q($v:JSON){viewer{id}}" },
		vars: `{"v":[` + strings.Repeat("0,", 450_000) + `0]}`, reason: "TOO_MANY_VALUES"},
	{name: "nested lists", query: func() string {
		return "{profiles(first:200){edges{node{events(first:200){edges{node{id}}}}}}}"
	}, reason: "COST_EXCEEDED"},
	{name: "nested lists by variables", query: func() string {
		return "query($n:Int){profiles(first:$n){edges{node{events(last:$n){edges{node{id}}}}}}}"
	}, vars: `{"n":200}`, reason: "COST_EXCEEDED"},
	{name: "a page of a billion", query: func() string {
		return "{profiles(first:1000000000){edges{node{events(first:1000000000){edges{node{profile{events(first:1000000000){edges{node{id}}}}}}}}}}}"
	}, reason: "COST_EXCEEDED"},
	{name: "introspection of introspection", query: func() string {
		return "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}"
	}, reason: "GRAPHQL_VALIDATION_FAILED"},
	{name: "wide introspection", query: func() string {
		return "{" + repeat(49, func(i int) string { return fmt.Sprintf("a%d:__schema{types{fields{type{fields{name}}}}}", i) }) + "}"
	}, reason: "COST_EXCEEDED"},
	{name: "unknown fields", query: func() string {
		return "{viewer{" + repeat(150, func(i int) string { return "f" + strings.Repeat("x", 300) + fmt.Sprint(i) + " " }) + "}}"
	}, reason: "GRAPHQL_VALIDATION_FAILED"},
	{name: "many bad variables", query: func() string {
		return "mutation q($v:[EventInput!]!){ingest(input:{events:$v}){accepted}}"
	}, vars: `{"v":[` + strings.TrimSuffix(strings.Repeat(`{"type":"X"},`, 20_000), ",") + `]}`, reason: "BAD_VARIABLE"},
}

func repeat(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func TestHostileQueriesAreRefusedQuickly(t *testing.T) {
	w := newWorld(t)
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			vars := h.vars
			if vars == "" {
				vars = "{}"
			}
			query, err := json.Marshal(h.query())
			require.NoError(t, err)
			body := []byte(`{"query":` + string(query) + `,"variables":` + vars + `}`)
			start := time.Now()
			a := w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+w.admin)
			took := time.Since(start)
			require.NotEmpty(t, a.Errors, string(a.Body[:min(len(a.Body), 300)]))
			require.Equal(t, h.reason, a.Errors[0].Extensions.Reason, a.Errors[0].Message)
			require.Nil(t, a.Data)
			require.LessOrEqual(t, len(a.Errors), 10)
			require.LessOrEqual(t, len(a.Body), 16<<10)
			t.Logf("%v", took)
			require.Less(t, took, 5*time.Second, "validation was asked first")
		})
	}
}

// TestGenerousQueriesPass holds the limits above what applications send.
func TestGenerousQueriesPass(t *testing.T) {
	w := newWorld(t)
	w.ask(introspectionQuery, nil)
	w.ask(`{ profiles(first: 100) { totalCount edges { cursor node { id identifiers { namespace value } traits
		events(first: 50) { edges { node { id name timestamp properties } } } merges { id reason } } } } }`, nil)
	var events []map[string]any
	for i := range 1000 {
		events = append(events, map[string]any{"type": "TRACK", "messageId": fmt.Sprint("m", i), "userId": fmt.Sprint("u", i%10), "event": "A", "properties": map[string]any{"a": i, "b": []int{1, 2, 3}, "c": map[string]any{"d": true}}})
	}
	w.ingest(events...)
	require.Equal(t, json.Number("1000"), dig(w.ask(`{ events(first: 0) { totalCount } }`, nil), "events", "totalCount"))
}

func BenchmarkHostile(b *testing.B) {
	l := limit.Default()
	body := bytes.Repeat([]byte("0,"), 500_000)
	for b.Loop() {
		if l.JSON(body) == nil {
			b.Fatal("passed")
		}
	}
}

// introspectionQuery is what GraphiQL sends.
const introspectionQuery = `query IntrospectionQuery { __schema { queryType { name kind } mutationType { name kind } subscriptionType { name kind }
	types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
	fragment FullType on __Type { kind name description specifiedByURL isOneOf fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
	inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
	fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`
