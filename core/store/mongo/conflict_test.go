package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

// lost are the ways in which a condition is told to have failed.
func TestConflictNamesTheDocument(t *testing.T) {
	version := func(id string, v int64) bson.D {
		return bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: v}}
	}
	pair := func(a, b store.Op) []store.Op { return []store.Op{a, b} }
	for name, c := range map[string]struct {
		ops    []store.Op
		wire   int32
		script func(*scripted.Server)
		want   store.ConflictError
	}{
		"insert of a key that exists": {
			ops: pair(insertOp(people, "ws/1"), insertOp(people, "ws/2")),
			script: func(s *scripted.Server) {
				s.On("insert people", scripted.Reject(1, 11000))
				s.On("find people", scripted.Docs(version("ws/2", 1)))
			},
			want: store.ConflictError{Collection: "people", ID: "ws/2", Kind: store.OpInsert},
		},
		"absence of a key that exists": {
			ops: pair(insertOp(people, "ws/1"), people.Absent("ws/2")),
			script: func(s *scripted.Server) {
				s.On("insert people", scripted.Reject(1, 11000))
			},
			want: store.ConflictError{Collection: "people", ID: "ws/2", Kind: store.OpAbsent},
		},
		"replacement of another version": {
			ops: pair(people.Replace(named("ws/1", "", 3)), people.Replace(named("ws/2", "", 5))),
			script: func(s *scripted.Server) {
				s.On("update people", scripted.Matched(1))
				s.On("find people", scripted.Docs(version("ws/1", 3), version("ws/2", 6)))
			},
			want: store.ConflictError{Collection: "people", ID: "ws/2", Kind: store.OpReplace},
		},
		"check of a document that is gone": {
			ops: pair(people.Replace(named("ws/1", "", 3)), people.Check(named("ws/2", "", 5))),
			script: func(s *scripted.Server) {
				s.On("update people", scripted.Matched(1))
				s.On("find people", scripted.Docs(version("ws/1", 3)))
			},
			want: store.ConflictError{Collection: "people", ID: "ws/2", Kind: store.OpCheck},
		},
		"deletion of another version": {
			ops: []store.Op{pets.Delete(named("ws/9", "", 2))},
			script: func(s *scripted.Server) {
				s.On("delete pets", scripted.Matched(0))
				s.On("find pets", scripted.Docs(version("ws/9", 4)))
			},
			want: store.ConflictError{Collection: "pets", ID: "ws/9", Kind: store.OpDelete},
		},
		"several, of which the first in the batch is named": {
			ops: pair(people.Check(named("ws/1", "", 3)), insertOp(people, "ws/2")),
			script: func(s *scripted.Server) {
				s.On("update people", scripted.Matched(0))
				s.On("find people", scripted.Docs(version("ws/2", 1), version("ws/1", 4)))
			},
			want: store.ConflictError{Collection: "people", ID: "ws/1", Kind: store.OpCheck},
		},
		"insert, on 8.0": {
			ops: pair(insertOp(people, "ws/1"), insertOp(people, "ws/2")), wire: 25,
			script: func(s *scripted.Server) { s.On("bulkWrite", scripted.BulkReject(1, 11000)) },
			want:   store.ConflictError{Collection: "people", ID: "ws/2", Kind: store.OpInsert},
		},
		"replacement, on 8.0": {
			ops: pair(people.Replace(named("ws/1", "", 3)), pets.Replace(named("ws/2", "", 5))), wire: 25,
			script: func(s *scripted.Server) {
				s.On("bulkWrite", scripted.Bulk(1, 0))
				s.On("find people", scripted.Docs(version("ws/1", 3)))
				s.On("find pets", scripted.Docs(version("ws/2", 9)))
			},
			want: store.ConflictError{Collection: "pets", ID: "ws/2", Kind: store.OpReplace},
		},
		"deletion, on 8.0": {
			ops: pair(pets.Delete(named("ws/1", "", 3)), insertOp(people, "ws/2")), wire: 25,
			script: func(s *scripted.Server) { s.On("bulkWrite", scripted.Bulk(0, 1)) },
			want:   store.ConflictError{Collection: "pets", ID: "ws/1", Kind: store.OpDelete},
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv, s := start(t, func(s *scripted.Server) {
				if c.wire > 0 {
					s.Wire = c.wire
				}
			})
			c.script(srv)
			_, err := s.Commit(t.Context(), store.Batch{ID: "b", Ops: c.ops})
			require.ErrorIs(t, err, store.ErrConflict)
			var conflict *store.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, c.want, *conflict)
			require.Empty(t, srv.Commands("commitTransaction"))
			aborts := srv.Commands("abortTransaction")
			require.Len(t, aborts, 1, "the transaction is ended")
			require.Equal(t, text(t, srv.Commands()[0], "txnNumber"), text(t, aborts[0], "txnNumber"))
		})
	}
}

func TestAdditionsAreNeverAConflict(t *testing.T) {
	srv, s := start(t)
	srv.On("update", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 2}, {Key: "nModified", Value: 1},
		{Key: "upserted", Value: bson.A{bson.D{{Key: "index", Value: 1}, {Key: "_id", Value: "ws/2"}}}}}))
	_, err := s.Commit(t.Context(), store.Batch{ID: "b", Ops: []store.Op{
		pets.Add("ws/1", map[string]int64{"n": 1}), pets.Add("ws/2", map[string]int64{"n": 1}),
	}})
	require.NoError(t, err)
}
