package graph_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
)

// The people of the canaries, and under which purposes they may not be seen.
var canaryPeople = map[string][]string{
	"a": {},                                                                                 // agreed to marketing and personalisation
	"b": {"marketing", "personalisation"},                                                   // said nothing
	"c": {"marketing", "personalisation"},                                                   // took a yes back
	"d": {"operations", "support", "analytics", "marketing", "personalisation", "security"}, // restricted
	"e": {"analytics", "marketing", "personalisation"},                                      // objects to analytics
}

var (
	allPurposes = []string{"operations", "support", "analytics", "marketing", "personalisation", "compliance", "security"}
	planted     = core.Categories[1:] // all but NONE
)

// canary is a value that stands in one place only: what kind of place, of which
// category, whose.
func canary(place string, c core.Category, who string) string {
	return fmt.Sprintf("Zq%s.%s.%sX", place, c, who)
}

var canaryForm = regexp.MustCompile(`(?i)zq([a-z])\.([A-Z_]+)\.([a-z0-9])x`)

// sighted returns the canaries in the bytes of an answer, in base64 too.
func sighted(body []byte) [][]string {
	var all []byte
	all = append(all, body...)
	for _, word := range regexp.MustCompile(`[A-Za-z0-9_-]{8,}`).FindAll(body, -1) {
		for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
			if plain, err := enc.DecodeString(string(word)); err == nil {
				all = append(append(all, '\n'), plain...)
			}
		}
	}
	var out [][]string
	for _, m := range canaryForm.FindAllSubmatch(all, -1) {
		out = append(out, []string{string(m[1]), strings.ToUpper(string(m[2])), strings.ToLower(string(m[3]))})
	}
	return out
}

// mayRead is the table's answer about one canary.
func mayRead(role, purpose string, c core.Category, who string) bool {
	if !strings.Contains(table[role].may, "read") || !reads(role, purpose, c).Allowed() {
		return false
	}
	hiddenUnder, person := canaryPeople[who]
	return !person || !slices.Contains(hiddenUnder, purpose)
}

// canaries is a world with a canary of every category in every kind of place.
type canaries struct {
	*world
	keys  map[string]string // by role
	ids   map[string]string // of the people
	vars  map[string]any
	named map[string]string // segments that rest on canaries, by the trait
	doors http.Handler
	rec   string    // the id of a thing of a's
	then  time.Time // before anybody withdrew or was restricted
}

func plantCanaries(t *testing.T) *canaries {
	w := newWorld(t)
	w.services.Access.SetPolicy(w.policy)
	c := &canaries{world: w, keys: map[string]string{}, ids: map[string]string{}}
	op := core.WithActor(t.Context(), access.Operator("test"))
	for _, role := range access.Roles {
		k := access.NewKey{Workspace: w.ws, Name: role, Roles: []string{role}}
		if role == access.Write {
			k.Source = "src_00000000000000000000000000"
		}
		made, err := w.services.Access.CreateKey(op, k)
		require.NoError(t, err)
		c.keys[role] = made.Secret
	}
	for _, cat := range planted {
		for owner, path := range map[string]string{event.OwnerTrait: "t_", "Canary Seen": "p_"} {
			_, err := w.services.Events.SetField(op, w.ws, event.FieldUpdate{Owner: owner, Path: path + strings.ToLower(string(cat)), Category: &cat})
			require.NoError(t, err)
		}
	}
	for who := range canaryPeople {
		c.plant(who)
	}
	c.plantThings(op)
	// What nobody could read is kept aside.
	a := w.as(w.admin, ingestQuery, map[string]any{"events": []any{map[string]any{
		"type": "TRACK", "event": "Bad", "userId": "u", "timestamp": "nonsense", "properties": map[string]any{"x": canary("q", core.Unclassified, "0")},
	}}})
	require.Contains(t, string(a.Body), "QUARANTINED")
	merged := w.ask(`mutation($a: ID!, $b: ID!, $r: String!) { mergeProfiles(input: {winnerId: $a, loserId: $b, reason: $r}) { merge { id } userErrors { message } } }`,
		map[string]any{"a": c.ids["a"], "b": c.ids["a2"], "r": canary("m", core.FreeText, "a")})
	merge, _ := dig(merged, "mergeProfiles", "merge", "id").(string)
	require.NotEmpty(t, merge)
	events := w.ask(`query($id: ID!) { profile(id: $id) { events(names: ["Canary Seen"]) { edges { node { id } } } } }`, map[string]any{"id": c.ids["c"]})
	evt, _ := dig(events, "profile", "events", "edges", 0, "node", "id").(string)
	require.NotEmpty(t, evt)
	time.Sleep(20 * time.Millisecond)
	c.then = time.Now()
	time.Sleep(20 * time.Millisecond)
	prefer := func(who string, prefs map[string]any) map[string]any {
		return map[string]any{"type": "IDENTIFY", "userId": canary("i", core.IdentifierID, who), "context": map[string]any{"consent": map[string]any{"categoryPreferences": prefs}}}
	}
	w.ingest(prefer("c", map[string]any{"marketing": false}), prefer("e", map[string]any{"analytics": false}))
	_, err := w.services.Ingest.Commit(op, w.ws, event.Input{Type: event.System, MessageID: "restrict", Name: event.NameProcessingRestricted, Timestamp: time.Now()}, c.ids["d"])
	require.NoError(t, err)
	c.vars = map[string]any{"a": c.ids["a"], "b": c.ids["b"], "c": c.ids["c"], "d": c.ids["d"], "e": c.ids["e"], "merge": merge, "event": evt, "then": c.then,
		"all": c.segment("everybody", `{"bucket":{"salt":"a","from":0,"to":10000}}`), "rec": c.rec}
	// What was registered is known within event.CacheTTL.
	time.Sleep(event.CacheTTL + 50*time.Millisecond)
	c.open()
	return c
}

