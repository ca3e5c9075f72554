package staging_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// redacted stages a file for a job, if it is of one, takes somebody out of it, and returns
// the file as it is then.
func redacted(t *testing.T, content []byte, status work.Status, input bson.M, ids ...staging.Identifier) []byte {
	t.Helper()
	b := open(t)
	f := b.put(content)
	if status != "" {
		if input == nil {
			input = bson.M{}
		}
		input["file"] = f.ID
		raw, err := bson.Marshal(input)
		require.NoError(t, err)
		j := &work.Job{Meta: store.Meta{ID: store.Key(ws, "job_1")}, Kind: area.Job, Status: status, Input: raw}
		require.NoError(t, work.Commit(t.Context(), b.db, work.JobDocs.Insert(j)))
	}
	for range 10 {
		ops, err := staging.Redact(t.Context(), b.db, area.Chunks.Spec, ws, ids)
		require.NoError(t, err)
		if len(ops) == 0 {
			out := b.read(f, 0)
			require.Len(t, out, len(content))
			return out
		}
		require.NoError(t, work.Commit(t.Context(), b.db, ops...))
	}
	t.Fatal("it finds the same again and again")
	return nil
}

// Short identifiers are found where they are identifiers, and nobody else's 7 goes.
func TestShortIdentifiersAreFoundInTheirFields(t *testing.T) {
	user, card := staging.Identifier{Namespace: "user_id", Value: "7"}, staging.Identifier{Namespace: "card", Value: "x7"}
	for name, c := range map[string]struct {
		rows   string
		status work.Status
		input  bson.M
		gone   []int // lines
	}{
		"JSON": {rows: `{"userId":"7","traits":{"age":9}}
{"userId":"8","properties":{"quantity":"7","size":7}}
{"userId":7}
{"type":"alias","userId":"9","previousId":"7"}
{"userId":"9","context":{"externalIds":[{"type":"card","id":"X7"}]}}
{"userId":"9","context":{"externalIds":[{"type":"shop","id":"x7"}]}}
{"userId":"9","traits":{"card":"x7"}}
{"links":[{"namespace":"user_id","value":"7"}]}`, status: work.Running, gone: []int{0, 2, 3, 4, 6, 7}},
		"CSV":           {rows: "userId,traits.age,traits.card\n7,1,\n8,7,\n9,1, x7 \n\"7\",2,\n", status: work.Queued, gone: []int{1, 3, 4}},
		"a mapping":     {rows: "a;b;userId\n7;1;2\n1;7;2\n1;1;7\n", status: work.Queued, input: bson.M{"comma": ";", "mapping": bson.A{bson.M{"column": "a", "target": "traits.age:number"}, bson.M{"column": "b", "target": "user_id:string"}}}, gone: []int{2}},
		"a link":        {rows: "externalId,link.buyer.user_id\n7,3\no9,7\n", status: work.Queued, gone: []int{2}},
		"a cut row":     {rows: "userId,name,n\n1,\"a\nb\",7\n2,c,7\n", status: work.Queued, gone: []int{2}},
		"uploading":     {rows: "userId;n\n7;1\n8;7\n", gone: []int{1}},
		"given up":      {rows: "a,b\n1,7\n2,8\n", status: work.Cancelled, gone: []int{1}},
		"part of a row": {rows: "userId,n\n77,1\n17,1\n", status: work.Queued},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Split(c.rows, "\n")
			for _, n := range c.gone {
				want[n] = strings.Repeat(" ", len(want[n]))
			}
			require.Equal(t, want, strings.Split(string(redacted(t, []byte(c.rows), c.status, c.input, user, card)), "\n"))
		})
	}
}

// Long values are looked for in every field, as they name somebody wherever they stand.
func TestLongIdentifiersAreFoundAnywhere(t *testing.T) {
	id := staging.Identifier{Namespace: "email", Value: "ann@example.com"}
	got := redacted(t, []byte("who,n\nAnn@Example.com,1\nbob@example.com,2\n"), work.Queued, nil, id)
	require.Equal(t, "who,n\n"+strings.Repeat(" ", 17)+"\nbob@example.com,2\n", string(got))
}

func TestShortIdentifiersAreFoundInDocuments(t *testing.T) {
	var file []byte
	add := func(v any) {
		raw, err := bson.Marshal(v)
		require.NoError(t, err)
		file = append(file, raw...)
	}
	id := func(space, v string) bson.M {
		return bson.M{"i": bson.A{bson.D{{Key: "namespace", Value: space}, {Key: "value", Value: v}}}}
	}
	add(id("user_id", "7"))
	add(id("card", "7"))
	add(id("user_id", "xx"))
	got := redacted(t, file, work.Running, nil, staging.Identifier{Namespace: "user_id", Value: "7"}, staging.Identifier{Namespace: "user_id", Value: "xx"})
	var values []string
	for len(got) > 0 {
		n := int(got[0]) | int(got[1])<<8
		values = append(values, bson.Raw(got[:n]).Lookup("i", "0", "value").StringValue())
		got = got[n:]
	}
	require.Equal(t, []string{"x", "7", "xx"}, values)
}
