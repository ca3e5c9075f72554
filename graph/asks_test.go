package graph_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// canaryAsks are the operations that ask about a value without being given it back: by
// name, with what to put in $x. Where a category may not be read in clear, the answer
// about the value that is there is the answer about one that is not, to the byte.
var canaryAsks = []struct {
	name, query string
	place       string // of the canaries that it asks about
	vars        func(path, value string) map[string]any
}{
	{"filter by a trait", `query($x: ConditionInput!) { profiles(where: $x, first: 50) { edges { cursor node { id } } pageInfo { hasNextPage startCursor endCursor } } }`, "t", traitIs},
	{"count by a trait", `query($x: ConditionInput!) { profiles(where: $x, first: 1) { totalCount } }`, "t", traitIs},
	{"filter by a part of a trait", `query($x: ConditionInput!) { profiles(where: $x) { totalCount edges { node { id } } } }`, "t", func(path, v string) map[string]any {
		return map[string]any{"x": map[string]any{"trait": map[string]any{"path": "t_" + path, "startsWith": v[:len(v)-1]}}}
	}},
	{"filter by a property", `query($x: ConditionInput!) { profiles(where: $x) { totalCount edges { node { id } } } }`, "p", propertyIs},
	{"estimate by a trait", `query($x: ConditionInput!) { previewSegment(where: $x) { count { value } sample { id } words } }`, "t", traitIs},
	{"estimate by a property", `query($x: ConditionInput!) { previewSegment(where: $x) { count { value } sample { id } words } }`, "p", propertyIs},
	{"filter records", `query($x: ConditionInput!) { objects(type: "thing", where: $x, first: 50) { totalCount edges { cursor node { id } } pageInfo { hasNextPage startCursor endCursor } } }`, "o", fieldIs},
	{"filter records by a part", `query($x: ConditionInput!) { objects(type: "thing", where: $x, last: 50) { edges { node { id } } } }`, "o", func(path, v string) map[string]any {
		return map[string]any{"x": map[string]any{"not": map[string]any{"field": map[string]any{"path": "f_" + path, "startsWith": v[:len(v)-1]}}}}
	}},
	{"filter by records", `query($x: ConditionInput!) { profiles(where: $x) { totalCount edges { node { id } } } }`, "o", func(path, v string) map[string]any {
		return map[string]any{"x": map[string]any{"object": map[string]any{"type": "thing", "relation": "of", "where": []any{map[string]any{"path": "f_" + path, "eq": v}}}}}
	}},
	{"complete a value", `query($x: String!) { fieldDefinitions { owner path sampleValues(prefix: $x) } }`, "p", func(_, v string) map[string]any {
		return map[string]any{"x": v[:len(v)-1]}
	}},
	{"count both ways", `query($x: ConditionInput!) { previewSegment(where: $x, exact: true) { count { value low high } sample { id } } }`, "t", traitIs},
	{"save a segment", `mutation($x: ConditionInput!) { createSegment(input: {name: "by a canary", where: $x, dryRun: true}) { preview { count { value } sample { id } } userErrors { code reason path } } }`, "t", traitIs},
}

func traitIs(path, v string) map[string]any {
	return map[string]any{"x": map[string]any{"trait": map[string]any{"path": "t_" + path, "eq": v}}}
}

func fieldIs(path, v string) map[string]any {
	return map[string]any{"x": map[string]any{"field": map[string]any{"path": "f_" + path, "eq": v}}}
}

func propertyIs(path, v string) map[string]any {
	return map[string]any{"x": map[string]any{"event": map[string]any{"name": "Canary Seen", "where": []any{map[string]any{"path": "p_" + path, "eq": v}}, "window": map[string]any{"allTime": true}}}}
}

var requestID = regexp.MustCompile(`req_[0-9A-Z]+`)

// TestNothingIsToldByAsking asks about the value of a canary, and about one that nobody
// has, as every role for every purpose.
func TestNothingIsToldByAsking(t *testing.T) {
	c := plantCanaries(t)
	var mu sync.Mutex
	hits, leaks := map[string]int{}, map[string]int{}
	c.each(func(role, purpose string) {
		for _, ask := range canaryAsks {
			for _, cat := range planted {
				if !sampled(role, purpose, ask.name, string(cat)) {
					continue
				}
				path := strings.ToLower(string(cat))
				there := c.call(role, purpose, ask.query, ask.vars(path, canary(ask.place, cat, "a")))
				absent := c.call(role, purpose, ask.query, ask.vars(path, canary("z", cat, "a")))
				for _, s := range sighted(there) {
					if !mayRead(role, purpose, core.Category(s[1]), s[2]) {
						t.Errorf("%s for %s: %s by %s shows %v: %.300s", role, purpose, ask.name, cat, s, there)
					}
				}
				readable := mayRead(role, purpose, cat, "a") && (ask.place != "p" || reads(role, purpose, core.Behaviour).Allowed())
				words := regexp.MustCompile(`"words":"[^"]*"`) // say what was asked
				plain := func(b []byte) string {
					return words.ReplaceAllString(requestID.ReplaceAllString(string(b), ""), "")
				}
				same := plain(there) == plain(absent)
				if !readable && !same {
					mu.Lock()
					if leaks[ask.name]++; leaks[ask.name] <= 3 { // the rest is told by number
						t.Errorf("%s for %s: %s by %s tells:\n%.400s\n%.400s", role, purpose, ask.name, cat, there, absent)
					}
					mu.Unlock()
				}
				if readable && !same {
					mu.Lock()
					hits[ask.name]++
					mu.Unlock()
				}
			}
		}
	})
	require.Empty(t, leaks)
	for _, ask := range canaryAsks {
		require.Positive(t, hits[ask.name], "nobody may do: %s", ask.name)
	}
}

