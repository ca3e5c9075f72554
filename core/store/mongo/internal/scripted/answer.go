package scripted

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Say answers with a document.
func Say(d bson.D) Answer { return func(bson.Raw) bson.D { return append(bson.D{}, d...) } }

// Plain answers as if nothing had been scripted.
func Plain() Answer { return plain }

// Drop breaks the connection in place of an answer.
func Drop() Answer { return func(bson.Raw) bson.D { return nil } }

// Fail answers with a command error and its labels.
func Fail(code int32, name string, labels ...string) Answer {
	d := bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: "secret " + name}}
	if len(labels) > 0 {
		d = append(d, bson.E{Key: "errorLabels", Value: labels})
	}
	return Say(d)
}

// Reject answers an insert, update or delete with the failure of one of its writes.
func Reject(index, code int32) Answer {
	return Say(bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{
		bson.D{{Key: "index", Value: index}, {Key: "code", Value: code}, {Key: "errmsg", Value: "secret"}},
	}}})
}

// Matched answers an update or a delete that matched n documents.
func Matched(n int32) Answer {
	return Say(bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: n}, {Key: "nModified", Value: n}})
}

// Docs answers a find or an aggregate with documents.
func Docs(docs ...bson.D) Answer { return cursor(0, "firstBatch", docs) }

// Stream answers an aggregate with an open cursor and its first events.
func Stream(events ...bson.D) Answer { return cursor(42, "firstBatch", events) }

// More answers a getMore with events.
func More(events ...bson.D) Answer { return cursor(42, "nextBatch", events) }

// Bulk answers a bulkWrite: per write the number of documents it is about.
func Bulk(counts ...int32) Answer {
	docs := make([]bson.D, len(counts))
	for i, n := range counts {
		docs[i] = bson.D{{Key: "ok", Value: 1.0}, {Key: "idx", Value: int32(i)}, {Key: "n", Value: n}, {Key: "nModified", Value: n}}
	}
	return bulk(docs, 0)
}

// BulkReject answers a bulkWrite with the failure of one write.
func BulkReject(index, code int32) Answer {
	return bulk([]bson.D{{{Key: "ok", Value: 0.0}, {Key: "idx", Value: index}, {Key: "code", Value: code}, {Key: "errmsg", Value: "secret"}, {Key: "n", Value: int32(0)}}}, 1)
}

func bulk(docs []bson.D, failed int32) Answer {
	zero := int32(0)
	return Say(bson.D{{Key: "ok", Value: 1},
		{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "admin.$cmd.bulkWrite"}, {Key: "firstBatch", Value: docs}}},
		{Key: "nErrors", Value: failed}, {Key: "nInserted", Value: zero}, {Key: "nMatched", Value: zero},
		{Key: "nModified", Value: zero}, {Key: "nUpserted", Value: zero}, {Key: "nDeleted", Value: zero}})
}

func cursor(id int64, batch string, docs []bson.D) Answer {
	list := bson.A{}
	for _, d := range docs {
		list = append(list, d)
	}
	return Say(bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: id}, {Key: "ns", Value: "db.coll"}, {Key: batch, Value: list}}}})
}

// plain is the success of a server that has nothing and takes everything.
func plain(cmd bson.Raw) bson.D {
	length := func(field string) int32 {
		arr, ok := cmd.Lookup(field).ArrayOK()
		if !ok {
			return 0
		}
		values, _ := arr.Values()
		return int32(len(values))
	}
	switch Name(cmd) {
	case "insert":
		return Matched(length("documents"))(cmd)
	case "update":
		return Matched(length("updates"))(cmd)
	case "delete":
		return Matched(length("deletes"))(cmd)
	case "bulkWrite":
		counts := make([]int32, length("ops"))
		for i := range counts {
			counts[i] = 1
		}
		return Bulk(counts...)(cmd)
	case "find":
		return Docs()(cmd)
	case "aggregate":
		if _, err := cmd.LookupErr("pipeline", "0", "$changeStream"); err == nil {
			return Stream()(cmd)
		}
		return Docs()(cmd)
	case "getMore":
		// A server waits for events before it answers with none.
		time.Sleep(5 * time.Millisecond)
		return More()(cmd)
	}
	return bson.D{{Key: "ok", Value: 1}}
}
