package campaign_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/sync"
)

// TestStorm sends random campaigns (at once, at a pace, with a test, at local times, at best
// hours) by two processes that are killed at any instant, each over a store that fails, while
// people are merged, withdraw, join the list too late, and somebody pauses, decides and
// cancels. Whatever comes, everybody of the snapshot has one message or is counted as to why
// not, nothing is early, and nothing goes that a pause or a cancellation stands before.
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
	before := campaign.SetBatches(5, 9)
	defer campaign.SetBatches(before[0], before[1])
	for i := range cases {
		t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
			t.Logf("HEADWATER_SEED=%d", seed+uint64(i))
			stormCase(t, seed+uint64(i))
		})
	}
}

const (
	stormAlone = 24
	stormPairs = 8 // of a person with a user id and one without, who turn out to be one
)

// storm is a campaign and what befalls it.
type storm struct {
	*house // only asks and tells: it runs nothing, and its store is sound
	r      *rand.Rand
	clock  *core.VirtualClock
	id     string
	runs   [2]*house
	faulty [2]*faultstore.Store
	users  []string // of the pairs, as they began
	anons  []string
	joined map[int]bool
	best   map[string]int // hours of Berlin
	dead   []*faultstore.Store
	kills  int
	stops  int
	latest int // of those who join the list when it is too late
}

func stormCase(t *testing.T, seed uint64) {
	s := &storm{r: rand.New(rand.NewPCG(seed, 3)), clock: core.NewVirtualClock(start), joined: map[int]bool{}, best: map[string]int{}}
	s.house = houseOver(t, openStore(t), newPostman(), s.clock)
	s.connect()
	alone := s.persons(0, stormAlone, berlin)
	s.users = s.persons(100, 100+stormPairs, berlin)
	for n := range stormPairs {
		s.anons = append(s.anons, s.told(event.Input{Type: event.Identify, AnonymousID: fmt.Sprintf("a%d", n)}, true, "email", fmt.Sprintf("a%d@example.com", n), "timezone", "Europe/Berlin"))
	}
	everybody := slices.Concat(alone, s.users, s.anons)
	list := s.list("All", everybody...)
	for _, p := range everybody {
		if s.r.IntN(2) == 0 {
			s.best[p] = s.r.IntN(24)
			s.house.best(p, s.best[p])
		}
	}
	s.id = s.draw(list)
	defer func() { // what they still wanted to write holds nobody up
		for _, db := range s.dead {
			db.Use(faultstore.Script())
			db.Reopen()
		}
	}()
	people := int64(len(everybody))
	for n := range stormPairs { // before the snapshot they are one already
		if s.r.IntN(6) == 0 && s.merge(n) {
			people--
		}
	}
	for i := range s.runs {
		s.revive(i)
	}
	for range 14 {
		s.op(list)
		s.pass()
	}
	s.finish()
	s.holds(people)
	t.Logf("%d killed, %d times stopped, %s", s.kills, s.stops, s.must().Status)
}

func berlin(int) bson.D { return bson.D{{Key: "timezone", Value: "Europe/Berlin"}} }

// told has an identify told, with traits and perhaps what is agreed to, and returns whom it is about.
func (s *storm) told(in event.Input, agrees bool, traits ...string) string {
	s.t.Helper()
	doc := bson.D{}
	for i := 0; i < len(traits); i += 2 {
		doc = append(doc, bson.E{Key: traits[i], Value: traits[i+1]})
	}
	var err error
	in.Traits, err = bson.Marshal(doc)
	require.NoError(s.t, err)
	in.Context, err = bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: bson.D{{Key: consent.Marketing, Value: agrees}}}}}})
	require.NoError(s.t, err)
	in.MessageID, in.Timestamp = fmt.Sprint("told", s.r.Uint64()), s.clock.Now()
	in.Seal(s.clock.Now())
	out, err := s.pipeline.Ingest(s.ctx, ws, "src_test", []event.Input{in})
	require.NoError(s.t, err)
	require.Nil(s.t, out[0].Err)
	return out[0].ProfileID
}

