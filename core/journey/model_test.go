package journey_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/work"
)

// nothing is known of the people of the model but what happens.
type nothing string

func (n nothing) ProfileID() string                      { return string(n) }
func (nothing) Location() *time.Location                 { return nil }
func (nothing) Ledgers(string) []*condition.Ledger       { return nil }
func (nothing) Records(_, _ string) []bson.Raw           { return nil }
func (nothing) Record() bson.Raw                         { return nil }
func (nothing) Member(string) (since time.Time, in bool) { return since, false }
func (nothing) Trait(string) (v bson.RawValue, ok bool)  { return v, false }
func (nothing) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}

// drawAny makes a sound journey of waits, branches, splits, waits for events, messages and
// exits. Edges lead on, or back to a node that takes time.
func drawAny(r *rand.Rand) string {
	n := 3 + r.IntN(7)
	nodes, edges := []string{`in {"entry":{"event":{"name":"Start"}}}`}, []string{"in next n0"}
	name := func(i int) string {
		if i >= n {
			return "x"
		}
		return fmt.Sprint("n", i)
	}
	kinds := make([]int, n)
	var slow []int
	for i := range kinds {
		if kinds[i] = r.IntN(9); kinds[i] < 3 || kinds[i] == 8 {
			slow = append(slow, i)
		}
	}
	next := func(i int) string {
		if len(slow) > 0 && r.IntN(5) == 0 {
			return name(slow[r.IntN(len(slow))])
		}
		return name(i + 1)
	}
	for i, kind := range kinds {
		at := name(i)
		switch kind {
		case 0, 1:
			nodes = append(nodes, fmt.Sprintf(`%s {"wait":{"duration":"PT%dM"}}`, at, 20+r.IntN(300)))
			edges = append(edges, at+" next "+next(i))
		case 2:
			where := `,"where":[{"path":"id","eq":"{{ event.id }}"}]`
			if r.IntN(2) == 0 {
				where = ""
			}
			nodes = append(nodes, fmt.Sprintf(`%s {"wait":{"event":{"event":{"name":"B"%s},"timeout":"PT%dM"}}}`, at, where, 30+r.IntN(400)))
			edges = append(edges, at+" next "+next(i), at+" timeout "+name(i+1))
		case 3:
			nodes = append(nodes, fmt.Sprintf(`%s {"branch":[{"name":"much","where":{"event":{"name":"A","count":{"gte":2},"window":{"last":"PT%dH"}}}}]}`, at, 1+r.IntN(20)))
			edges = append(edges, at+" much "+next(i), at+" else "+name(i+1))
		case 4:
			nodes = append(nodes, fmt.Sprintf(`%s {"split":{"salt":"s%d","arms":[{"name":"a","weight":40},{"name":"b","weight":60}]}}`, at, r.IntN(5)))
			edges = append(edges, at+" a "+next(i), at+" b "+name(i+1))
		case 8:
			nodes = append(nodes, fmt.Sprintf(`%s {"wait":{"bestTime":{"within":"PT%dH","localTime":"16:30"}}}`, at, 1+r.IntN(30)))
			edges = append(edges, at+" next "+next(i))
		default:
			nodes = append(nodes, strings.Replace(mail("m"), "m ", at+" ", 1))
			edges = append(edges, at+" next "+name(i+1))
		}
	}
	nodes = append(nodes, `x {"exit":true}`)
	more := []string{`,"reentry":"ALWAYS"`, `,"reentry":"ONCE"`, `,"reentry":"AFTER","reentryAfter":"PT5H"`}[r.IntN(3)]
	if r.IntN(2) == 0 {
		more += `,"key":"id"`
	}
	if r.IntN(2) == 0 {
		more += `,"exitWhen":{"event":{"name":"C","where":[{"path":"id","eq":"{{ event.id }}"}]}}`
	}
	if r.IntN(3) == 0 {
		more += `,"goal":{"event":{"name":"B","count":{"gte":3}}}`
	}
	nodes, edges = reachable(nodes, edges)
	return drawing(more, nodes, edges...)
}

