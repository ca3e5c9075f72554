package journey_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/work"
)

// TestStorm drives random histories that the simulator cannot know of: people who are merged
// and parted again while they are inside, journeys that are paused, resumed and published anew
// with each choice for those inside, approvals, coupons, sub-journeys, splits, branches, entries by
// segments, lists, dates that come near and records. The same
// history is lived twice: by one process over a sound store, and by two that are killed over
// one that fails. What people were sent and where they ended must be the same; and of both,
// whatever the history, nothing may be early, twice, lost or stuck (see holds).
func TestStorm(t *testing.T) {
	// The short run lives one history that is the same each time, so that whoever changes
	// something else does not meet what only chance found; the long one draws new ones.
	cases, seed := 1, uint64(89)
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		cases, seed = 60, rand.Uint64()
	}
	if given := os.Getenv("HEADWATER_SEED"); given != "" {
		_, err := fmt.Sscan(given, &seed)
		require.NoError(t, err)
		cases = 1
	}
	for i := range cases {
		t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
			t.Logf("HEADWATER_SEED=%d", seed+uint64(i))
			calm := live(t, seed+uint64(i), true)
			wild := live(t, seed+uint64(i), false)
			require.Equal(t, strings.Join(calm.told(), "\n"), strings.Join(wild.told(), "\n"))
			t.Logf("%d killed, %d lines told", wild.kills, len(wild.told()))
		})
	}
}

// storm is one life of a history.
type storm struct {
	*world
	seed   uint64
	calm   bool
	names  map[string]string // parts → u1 or a1; the same number is the same person once they are merged
	ids    []string          // journeys
	paused map[string]time.Time
	rests  map[string][][2]time.Time // when journeys were paused
	purged map[string]map[int64]time.Time
	merged map[int]string // merge, by person
	parted map[int]bool
	joined []*joint
	cut    bool // a process was killed in the midst of a job
}

// coupons gives codes until an instant.
type coupons struct{ until time.Time }

// Take implements journey.Coupons.
func (c *timed) Take(_ context.Context, _, _, _, key string, _ time.Time, _ ...store.Op) (*journey.Taken, error) {
	if !c.clock.Now().Before(c.until) {
		return nil, nil
	}
	return &journey.Taken{Code: key}, nil
}

// Release implements journey.Coupons.
func (*timed) Release(context.Context, string, string, string, ...store.Op) error { return nil }

type timed struct {
	coupons
	clock core.Clock
}

const stormPeople = 4

// there is what the journeys of a storm name.
type there struct{ seg, list, sub string }

// drawStorm draws a journey of all that people and processes can disturb. The arms of a split
// lead to one node, and clocks of the person stand aside: they hang on ids that are others in
// each life.
func drawStorm(r *rand.Rand, is there) string {
	in := `in {"entry":` + [...]string{
		`{"event":{"name":"Start"}}`, `{"event":{"name":"Start"}}`, fmt.Sprintf(`{"segmentEntered":%q}`, is.seg), fmt.Sprintf(`{"list":%q}`, is.list),
		`{"date":{"path":"seen","olderThan":"PT3H"}}`, `{"object":{"type":"order","where":[{"path":"state","eq":"open"}]}}`,
	}[r.IntN(6)] + `}`
	nodes, edges, last := []string{in}, []string{}, "in next"
	n := 3 + r.IntN(5)
	for i := range n {
		at := fmt.Sprint("n", i)
		edges = append(edges, last+" "+at)
		last = at + " next"
		switch kind := r.IntN(11); {
		case i == 0 || kind < 2:
			nodes = append(nodes, fmt.Sprintf(`%s {"wait":{"duration":"PT%dM"}}`, at, 20+r.IntN(400)))
		case kind == 2:
			nodes = append(nodes, fmt.Sprintf(`%s {"wait":{"event":{"event":{"name":"B"},"timeout":"PT%dM"}}}`, at, 30+r.IntN(400)))
			edges = append(edges, at+" timeout "+fmt.Sprint("n", i+1))
		case kind == 3:
			nodes = append(nodes, at+` {"approval":{"role":"boss"}}`)
			edges = append(edges, at+" else x")
		case kind == 4:
			nodes = append(nodes, at+` {"coupon":{"pool":"summer"}}`)
			edges = append(edges, at+" else "+fmt.Sprint("n", i+1))
		case kind == 5:
			nodes = append(nodes, fmt.Sprintf(`%s {"subJourney":%q}`, at, is.sub))
		case kind == 6:
			nodes = append(nodes, fmt.Sprintf(`%s {"split":{"salt":"s%d","arms":[{"name":"a","weight":40},{"name":"b","weight":60}]}}`, at, i))
			edges = append(edges, at+" b "+fmt.Sprint("n", i+1))
			last = at + " a"
		case kind == 7:
			where := [...]string{
				`{"trait":{"path":"tier","eq":"gold"}}`, `{"object":{"type":"order","where":[{"path":"state","eq":"open"}]}}`,
				fmt.Sprintf(`{"segment":{"id":%q}}`, is.list), `{"event":{"name":"B","count":{"gte":2},"window":{"last":"PT9H"}}}`,
			}[r.IntN(4)]
			nodes = append(nodes, fmt.Sprintf(`%s {"branch":[{"name":"so","where":%s}]}`, at, where))
			edges = append(edges, at+" else "+fmt.Sprint("n", min(i+2, n)))
			last = at + " so"
		default:
			nodes = append(nodes, strings.Replace(mail("m"), "m ", at+" ", 1))
		}
	}
	nodes = append(nodes, strings.Replace(mail("m"), "m ", fmt.Sprintf("n%d ", n), 1), `x {"exit":true}`)
	edges = append(edges, last+fmt.Sprintf(" n%d", n), fmt.Sprintf("n%d next x", n))
	more := []string{`,"reentry":"ALWAYS"`, `,"reentry":"ONCE"`, `,"reentry":"AFTER","reentryAfter":"PT5H"`}[r.IntN(3)]
	more += []string{``, `,"onOverdue":"SEND"`, `,"onOverdue":"ASK"`}[r.IntN(3)]
	if r.IntN(3) == 0 {
		more += `,"exitWhen":{"event":{"name":"C"}}`
	}
	if r.IntN(3) == 0 {
		more += `,"goal":{"event":{"name":"B","count":{"gte":3}}}`
	}
	ns, es := reachable(nodes, edges)
	return drawing(more, ns, es...)
}

