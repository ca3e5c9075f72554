package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
)

const createQuery = `mutation($name:String!,$where:ConditionInput!){createSegment(input:{name:$name,where:$where}){segment{id version where} userErrors{code reason message path}}}`

// fields is a JSON object as variables hold it.
type fields = map[string]any

// segment makes a segment, waits until it is live and returns its id.
func (w *world) segment(name string, where fields) string {
	w.t.Helper()
	d := w.ask(createQuery, fields{"name": name, "where": where})
	require.Empty(w.t, dig(d, "createSegment", "userErrors"))
	w.idle()
	return dig(d, "createSegment", "segment", "id").(string)
}

// TestWhereCanBeResubmitted sends what Segment.where gives back as it is: nothing
// of it changes, so that nothing is built anew.
func TestWhereCanBeResubmitted(t *testing.T) {
	w := newWorld(t)
	where := fields{"and": []any{
		fields{"trait": fields{"path": `a\.b.c`, "in": []any{json.Number("12.10"), json.Number("123456789012345678901234567890.5"), "x", true}}},
		fields{"event": fields{"name": "E", "where": []any{fields{"path": "p", "between": []any{json.Number("0.1"), json.Number("9007199254740993")}}}, "count": fields{"gte": 2}, "window": fields{"last": "P1M"}}},
		fields{"aggregate": fields{"event": fields{"name": "E"}, "fn": "SUM", "path": "p", "value": fields{"gt": "0.30"}}},
		fields{"not": fields{"event": fields{"name": "E", "window": fields{"calendar": "WEEK"}}}},
		fields{"message": fields{"status": "OPENED", "window": fields{"ago": fields{"from": "P60D", "to": "P30D"}}}},
		fields{"geo": fields{"path": "at", "lat": "46.77", "lon": json.Number("23.6"), "radiusKm": json.Number("10.5")}},
		fields{"trait": fields{"path": "born", "anniversary": fields{"next": "P7D"}, "missing": "EXCLUDE"}},
	}}
	id := w.segment("exact", where)
	read := func() any {
		return dig(w.ask(`query($id:ID!){segment(id:$id){where version}}`, fields{"id": id}), "segment")
	}
	first := read()
	text, err := json.Marshal(dig(first, "where"))
	require.NoError(t, err)
	for _, exact := range []string{"123456789012345678901234567890.5", "9007199254740993", "12.1"} {
		require.Contains(t, string(text), exact)
	}
	d := w.ask(`mutation($id:ID!,$where:ConditionInput!){updateSegment(input:{id:$id,expectedVersion:1,where:$where}){segment{version} job{id} userErrors{reason path}}}`,
		fields{"id": id, "where": dig(first, "where")})
	require.Empty(t, dig(d, "updateSegment", "userErrors"))
	require.Nil(t, dig(d, "updateSegment", "job"), "nothing has changed")
	require.Equal(t, first, read())
	again := w.ask(createQuery, fields{"name": "again", "where": dig(first, "where")})
	require.Equal(t, dig(first, "where"), dig(again, "createSegment", "segment", "where"))
}

// TestWarningsNameTheirNode gives warnings about an input paths that begin as those
// of its errors do, also in the preview of a dry run.
func TestWarningsNameTheirNode(t *testing.T) {
	w := newWorld(t)
	where := fields{"and": []any{fields{"trait": fields{"path": "unseen", "eq": 1}}}}
	path := []any{"input", "where", "and", "0", "trait", "path"}
	const asked = `warnings{path} preview{warnings{path}} userErrors{reason}`
	for _, dry := range []bool{true, false} {
		d := dig(w.ask(`mutation($where:ConditionInput!,$dry:Boolean!){createSegment(input:{name:"w",where:$where,dryRun:$dry}){`+asked+`}}`,
			fields{"where": where, "dry": dry}), "createSegment")
		require.Equal(t, []any{fields{"path": path}}, dig(d, "warnings"))
		if dry {
			require.Equal(t, dig(d, "warnings"), dig(d, "preview", "warnings"))
		}
	}
	id := w.segment("known", fields{"bucket": fields{"salt": "s", "from": 0, "to": 1}})
	d := dig(w.ask(`mutation($id:ID!,$where:ConditionInput!){updateSegment(input:{id:$id,where:$where,dryRun:true}){`+asked+`}}`,
		fields{"id": id, "where": where}), "updateSegment")
	require.Equal(t, []any{fields{"path": path}}, dig(d, "warnings"))
	require.Equal(t, dig(d, "warnings"), dig(d, "preview", "warnings"))
}