// plant brings one person in, with a canary of each category as a trait, as a property
// and where the protocol has a place for it.
func (c *canaries) plant(who string) {
	traits, properties := map[string]any{"email": "zqi.contact." + who + "x@canary.example"}, map[string]any{}
	for _, cat := range planted {
		traits["t_"+strings.ToLower(string(cat))] = canary("t", cat, who)
		properties["p_"+strings.ToLower(string(cat))] = canary("p", cat, who)
	}
	context := map[string]any{
		"ip": canary("c", core.Device, who), "page": map[string]any{"title": canary("c", core.Behaviour, who)},
		"location": map[string]any{"city": canary("c", core.Location, who)}, "locale": canary("c", core.Demographic, who),
		"mood": canary("c", core.Unclassified, who), "groupId": canary("c", core.IdentifierID, who),
		"traits": map[string]any{"t_special": canary("t", core.Special, who)},
	}
	if who == "a" || who == "c" {
		context["consent"] = map[string]any{"categoryPreferences": map[string]any{"marketing": true, "personalisation": true}}
	}
	user := canary("i", core.IdentifierID, who)
	ids := c.ingest(
		map[string]any{"type": "IDENTIFY", "userId": user, "anonymousId": canary("n", core.IdentifierID, who), "traits": traits, "context": context},
		map[string]any{"type": "TRACK", "event": "Canary Seen", "userId": user, "properties": properties, "context": context},
		map[string]any{"type": "IDENTIFY", "userId": "second of " + who},
	)
	c.ids[who], c.ids[who+"2"] = ids[0], ids[2]
}

// call asks in the process, as a role, for a purpose.
func (c *canaries) call(role, purpose, query string, vars map[string]any) []byte {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(c.t, err)
	req := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Purpose", purpose)
	req.Header.Set("X-Reason", "ticket 7") // without one nobody reads SPECIAL data
	if key := c.keys[role]; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	c.server.Handler().ServeHTTP(rec, req)
	return rec.Body.Bytes()
}

// each runs f for every role and purpose, several at once.
func (c *canaries) each(f func(role, purpose string)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, role := range append(slices.Clone(access.Roles), "") {
		for _, purpose := range allPurposes {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				f(role, purpose)
			})
		}
	}
	wg.Wait()
}

const canaryPerson = `fragment P on Profile { id identifiers { namespace value } traits all: traits(paths: ["t_contact", "t_special", "email"])
  contact: trait(path: "t_contact") { value source at } special: trait(path: "t_special") { value at } eventCount firstSeenAt lastSeenAt parts
  events(first: 10) { totalCount edges { cursor node { ...E } } pageInfo { startCursor endCursor } }
  consents { purpose status at } merges { id reason rule } withheld { path reason } restricted cursor }
fragment E on Event { id messageId name timestamp properties traits context userId anonymousId groupId withheld { path reason } profile { id identifiers { value } } }`