// live lives a history: what happens hangs on the seed alone.
func live(t *testing.T, seed uint64, calm bool) *storm {
	t.Helper()
	s := &storm{
		world: newModelWorld(t, seed), seed: seed, calm: calm, names: map[string]string{}, paused: map[string]time.Time{},
		rests: map[string][][2]time.Time{}, purged: map[string]map[int64]time.Time{}, merged: map[int]string{}, parted: map[int]bool{},
	}
	s.world.calm = calm
	r := rand.New(rand.NewPCG(seed, 7))
	s.pool = &timed{coupons{start.Add(time.Duration(r.IntN(30)) * time.Hour)}, s.clock}
	for i := range s.houses {
		s.houses[i] = s.house()
	}
	for n := range stormPeople {
		s.names[s.first(fmt.Sprintf(`"userId":"u%d"`, n))] = fmt.Sprint("u", n)
		s.clock.Advance(time.Millisecond) // of the two the same one is the elder in each life, and lends a merged person its id
		s.names[s.first(fmt.Sprintf(`"anonymousId":"a%d"`, n))] = fmt.Sprint("a", n)
	}
	h := s.houses[0]
	made, err := h.segments.Create(h.ctx(), ws, segment.CreateInput{Name: "gold", Kind: segment.Dynamic, Where: decoded(t, `{"trait":{"path":"tier","eq":"gold"}}`)})
	require.NoError(t, err)
	if made.Job != "" {
		s.job(made.Job)
	}
	is := there{seg: made.Segment.SegmentID()}
	made, err = h.segments.Create(h.ctx(), ws, segment.CreateInput{Name: "list", Kind: segment.Static})
	require.NoError(t, err)
	is.list = made.Segment.SegmentID()
	_, err = h.objects.CreateType(h.ctx(), ws, object.TypeInput{
		Key: "order", Name: "Order", Fields: []object.FieldInput{{Key: "state", Label: "State", Type: object.String}}, Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer"}},
	})
	require.NoError(t, err)
	is.sub = h.published(drawing("", []string{`in {"entry":{"api":true}}`, `w {"wait":{"duration":"PT90M"}}`, mail("s")}, "in next w", "w next s")).JourneyID()
	s.ids = []string{is.sub}
	for range 2 {
		s.ids = append(s.ids, h.published(drawStorm(r, is)).JourneyID())
	}
	s.built()
	for range 70 {
		s.until(s.clock.Now().Add(time.Duration(1+r.IntN(90*60_000)) * time.Millisecond))
		s.op(r, is)
		s.settle()
	}
	s.end()
	s.holds()
	return s
}

// first makes somebody known.
func (s *storm) first(who string) string {
	h := s.houses[0]
	return h.send(fmt.Sprintf(`{"type":"track",%s,"event":"Hello","timestamp":%q}`, who, s.clock.Now().Format(time.RFC3339Nano)))
}

