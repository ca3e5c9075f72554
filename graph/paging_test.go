package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// walk follows the cursors of a list to its end and returns what it met.
func (w *world) walk(list, id, size, cursor, more, from string) []string {
	w.t.Helper()
	var out []string
	var at any
	for range 100 {
		d := w.ask(fmt.Sprintf(`query($at:Cursor){ list: %s(%s:3, %s:$at) { edges { cursor node { %s } } pageInfo { %s %s } } }`, list, size, cursor, id, more, from), map[string]any{"at": at})
		edges, _ := dig(d, "list", "edges").([]any)
		page := make([]string, len(edges))
		for i := range edges {
			page[i] = fmt.Sprint(dig(edges[i], "node", id))
		}
		if size == "last" {
			out = append(page, out...)
		} else {
			out = append(out, page...)
		}
		if dig(d, "list", "pageInfo", more) != true {
			return out
		}
		at = dig(d, "list", "pageInfo", from)
	}
	w.t.Fatal("the list has no end")
	return nil
}

func TestPagesMeetEveryItemOnce(t *testing.T) {
	w := newWorld(t)
	var events []map[string]any
	for i := range 17 {
		events = append(events, map[string]any{"type": "TRACK", "messageId": fmt.Sprint("m", i), "userId": fmt.Sprint("u", i), "event": "A"})
	}
	w.ingest(events...)
	for list, id := range map[string]string{"profiles": "id", "events": "messageId", "keys": "name"} {
		forwards := w.walk(list, id, "first", "after", "hasNextPage", "endCursor")
		backwards := w.walk(list, id, "last", "before", "hasPreviousPage", "startCursor")
		require.Equal(t, forwards, backwards, list)
		unique := slices.Compact(slices.Sorted(slices.Values(forwards)))
		require.Len(t, unique, len(forwards), list)
		if list != "keys" {
			require.Len(t, forwards, 17, list)
		}
	}
}

// TestListsReadTogether holds lists of related things to a number of reads that
// does not grow with the list.
func TestListsReadTogether(t *testing.T) {
	w := newWorld(t)
	var events []map[string]any
	for i := range 60 {
		events = append(events, map[string]any{"type": "TRACK", "userId": fmt.Sprint("u", i), "event": "A"})
	}
	w.ingest(events...)
	w.ask(`{viewer{id}}`, nil)
	w.db.take()
	d := w.ask(`{ events(first: 60) { edges { node { sourceInfo { name } profile { id eventCount } } } } }`, nil)
	require.Len(t, dig(d, "events", "edges"), 60)
	require.NotNil(t, dig(d, "events", "edges", 59, "node", "profile", "id"))
	require.Less(t, w.db.take(), 30, "two or three; more where the machine is slow")
}

// TestWorkspacesCannotMeet asks for the things of one workspace with the key of
// another.
func TestWorkspacesCannotMeet(t *testing.T) {
	w := newWorld(t)
	vars := fixture(w)
	vars["segment"] = w.segment("pro", fields{"trait": fields{"path": "plan", "eq": "pro"}})
	w.ask(`mutation{createObjectType(input:{key:"pet",name:"Pet"}){userErrors{reason}}}`, nil)
	vars["record"] = dig(w.ask(`mutation{upsertObject(input:{type:"pet",externalId:"p1"}){record{id}}}`, nil), "upsertObject", "record", "id")
	vars["type"] = "oty_pet"
	for _, id := range []string{"segment", "record", "type"} {
		require.NotNil(t, dig(w.ask(`query($id:ID!){node(id:$id){id}}`, map[string]any{"id": vars[id]}), "node"), id)
	}
	stranger := w.otherWorkspace()
	for name, id := range vars {
		a := w.as(stranger, `query($id:ID!){node(id:$id){id}}`, map[string]any{"id": id})
		require.Empty(t, a.Errors)
		require.Nil(t, dig(a.Data, "node"), name)
	}
	a := w.as(stranger, `{ profile(identifier:{namespace:"email", value:"ana@example.com"}){id} profiles{totalCount} events{totalCount} sources{name} keys{totalCount} quarantinedEvents{totalCount} mergeProposals{totalCount} jobs{totalCount} fieldDefinitions{path} }`, nil)
	require.Empty(t, a.Errors)
	require.Nil(t, a.Data["profile"])
	for _, list := range []string{"profiles", "events", "quarantinedEvents", "mergeProposals", "jobs"} {
		require.Equal(t, "0", fmt.Sprint(dig(a.Data, list, "totalCount")), list)
	}
	require.Empty(t, a.Data["fieldDefinitions"])
	m := w.as(stranger, `mutation($a:ID!,$b:ID!){mergeProfiles(input:{winnerId:$a,loserId:$b,reason:"x"}){merge{id} userErrors{code}}}`, map[string]any{"a": vars["ana"], "b": vars["ben"]})
	require.Equal(t, "NOT_FOUND", dig(m.Data, "mergeProfiles", "userErrors", 0, "code"))
	a = w.as(stranger, `query($s:ID!,$p:ID!){ profile(id:$p){id} segments{totalCount} segment(id:$s){id} objectTypes{key} object(type:"pet",externalId:"p1",evenDeleted:true){id} node(id:$s){id} }`, map[string]any{"s": vars["segment"], "p": vars["ana"]})
	require.Empty(t, a.Errors)
	require.Equal(t, "0", fmt.Sprint(dig(a.Data, "segments", "totalCount")))
	require.Equal(t, []any{nil, nil, nil}, []any{a.Data["segment"], a.Data["object"], a.Data["node"]})
	require.Empty(t, a.Data["objectTypes"])
	for _, query := range []string{
		`query($s:ID!,$p:ID!){explainMembership(segmentId:$s,profileId:$p){member}}`, `query($s:ID!,$p:ID!){profiles(segmentId:$s){totalCount} profile(id:$p){id}}`,
	} {
		require.Equal(t, "NOT_FOUND SEGMENT", w.as(stranger, query, map[string]any{"s": vars["segment"], "p": vars["ana"]}).code())
	}
	m = w.as(stranger, `mutation($s:ID!,$p:ID!){ archiveSegment(input:{id:$s}){userErrors{code}} addToList(input:{id:$s,items:[{profileId:$p}]}){userErrors{code}} createSegment(input:{name:"x",where:{segment:{id:$s}}}){userErrors{reason}} }`, map[string]any{"s": vars["segment"], "p": vars["ana"]})
	require.Equal(t, "NOT_FOUND", dig(m.Data, "archiveSegment", "userErrors", 0, "code"))
	require.Equal(t, "NOT_FOUND", dig(m.Data, "addToList", "userErrors", 0, "code"))
	require.Equal(t, "UNKNOWN_SEGMENT", dig(m.Data, "createSegment", "userErrors", 0, "reason"))
	s := w.connect(t, stranger)
	s.subscribe("1", changedQuery, map[string]any{"id": vars["ana"]})
	require.Equal(t, "error", s.hear().Type)
}