// draw schedules a random campaign.
func (s *storm) draw(list string) string {
	c := s.draft([]string{list}, func(in *campaign.Input) {
		d := &in.Definition
		if s.r.IntN(2) == 0 {
			d.PerMinute = int64(6 + s.r.IntN(60))
		}
		switch s.r.IntN(3) {
		case 0:
			d.Best = &campaign.BestTime{LocalTime: "10:00"}
		case 1:
			d.Local, d.Passed = true, []campaign.Passed{campaign.PassedNow, campaign.PassedNextDay}[s.r.IntN(2)]
		}
		if s.r.IntN(2) == 0 {
			tested(campaign.Opened, func(x *campaign.Test) {
				x.Percent, x.Minimum = int64(20+s.r.IntN(60)), int64(s.r.IntN(6))
				x.Few = []campaign.Few{campaign.FewFirst, campaign.FewWait}[s.r.IntN(2)]
				x.ByHand = s.r.IntN(4) == 0
			})(in)
		}
	})
	if c.Definition.Local {
		return s.schedule(c, campaign.When{LocalAt: s.clock.Now().Add(time.Duration(s.r.IntN(300)) * time.Minute).Format("2006-01-02T15:04")})
	}
	return s.schedule(c, campaign.When{At: s.clock.Now().Add(time.Duration(s.r.IntN(30)) * time.Minute)})
}

// revive starts a process over a store that fails; the one that it replaces, if any, is
// killed first.
func (s *storm) revive(i int) {
	if s.runs[i] != nil {
		s.kills++
		s.faulty[i].Crash() // nothing that it does comes to anything any more
		s.dead = append(s.dead, s.faulty[i])
		go s.runs[i].end() // which the test waits for at its end
	}
	s.faulty[i] = faultstore.New(s.store)
	s.faulty[i].Use(faultstore.Random(s.r.Uint64(), faultstore.Rates{Error: 0.04, LostReply: 0.06, CrashBefore: 0.01, CrashAfter: 0.02, ReadError: 0.005}))
	s.runs[i] = houseOver(s.t, s.faulty[i], s.post, s.clock)
	s.runs[i].start()
}

// pass lets a while pass: some of it in one leap, as when a machine slept.
func (s *storm) pass() {
	if s.r.IntN(2) == 0 {
		s.clock.Advance(time.Duration(s.r.Int64N(int64(3 * time.Hour))))
	}
	for range 8 {
		s.moment()
	}
}

// moment lets processes work; a dead one is replaced.
func (s *storm) moment() {
	s.clock.Advance(time.Duration(20+s.r.IntN(2000)) * time.Millisecond)
	time.Sleep(time.Duration(s.r.IntN(3000)) * time.Microsecond) // how far they come is no matter
	for i := range s.runs {
		select {
		case <-s.faulty[i].Crashed():
			s.revive(i)
		default:
		}
	}
}

func (s *storm) must() *campaign.Campaign {
	c, err := s.Get(s.ctx, ws, s.id)
	require.NoError(s.t, err)
	return c
}

// op lets one thing happen.
func (s *storm) op(list string) {
	c, n := s.must(), s.r.IntN(stormPairs)
	switch kind := s.r.IntN(14); {
	case kind < 3:
		s.revive(s.r.IntN(2))
	case kind < 5:
		s.merge(n)
	case kind == 5:
		s.told(event.Input{Type: event.Identify, UserID: fmt.Sprintf("u%d", s.r.IntN(stormAlone))}, false)
	case kind == 6 && c.Status == campaign.Running && s.run(s.id).Phase != campaign.Freezing:
		s.latest++
		s.join(list, s.persons(200+s.latest, 201+s.latest, berlin)...)
	case kind < 9 && (c.Status == campaign.Running || c.Status == campaign.Scheduled):
		s.pause()
	case kind == 9:
		s.opened()
	case kind == 10:
		s.decide()
	case kind == 11 && s.r.IntN(3) == 0:
		s.cancel()
	}
}

// merge has the two of a pair turn out to be one. False when they are already.
func (s *storm) merge(n int) bool {
	if s.joined[n] {
		return false
	}
	s.joined[n] = true
	s.told(event.Input{Type: event.Identify, UserID: fmt.Sprintf("u%d", 100+n), AnonymousID: fmt.Sprintf("a%d", n)}, true)
	return true
}

// gone lists the messages that went, or may have.
func (s *storm) gone() []string {
	var out []string
	for _, m := range s.queued(s.id) {
		switch m.Status {
		case message.Handed, message.Sent, message.Delivered, message.Bounced, message.Indeterminate:
			out = append(out, m.MessageID())
		}
	}
	return out
}

// still checks that nothing goes while the campaign stands still since before.
func (s *storm) still(before []string, queued int) {
	s.t.Helper()
	s.stops++
	for range 3 {
		s.pass()
	}
	require.Subset(s.t, before, s.gone(), "handed over once a stop was acknowledged")
	require.Len(s.t, s.queued(s.id), queued, "queued once a stop was acknowledged")
}

