package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIngestAndRead(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(
		map[string]any{"type": "IDENTIFY", "messageId": "m1", "userId": "u1", "traits": map[string]any{"email": "Ana@Example.com", "score": json.Number("12345678901234567890.125"), "address": map[string]any{"city": "Cluj"}}},
		map[string]any{"type": "TRACK", "messageId": "m2", "userId": "u1", "event": "Order Completed", "properties": map[string]any{"total": json.Number("12.10")}, "timestamp": "2026-01-02T03:04:05Z"},
	)
	require.Equal(t, ids[0], ids[1])
	d := w.ask(`{ profile(identifier: {namespace: "email", value: " ana@example.COM"}) {
		id identifiers { namespace value } traits(paths: ["address", "score"]) trait(path: "address.city") { value rule source eventId }
		parts eventCount withheld { path } restricted consents { purpose } merges { id } firstSeenAt lastSeenAt
		events(first: 5) { totalCount edges { cursor node { id messageId name type timestamp properties profile { id } sourceInfo { name kind } } } } } }`, nil)
	p := dig(d, "profile")
	require.Equal(t, ids[0], dig(p, "id"))
	require.Equal(t, map[string]any{"address": map[string]any{"city": "Cluj"}, "score": json.Number("12345678901234567890.125")}, dig(p, "traits"))
	require.Equal(t, "Cluj", dig(p, "trait", "value"))
	require.Equal(t, json.Number("2"), dig(p, "eventCount"))
	require.Equal(t, "2026-01-02T03:04:05Z", dig(p, "firstSeenAt"))
	require.Equal(t, json.Number("2"), dig(p, "events", "totalCount"))
	last := dig(p, "events", "edges", 1, "node")
	require.Equal(t, "Order Completed", dig(last, "name"))
	require.Equal(t, "TRACK", dig(last, "type"))
	require.Equal(t, json.Number("12.1"), dig(last, "properties", "total"))
	require.Equal(t, ids[0], dig(last, "profile", "id"))
	require.Equal(t, "GraphQL", dig(last, "sourceInfo", "name"))
}

func TestIngestTellsOfEachEvent(t *testing.T) {
	w := newWorld(t)
	w.ingest(map[string]any{"type": "TRACK", "messageId": "dup", "userId": "u1", "event": "A"})
	a := w.as(w.admin, ingestQuery, map[string]any{"events": []any{
		map[string]any{"type": "TRACK", "messageId": "ok", "userId": "u1", "event": "A"},
		map[string]any{"type": "TRACK", "messageId": "noname", "userId": "u1"},
		map[string]any{"type": "TRACK", "messageId": "notime", "userId": "u1", "event": "A", "timestamp": "yesterday"},
		map[string]any{"type": "TRACK", "messageId": "badprops", "userId": "u1", "event": "A", "properties": "text"},
		map[string]any{"type": "TRACK", "messageId": "large", "userId": "u1", "event": "A", "properties": map[string]any{"x": strings.Repeat("x", 33<<10)}},
		map[string]any{"type": "TRACK", "messageId": "dup", "userId": "u1", "event": "A"},
		map[string]any{"type": "TRACK", "messageId": "dup", "userId": "u1", "event": "B"},
		map[string]any{"type": "TRACK", "messageId": "nobody", "event": "A"},
	}})
	require.Empty(t, a.Errors, string(a.Body))
	require.Equal(t, json.Number("2"), dig(a.Data, "ingest", "accepted"))
	require.Equal(t, json.Number("6"), dig(a.Data, "ingest", "rejected"))
	var got []string
	for i := range 8 {
		r := dig(a.Data, "ingest", "results", i)
		reason, _ := dig(r, "error", "reason").(string)
		got = append(got, dig(r, "messageId").(string)+" "+dig(r, "status").(string)+" "+reason)
	}
	require.Equal(t, []string{
		"ok ACCEPTED ", "noname QUARANTINED EVENT_MISSING", "notime QUARANTINED TIMESTAMP_INVALID", "badprops QUARANTINED WRONG_TYPE",
		"large QUARANTINED MESSAGE_TOO_LARGE", "dup DUPLICATE ", "dup REJECTED MESSAGE_ID_REUSED", "nobody QUARANTINED USER_MISSING",
	}, got)
	require.Equal(t, []any{"event"}, dig(a.Data, "ingest", "results", 1, "error", "path"))
}