// job has a job done, at this instant: in the wild life one process is killed in the midst of
// it first, and another without faults does the rest.
func (s *storm) job(id string) {
	s.t.Helper()
	if id == "" {
		return
	}
	if long := os.Getenv("HEADWATER_TEST_LONG") != ""; !s.calm && (long || !s.cut) {
		s.cut = true // one of them costs a second or two
		s.killed(id)
	}
	h := houseOver(s.t, s.inner, s.clock)
	h.Outbox, h.Coupons = s.queue, s.pool
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.runner.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(time.Millisecond) {
		j, err := h.jobs.Get(ctx, ws, id)
		require.NoError(s.t, err)
		if j.Status.Final() {
			require.Equal(s.t, work.Succeeded, j.Status)
			return
		}
		require.True(s.t, time.Now().Before(deadline), "the job ends")
	}
}

// built has those who meet the conditions of what was published looked for, at this instant:
// later would be when some process happens to run, another one in each life.
func (s *storm) built() {
	s.t.Helper()
	for _, status := range []work.Status{work.Queued, work.Running} {
		page, err := s.houses[0].jobs.List(context.Background(), ws, work.Filter{Kind: segment.BackfillKind, Status: status}, core.PageArgs{})
		require.NoError(s.t, err)
		for _, j := range page.Items {
			s.job(j.JobID())
		}
	}
}

// killed has a job begun by a process over a store that fails, which is killed.
func (s *storm) killed(id string) {
	s.t.Helper()
	h := houseOver(s.t, s.db, s.clock)
	h.Outbox, h.Coupons = s.queue, s.pool
	s.db.Use(faultstore.Random(s.r.Uint64(), faultstore.Rates{Error: 0.05, LostReply: 0.05, CrashBefore: 0.05, CrashAfter: 0.1}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.runner.Run(ctx) }()
	select {
	case <-s.db.Crashed():
	case <-time.After(time.Duration(2+s.r.IntN(30)) * time.Millisecond):
	}
	s.db.Crash() // nothing of it is written any more
	cancel()
	<-done
	s.db.Reopen()
	s.db.Use(faultstore.Script())
	s.kills++
	j, err := h.jobs.Get(context.Background(), ws, id)
	require.NoError(s.t, err)
	s.release("job."+j.Kind, id)
	for shard := range 4 {
		s.release(segment.SweepKind, fmt.Sprint(shard))
	}
}

// op lets one thing happen.
func (s *storm) op(r *rand.Rand, is there) {
	h := s.houses[r.IntN(2)]
	n := r.IntN(stormPeople)
	who := []string{fmt.Sprintf(`"userId":"u%d"`, n), fmt.Sprintf(`"anonymousId":"a%d"`, n)}[r.IntN(2)]
	at := s.clock.Now().Format(time.RFC3339Nano)
	id := s.ids[r.IntN(len(s.ids))]
	kind, word, inside := r.IntN(26), r.IntN(4), r.IntN(3)
	drawn := drawStorm(r, is) // in any case: what comes after hangs on the seed alone
	switch {
	case kind < 9:
		name := []string{"Start", "Start", "Start", "B", "C"}[r.IntN(5)]
		h.send(fmt.Sprintf(`{"type":"track",%s,"event":%q,"timestamp":%q}`, who, name, at))
	case kind < 11:
		h.send(fmt.Sprintf(`{"type":"identify",%s,"traits":{"tier":%q},"timestamp":%q}`, who, []string{"gold", "none"}[word%2], at))
	case kind < 13 && s.merged[n] == "":
		s.join(h, n)
		h.send(fmt.Sprintf(`{"type":"identify","userId":"u%d","anonymousId":"a%d","traits":{},"timestamp":%q}`, n, n, at))
		list, err := profile.Merges.Find(h.ctx(), s.inner, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("parts", s.part(fmt.Sprint("u", n)))}, Order: []string{"-at"}}, 0)
		require.NoError(s.t, err)
		require.Len(s.t, list, 1)
		s.merged[n] = list[0].MergeID()
	case kind == 13 && s.merged[n] != "" && !s.parted[n]:
		_, err := h.people.Unmerge(h.ctx(), ws, profile.UnmergeInput{MergeID: s.merged[n]})
		require.NoError(s.t, err)
		s.parted[n] = true
		for _, j := range s.joined {
			if j.person == n {
				j.until = s.clock.Now()
			}
		}
	case kind == 14 || kind == 15 && s.paused[id] != (time.Time{}):
		s.pauseOrResume(h, id, []journey.Overdue{"", journey.OverdueSkip, journey.OverdueSend, journey.OverdueAsk}[word])
	case kind == 16 && id != is.sub:
		s.republish(h, id, drawn, []string{journey.InsidePin, journey.InsideDrain, journey.InsideMigrate}[inside])
	case kind < 20:
		s.answer(h, word)
	case kind < 22:
		seen := s.clock.Now().Add(-time.Duration(word) * 70 * time.Minute).Format(time.RFC3339)
		h.send(fmt.Sprintf(`{"type":"identify",%s,"traits":{"seen":%q},"timestamp":%q}`, who, seen, at))
	case kind < 24:
		s.order(h, n, []string{"open", "closed"}[word%2], word > 1)
	default:
		s.listed(h, is.list, s.part(fmt.Sprint([]string{"u", "a"}[word%2], n)), word > 0)
	}
}