func (s *storm) pause() {
	_, err := s.Pause(s.ctx, ws, s.id, campaign.Edit{})
	if core.CodeOf(err) == core.Conflict { // it has ended just now
		return
	}
	require.NoError(s.t, err)
	s.still(s.gone(), len(s.queued(s.id)))
	_, err = s.Resume(s.ctx, ws, s.id, campaign.Edit{})
	require.NoError(s.t, err)
}

func (s *storm) cancel() {
	_, err := s.Cancel(s.ctx, ws, s.id, campaign.Edit{})
	require.NoError(s.t, err)
	s.still(s.gone(), len(s.queued(s.id)))
}

// opened has some messages opened.
func (s *storm) opened() {
	var told []sync.Delivery
	for _, m := range s.queued(s.id) {
		if m.Status == message.Sent && s.r.IntN(2) == 0 {
			told = append(told, sync.Delivery{Key: m.MessageID(), Event: "o-" + m.MessageID(), State: sync.DeliveryOpened, At: s.clock.Now()})
		}
	}
	if len(told) > 0 {
		require.NoError(s.t, s.messages.Reports(s.ctx, s.connection(), told, nil))
	}
}

// decide has somebody say which arm goes to the rest, if that is theirs to say.
func (s *storm) decide() {
	_, err := s.Decide(s.ctx, ws, s.id, "b", campaign.Edit{})
	require.True(s.t, err == nil || core.AsError(err).Reason == "NOTHING_TO_DECIDE", err)
}

// finish lets all time pass, without further faults.
func (s *storm) finish() {
	s.t.Helper()
	for i := range s.runs {
		s.revive(i)
		s.faulty[i].Use(faultstore.Script())
	}
	over := func() bool {
		c := s.must()
		left, err := campaign.Targets.Find(s.ctx, s.store, prefixOf(s.id), 1)
		require.NoError(s.t, err)
		if !c.Status.Final() || len(left) > 0 {
			if r := s.run(s.id); r != nil && r.Phase == campaign.Deciding {
				s.decide()
			}
			if len(left) > 0 && left[0].Due.After(s.clock.Now()) { // nothing happens before
				s.clock.Advance(left[0].Due.Sub(s.clock.Now()))
			}
			return false
		}
		var waits time.Time
		for _, m := range s.queued(s.id) {
			if !m.Status.Over() && (waits.IsZero() || m.Due.Before(waits)) {
				waits = m.Due
			}
		}
		if waits.After(s.clock.Now()) {
			s.clock.Advance(waits.Sub(s.clock.Now()))
		}
		for _, m := range s.queued(s.id) {
			if !m.Status.Over() {
				return false
			}
		}
		return true
	}
	until(s.t, s.clock, time.Second, over)
}

// holds checks what is so whatever has happened.
func (s *storm) holds(people int64) {
	s.t.Helper()
	c, r, all := s.must(), s.run(s.id), s.queued(s.id)
	if r == nil { // it was cancelled before it began
		require.Empty(s.t, all)
		require.Equal(s.t, campaign.Cancelled, c.Status)
		return
	}
	require.Contains(s.t, []campaign.Status{campaign.Done, campaign.Cancelled}, c.Status, c.Reason)
	var queued int64
	arms := map[string]int64{}
	for _, m := range all {
		arms[m.Arm]++
		queued++
	}
	for arm, n := range r.Queued {
		require.Equal(s.t, arms[arm], n, "queued by arm %s", arm)
	}
	require.Zero(s.t, r.Gone)
	if c.Status == campaign.Done {
		s.snapshot(people, r, queued)
	}
	require.LessOrEqual(s.t, queued+r.Merged, r.People)
	s.once(all)
	s.figures(c, arms)
	s.choice(c, r, all)
	s.early(c, r, all)
}

// snapshot checks that everybody of it is accounted for. Who was merged while it was taken is
// in it once or twice.
func (s *storm) snapshot(people int64, r *campaign.Run, queued int64) {
	require.Equal(s.t, r.People, queued+r.Merged, "everybody has a message or is counted")
	require.LessOrEqual(s.t, r.People, people)
	require.GreaterOrEqual(s.t, r.People, people-int64(len(s.joined)))
	for n := range stormAlone {
		p, err := s.people.ByIdentifier(s.ctx, ws, event.Identifier{Namespace: "user_id", Value: fmt.Sprintf("u%d", n)})
		require.NoError(s.t, err)
		require.NotNil(s.t, s.queued(s.id)[p.ProfileID()], "u%d is left out", n)
	}
}