// TestLookingUpIsRefusedWhereItWouldTell asks for people by their identifiers.
func TestLookingUpIsRefusedWhereItWouldTell(t *testing.T) {
	c := plantCanaries(t)
	const query = `query($n: String!, $v: String!) { profile(identifier: {namespace: $n, value: $v}) { id } }`
	c.each(func(role, purpose string) {
		for ns, cat := range map[string]core.Category{"email": core.Contact, "user_id": core.IdentifierID, "anonymous_id": core.IdentifierID} {
			for who := range canaryPeople {
				value := map[string]string{"email": "zqi.contact." + who + "x@canary.example", "user_id": canary("i", core.IdentifierID, who), "anonymous_id": canary("n", core.IdentifierID, who)}[ns]
				body := string(c.call(role, purpose, query, map[string]any{"n": ns, "v": value}))
				none := string(c.call(role, purpose, query, map[string]any{"n": ns, "v": "nobody@canary.example"}))
				if found := strings.Contains(body, c.ids[who]); found != mayRead(role, purpose, cat, who) {
					t.Errorf("%s for %s: %s is found by %s: %v: %s", role, purpose, who, ns, found, body)
				} else if !found && requestID.ReplaceAllString(body, "") != requestID.ReplaceAllString(none, "") {
					t.Errorf("%s for %s: looking for %s by %s tells: %s, %s", role, purpose, who, ns, body, none)
				}
			}
		}
	})
}

// TestStreamsTellWhatMayBeSeen follows a person as a role, while a trait of each category
// changes.
func TestStreamsTellWhatMayBeSeen(t *testing.T) {
	c := plantCanaries(t)
	for _, role := range []string{"marketer", "analyst", "support", "developer"} {
		s := c.connect(t, c.keys[role])
		s.subscribe("1", `subscription($id: ID!) { profileChanged(id: $id) { cursor paths cause profile { traits withheld { path } } } }`, map[string]any{"id": c.ids["a"]})
		s.next("1")
		for i, cat := range planted {
			path := "t_" + strings.ToLower(string(cat))
			c.ingest(map[string]any{"type": "IDENTIFY", "userId": canary("i", core.IdentifierID, "a"), "traits": map[string]any{path: canary("t", cat, fmt.Sprint(i%10))}})
			told := s.next("1") // that there was an event may be seen
			raw, err := json.Marshal(told)
			require.NoError(t, err)
			for _, seen := range sighted(raw) {
				require.True(t, reads(role, "operations", core.Category(seen[1])).Allowed(), "%s hears %v", role, seen)
			}
			paths := fmt.Sprint(dig(told, "profileChanged", "paths"))
			if reads(role, "operations", cat).Allowed() {
				require.Contains(t, paths, path, role)
			}
			for _, other := range planted {
				if o := reads(role, "operations", other); o.Hidden() || o.Form == core.Partial {
					require.NotContains(t, paths, "t_"+strings.ToLower(string(other)), role)
				}
			}
		}
	}
}

// TestNothingVisibleIsNotTold follows a person whose events may not be seen either.
func TestNothingVisibleIsNotTold(t *testing.T) {
	c := plantCanaries(t)
	c.policy.deny(core.Behaviour)
	s := c.connect(t, c.keys["developer"])
	s.subscribe("1", `subscription($id: ID!) { profileChanged(id: $id) { paths } }`, map[string]any{"id": c.ids["a"]})
	s.next("1")
	c.ingest(identify(canary("i", core.IdentifierID, "a"), map[string]any{"t_location": "elsewhere"}))
	time.Sleep(200 * time.Millisecond) // long enough to be told, were it told
	c.ingest(identify(canary("i", core.IdentifierID, "a"), map[string]any{"t_device": "another"}))
	require.Equal(t, []any{"traits.t_device"}, dig(s.next("1"), "profileChanged", "paths"))
}

// TestAPersonWhoIsHiddenIsToldOnce follows somebody who then withdraws, and agrees again.
func TestAPersonWhoIsHiddenIsToldOnce(t *testing.T) {
	c := plantCanaries(t)
	s := c.connectFor(t, c.keys["marketer"], "marketing")
	s.subscribe("1", `subscription($id: ID!) { profileChanged(id: $id) { paths profile { id traits } } }`, map[string]any{"id": c.ids["a"]})
	require.NotNil(t, dig(s.next("1"), "profileChanged", "profile"))
	prefer := func(yes bool) {
		c.ingest(map[string]any{"type": "IDENTIFY", "userId": canary("i", core.IdentifierID, "a"), "context": map[string]any{"consent": map[string]any{"categoryPreferences": map[string]any{"marketing": yes}}}})
	}
	prefer(false)
	told := s.next("1")
	require.Nil(t, dig(told, "profileChanged", "profile"))
	require.Empty(t, dig(told, "profileChanged", "paths"))
	c.ingest(identify(canary("i", core.IdentifierID, "a"), map[string]any{"t_contact": "unheard"}))
	prefer(true)
	told = s.next("1") // the change in between was not told
	require.NotNil(t, dig(told, "profileChanged", "profile"))
	// The view changes while the stream lives.
	c.policy.deny(core.Contact)
	c.ingest(identify(canary("i", core.IdentifierID, "a"), map[string]any{"t_contact": "secret", "t_device": "seen"}))
	told = s.next("1")
	require.NotContains(t, fmt.Sprint(told), "secret")
	require.NotContains(t, fmt.Sprint(dig(told, "profileChanged", "paths")), "t_contact")
	require.Contains(t, fmt.Sprint(dig(told, "profileChanged", "paths")), "t_device")
}
