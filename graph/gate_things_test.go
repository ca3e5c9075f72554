package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/graph/httpd"
)

// plantThings makes a type with a field of each category and one of its records for each
// person, whose values and external id are canaries.
func (c *canaries) plantThings(ctx context.Context) {
	t := object.TypeInput{Key: "thing", Name: "Thing", Relations: []object.RelationInput{{Key: "of", Many: true}, {Key: "next", Target: "thing"}}}
	for _, cat := range planted {
		t.Fields = append(t.Fields, object.FieldInput{Key: "f_" + strings.ToLower(string(cat)), Type: object.String, Category: cat})
	}
	_, err := c.services.Objects.CreateType(ctx, c.ws, t)
	require.NoError(c.t, err)
	var items []object.Item
	for who := range canaryPeople {
		fields := map[string]any{}
		for _, cat := range planted {
			fields["f_"+strings.ToLower(string(cat))] = canary("o", cat, who)
		}
		items = append(items, object.Item{ExternalID: canary("x", core.IdentifierID, who), Fields: fields, Links: map[string][]object.Link{
			"of":   {{Relation: "of", Namespace: "user_id", Value: canary("i", core.IdentifierID, who)}},
			"next": {{Relation: "next", Value: canary("x", core.IdentifierID, who)}},
		}})
	}
	results, err := c.services.Objects.Upsert(ctx, c.ws, "thing", items)
	require.NoError(c.t, err)
	for i, res := range results {
		require.Nil(c.t, res.Err)
		if strings.HasSuffix(items[i].ExternalID, ".aX") {
			c.rec = res.Record.RecordID()
		}
	}
}

// segment makes a segment and waits for its members.
func (c *canaries) segment(name, where string) string {
	c.t.Helper()
	ctx := core.WithActor(c.t.Context(), &core.Actor{Workspace: c.ws, ID: "system:test"})
	made, err := c.services.Segments.Create(ctx, c.ws, segment.CreateInput{Name: name, Where: tree(c.t, where)})
	require.NoError(c.t, err)
	require.Eventually(c.t, func() bool {
		seg, err := c.services.Segments.Get(ctx, c.ws, made.Segment.SegmentID())
		return err == nil && seg.Status == segment.Live
	}, 20*time.Second, 20*time.Millisecond, name)
	return made.Segment.SegmentID()
}

// thingReads are more operations that read.
var thingReads = map[string]string{
	"objects": `{objects(type:"thing",first:50){totalCount edges{cursor node{...R related(relation:"next"){...R}}} pageInfo{startCursor endCursor}}}` + canaryThing,
	"object":  `query($rec:ID!,$id:String!){node(id:$rec){...R} object(type:"thing",externalId:$id){...R}}` + canaryThing,
	"theirs":  `query($a:ID!,$c:ID!,$d:ID!){a:profile(id:$a){...T} c:profile(id:$c){...T} d:profile(id:$d){...T}} fragment T on Profile{objects(type:"thing"){totalCount edges{cursor node{...R}}}}` + canaryThing,
	"segment": `query($all:ID!){segment(id:$all){name where words size{value} backfill{done total result error}
		versions(first:5){edges{node{where words}}}}}`,
	"members":     `query($all:ID!){segment(id:$all){members(first:50){totalCount edges{cursor node{...P}}}}}` + canaryPerson,
	"history":     `query($all:ID!){segment(id:$all){history(first:50){totalCount edges{cursor node{change cause profile{...P}}}}}}` + canaryPerson,
	"people":      `query($all:ID!){profiles(segmentId:$all,first:50){totalCount edges{cursor node{...P}}}}` + canaryPerson,
	"memberships": `query($a:ID!,$d:ID!){a:profile(id:$a){segments(past:true){segment{name words}}} d:profile(id:$d){segments{segment{words}}}}`,
	"preview":     `{previewSegment(where:{bucket:{salt:"b",from:0,to:10000}}){count{value} words sample{...P}}}` + canaryPerson,
	"overlap":     `query($all:ID!,$t_special:ID!){segmentOverlap(segmentIds:[$all,$t_special]){any all regions{count segments{name words where}}}}`,
	"audit":       `{auditEntries(first:100){edges{node{actor action resource fields subjects reason details}}}}`,
	"access":      `{accessMatrix{principal category effect reason}}`,
	"approvals":   `{approvals(first:20){edges{node{subjectId note}}}}`,
	"jobs":        `{jobs(first:50){edges{node{kind done total result error}}}}`,
	"consents":    `query($a:ID!,$c:ID!,$d:ID!){a:consentLedger(profileId:$a,first:10){edges{node{purpose}}} c:consentLedger(profileId:$c,first:10){edges{node{purpose}}} d:consentLedger(profileId:$d,first:10){edges{node{purpose}}}}`,
	"errors":      `query($rec:ID!){x:object(type:"nothing",externalId:"x"){id} node(id:$rec){... on Record{related(relation:"of"){id}}}}`,
}