// reachable leaves out what no edge leads to.
func reachable(nodes, edges []string) (ns, es []string) {
	seen, todo := map[string]bool{"in": true}, []string{"in"}
	for len(todo) > 0 {
		from := todo[0]
		todo = todo[1:]
		for _, e := range edges {
			if f := strings.Fields(e); f[0] == from && !seen[f[2]] {
				seen[f[2]] = true
				todo = append(todo, f[2])
			}
		}
	}
	of := func(list []string) []string {
		return slices.DeleteFunc(list, func(line string) bool { return !seen[strings.Fields(line)[0]] })
	}
	return of(nodes), of(edges)
}

// world is two processes over a store that fails: they are killed and made anew.
type world struct {
	t      *testing.T
	r      *rand.Rand
	inner  store.Store
	db     *faultstore.Store
	clock  *core.VirtualClock
	houses []*house
	queue  *outbox
	pool   journey.Coupons
	kills  int
	calm   bool // nothing fails and nobody is killed
}

func newModelWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), inner: openStore(t), clock: core.NewVirtualClock(start), queue: &outbox{sent: map[string]message.Intent{}}}
	w.db = faultstore.New(w.inner)
	w.db.Use(faultstore.Script())
	w.houses = []*house{w.house(), w.house()}
	return w
}

func (w *world) house() *house {
	h := houseOver(w.t, w.db, w.clock)
	h.Outbox, h.Coupons = w.queue, w.pool
	return h
}

// settle does what is due, with faults, until nothing is due any more.
func (w *world) settle() {
	w.t.Helper()
	for round := 0; ; round++ {
		lanes := w.due()
		if len(lanes) == 0 {
			if at := w.turns(); at.IsZero() || at.After(w.clock.Now()) {
				return
			}
			w.sweep()
			continue
		}
		require.Less(w.t, round, 300, "what is due is done in the end")
		if round < 60 && !w.calm { // then it may rest
			w.db.Use(faultstore.Random(w.r.Uint64(), faultstore.Rates{Error: 0.1, LostReply: 0.1, CrashBefore: 0.02, CrashAfter: 0.04, ReadError: 0.02}))
		}
		var wg stdsync.WaitGroup
		for i, h := range w.houses {
			ctx, cancel := context.WithCancel(h.ctx())
			if !w.calm && w.r.IntN(6) == 0 { // killed in the middle of it
				w.kills++
				time.AfterFunc(time.Duration(w.r.IntN(4000))*time.Microsecond, cancel)
				w.houses[i] = w.house()
			}
			for _, lane := range lanes {
				wg.Go(func() { _ = h.TurnLane(ctx, ws, lane) })
			}
			defer cancel()
		}
		wg.Wait()
		select {
		case <-w.db.Crashed():
			w.db.Reopen()
		default:
		}
		w.db.Use(faultstore.Script())
	}
}

// due lists the lanes in which something is due.
func (w *world) due() []int {
	w.t.Helper()
	ctx := context.Background()
	seen := map[string]bool{}
	q := store.Query{Workspace: ws, Order: []string{"lane", "due"}}
	triggers, err := journey.Triggers.Find(ctx, w.inner, q, 0)
	require.NoError(w.t, err)
	for _, x := range triggers {
		if !x.Due.After(w.clock.Now()) {
			seen[x.Lane] = true
		}
	}
	list, err := journey.Enrollments.Find(ctx, w.inner, q, 0)
	require.NoError(w.t, err)
	for _, e := range list {
		if e.Lane != "" && !e.Due.IsZero() && !e.Due.After(w.clock.Now()) {
			seen[e.Lane] = true
		}
	}
	var out []int
	for n := range 16 {
		if seen[fmt.Sprintf("%02d", n)] {
			out = append(out, n)
		}
	}
	return out
}