// TestConditionLimits lets conditions through that are as deep and as large as
// conditions may be, as variables and written out, and none beyond.
func TestConditionLimits(t *testing.T) {
	w := newWorld(t)
	leaf := fields{"event": fields{"name": "E", "where": []any{fields{"path": "lines", "any": []any{fields{"path": "sku", "eq": "A"}}}}}}
	deep := func(nodes int) fields {
		n := leaf
		for range nodes {
			n = fields{"and": []any{n}}
		}
		return n
	}
	wide := func(nodes int) fields {
		var list []any
		for i := range nodes - 1 {
			list = append(list, fields{"trait": fields{"path": fmt.Sprint("t", i), "eq": i}})
		}
		return fields{"or": list}
	}
	reason := func(where fields) (byVariable, written string) {
		a := w.as(w.admin, createQuery, fields{"name": "x", "where": where})
		require.Empty(t, a.Errors, string(a.Body))
		byVariable, _ = dig(a.Data, "createSegment", "userErrors", 0, "reason").(string)
		a = w.as(w.admin, `{previewSegment(where:`+literal(where)+`){count{value}}}`, nil)
		if len(a.Errors) > 0 {
			written = a.Errors[0].Extensions.Reason
		}
		return byVariable, written
	}
	for name, c := range map[string]struct {
		where fields
		want  string
	}{
		"as deep as can be": {deep(11), ""}, "too deep": {deep(12), "TOO_DEEP"},
		"as large as can be": {wide(200), ""}, "too large": {wide(201), "TOO_MANY_NODES"},
	} {
		byVariable, written := reason(c.where)
		require.Equal(t, c.want, byVariable, name)
		require.Equal(t, c.want, written, name)
	}
}