// order has somebody's order change.
func (s *storm) order(h *house, n int, state string, other bool) {
	out, err := h.objects.Upsert(h.ctx(), ws, "order", []object.Item{{
		ExternalID: fmt.Sprint("o", n, other), Fields: map[string]any{"state": state}, At: s.clock.Now(),
		Links: map[string][]object.Link{"buyer": {{Namespace: "user_id", Value: fmt.Sprint("u", n)}}},
	}})
	require.NoError(s.t, err)
	require.Nil(s.t, out[0].Err)
}

// listed puts somebody on the list, or takes them off it.
func (s *storm) listed(h *house, list, part string, on bool) {
	change := h.segments.AddToList
	if !on {
		change = h.segments.RemoveFromList
	}
	_, err := change(h.ctx(), ws, list, []segment.ListItem{{ProfileID: part}})
	require.NoError(s.t, err)
}

func (s *storm) part(name string) string {
	for part, n := range s.names {
		if n == name {
			return part
		}
	}
	return ""
}

func (s *storm) pauseOrResume(h *house, id string, overdue journey.Overdue) {
	if at, ok := s.paused[id]; ok {
		_, job, err := h.Resume(h.ctx(), ws, id, overdue, journey.Edit{})
		require.NoError(s.t, err)
		s.rests[id] = append(s.rests[id], [2]time.Time{at, s.clock.Now()})
		delete(s.paused, id)
		s.job(job)
		return
	}
	_, err := h.Pause(h.ctx(), ws, id, journey.Edit{})
	require.NoError(s.t, err)
	s.paused[id] = s.clock.Now()
}

func (s *storm) republish(h *house, id, text, inside string) {
	_, v, _, err := h.Save(h.ctx(), ws, id, decoded(s.t, text), journey.Edit{})
	require.NoError(s.t, err)
	out, err := h.Publish(h.ctx(), ws, journey.PublishInput{ID: id, Inside: inside})
	require.NoError(s.t, err)
	s.job(out.Job)
	s.built()
	if inside == journey.InsideDrain {
		if s.purged[id] == nil {
			s.purged[id] = map[int64]time.Time{}
		}
		for n := int64(1); n < v.Number; n++ {
			s.purged[id][n] = s.clock.Now()
		}
	}
}

// answer answers what is asked, as the person and the node say.
func (s *storm) answer(h *house, word int) {
	page, err := h.ListToDos(h.ctx(), ws, journey.ToDoFilter{}, core.Window{Limit: 500})
	require.NoError(s.t, err)
	for _, one := range page.Items {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(s.group(one.Part) + one.Node))
		_, err := h.Decide(h.ctx(), ws, one.ToDoID(), int(sum.Sum32()%4) != word, "")
		require.NoError(s.t, err)
	}
}

// group names a person, merged or not.
func (s *storm) group(part string) string { return s.names[part][1:] }

// end resumes what is paused, answers what is asked and lets all time pass.
func (s *storm) end() {
	h := s.houses[0]
	for _, id := range s.ids {
		if _, ok := s.paused[id]; ok {
			s.pauseOrResume(h, id, "")
		}
	}
	for range 8 {
		s.until(s.clock.Now().Add(9 * time.Hour))
		s.answer(h, 9)
	}
	s.until(s.clock.Now().Add(9 * time.Hour))
}

// told says what people were sent and where they ended, without the ids that are others in each
// life.
func (s *storm) told() []string {
	var out []string
	h := s.houses[0]
	for i, id := range s.ids {
		for _, e := range s.all(h, id) {
			out = append(out, fmt.Sprintf("%d %s %s@%s/%d v%d in %s", i, s.group(e.Part), e.Status, e.State.Node, e.State.Visit, e.Version, e.EnteredAt.Sub(start)))
			list, err := h.Timeline(h.ctx(), e)
			require.NoError(s.t, err)
			for _, p := range list {
				if p.Did == journey.DidQueue {
					out = append(out, fmt.Sprintf("%d %s sent %s/%d at %s", i, s.group(e.Part), p.Node, p.Visit, p.At.Sub(start)))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func (s *storm) all(h *house, id string) []*journey.Enrollment {
	list, err := journey.Enrollments.Find(h.ctx(), s.inner, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("j", id)}, Order: []string{"-in"}}, 0)
	require.NoError(s.t, err)
	return list
}
