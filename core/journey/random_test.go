package journey

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core/event"
)

// drawJourney makes a sound journey: edges lead on, or back to a node that takes time.
func drawJourney(t *rapid.T) string {
	steps := []string{
		`{"message":{"templateId":"tpl_x","channel":"EMAIL","purpose":"marketing"}}`, `{"message":{"templateId":"tpl_y","channel":"SMS","purpose":"marketing"}}`,
		`{"wait":{"duration":"PT1H"}}`, `{"wait":{"duration":"P1M"}}`, `{"wait":{"duration":"PT10S"}}`, `{"wait":{"localTime":"10:00"}}`, `{"wait":{"localTime":"09:30"}}`, `{"wait":{"bestTime":{"within":"P1D","localTime":"11:00"}}}`, `{"wait":{"until":"2026-03-10T00:00:00Z"}}`, `{"wait":{"trait":"trip"}}`,
		`{"wait":{"event":{"event":{"name":"B","where":[{"path":"id","eq":"{{ event.id }}"}]},"timeout":"P2D"}}}`, `{"wait":{"event":{"event":{"name":"A"},"timeout":"PT30M"}}}`,
		`{"branch":[{"name":"a","where":{"event":{"name":"A","count":{"gte":2},"window":{"last":"P3D"}}}},{"name":"b","where":{"trait":{"path":"tier","eq":"gold"}}}]}`,
		`{"split":{"salt":"s","arms":[{"name":"a","weight":40},{"name":"b","weight":60}]}}`, `{"holdout":{"salt":"h","arms":[{"name":"out","weight":10},{"name":"in","weight":90}]}}`,
		`{"updateTrait":{"path":"tier","value":"{{ event.tier }}"}}`, `{"coupon":{"pool":"p","expiresAfter":"P7D"}}`, `{"points":{"amount":5,"reason":"r"}}`,
		`{"approval":{"role":"r","timeout":"P1D"}}`, `{"approval":{"role":"r"}}`, `{"subJourney":"jrn_b"}`, `{"goal":{"event":{"name":"C"}}}`, `{"task":{"title":"{{ profile.tier }}","assignee":"x"}}`, `{"exit":true}`,
	}
	n := rapid.IntRange(1, 14).Draw(t, "nodes")
	kinds := make([]Step, n)
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = rapid.SampledFrom(steps).Draw(t, "step")
		r := &reader{}
		r.step(&kinds[i], firstKey(chosen[i]), decodeTree(chosen[i]).(map[string]any)[firstKey(chosen[i])])
	}
	var slow []int
	for i := range kinds {
		if takesTime(&kinds[i]) {
			slow = append(slow, i)
		}
	}
	target := func(from int) string {
		if len(slow) > 0 && rapid.IntRange(0, 3).Draw(t, "back") == 0 {
			return fmt.Sprint("n", rapid.SampledFrom(slow).Draw(t, "slow"))
		}
		if from+1 >= n {
			return "x"
		}
		return fmt.Sprint("n", rapid.IntRange(from+1, min(from+3, n-1)).Draw(t, "on"))
	}
	edges := map[int]map[string]string{}
	for i := range kinds {
		edges[i] = map[string]string{}
		may, must := ends(&kinds[i])
		for _, on := range may {
			if on == "out" {
				continue
			}
			for _, m := range must {
				if m == on {
					edges[i][on] = target(i)
				}
			}
			if edges[i][on] == "" && (kinds[i].Holdout != nil || rapid.Bool().Draw(t, "edge")) {
				edges[i][on] = target(i)
			}
		}
	}
	reached, todo, exit := map[int]bool{0: true}, []int{0}, false
	for len(todo) > 0 {
		i := todo[0]
		todo = todo[1:]
		for _, to := range edges[i] {
			var j int
			if to == "x" {
				exit = true
				continue
			}
			_, _ = fmt.Sscanf(to, "n%d", &j)
			if !reached[j] {
				reached[j] = true
				todo = append(todo, j)
			}
		}
	}
	nodes, es := []string{}, []string{"in next n0"}
	for i := range kinds {
		if !reached[i] {
			continue
		}
		nodes = append(nodes, fmt.Sprintf("n%d %s", i, chosen[i]))
		for _, on := range sortedKeys(edges[i]) {
			es = append(es, fmt.Sprintf("n%d %s %s", i, on, edges[i][on]))
		}
	}
	if exit {
		nodes = append(nodes, `x {"exit":true}`)
	}
	more := `,"onOverdue":"` + rapid.SampledFrom([]string{"SKIP", "SEND", "ASK"}).Draw(t, "overdue") + `"`
	if rapid.Bool().Draw(t, "exits") {
		more += `,"exitWhen":{"event":{"name":"C","where":[{"path":"id","eq":"{{ event.id }}"}]}}`
	}
	if rapid.Bool().Draw(t, "goals") {
		more += `,"goal":{"event":{"name":"B","count":{"gte":3}}}`
	}
	return drawn(more, nodes, es...)
}

func firstKey(step string) string { return strings.Split(step, `"`)[1] }