func TestWriteKeyOnlyIngests(t *testing.T) {
	w := newWorld(t)
	a := w.as(w.write, ingestQuery, map[string]any{"events": []any{map[string]any{"type": "TRACK", "userId": "u1", "event": "A"}}})
	require.Empty(t, a.Errors, string(a.Body))
	require.Equal(t, "Website", dig(w.ask(`{ events(first: 1) { edges { node { sourceInfo { name } } } } }`, nil), "events", "edges", 0, "node", "sourceInfo", "name"))

	a = w.as(w.write, `{ profiles { edges { node { id } } } }`, nil)
	require.Equal(t, 200, a.Status)
	require.Equal(t, "FORBIDDEN ROLE", a.code())
	require.Equal(t, "FORBIDDEN INTROSPECTION", w.as(w.write, `{ __schema { types { name } } }`, nil).code())
	require.Equal(t, "FORBIDDEN ROLE", w.as(w.analyst, ingestQuery, map[string]any{"events": []any{}}).code())
	require.Equal(t, "FORBIDDEN ROLE", w.as(w.analyst, `mutation { createSource(input: {name: "x"}) { source { id } } }`, nil).code())
	require.Empty(t, w.as(w.analyst, `{ __schema { queryType { name } } viewer { roles can(action: "read", resource: "profile") } }`, nil).Errors)
}

// TestProfileIsAHandfulOfReads holds the most common query to a few reads.
func TestProfileIsAHandfulOfReads(t *testing.T) {
	w := newWorld(t)
	var events []map[string]any
	for range 25 {
		events = append(events, map[string]any{"type": "TRACK", "userId": "u1", "event": "A", "properties": map[string]any{"x": 1}})
	}
	w.ingest(events...)
	w.ask(`{ viewer { id } sources { id } }`, nil)
	w.db.take()
	d := w.ask(`{ profile(identifier: {namespace: "user_id", value: "u1"}) { id traits events(first: 20) { edges { node { id name properties sourceInfo { name } profile { id } } } } } }`, nil)
	require.Len(t, dig(d, "profile", "events", "edges"), 20)
	require.LessOrEqual(t, w.db.take(), 8)
}

func TestProfileAsItWas(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", map[string]any{"plan": "free"}))[0]
	then := dig(w.ask(`query($id:ID!){profile(id:$id){updatedAt}}`, map[string]any{"id": id}), "profile", "updatedAt")
	time.Sleep(5 * time.Millisecond)
	w.ingest(identify("u1", map[string]any{"plan": "pro"}))
	d := w.ask(`query($id:ID!,$then:DateTime!){
		now: profile(id:$id) { traits events { totalCount edges { node { traits } } } }
		then: profile(id:$id, asOf:$then) { traits eventCount events { totalCount edges { node { traits } } } }
		byName: profile(identifier:{namespace:"user_id",value:"u1"}, asOf:$then) { traits } }`, map[string]any{"id": id, "then": then})
	require.Equal(t, "pro", dig(d, "now", "traits", "plan"))
	require.Equal(t, json.Number("2"), dig(d, "now", "events", "totalCount"))
	require.Equal(t, "free", dig(d, "then", "traits", "plan"))
	require.Equal(t, "free", dig(d, "byName", "traits", "plan"))
	require.Equal(t, json.Number("1"), dig(d, "then", "eventCount"))
	require.Equal(t, json.Number("1"), dig(d, "then", "events", "totalCount"))
	require.Len(t, dig(d, "then", "events", "edges"), 1)
}
