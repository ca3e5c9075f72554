package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

func stored(id, name string, age int64) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(3)}, {Key: "name", Value: name}, {Key: "age", Value: age},
		{Key: "_c", Value: int64(9)}, {Key: "_w", Value: "ws"}}
}

func TestGetKeepsTheOrderAndHidesTheEnginesFields(t *testing.T) {
	srv, s := start(t)
	srv.On("find", scripted.Docs(stored("ws/2", "Bob", 5), stored("ws/1", "Ada", 4)))
	docs, err := s.Get(t.Context(), people.Spec, []string{"ws/1", "ws/none", "ws/2", "ws/1"})
	require.NoError(t, err)
	require.Len(t, docs, 4)
	require.Equal(t, []string{"_id", "_v", "name", "age"}, fields(t, docs[0]))
	require.Nil(t, docs[1])
	require.Equal(t, docs[0], docs[3])

	find := srv.Commands("find")[0]
	require.Equal(t, `{"_id":{"$in":["ws/1","ws/none","ws/2","ws/1"]}}`, text(t, find, "filter"))
	require.Contains(t, text(t, find, "readConcern"), `"level":"majority"`)
	require.False(t, has(find, "$readPreference"), "the primary")
}

func TestReadsComeAfterTheCommitsOfTheProcess(t *testing.T) {
	srv, s := start(t)
	srv.On("commitTransaction", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "operationTime", Value: bson.Timestamp{T: 9000, I: 9}}}))
	_, err := s.Commit(t.Context(), one())
	require.NoError(t, err)
	_, err = s.Get(t.Context(), people.Spec, []string{"ws/1"})
	require.NoError(t, err)
	require.Equal(t, `{"level":"majority","afterClusterTime":{"$timestamp":{"t":9000,"i":9}}}`, text(t, srv.Commands("find")[0], "readConcern"))
	_, err = s.Commit(t.Context(), one())
	require.NoError(t, err)
	last := srv.Commands("insert")[2]
	require.Equal(t, `{"level":"snapshot","afterClusterTime":{"$timestamp":{"t":9000,"i":9}}}`, text(t, last, "readConcern"), "and so do later commits")
}

func TestScanUsesItsIndex(t *testing.T) {
	srv, s := start(t)
	srv.On("find", scripted.Docs(stored("ws/1", "Ada", 4)))
	got, err := people.Find(t.Context(), s, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("name", "Ada"), store.Gte("age", 3)}}, 20)
	require.NoError(t, err)
	require.Equal(t, "Ada", got[0].Name)
	find := srv.Commands("find")[0]
	require.Equal(t, `"hw name -age"`, text(t, find, "hint"))
	require.Equal(t, "20", text(t, find, "limit"))
	require.Equal(t, "21", text(t, find, "batchSize"))
	require.Equal(t, `{"age":-1,"_id":1}`, text(t, find, "sort"))
	require.Contains(t, text(t, find, "readConcern"), `"level":"majority"`)
}

func TestScanByKey(t *testing.T) {
	srv, s := start(t)
	_, err := people.Find(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"-_id"}}, 0)
	require.NoError(t, err)
	find := srv.Commands("find")[0]
	require.Equal(t, `{"$and":[{"_id":{"$gte":"ws/"}},{"_id":{"$lt":"ws0"}}]}`, text(t, find, "filter"))
	require.Equal(t, `{"_id":-1}`, text(t, find, "sort"))
	require.Equal(t, `{"_id":1}`, text(t, find, "hint"))
}

func TestCount(t *testing.T) {
	srv, s := start(t)
	srv.On("aggregate", scripted.Docs(bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: int32(12)}}))
	n, err := people.Count(t.Context(), s, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("tags", "vip")}})
	require.NoError(t, err)
	require.EqualValues(t, 12, n)
	require.Equal(t, `"hw tags age"`, text(t, srv.Commands("aggregate")[0], "hint"))
}

func TestPagesContinueBehindTheCursor(t *testing.T) {
	srv, s := start(t)
	srv.On("find", scripted.Docs(stored("ws/1", "Ada", 4), stored("ws/2", "Ada", 3)))
	q := store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("name", "Ada")}}
	page, err := people.Page(t.Context(), s, q, core.Window{Limit: 1})
	require.NoError(t, err)
	require.True(t, page.HasNext)
	_, err = people.Page(t.Context(), s, q, core.Window{Limit: 1, After: page.Cursors[0]})
	require.NoError(t, err)
	require.Equal(t, `{"$or":[`+
		`{"$and":[{"_w":{"$eq":"ws"}},`+present("name")+`,{"name":{"$eq":"Ada"}},{"age":{"$lt":4}},`+present("age")+`]},`+
		`{"$and":[{"_w":{"$eq":"ws"}},`+present("name")+`,{"name":{"$eq":"Ada"}},{"age":{"$eq":4}},{"_id":{"$gt":"ws/1"}},`+present("age")+`]}]}`,
		text(t, srv.Commands("find")[1], "filter"))
}

func TestARangeOverElementsIsAskedOfOneElement(t *testing.T) {
	srv, s := start(t)
	srv.On("find", scripted.Docs(stored("ws/1", "Ada", 4), stored("ws/2", "Ada", 3)))
	q := store.Query{Workspace: "ws", Where: []store.Cond{store.Gte("words", "a"), store.Lt("words", "b")}, Order: []string{"-_id"}}
	page, err := people.Page(t.Context(), s, q, core.Window{Limit: 1})
	require.NoError(t, err)
	find := srv.Commands("find")[0]
	require.Equal(t, `{"$and":[{"_w":{"$eq":"ws"}},{"words":{"$elemMatch":{"$gte":"a","$lt":"b"}}}]}`, text(t, find, "filter"))
	require.Equal(t, `{"_id":-1}`, text(t, find, "sort"))
	require.Equal(t, `"hw words"`, text(t, find, "hint"))
	_, err = people.Page(t.Context(), s, q, core.Window{Limit: 1, After: page.Cursors[0]})
	require.NoError(t, err)
	require.Equal(t, `{"$and":[{"_w":{"$eq":"ws"}},{"words":{"$elemMatch":{"$gte":"a","$lt":"b"}}},{"_id":{"$lt":"ws/1"}}]}`,
		text(t, srv.Commands("find")[1], "filter"))
	_, err = people.Count(t.Context(), s, store.Query{Workspace: "ws", Where: []store.Cond{store.Prefix("words", "a")}})
	require.NoError(t, err)
	count := srv.Commands("aggregate")[0]
	require.Equal(t, `"hw words"`, text(t, count, "hint"))
	require.Contains(t, text(t, count, "pipeline"), `{"words":{"$elemMatch":{"$gte":"a","$lte":"a`+"\U0010FFFF"+`"}}}`)
}

func present(path string) string {
	return `{"` + path + `":{"$exists":true,"$type":["string","long","int","bool","date"]}}`
}
