package journey

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// crowd is people in memory.
type crowd []*Person

func (c crowd) Each(_ context.Context, f func(*Person) error) error {
	for _, p := range c {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// plainly is facts of somebody with traits and nothing else.
type plainly struct {
	somebody
}

func person(t testing.TB, id, traits string, events ...*event.Event) *Person {
	f := &plainly{somebody{t: t, id: id}}
	if traits != "" {
		f.set(traits)
	}
	return &Person{Profile: id, Events: events, Facts: func(time.Time) condition.Facts { return f }}
}

const cart = `{"timeZone":"UTC","reentry":"ALWAYS","key":"cartId","exitWhen":{"event":{"name":"Order Completed","where":[{"path":"cartId","eq":"{{ event.cartId }}"}]}},
 "nodes":[{"id":"in","step":{"entry":{"event":{"name":"Cart Updated"}}}},{"id":"w1","step":{"wait":{"duration":"PT1H"}}},{"id":"m1","step":{"message":{"templateId":"tpl_1","channel":"EMAIL","purpose":"marketing"}}},
  {"id":"w2","step":{"wait":{"duration":"PT23H"}}},{"id":"c","step":{"coupon":{"pool":"cart"}}},{"id":"m2","step":{"message":{"templateId":"tpl_2","channel":"EMAIL","purpose":"marketing"}}},
  {"id":"w3","step":{"wait":{"duration":"P2D"}}},{"id":"m3","step":{"message":{"templateId":"tpl_3","channel":"EMAIL","purpose":"marketing"}}}],
 "edges":[{"from":"in","to":"w1"},{"from":"w1","to":"m1"},{"from":"m1","to":"w2"},{"from":"w2","to":"c"},{"from":"c","to":"m2"},{"from":"m2","to":"w3"},{"from":"w3","to":"m3"}]}`

func TestSimulateCart(t *testing.T) {
	p := compiled(t, cart)
	day := start(t)
	people := crowd{
		person(t, "prof_all", "", happens(t, "Cart Updated", day, `{"cartId":"a"}`)),
		person(t, "prof_bought", "", happens(t, "Cart Updated", day, `{"cartId":"a"}`), happens(t, "Order Completed", day.Add(2*time.Hour), `{"cartId":"a"}`)),
		person(t, "prof_other", "", happens(t, "Cart Updated", day, `{"cartId":"a"}`), happens(t, "Cart Updated", day.Add(time.Hour), `{"cartId":"b"}`), happens(t, "Order Completed", day.Add(90*time.Minute), `{"cartId":"a"}`)),
		person(t, "prof_never", "", happens(t, "Page Viewed", day, "")),
		person(t, "prof_before", "", happens(t, "Cart Updated", day.Add(-time.Hour), `{"cartId":"a"}`)),
		person(t, "prof_same", "", happens(t, "Cart Updated", day, `{"cartId":"a"}`), happens(t, "Cart Updated", day.Add(time.Minute), `{"cartId":"a"}`)),
		person(t, "prof_instant", "", happens(t, "Cart Updated", day, `{"cartId":"a"}`), happens(t, "Order Completed", day.Add(time.Hour), `{"cartId":"a"}`)),
	}
	s, err := Simulate(t.Context(), p, people, SimulateOptions{From: day, To: day.AddDate(0, 0, 30), Trails: []string{"prof_bought"}, Workers: 3})
	require.NoError(t, err)
	require.Equal(t, int64(7), s.People)
	require.Equal(t, int64(5), s.Reached)
	require.Equal(t, int64(6), s.Entered)
	counts := map[string]NodeCount{}
	for _, n := range s.Nodes {
		counts[n.Node] = n
	}
	require.Equal(t, int64(5), counts["m1"].Sent, "an order at the very instant prevents it")
	require.Equal(t, int64(3), counts["m2"].Sent)
	require.Equal(t, int64(3), counts["m3"].Sent)
	require.Equal(t, int64(3), s.Ended[Exited])
	require.Equal(t, int64(3), s.Ended[Completed])
	require.Equal(t, DayCount{Node: "m1", Day: "2026-03-02", Sent: 5}, s.Sends[0])
	require.Len(t, s.Trails, 1)
	trail := s.Trails[0].Enrollments[0]
	require.Equal(t, "a", trail.Key)
	require.Equal(t, []string{DidEnter, DidWait, DidGoOn, DidQueue, DidWait, DidExit}, dids(trail.Trail))
	require.Equal(t, day.Add(2*time.Hour), trail.Trail[5].At)
	require.Empty(t, s.Warnings)

	cut, err := Simulate(t.Context(), p, people[:1], SimulateOptions{From: day, To: day.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, int64(1), cut.Nodes[1].Inside, "the end is not in it")
	require.Equal(t, WarnNobody, cut.Warnings[0].Reason)
}

func dids(trail []Passage) []string {
	out := make([]string, len(trail))
	for i, p := range trail {
		out[i] = p.Did
	}
	return out
}

// TestSimulateSegmentAndDate: conditions that change by themselves let people in at
// the instant at which they do.
func TestSimulateSegmentAndDate(t *testing.T) {
	quiet, err := condition.ParseJSON([]byte(`{"stopped":{"name":"Page Viewed","window":{"last":"P7D"}}}`))
	require.NoError(t, err)
	program, err := condition.Compile(quiet, condition.Zone{})
	require.NoError(t, err)
	text := `{"timeZone":"UTC","reentry":"ALWAYS","exitWhen":{"not":{"segment":{"id":"seg_quiet"}}},
	 "nodes":[{"id":"in","step":{"entry":{"segmentEntered":"seg_quiet"}}},{"id":"m","step":{"message":{"templateId":"tpl_1","channel":"EMAIL","purpose":"marketing"}}},{"id":"w","step":{"wait":{"duration":"P3D"}}},{"id":"m2","step":{"message":{"templateId":"tpl_2","channel":"EMAIL","purpose":"marketing"}}}],
	 "edges":[{"from":"in","to":"m"},{"from":"m","to":"w"},{"from":"w","to":"m2"}]}`
	day := start(t)
	back := happens(t, "Page Viewed", day.AddDate(0, 0, 9), "")
	people := crowd{person(t, "prof_1", "", happens(t, "Page Viewed", day.AddDate(0, 0, -1), ""), happens(t, "Page Viewed", day.Add(time.Hour), ""), back)}
	s, err := Simulate(t.Context(), compiled(t, text), people, SimulateOptions{From: day, To: day.AddDate(0, 0, 30), Trails: []string{"prof_1"}, Segments: map[string]*condition.Program{"seg_quiet": program}})
	require.NoError(t, err)
	require.Len(t, s.Trails[0].Enrollments, 2)
	first := s.Trails[0].Enrollments[0]
	require.Equal(t, day.Add(time.Hour).AddDate(0, 0, 7), first.Began)
	require.Equal(t, Exited, first.Status)
	require.Equal(t, back.Timestamp, first.Trail[len(first.Trail)-1].At)
	require.Equal(t, back.Timestamp.AddDate(0, 0, 7), s.Trails[0].Enrollments[1].Began)
	require.Equal(t, Completed, s.Trails[0].Enrollments[1].Status)

	birthday := drawn("", []string{mail("m")}, "in next m")
	birthday = replace(birthday, `{"event":{"name":"Start"}}`, `{"date":{"path":"birthday","anniversary":{"past":"P1D"}}}`)
	s, err = Simulate(t.Context(), compiled(t, birthday), crowd{person(t, "prof_1", `{"birthday":"1990-03-10"}`)}, SimulateOptions{From: day, To: day.AddDate(0, 0, 30)})
	require.NoError(t, err)
	require.Equal(t, []DayCount{{Node: "m", Day: "2026-03-10", Sent: 1}}, s.Sends)

	s, err = Simulate(t.Context(), compiled(t, text), people, SimulateOptions{From: day, To: day.AddDate(0, 0, 30)})
	require.NoError(t, err)
	require.Equal(t, WarnNotSimulated, s.Warnings[0].Reason)
	require.Zero(t, s.Entered)
}

// TestSimulateReactionsAndTraits: what the journey does can be seen by its conditions.
func TestSimulateReactionsAndTraits(t *testing.T) {
	text := drawn("", []string{`u {"updateTrait":{"path":"stage.name","value":"asked"}}`, mail("m"), `w {"wait":{"event":{"event":{"name":"Message Opened","where":[{"path":"nodeId","eq":"m"}]},"timeout":"P1D"}}}`,
		`b {"branch":[{"name":"asked","where":{"and":[{"trait":{"path":"stage.name","eq":"asked"}},{"message":{"status":"OPENED","nodeId":"m"}}]}}]}`, mail("yes"), mail("no")},
		"in next u", "u next m", "m next w", "w next b", "w timeout no", "b asked yes", "b else no")
	var people crowd
	for i := range 400 {
		people = append(people, person(t, fmt.Sprint("prof_", i), "", happens(t, "Start", start(t), "")))
	}
	s, err := Simulate(t.Context(), compiled(t, text), people, SimulateOptions{From: start(t), To: start(t).AddDate(0, 0, 3), Reactions: []Reaction{{Status: "OPENED", Share: 2500, After: time.Hour}}})
	require.NoError(t, err)
	sent := map[string]int64{}
	for _, n := range s.Nodes {
		sent[n.Node] = n.Sent
	}
	require.Equal(t, int64(400), sent["m"])
	require.InDelta(t, 100, sent["yes"], 40)
	require.Equal(t, int64(400), sent["yes"]+sent["no"])
}

func TestCompare(t *testing.T) {
	var people crowd
	for i := range 50 {
		p := person(t, fmt.Sprintf("prof_%02d", i), "", happens(t, "Cart Updated", start(t), `{"cartId":"a"}`))
		if i%2 == 0 {
			p.Events = append(p.Events, happens(t, "Order Completed", start(t).Add(2*time.Hour), `{"cartId":"a"}`))
		}
		people = append(people, p)
	}
	o := SimulateOptions{From: start(t), To: start(t).AddDate(0, 0, 30)}
	a, b := compiled(t, cart), compiled(t, replace(cart, `{"from":"w3","to":"m3"}`, `{"from":"w3","to":"x"}`, `{"id":"m3","step":{"message":{"templateId":"tpl_3","channel":"EMAIL","purpose":"marketing"}}}`, `{"id":"x","step":{"exit":true}}`))
	c, err := Compare(t.Context(), a, b, people, o)
	require.NoError(t, err)
	require.Equal(t, []int64{25, 0, 25, 0}, []int64{c.Same, c.More, c.Fewer, c.Other})
	require.Len(t, c.Examples, MaxExamples)
	require.Equal(t, "prof_01", c.Examples[0].Profile)
	require.Len(t, c.Examples[0].Before, 3)
	require.Equal(t, NodeChange{Node: "m3", Before: 25}, c.Nodes[2])
	c, err = Compare(t.Context(), b, a, people, o)
	require.NoError(t, err)
	require.Equal(t, int64(25), c.More)
	later := compiled(t, replace(cart, `"PT1H"`, `"PT3H"`))
	c, err = Compare(t.Context(), a, later, people, o)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 0, 25, 25}, []int64{c.Same, c.More, c.Fewer, c.Other})
}

// TestSimulateStops: an error of the source ends it.
func TestSimulateStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	people := crowd{}
	for range 1000 {
		people = append(people, person(t, "prof_1", ""))
	}
	_, err := Simulate(ctx, compiled(t, cart), people, SimulateOptions{From: start(t), To: start(t).AddDate(0, 0, 1), Workers: 1})
	require.ErrorIs(t, err, context.Canceled)
}

