package graph_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// TestEveryDoorFollowsConsent gives random people random words on marketing, restricts
// some, and compares whom every door shows under that purpose with what consentDecision
// says of each who is not restricted.
func TestEveryDoorFollowsConsent(t *testing.T) {
	w := newWorld(t)
	c := &canaries{world: w, keys: map[string]string{"marketer": w.marketer, "admin": w.admin}, vars: map[string]any{}}
	c.open()
	op := core.WithActor(t.Context(), access.Operator("test"))
	behaviour := core.Behaviour
	_, err := w.services.Events.SetField(op, w.ws, event.FieldUpdate{Owner: event.OwnerTrait, Path: "plan", Category: &behaviour})
	require.NoError(t, err)
	time.Sleep(event.CacheTTL + 50*time.Millisecond)
	everybody := c.segment("everybody", `{"bucket":{"salt":"a","from":0,"to":10000}}`)
	touched := c.segment("touched", `{"trait":{"path":"plan","eq":"pro"}}`)
	_, err = w.services.Objects.CreateType(op, w.ws, object.TypeInput{Key: "thing", Name: "Thing", Relations: []object.RelationInput{{Key: "of"}}})
	require.NoError(t, err)

	rng := rand.New(rand.NewPCG(7, 11))
	const n = 40
	var people []string
	var touch []map[string]any
	var records []object.Item
	for i := range n {
		user := fmt.Sprint("u", i)
		say := func(yes ...bool) map[string]any {
			e := identify(user, map[string]any{"email": user + "@example.com"})
			if len(yes) > 0 {
				e["context"] = map[string]any{"consent": map[string]any{"categoryPreferences": map[string]any{"marketing": yes[0]}}}
			}
			return e
		}
		events := []map[string]any{say()}
		for range rng.IntN(4) {
			events = append(events, say(rng.IntN(3) > 0))
		}
		people = append(people, w.ingest(events...)[0])
		if rng.IntN(6) == 0 {
			_, err := w.services.Ingest.Commit(op, w.ws, event.Input{Type: event.System, MessageID: "restrict " + user, Name: event.NameProcessingRestricted, Timestamp: time.Now()}, people[i])
			require.NoError(t, err)
		}
		touch = append(touch, identify(user, map[string]any{"plan": "pro"}))
		records = append(records, object.Item{ExternalID: people[i], Links: map[string][]object.Link{"of": {{Relation: "of", Namespace: "user_id", Value: user}}}})
	}
	results, err := w.services.Objects.Upsert(op, w.ws, "thing", records)
	require.NoError(t, err)
	require.Nil(t, results[0].Err)

	var want []string
	for _, id := range people {
		var a answer
		require.NoError(t, json.Unmarshal(c.call("admin", "compliance", `query($id:ID!){consentDecision(profileId:$id,purpose:"marketing"){allowed reason} profile(id:$id){restricted}}`, map[string]any{"id": id}), &a))
		require.Empty(t, a.Errors)
		// That processing is restricted hides whatever was agreed to.
		if dig(a.Data, "consentDecision", "allowed") == true && dig(a.Data, "profile", "restricted") == false {
			want = append(want, id)
		}
	}
	require.Greater(t, len(want), n/8)
	require.Less(t, len(want), n*7/8)
	slices.Sort(want)

	asked := func(query string, vars map[string]any) map[string]any {
		var a answer
		body := c.call("marketer", "marketing", query, vars)
		require.NoError(t, json.Unmarshal(body, &a))
		require.Empty(t, a.Errors, string(body))
		return a.Data
	}
	all := map[string]any{"s": everybody}
	d := asked(`query($s:ID!){
		profiles(first:100){totalCount edges{node{id}}}
		where:profiles(first:100,where:{bucket:{salt:"b",from:0,to:10000}}){totalCount edges{node{id}}}
		in:profiles(first:100,segmentId:$s){totalCount edges{node{id}}}
		events(first:200){edges{node{profile{id}}}}
		objects(type:"thing",first:100){totalCount edges{node{externalId}}}
		previewSegment(where:{bucket:{salt:"b",from:0,to:10000}}){count{value}}
		segment(id:$s){size{value} members(first:100){totalCount edges{node{id}}} history(first:100){totalCount edges{node{profile{id}}}}} }`, all)
	ids := func(v any, path ...any) []string {
		var out []string
		edges, _ := dig(v, "edges").([]any)
		for _, e := range edges {
			id, _ := dig(e, append([]any{"node"}, path...)...).(string)
			out = append(out, id)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	for name, got := range map[string][]string{
		"profiles": ids(d["profiles"], "id"), "by a condition": ids(d["where"], "id"), "of a segment": ids(d["in"], "id"), "events": ids(d["events"], "profile", "id"),
		"records": ids(d["objects"], "externalId"), "members": ids(dig(d, "segment", "members"), "id"), "history": ids(dig(d, "segment", "history"), "profile", "id"),
	} {
		require.Equal(t, want, got, name)
	}
	for name, got := range map[string]any{
		"profiles": dig(d, "profiles", "totalCount"), "by a condition": dig(d, "where", "totalCount"), "of a segment": dig(d, "in", "totalCount"),
		"records": dig(d, "objects", "totalCount"), "preview": dig(d, "previewSegment", "count", "value"), "size": dig(d, "segment", "size", "value"),
		"members": dig(d, "segment", "members", "totalCount"), "history": dig(d, "segment", "history", "totalCount"),
	} {
		require.EqualValues(t, len(want), got, name)
	}
	for _, id := range people {
		p := asked(`query($id:ID!){profile(id:$id){id} node(id:$id){id}}`, map[string]any{"id": id})
		require.Equal(t, slices.Contains(want, id), p["profile"] != nil)
		require.Equal(t, slices.Contains(want, id), p["node"] != nil)
	}
	for _, format := range []string{"ndjson&fields=profileId", "csv&fields=profileId", "ndjson&fields=profileId,traits"} {
		out := string(c.fetch("marketer", "marketing", "/v1/segments/"+everybody+"/members?format="+format))
		for _, id := range people {
			require.Equal(t, slices.Contains(want, id), strings.Contains(out, id), "%s: %s", format, out)
		}
	}

	s := c.connectFor(t, w.marketer, "marketing")
	s.subscribe("1", `subscription($id:ID!){segmentMembershipChanged(segmentId:$id){profileId profile{id}}}`, map[string]any{"id": touched})
	time.Sleep(300 * time.Millisecond)
	w.ingest(touch...)
	var heard []string
	for range want {
		id, _ := dig(s.next("1"), "segmentMembershipChanged", "profile", "id").(string)
		heard = append(heard, id)
	}
	slices.Sort(heard)
	require.Equal(t, want, heard, "subscription")
}

// TestBreakGlassOpensForOneRequest has a key that is limited to one owner's people and acts
// for marketing: who is hidden by that is seen while the glass is broken, and not after.
func TestBreakGlassOpensForOneRequest(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(identify("ana", map[string]any{"owner": "alice", "diagnosis": "flu"}), identify("ben", map[string]any{"owner": "bob"}), identify("eva", map[string]any{"owner": "bob"}))
	op := core.WithActor(t.Context(), access.Operator("test"))
	_, err := w.services.Ingest.Commit(op, w.ws, event.Input{Type: event.System, MessageID: "restrict", Name: event.NameProcessingRestricted, Timestamp: time.Now()}, ids[2])
	require.NoError(t, err)
	special := core.Special
	_, err = w.services.Events.SetField(op, w.ws, event.FieldUpdate{Owner: event.OwnerTrait, Path: "diagnosis", Category: &special})
	require.NoError(t, err)
	time.Sleep(event.CacheTTL + 50*time.Millisecond)
	key := func(role string) string {
		made, err := w.services.Access.CreateKey(op, access.NewKey{Workspace: w.ws, Name: "limited", Roles: []string{role}, Limits: core.Limits{Owners: []string{"alice"}}})
		require.NoError(t, err)
		return made.Secret
	}
	body, err := json.Marshal(map[string]any{"query": `query($a:ID!,$b:ID!,$e:ID!){a:profile(id:$a){traits withheld{path reason}} b:profile(id:$b){id} e:profile(id:$e){id} profiles{totalCount}}`,
		"variables": map[string]any{"a": ids[0], "b": ids[1], "e": ids[2]}})
	require.NoError(t, err)
	ask := func(secret, purpose, reason string) answer {
		return w.send(http.MethodPost, "", "application/json", body, "Authorization", "Bearer "+secret, "X-Purpose", purpose, "X-Reason", reason)
	}
	admin := key(access.Admin)
	sees := func(a answer, n string, ana, ben, flu bool) {
		t.Helper()
		require.Empty(t, a.Errors, string(a.Body))
		require.Equal(t, []bool{ana, ben, false}, []bool{a.Data["a"] != nil, a.Data["b"] != nil, a.Data["e"] != nil}, "the restricted stay hidden: "+string(a.Body))
		require.Equal(t, json.Number(n), dig(a.Data, "profiles", "totalCount"))
		require.Equal(t, flu, strings.Contains(string(a.Body), "flu"))
	}
	for range 2 {
		sees(ask(admin, "operations", ""), "1", true, false, false)
		sees(ask(admin, "operations", "ticket 7"), "1", true, false, true)
		sees(ask(admin, "marketing", "ticket 7"), "0", false, false, false)
		sees(ask(admin, "operations", "break-glass: fire"), "2", true, true, true)
		sees(ask(admin, "marketing", "break-glass: fire"), "2", true, true, true)
	}
	require.Equal(t, "FORBIDDEN BREAK_GLASS", ask(key(access.Marketer), "operations", "break-glass: fire").code())
	broken := w.entries("access.breakGlass", 4)
	require.Len(t, broken, 4)
	for _, r := range broken {
		require.Equal(t, "break-glass: fire", r.Reason)
	}
	require.Eventually(t, func() bool {
		page, err := w.services.Audit.Entries(t.Context(), w.ws, audit.Filter{}, core.Window{Limit: 200})
		require.NoError(t, err)
		reads := 0
		for _, r := range page.Items {
			if r.Reason == "break-glass: fire" && strings.HasPrefix(r.Action, "query.") {
				reads++
			}
		}
		return reads == 4
	}, 10*time.Second, 50*time.Millisecond, "what was read through it says so")
}