// TestRandomJourneys: whatever the drawing and whatever happens, a step ends, nothing
// is sent twice under one key nor early, time does not run back, what is computed
// again is the same, and what was counted in is counted out.
func TestRandomJourneys(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		text := drawJourney(rt)
		d, err := Parse(decodeTree(text))
		require.NoError(rt, err, text)
		raw, err := MarshalJSON(d)
		require.NoError(rt, err)
		d, err = ParseJSON(raw) // what is stored does the same
		require.NoError(rt, err)
		p, err := Compile(d, "jrn_test")
		require.NoError(rt, err)
		now := start(t)
		s := entersAs(t, p, happens(t, "Start", now, `{"id":1,"tier":"gold"}`), fmt.Sprint("prof_", rapid.IntRange(0, 50).Draw(rt, "who")))
		if rapid.Bool().Draw(rt, "zoned") {
			s.zone = zone
		}
		s.set(`{"trip":"2026-03-09"}`)
		keys, came, left := map[string]bool{}, map[string]int{}, map[string]int{}
		var last time.Time
		for range rapid.IntRange(1, 40).Draw(rt, "turns") {
			before := s.state
			in := Input{Now: now, Event: s.entered, Enrollment: "enr_1"}
			switch rapid.IntRange(0, 5).Draw(rt, "turn") {
			case 0: // an event
				in.Woke = happens(t, rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "name"), now, rapid.SampledFrom([]string{`{"id":1}`, `{"id":2}`, `{}`}).Draw(rt, "id"))
				s.events = append(s.events, in.Woke)
			case 1: // an answer, perhaps to nothing
				in.Answer = &Answer{For: rapid.SampledFrom([]Await{ForCoupon, ForApproval, ForSubJourney, ForOverdue}).Draw(rt, "for"), Visit: s.state.Visit, OK: rapid.Bool().Draw(rt, "ok"), Code: "X"}
			case 2: // some time
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(40*time.Hour)).Draw(rt, "later")))
				in.Now = now
			default: // its time
				if s.state.Due.After(now) {
					now = s.state.Due
				}
				if rapid.Bool().Draw(rt, "late") { // as in a busy hour
					now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(rt, "millis")) * time.Millisecond)
				}
				in.Now = now
			}
			in.Facts = s.facts(now)
			out := p.Step(before, in)
			require.Equal(rt, out, p.Step(before, in), "the same again")
			var stored State
			data, err := bson.Marshal(before)
			require.NoError(rt, err)
			require.NoError(rt, bson.Unmarshal(data, &stored))
			again := p.Step(stored, in)
			require.Equal(rt, len(out.Effects), len(again.Effects), "from what is stored, too")
			require.Equal(rt, out.State.Node, again.State.Node)
			require.True(rt, out.State.Due.Equal(again.State.Due))
			require.Less(rt, len(out.Trail), 3*len(d.Nodes)+3, "bounded")
			if before.Status == Waiting && before.For == ForTime && now.Before(before.Due) && out.State.Status.Live() {
				require.Empty(rt, out.Effects, "never early")
				require.Equal(rt, before.Node, out.State.Node)
			}
			require.GreaterOrEqual(rt, out.State.Visit, before.Visit)
			for _, e := range out.Effects {
				key := fmt.Sprint(e.Node, "/", e.Visit, "/", e.Overdue != nil) // whether it may still be sent is asked before it is
				if e.Coupon == nil {                                           // it is asked for again under its key
					require.False(rt, keys[key], "once: %s", key)
				}
				keys[key] = true
			}
			for _, x := range out.Trail {
				require.False(rt, x.At.Before(last), "time runs on")
				last = x.At
				if x.Came {
					came[x.Node]++
				}
				if x.Left {
					left[x.Node]++
				}
			}
			s.state = out.State
			if !s.state.Status.Live() {
				require.Equal(rt, came, left, "everywhere left")
				return
			}
			if s.state.Status == Waiting && (s.state.For == ForTime || s.state.For == ForEvent) {
				require.True(rt, s.state.Due.After(in.Now) || before.Node == s.state.Node)
			}
			inside := 0
			for node := range came {
				inside += came[node] - left[node]
			}
			require.LessOrEqual(rt, inside, 1, "at one place")
		}
	})
}

// TestRandomSimulation: what a simulation sends is what stepping through by hand
// sends.
func TestRandomSimulation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := drawJourney(rt)
		p, err := Compile(mustParse(rt, text), "jrn_test")
		require.NoError(rt, err)
		brief := strings.Contains(text, "PT10S") // 170,000 of which are as long as the simulation
		from := start(t)
		var events []*event.Event
		now := from
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(30*time.Hour)).Draw(rt, "gap")) + time.Millisecond).Truncate(time.Millisecond)
			events = append(events, happens(t, rapid.SampledFrom([]string{"Start", "A", "B", "C"}).Draw(rt, "name"), now, rapid.SampledFrom([]string{`{"id":1,"tier":"gold"}`, `{"id":2}`}).Draw(rt, "id")))
		}
		who := person(t, "prof_7", `{"trip":"2026-03-09"}`, events...)
		to := from.AddDate(0, 0, 20)
		s, err := Simulate(t.Context(), p, crowd{who, who}, SimulateOptions{From: from, To: to, Trails: []string{"prof_7"}, Workers: 2})
		require.NoError(rt, err)
		require.Equal(rt, s.Trails[0], s.Trails[1], "the same person, the same result")
		for _, n := range s.Nodes {
			if !brief {
				require.Zero(rt, n.Stopped, "every circle takes time")
			}
			require.GreaterOrEqual(rt, n.Inside, int64(0))
		}
		live := map[string]time.Time{}
		for _, en := range s.Trails[0].Enrollments {
			require.False(rt, en.Began.Before(live[en.Key]), "one at a time")
			live[en.Key] = en.Trail[len(en.Trail)-1].At
			if en.Status.Live() {
				live[en.Key] = to
			}
		}
		c, err := Compare(t.Context(), p, p, crowd{who}, SimulateOptions{From: from, To: to})
		require.NoError(rt, err)
		require.Equal(rt, int64(1), c.Same)
	})
}

func mustParse(t require.TestingT, text string) *Definition {
	d, err := Parse(decodeTree(text))
	require.NoError(t, err, text)
	return d
}