// shop is people who look, fill carts and buy over a month.
// Their carts are of one of so many ids.
func shop(t testing.TB, n, carts int) crowd {
	r := rand.New(rand.NewPCG(1, 2))
	people := make(crowd, n)
	from := start(t)
	for i := range people {
		var events []*event.Event
		now := from.Add(time.Duration(r.Int64N(int64(36 * time.Hour))))
		for now.Before(from.AddDate(0, 0, 30)) {
			id := fmt.Sprint(r.IntN(carts))
			properties, err := bson.Marshal(bson.D{{Key: "cartId", Value: id}, {Key: "total", Value: r.Int64N(200)}})
			require.NoError(t, err)
			name := [...]string{"Page Viewed", "Page Viewed", "Product Viewed", "Product Viewed", "Cart Updated", "Order Completed"}[r.IntN(6)]
			events = append(events, &event.Event{Type: event.Track, Name: name, Timestamp: now.Truncate(time.Millisecond), Properties: properties})
			now = now.Add(time.Duration(r.Int64N(int64(18 * time.Hour))))
		}
		people[i] = person(t, fmt.Sprint("prof_", i), `{"tier":"gold"}`, events...)
	}
	return people
}

// BenchmarkSimulate runs 10,000 people through 30 days of a journey with an exit by
// cart, a branch over a count and a wait for an event; with few carts and with all of them
// different.
func BenchmarkSimulate(b *testing.B) {
	p := compiled(b, replace(cart, `{"from":"w3","to":"m3"}`, `{"from":"w3","to":"br"},{"from":"br","on":"keen","to":"m3"},{"from":"br","on":"else","to":"we"},{"from":"we","to":"m3"},{"from":"we","on":"timeout","to":"m3"}`,
		`{"id":"w3"`, `{"id":"br","step":{"branch":[{"name":"keen","where":{"event":{"name":"Product Viewed","where":[{"path":"total","gte":50}],"count":{"gte":3},"window":{"last":"P7D"}}}}]}},{"id":"we","step":{"wait":{"event":{"event":{"name":"Page Viewed"},"timeout":"P2D"}}}},{"id":"w3"`))
	for name, carts := range map[string]int{"few": 5, "all": 1 << 40} {
		b.Run(name, func(b *testing.B) {
			people := shop(b, 10_000, carts)
			events := 0
			for _, x := range people {
				events += len(x.Events)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var entered int64
			for b.Loop() {
				s, err := Simulate(b.Context(), p, people, SimulateOptions{From: start(b), To: start(b).AddDate(0, 0, 30)})
				require.NoError(b, err)
				entered = s.Entered
			}
			b.ReportMetric(float64(events), "events")
			b.ReportMetric(float64(entered), "enrollments")
		})
	}
}

// BenchmarkStep takes an enrollment from a wait through a branch and a message to the
// next wait.
func BenchmarkStep(b *testing.B) {
	p := compiled(b, drawn(`,"exitWhen":{"event":{"name":"Order Completed"}}`, []string{`w {"wait":{"duration":"PT1H"}}`, `br {"branch":[{"name":"gold","where":{"trait":{"path":"tier","eq":"gold"}}}]}`, mail("m"), `w2 {"wait":{"duration":"P1D"}}`, `x {"exit":true}`},
		"in next w", "w next br", "br gold m", "br else x", "m next w2", "w2 next w"))
	s := enters(b, p, happens(b, "Start", start(b), "")).set(`{"tier":"gold"}`)
	s.step(start(b))
	st, facts := s.state, s.facts(s.state.Due)
	b.ReportAllocs()
	for b.Loop() {
		out := p.Step(st, Input{Now: st.Due, Facts: facts, Event: s.entered})
		if len(out.Effects) != 1 {
			b.Fatal("it did not send")
		}
	}
}
