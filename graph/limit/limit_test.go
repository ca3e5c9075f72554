package limit

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
)

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { me: User users(first: Int, last: Int): UserConnection! }
	type User { id: ID! tags: [Tag!]! friends(first: Int, last: Int): UserConnection! }
	type Tag { name: String! }
	type UserConnection { edges: [UserEdge!]! totalCount: Int! pageInfo: PageInfo! }
	type UserEdge { cursor: String! node: User! }
	type PageInfo { hasNextPage: Boolean! }`})

func TestCost(t *testing.T) {
	for query, want := range map[string]int64{
		`{me{id}}`:                          2,
		`{a:me{id} b:me{id}}`:               4,
		`{me{tags{name}}}`:                  2 + 10,
		`{users{edges{node{id}}}}`:          2 + 20*2, // the default page
		`{users(first:5){edges{node{id}}}}`: 2 + 5*2,
		`{users(last:5){edges{node{id}}}}`:  2 + 5*2,
		`{users(first:5){edges{node{id}} pageInfo{hasNextPage}}}`:                                     2 + 5*2 + 2,
		`{users(first:0){edges{node{id}}}}`:                                                           2 + 2, // nothing is free
		`{users(first:-3){edges{node{id}}}}`:                                                          2 + 20*2,
		`{users(first:2000000000){edges{node{id}}}}`:                                                  2 + 200*2,
		`{users(first:1){totalCount}}`:                                                                1 + 100,
		`{users(first:3){edges{node{friends(first:4){edges{node{id}}}}}}}`:                            2 + 3*(1+2+4*2),
		`query($n:Int=7){users(first:$n){edges{node{id}}}}`:                                           2 + 7*2,
		`{users(first:3){...E}} fragment E on UserConnection{edges{node{id}}}`:                        2 + 3*2,
		`{a:users(first:3){...E} b:users(first:5){...E}} fragment E on UserConnection{edges{cursor}}`: 2 + 3 + 2 + 5,
		`{users(first:3){edges{...on UserEdge{cursor}}}}`:                                             2 + 3,
		`{__schema{types{name}}}`:                                                                     20_000,
		`{__typename}`:                                                                                1,
	} {
		doc, errs := gqlparser.LoadQueryWithRules(schema, query, nil)
		require.Empty(t, errs, query)
		got, err := Default().CostOf(doc.Operations[0], nil)
		require.Nil(t, err, query)
		require.Equal(t, want, got, query)
	}
}

func TestCostSaturates(t *testing.T) {
	query := strings.Repeat(`{users(first:200){edges{node{friends(first:200)`, 1)
	for range 9 {
		query += `{edges{node{friends(first:200)`
	}
	query += `{totalCount}` + strings.Repeat(`}}}`, 9) + `}}}}`
	doc, errs := gqlparser.LoadQueryWithRules(schema, query, nil)
	require.Empty(t, errs)
	cost, err := Default().CostOf(doc.Operations[0], nil)
	require.Equal(t, int64(huge), cost)
	require.Equal(t, core.TooComplex, err.Code)
}

func TestJSON(t *testing.T) {
	l := Limits{Nesting: 3, Values: 6}
	for text, reason := range map[string]string{
		`{"a":[1,{"b":2}]}`: "", `[[[]]]`: "", `[[[[]]]]`: "TOO_NESTED", `"[[[[[[["`: "", `"\"[[[[["`: "",
		`[1,2,3,4,5,6]`: "", `[1,2,3,4,5,6,7,8]`: "TOO_MANY_VALUES", `"unended \`: "", ``: "",
	} {
		err := l.JSON([]byte(text))
		if reason == "" {
			require.Nil(t, err, text)
			continue
		}
		require.NotNil(t, err, text)
		require.Equal(t, reason, err.Reason)
	}
}