// canaryReads are the operations that read, by name. Each is a request of its own.
var canaryReads = map[string]string{
	"profile":  `query($a:ID!,$b:ID!,$c:ID!,$d:ID!,$e:ID!){a:profile(id:$a){...P}b:profile(id:$b){...P}c:profile(id:$c){...P}d:profile(id:$d){...P}e:profile(id:$e){...P}}` + canaryPerson,
	"asOf":     `query($a:ID!,$b:ID!,$c:ID!,$d:ID!,$e:ID!,$then:DateTime!){a:profile(id:$a,asOf:$then){...P}b:profile(id:$b,asOf:$then){...P}c:profile(id:$c,asOf:$then){...P}d:profile(id:$d,asOf:$then){...P}e:profile(id:$e,asOf:$then){...P}}` + canaryPerson,
	"node":     `query($a:ID!,$b:ID!,$c:ID!,$d:ID!,$e:ID!){a:node(id:$a){...P}b:node(id:$b){...P}c:node(id:$c){...P}d:node(id:$d){...P}e:node(id:$e){...P}}` + canaryPerson,
	"profiles": `{profiles(first:50){totalCount edges{cursor node{...P}}pageInfo{startCursor endCursor}}}` + canaryPerson,
	"events":   `{events(first:50){totalCount edges{cursor node{...E profile{...P}}}pageInfo{startCursor endCursor}}}` + canaryPerson,
	"things":   `query($event:ID!,$merge:ID!){event:node(id:$event){...E}merge:node(id:$merge){... on Merge{id reason winnerId}}}` + canaryPerson,
	"fields":   `{fieldDefinitions{owner path category sampleValues one:sampleValues(prefix:"Zqp")}}`,
	"aside":    `{quarantinedEvents{totalCount edges{cursor node{payload correction reason message path name}}}}`,
	"waiting":  `{mergeProposals(first:10){totalCount edges{node{profiles{...P}}}}}` + canaryPerson,
}

// TestNoCanaryIsSeen asks every reading operation as every role for every purpose: no
// byte of an answer holds a canary that the table keeps from it, and every canary that
// the table shows of a person is there.
func TestNoCanaryIsSeen(t *testing.T) {
	c := plantCanaries(t)
	var mu sync.Mutex
	asked, found := 0, 0
	c.each(func(role, purpose string) {
		for name, body := range c.answers(role, purpose) {
			seen := map[string]bool{}
			for _, s := range sighted(body) {
				seen[strings.Join(s, ".")] = true
				if name == "fields" { // samples are of no person in particular
					if !reads(role, purpose, core.Category(s[1])).Allowed() || purpose != "operations" && purpose != "support" && purpose != "compliance" {
						t.Errorf("%s for %s: %s shows the sample %v", role, purpose, name, s)
					}
					continue
				}
				if !mayRead(role, purpose, core.Category(s[1]), s[2]) {
					t.Errorf("%s for %s: %s shows %v: %.300s", role, purpose, name, s, body)
				}
			}
			if name == "profile" && role != "" {
				for who := range canaryPeople {
					for _, cat := range planted {
						if mayRead(role, purpose, cat, who) != seen["t."+string(cat)+"."+who] {
							t.Errorf("%s for %s: trait %s of %s is shown: %v", role, purpose, cat, who, seen["t."+string(cat)+"."+who])
						}
						want := mayRead(role, purpose, cat, who) && reads(role, purpose, core.Behaviour).Allowed()
						if want != seen["p."+string(cat)+"."+who] {
							t.Errorf("%s for %s: property %s of %s is shown: %v", role, purpose, cat, who, !want)
						}
					}
				}
			}
			mu.Lock()
			asked, found = asked+1, found+len(seen)
			mu.Unlock()
		}
	})
	require.Greater(t, found, 1000)
	t.Logf("%d answers, %d canaries that may be seen", asked, found)
}

// TestWithheldIsComplete compares what is withheld of a person with the table, path by
// path.
func TestWithheldIsComplete(t *testing.T) {
	c := plantCanaries(t)
	c.each(func(role, purpose string) {
		if role == "" || !strings.Contains(table[role].may, "read") || slices.Contains(canaryPeople["a"], purpose) {
			return
		}
		want := map[string]string{}
		hide := func(path string, cat core.Category) {
			if d := reads(role, purpose, cat); !d.Allowed() {
				want[path] = d.Withheld
			}
		}
		for _, cat := range planted {
			hide("traits.t_"+strings.ToLower(string(cat)), cat)
		}
		hide("traits.email", core.Contact)
		hide("identifiers.email", core.Contact)
		hide("identifiers.user_id", core.IdentifierID)
		hide("identifiers.anonymous_id", core.IdentifierID)
		hide("consents", core.Consent)
		hide("merges.reason", core.FreeText)
		for _, path := range []string{"eventCount", "events", "explain", "firstSeenAt", "lastSeenAt", "segments"} {
			hide(path, core.Behaviour)
		}
		var answer struct {
			Data struct {
				Profile struct {
					Withheld []struct{ Path, Reason string }
				}
			}
		}
		body := c.call(role, purpose, `query($a:ID!){profile(id:$a){withheld{path reason}}}`, map[string]any{"a": c.ids["a"]})
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		got := map[string]string{}
		for _, h := range answer.Data.Profile.Withheld {
			got[h.Path] = h.Reason
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s for %s: withheld %v, want %v", role, purpose, got, want)
		}
	})
}