// once checks that of each person one message at most went, whatever ids they have had, and
// that of nobody who came too late did.
func (s *storm) once(all map[string]*message.Message) {
	went := map[string]bool{}
	for _, id := range s.gone() {
		went[id] = true
	}
	s.post.mu.Lock()
	for key := range s.post.keys {
		require.True(s.t, went[key], "the vendor has one that is not out")
	}
	s.post.mu.Unlock()
	for n := range stormPairs {
		if !s.joined[n] {
			continue
		}
		a, b := all[s.users[n]], all[s.anons[n]]
		require.True(s.t, a != nil || b != nil || !s.is(s.id, campaign.Done), "pair %d is left out", n)
		if a == nil || b == nil {
			continue
		}
		// Both were queued before they were one: both went before that, or one of them went.
		if went[a.MessageID()] != went[b.MessageID()] {
			one := a
			if went[a.MessageID()] {
				one = b
			}
			require.NotEmpty(s.t, one.Reason, "pair %d", n)
		}
	}
	for n := 1; n <= s.latest; n++ {
		p, err := s.people.ByIdentifier(s.ctx, ws, event.Identifier{Namespace: "user_id", Value: fmt.Sprintf("u%d", 200+n)})
		require.NoError(s.t, err)
		require.Nil(s.t, all[p.ProfileID()], "who joins the list later gets nothing")
	}
}

// figures checks that what is counted is what there is: each message is in one figure.
func (s *storm) figures(c *campaign.Campaign, arms map[string]int64) {
	rep, err := s.Report(s.ctx, c)
	require.NoError(s.t, err)
	for _, a := range rep.Arms {
		require.Equal(s.t, arms[a.Arm], a.Sent+a.Skipped+a.Failed+a.Indeterminate, "figures of arm %s: %+v", a.Arm, a)
	}
	for _, m := range s.queued(s.id) {
		if m.Status == message.Skipped || m.Status == message.Cancelled {
			require.NotEmpty(s.t, m.Reason)
		}
	}
}

// choice checks that the rest got the winner, and that it is the winner by what it was decided by.
func (s *storm) choice(c *campaign.Campaign, r *campaign.Run, all map[string]*message.Message) {
	if r.Decision == nil {
		require.True(s.t, c.Definition.Test == nil || c.Status == campaign.Cancelled)
		return
	}
	if r.Decision.Why != campaign.WhyByHand {
		winner, why := c.Definition.Test.Judge(r.Decision.Arms)
		require.Equal(s.t, []string{winner, why}, []string{r.Decision.Winner, r.Decision.Why})
		require.False(s.t, r.Decision.At.Before(r.DecideAt), "decided early")
	}
	var rest int64
	for _, m := range all {
		if !m.At.Before(r.Decision.At) {
			require.Equal(s.t, r.Decision.Winner, m.Arm)
			rest++
		}
	}
	require.LessOrEqual(s.t, int64(len(all))-rest, r.Tested)
}

// early checks that nobody was written to before their time.
func (s *storm) early(c *campaign.Campaign, r *campaign.Run, all map[string]*message.Message) {
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(s.t, err)
	for part, m := range all {
		due := r.StartedAt
		switch hour, known := s.best[part]; {
		case c.Definition.Local:
			wall, err := time.ParseInLocation("2006-01-02T15:04", c.LocalAt, zone)
			require.NoError(s.t, err)
			due = wall
		case c.Definition.Best == nil || s.pairs(part): // of a pair the one's hour may be the other's
		case !known:
			for l := due.In(zone); l.Hour() != 10 || l.Minute() != 0; l = l.Add(time.Minute).Truncate(time.Minute) {
				due = l.Add(time.Minute).Truncate(time.Minute)
			}
		default:
			for due.In(zone).Hour() != hour {
				due = due.Add(time.Minute).Truncate(time.Minute)
			}
		}
		require.False(s.t, m.At.Before(due), "decided at %s, due at %s", m.At, due)
		if m.Attempt != nil {
			require.False(s.t, m.Attempt.At.Before(due), "handed over at %s, due at %s", m.Attempt.At, due)
		}
	}
}

func (s *storm) pairs(part string) bool {
	return slices.Contains(s.users, part) || slices.Contains(s.anons, part)
}
