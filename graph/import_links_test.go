package graph_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportsTakeTheLinksOfUpserts writes the same links by both.
func TestImportsTakeTheLinksOfUpserts(t *testing.T) {
	w := newWorld(t)
	d := w.ask(`mutation{createObjectType(input:{key:"visit",name:"Visit",relations:[{key:"visitor"},{key:"friends",many:true}]}){userErrors{reason message}}}`, nil)
	require.Empty(t, dig(d, "createObjectType", "userErrors"))
	ids := w.ingest(person("u1", "ann@example.com"))
	links := `[{"relation":"visitor","to":[{"identifier":{"namespace":"email","value":"ana@example.com"}}]},{"relation":"friends","to":[{"profileId":"` + ids[0] + `"},{"identifier":{"namespace":"user_id","value":"u1"}}]}]`
	d = w.ask(`mutation($text:String!){importObjects(input:{type:"visit",content:{ndjson:$text}}){userErrors{reason}}}`,
		fields{"text": `{"externalId":"a","links":` + links + "}\n"})
	require.Empty(t, dig(d, "importObjects", "userErrors"))
	w.idle()
	var list []any
	require.NoError(t, json.Unmarshal([]byte(links), &list))
	d = w.ask(`mutation($links:[RelationLinksInput!]){upsertObject(input:{type:"visit",externalId:"b",links:$links}){userErrors{reason}}}`,
		fields{"links": list})
	require.Empty(t, dig(d, "upsertObject", "userErrors"))
	read := func(id string) any {
		return dig(w.ask(`query($id:String!){object(type:"visit",externalId:$id){links{relation identifier{namespace value} profileId}}}`, fields{"id": id}), "object", "links")
	}
	require.Len(t, read("a"), 3)
	require.Equal(t, read("b"), read("a"))
}