const canaryThing = `fragment R on Record{id externalId fields links{relation externalId profileId identifier{namespace value}} withheld{path reason}}`

// answers asks every reading operation as a role for a purpose, and fetches what goes out
// as a stream; by the name of the operation.
func (c *canaries) answers(role, purpose string) map[string][]byte {
	vars := maps.Clone(c.vars)
	vars["id"] = canary("x", core.IdentifierID, "d")
	vars["t_special"] = c.vars["all"]
	for name, id := range c.named {
		vars[name] = id
	}
	out := map[string][]byte{}
	for _, list := range []map[string]string{canaryReads, thingReads} {
		for name, query := range list {
			out[name] = c.call(role, purpose, query, vars)
		}
	}
	for name, id := range c.named {
		if !sampled(role, purpose, name) {
			continue
		}
		out["explain "+name] = c.call(role, purpose, `query($s:ID!,$a:ID!,$c:ID!,$d:ID!){a:explainMembership(segmentId:$s,profileId:$a){...X} c:explainMembership(segmentId:$s,profileId:$c){...X} d:explainMembership(segmentId:$s,profileId:$d){...X}}
			fragment X on Explanation{member stored root{words value decidedBy children{words decidedBy}}}`, map[string]any{"s": id, "a": c.ids["a"], "c": c.ids["c"], "d": c.ids["d"]})
		out["segment "+name] = c.call(role, purpose, `query($s:ID!){segment(id:$s){words where size{value} versions{edges{node{words where}}} backfill{result}}}`, map[string]any{"s": id})
	}
	all, _ := c.vars["all"].(string)
	out["export"] = c.fetch(role, purpose, "/v1/segments/"+all+"/members?fields=profileId,identifiers,traits")
	out["export as CSV"] = c.fetch(role, purpose, "/v1/segments/"+all+"/members?format=csv&fields=profileId,traits,identifiers,enteredAt")
	for _, cat := range planted {
		if !sampled(role, purpose, "export"+string(cat)) {
			continue
		}
		out["export of "+string(cat)] = c.fetch(role, purpose, "/v1/segments/"+all+"/members?fields=traits.t_"+strings.ToLower(string(cat)))
	}
	out["download"] = c.fetch(role, purpose, "/v1/downloads/"+all)
	return out
}

// fetch gets what is no GraphQL.
func (c *canaries) fetch(role, purpose, path string) []byte {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set("X-Purpose", purpose)
	req.Header.Set("X-Reason", "ticket 7")
	if key := c.keys[role]; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	c.doors.ServeHTTP(rec, req)
	return rec.Body.Bytes()
}

// open makes the HTTP door and the segments that rest on canaries.
func (c *canaries) open() {
	c.doors = httpd.New(httpd.Options{
		Access: c.services.Access, Segments: c.services.Segments, Downloads: c.services.Desk, Audit: c.services.Audit, GraphQL: http.NotFoundHandler(),
		Clock: core.SystemClock{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}).Handler()
	c.named = map[string]string{}
	for _, cat := range planted {
		path := "t_" + strings.ToLower(string(cat))
		// What the author wrote stands in it: a value of nobody's, and the beginning of everybody's.
		who := canary("t", cat, "a")
		c.named[path] = c.segment("by "+path, fmt.Sprintf(`{"or":[{"trait":{"path":%q,"eq":%q}},{"trait":{"path":%q,"startsWith":%q}}]}`, path, canary("w", cat, "9"), path, who[:len(who)-2]))
	}
}

// TestMembershipStreamsTellWhatMayBeSeen follows a segment as a role, while somebody with
// a canary of each category enters it.
func TestMembershipStreamsTellWhatMayBeSeen(t *testing.T) {
	c := plantCanaries(t)
	for i, role := range []string{"marketer", "analyst", "support", "developer"} {
		s := c.connect(t, c.keys[role])
		s.subscribe("1", `subscription($id:ID!){segmentMembershipChanged(segmentId:$id){cursor change profileId profile{...P}}}`+canaryPerson, map[string]any{"id": c.vars["all"]})
		time.Sleep(300 * time.Millisecond)
		c.plant(fmt.Sprint(i))
		raw := fmt.Appendf(nil, "%v %v", s.next("1"), s.next("1")) // two people come in
		require.Contains(t, string(raw), "ENTERED", role)
		for _, seen := range sighted(raw) {
			require.True(t, reads(role, "operations", core.Category(seen[1])).Allowed(), "%s hears %v", role, seen)
		}
	}
}

// tree decodes a condition as a client sends it.
func tree(t *testing.T, where string) any {
	t.Helper()
	var out any
	dec := json.NewDecoder(strings.NewReader(where))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&out))
	return out
}

// sampled reports whether a question is asked: a quarter of them is, those that the words
// choose, unless there is time for all.
func sampled(words ...string) bool {
	h := fnv.New32a()
	_, _ = io.WriteString(h, strings.Join(words, "/"))
	return os.Getenv("HEADWATER_TEST_LONG") != "" || h.Sum32()%4 == 0
}