// next returns when the next thing is due by itself; zero for never.
func (w *world) next() (at time.Time) {
	w.t.Helper()
	list, err := journey.Enrollments.Find(context.Background(), w.inner, store.Query{Workspace: ws, Order: []string{"lane", "due"}}, 0)
	require.NoError(w.t, err)
	for _, e := range list {
		if e.Lane != "" && !strings.HasPrefix(e.Lane, "paused/") && !e.Due.IsZero() && (at.IsZero() || e.Due.Before(at)) {
			at = e.Due
		}
	}
	if turn := w.turns(); at.IsZero() || !turn.IsZero() && turn.Before(at) {
		at = turn
	}
	return at
}

// turns returns when the next answer about somebody can change because time goes on; zero
// for never.
func (w *world) turns() (at time.Time) {
	w.t.Helper()
	task, err := work.Find(context.Background(), w.inner, ws, segment.SweepKind, "0")
	require.NoError(w.t, err)
	if task == nil { // no definition asks for the time
		return at
	}
	list, err := segment.Behaviours.Find(context.Background(), w.inner, store.Query{Order: []string{"shard", "due"}, Workspace: ws}, 0)
	require.NoError(w.t, err)
	for _, b := range list {
		if at.IsZero() || b.Due.Before(at) {
			at = b.Due
		}
	}
	return at
}

// sweep has processes look at those of whom an answer changes now, one after the other: one
// that lost a race waits for a while, and no time passes here.
func (w *world) sweep() {
	w.t.Helper()
	left := func() bool {
		at := w.turns()
		return !at.IsZero() && !at.After(w.clock.Now())
	}
	for deadline := time.Now().Add(60 * time.Second); left(); {
		require.True(w.t, time.Now().Before(deadline), "the sweep is done")
		h := houseOver(w.t, w.inner, w.clock)
		h.Outbox, h.Coupons = w.queue, w.pool
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = h.runner.Run(ctx) }()
		for try := 0; try < 100 && left(); try++ {
			h.runner.Wake()
			time.Sleep(time.Millisecond) // between looks
		}
		cancel()
		<-done
		for shard := range 4 {
			w.release(segment.SweepKind, fmt.Sprint(shard))
		}
	}
}

// release gives a task back as if its lease, or the wait after a failure, were over, for no
// time passes here.
func (w *world) release(kind, name string) {
	task, err := work.Find(context.Background(), w.inner, ws, kind, name)
	require.NoError(w.t, err)
	if task != nil {
		require.NoError(w.t, work.Commit(context.Background(), w.inner, work.Move(task, w.clock.Now())))
	}
}

// until lets time pass, from one thing that is due to the next.
func (w *world) until(t time.Time) {
	w.t.Helper()
	for {
		w.settle()
		at := w.next()
		if at.IsZero() || at.After(t) {
			break
		}
		w.clock.Advance(at.Sub(w.clock.Now()))
	}
	w.clock.Advance(t.Sub(w.clock.Now()))
}

// TestModel compares what two processes do, that are killed, over a store that fails, with
// what the simulator says of the same people: the same sends at the same times, the same
// history, the same counts.
func TestModel(t *testing.T) {
	cases, seed := 1, rand.Uint64()
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		cases = 150
	}
	if given := os.Getenv("HEADWATER_SEED"); given != "" {
		_, err := fmt.Sscan(given, &seed)
		require.NoError(t, err)
		cases = 1
	}
	for i := range cases {
		t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) { modelCase(t, seed+uint64(i)) })
	}
}