// literal writes a value as a query holds it.
func literal(v any) string {
	switch v := v.(type) {
	case fields:
		var members []string
		for key, item := range v {
			members = append(members, key+":"+literal(item))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = literal(item)
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const membersQuery = `subscription($id:ID!,$after:Cursor){segmentMembershipChanged(segmentId:$id,after:$after){cursor profileId change cause at profile{id traits}}}`

// TestMembershipChangedTellsAndResumes follows a segment over a websocket, and begins
// again from every cursor that a client can have.
func TestMembershipChangedTellsAndResumes(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(identify("u1", fields{"plan": "pro"}), identify("u2", fields{"plan": "free"}))
	id := w.segment("pro", fields{"trait": fields{"path": "plan", "eq": "pro"}})
	d := w.ask(`query($id:ID!){segment(id:$id){cursor size{value} members{edges{node{id}}}}}`, fields{"id": id})
	require.Equal(t, ids[0], dig(d, "segment", "members", "edges", 0, "node", "id"))
	start := dig(d, "segment", "cursor")

	c := w.connect(t, w.analyst)
	c.subscribe("live", membersQuery, fields{"id": id, "after": start})
	change := func(sub string) any { t.Helper(); return dig(c.next(sub), "segmentMembershipChanged") }
	told := func(got any, person, kind, cause string) {
		t.Helper()
		require.Equal(t, []any{person, kind, cause, person}, []any{dig(got, "profileId"), dig(got, "change"), dig(got, "cause"), dig(got, "profile", "id")})
	}
	w.ingest(identify("u2", fields{"plan": "pro"}))
	entered := change("live")
	told(entered, ids[1], "ENTERED", "EVENT")
	require.Equal(t, "pro", dig(entered, "profile", "traits", "plan"))
	w.ingest(identify("u1", fields{"plan": "free"}))
	left := change("live")
	told(left, ids[0], "LEFT", "EVENT")
	w.ingest(identify("u3", fields{"plan": "none"})) // is nobody's business

	// Without a gap: from before both, from between, and live from now.
	c = w.connect(t, w.analyst)
	c.subscribe("all", membersQuery, fields{"id": id, "after": start})
	told(change("all"), ids[1], "ENTERED", "EVENT")
	told(change("all"), ids[0], "LEFT", "EVENT")
	c = w.connect(t, w.analyst)
	c.subscribe("rest", membersQuery, fields{"id": id, "after": dig(entered, "cursor")})
	again := change("rest")
	told(again, ids[0], "LEFT", "EVENT")
	require.Equal(t, dig(left, "cursor"), dig(again, "cursor"))
	c = w.connect(t, w.analyst)
	c.subscribe("now", membersQuery, fields{"id": id, "after": dig(left, "cursor")})
	time.Sleep(100 * time.Millisecond)
	w.ingest(identify("u1", fields{"plan": "pro"}))
	told(change("now"), ids[0], "ENTERED", "EVENT")

	// Another definition moves people with another cause.
	w.ask(`mutation($id:ID!){updateSegment(input:{id:$id,where:{trait:{path:"plan",eq:"none"}}}){userErrors{reason}}}`, fields{"id": id})
	w.idle()
	causes := map[any]int{}
	for range 3 {
		causes[dig(change("now"), "cause")]++
	}
	require.Equal(t, map[any]int{"DEFINITION": 3}, causes)
}

// TestMembershipChangedInABurst tells of every single change, once, when there are more
// than wait for one subscriber, and while the client takes its time.
func TestMembershipChangedInABurst(t *testing.T) {
	w := newWorld(t)
	id := w.segment("pro", fields{"trait": fields{"path": "plan", "eq": "pro"}})
	start := dig(w.ask(`query($id:ID!){segment(id:$id){cursor}}`, fields{"id": id}), "segment", "cursor")
	const people = 300
	var events []map[string]any
	for i := range people {
		events = append(events, identify(fmt.Sprint("u", i), fields{"plan": "pro"}))
	}
	ids := w.ingest(events...)
	c := w.connect(t, w.admin)
	c.subscribe("1", `subscription($id:ID!,$after:Cursor){segmentMembershipChanged(segmentId:$id,after:$after){profileId change profile{traits}}}`, fields{"id": id, "after": start})
	time.Sleep(200 * time.Millisecond)
	seen := map[string]bool{}
	for range people {
		got := dig(c.next("1"), "segmentMembershipChanged")
		require.Equal(t, "ENTERED", dig(got, "change"))
		person := dig(got, "profileId").(string)
		require.False(t, seen[person], "told twice")
		seen[person] = true
	}
	for _, person := range ids {
		require.True(t, seen[person])
	}
	// Everybody is in an entry; what was ready at once shares one.
	ctx := t.Context()
	require.NoError(t, w.services.Audit.Settle(ctx, w.ws))
	p, err := w.services.Audit.Entries(ctx, w.ws, audit.Filter{Action: "subscription.segmentMembershipChanged"}, core.Window{Limit: people + 1})
	require.NoError(t, err)
	told := 0
	for _, e := range p.Items {
		told += e.SubjectCount
	}
	require.Equal(t, people, told)
	require.LessOrEqual(t, len(p.Items), people)
}

func TestMembershipCursorMisuse(t *testing.T) {
	w := newWorld(t)
	person := w.ingest(identify("u1", nil))[0]
	id := w.segment("all", fields{"trait": fields{"path": "plan", "exists": true}})
	d := w.ask(`query($p:ID!,$s:ID!){profile(id:$p){cursor} segment(id:$s){cursor}}`, fields{"p": person, "s": id})
	c := w.connect(t, w.admin)
	refused := func(query string, vars fields, reason string) {
		t.Helper()
		c.subscribe("x", query, vars)
		f := c.hear()
		require.Equal(t, "error", f.Type, string(f.Payload))
		require.Contains(t, string(f.Payload), reason)
	}
	for _, bad := range []any{"nonsense", "", "AAAA", dig(d, "profile", "cursor")} {
		refused(membersQuery, fields{"id": id, "after": bad}, "BAD_CURSOR")
	}
	refused(changedQuery, fields{"id": person, "after": dig(d, "segment", "cursor")}, "BAD_CURSOR")
	refused(membersQuery, fields{"id": "seg_00000000000000000000000000"}, `"NOT_FOUND"`)
	refused(membersQuery, fields{"id": id + "/x"}, `"NOT_FOUND"`)
	stranger := w.connect(t, w.otherWorkspace())
	stranger.subscribe("1", membersQuery, fields{"id": id})
	require.Equal(t, "error", stranger.hear().Type)
}

// TestRecordsMovePeople watches a segment over records while records change.
func TestRecordsMovePeople(t *testing.T) {
	w := newWorld(t)
	person := w.ingest(identify("u1", nil))[0]
	w.ask(`mutation{createObjectType(input:{key:"visit",name:"Visit",fields:[{key:"shop",type:STRING}],relations:[{key:"visitor"}]}){userErrors{reason path}}}`, nil)
	id := w.segment("shoppers", fields{"object": fields{"type": "visit", "where": []any{fields{"path": "shop", "eq": "Cluj"}}}})
	c := w.connect(t, w.admin)
	start := dig(w.ask(`query($id:ID!){segment(id:$id){cursor}}`, fields{"id": id}), "segment", "cursor")
	c.subscribe("1", membersQuery, fields{"id": id, "after": start})
	upsert := func(shop string) {
		d := w.ask(`mutation($shop:JSON){upsertObject(input:{type:"visit",externalId:"v",fields:$shop,links:[{relation:"visitor",to:{identifier:{namespace:"user_id",value:"u1"}}}]}){outcome userErrors{reason path}}}`,
			fields{"shop": fields{"shop": shop}})
		require.Empty(t, dig(d, "upsertObject", "userErrors"))
	}
	for _, step := range []struct{ shop, change string }{{"Cluj", "ENTERED"}, {"Arad", "LEFT"}, {"Cluj", "ENTERED"}} {
		upsert(step.shop)
		got := dig(c.next("1"), "segmentMembershipChanged")
		require.Equal(t, person, dig(got, "profileId"))
		require.Equal(t, step.change, dig(got, "change"))
	}
	w.ask(`mutation{deleteObject(input:{type:"visit",externalId:"v"}){userErrors{reason}}}`, nil)
	require.Equal(t, "LEFT", dig(c.next("1"), "segmentMembershipChanged", "change"))
}

// TestPeopleOfAConditionByPages walks people in both directions, with every filter.
func TestPeopleOfAConditionByPages(t *testing.T) {
	w := newWorld(t)
	var events []map[string]any
	for i := range 20 {
		events = append(events, identify(fmt.Sprint("u", i), fields{"n": i}))
	}
	w.ingest(events...)
	id := w.segment("odd", fields{"or": []any{fields{"trait": fields{"path": "n", "in": []any{1, 3, 5, 7, 9, 11}}}}})
	for name, c := range map[string]struct {
		args string
		want int
	}{
		"where":   {`where:{trait:{path:"n",gte:8}}`, 12},
		"segment": {`segmentId:"` + id + `"`, 6},
		"both":    {`segmentId:"` + id + `",where:{trait:{path:"n",gte:5}}`, 4},
		"order":   {`orderBy:{field:"id",direction:"DESC"}`, 20},
	} {
		walk := func(size, cursor, more, from string) (ids []string) {
			var at any
			for range 20 {
				d := w.ask(fmt.Sprintf(`query($at:Cursor){profiles(%s,%s:3,%s:$at){totalCount edges{node{id}} pageInfo{%s %s}}}`, c.args, size, cursor, more, from), fields{"at": at})
				require.Equal(t, fmt.Sprint(c.want), fmt.Sprint(dig(d, "profiles", "totalCount")), name)
				var page []string
				edges, _ := dig(d, "profiles", "edges").([]any)
				for _, e := range edges {
					page = append(page, dig(e, "node", "id").(string))
				}
				if size == "last" {
					ids = append(page, ids...)
				} else {
					ids = append(ids, page...)
				}
				if dig(d, "profiles", "pageInfo", more) != true {
					return ids
				}
				at = dig(d, "profiles", "pageInfo", from)
			}
			t.Fatal("the list has no end")
			return nil
		}
		forwards := walk("first", "after", "hasNextPage", "endCursor")
		require.Len(t, forwards, c.want, name)
		require.Equal(t, forwards, walk("last", "before", "hasPreviousPage", "startCursor"), name)
		sorted := slices.Sorted(slices.Values(forwards))
		if name == "order" {
			slices.Reverse(sorted)
		}
		require.Equal(t, sorted, forwards, name)
	}
}

// TestMembershipsReadTogether holds the memberships of a list of people to a number of
// reads that does not grow with the list.
func TestMembershipsReadTogether(t *testing.T) {
	w := newWorld(t)
	var events []map[string]any
	for i := range 60 {
		events = append(events, identify(fmt.Sprint("u", i), fields{"plan": "pro"}))
	}
	w.ingest(events...)
	id := w.segment("pro", fields{"trait": fields{"path": "plan", "eq": "pro"}})
	w.db.take()
	d := w.ask(`query($id:ID!){segment(id:$id){members(first:60){edges{node{segments{segment{name}}}}}}}`, fields{"id": id})
	require.Equal(t, "pro", dig(d, "segment", "members", "edges", 59, "node", "segments", 0, "segment", "name"))
	require.Less(t, w.db.take(), 40, "a few; more where the machine is slow")
}