func modelCase(t *testing.T, seed uint64) {
	t.Logf("HEADWATER_SEED=%d", seed)
	w := newModelWorld(t, seed)
	var ids []string
	for range 2 + w.r.IntN(2) {
		text := drawAny(w.r)
		t.Log(text)
		ids = append(ids, w.houses[0].published(text).JourneyID())
	}
	people := map[string]string{}
	end := start.Add(40 * time.Hour)
	for range 30 + w.r.IntN(30) {
		// Events fall between the milliseconds at which something can be due.
		w.until(w.clock.Now().Add(time.Duration(w.r.IntN(90*60_000)) * time.Millisecond))
		user := fmt.Sprint("u", w.r.IntN(6))
		name := []string{"Start", "Start", "A", "B", "C"}[w.r.IntN(5)]
		people[user] = w.houses[w.r.IntN(2)].track(user, name, fmt.Sprintf(`{"id":%d}`, w.r.IntN(2)))
		if w.r.IntN(4) == 0 { // something new is predicted of them, later: of two things at one instant neither is the earlier
			w.until(w.clock.Now().Add(time.Minute))
			w.houses[0].best(people[user], w.r.IntN(24))
		}
		w.settle()
	}
	if w.clock.Now().After(end) {
		end = w.clock.Now().Add(time.Hour)
	}
	w.until(end)
	t.Logf("%d killed", w.kills)
	h := w.house()
	for _, id := range ids {
		h.equalsModel(w, id, people, end)
	}
}

type crowdOf []*journey.Person

func (c crowdOf) Each(_ context.Context, f func(*journey.Person) error) error {
	for _, p := range c {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// equalsModel simulates a journey over what happened and compares.
func (h *house) equalsModel(w *world, id string, people map[string]string, end time.Time) {
	h.t.Helper()
	v, err := h.Version(h.ctx(), ws, id, 1)
	require.NoError(h.t, err)
	d, err := journey.ParseJSON([]byte(v.Definition))
	require.NoError(h.t, err)
	p, err := journey.Compile(d, id)
	require.NoError(h.t, err)
	var crowd crowdOf
	var trails []string
	for _, who := range people {
		one := &journey.Person{Profile: who, Facts: func(time.Time) condition.Facts { return nothing(who) }}
		require.NoError(h.t, h.people.EachEventOf(h.ctx(), ws, []string{who}, func(e *event.Event) error {
			if e.Type == event.Track || e.Name == condition.PredictionComputed {
				one.Events = append(one.Events, e)
			}
			return nil
		}))
		crowd, trails = append(crowd, one), append(trails, who)
	}
	s, err := journey.Simulate(h.ctx(), p, crowd, journey.SimulateOptions{From: start, To: end.Add(time.Millisecond), Trails: trails})
	require.NoError(h.t, err)
	line := func(who string, x journey.Passage) string {
		return fmt.Sprintf("%s %s/%d %s %s %s", who, x.Node, x.Visit, x.Did, x.On, x.At.UTC().Format("02T15:04:05.000"))
	}
	var want, got []string
	for _, person := range s.Trails {
		for _, e := range person.Enrollments {
			for _, x := range e.Trail {
				want = append(want, line(person.Profile, x))
			}
		}
	}
	sends := map[string]bool{}
	for _, e := range h.enrollments(id) {
		require.Empty(h.t, e.Fault)
		list, err := h.Timeline(h.ctx(), e)
		require.NoError(h.t, err)
		for _, x := range list {
			got = append(got, line(e.Part, x))
			if x.Did == journey.DidQueue {
				sends[core.HashID(core.PrefixMessage, ws, e.EnrollmentID(), x.Node, fmt.Sprint(x.Visit))] = true
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(h.t, strings.Join(want, "\n"), strings.Join(got, "\n"))
	// What is in the outbox is what the histories say, once each.
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	for key, in := range w.queue.sent {
		if in.Journey != id {
			continue
		}
		c, err := store.Claims.Get(h.ctx(), h.store, store.Key(ws, "sent", key))
		require.NoError(h.t, err)
		require.Equal(h.t, sends[key], c != nil, "%s at %s", in.Node, in.DueAt)
		delete(sends, key)
	}
	require.Empty(h.t, sends)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(h.t, err)
	require.Equal(h.t, s.Entered, stats.Entered)
	for i, n := range s.Nodes {
		require.Equal(h.t, n.Node, stats.Nodes[i].Node)
		require.Equal(h.t, [3]int64{n.Entered, n.Inside, n.Left}, [3]int64{stats.Nodes[i].Entered, stats.Nodes[i].Inside, stats.Nodes[i].Left}, n.Node)
	}
}
