package journey_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/work"
)

// purse gives codes of real pools, as the server does.
type purse struct {
	*loyalty.Service
	meanwhile func(pool, key string) // after a code was taken, before the step commits
}

// Take implements journey.Coupons.
func (p *purse) Take(ctx context.Context, ws, pool, profileID, key string, _ time.Time, with ...store.Op) (*journey.Taken, error) {
	c, err := p.Assign(ctx, ws, pool, profileID, key, with...)
	if err != nil {
		return nil, err
	}
	if p.meanwhile != nil {
		p.meanwhile(pool, key)
	}
	return &journey.Taken{Code: c.Code(), ExpiresAt: c.ExpiresAt, Stands: []store.Op{loyalty.Coupons.Check(c)}}, nil
}

// Release implements journey.Coupons.
func (p *purse) Release(ctx context.Context, ws, pool, key string, demands ...store.Op) error {
	_, err := p.Service.Release(ctx, ws, pool, key, demands...)
	return err
}

// mailroom stores messages as core/message does. What becomes of them the test says.
type mailroom struct{}

func (mailroom) Queue(_ context.Context, ws string, in message.Intent) ([]store.Op, error) {
	return []store.Op{message.Messages.Insert(&message.Message{
		Meta: store.Meta{ID: store.Key(ws, in.ID)}, Part: in.Profile, Channel: in.Channel, Enrollment: in.Enrollment, Node: in.Node,
		Coupon: in.Coupon, Data: in.Data, At: in.DueAt, Status: message.Pending,
	})}, nil
}

// Attained implements journey.Outbox.
func (mailroom) Attained(string, string, string, time.Time) []store.Op { return nil }

// shop is a house with a pool of so many codes and a mailroom.
type shop struct {
	*house
	purse *purse
	pool  string
}

func newShop(t *testing.T, db store.Store, codes int) *shop {
	t.Helper()
	s := &shop{}
	s.reopen(t, db, core.NewVirtualClock(start))
	p, err := s.purse.CreatePool(s.ctx(), ws, loyalty.Pool{Name: "summer"}, "pool")
	require.NoError(t, err)
	s.pool = p.PoolID()
	var list []string
	for i := range codes {
		list = append(list, fmt.Sprint("SUMMER-", i))
	}
	_, err = s.purse.Upload(s.ctx(), ws, s.pool, list)
	require.NoError(t, err)
	return s
}

// reopen makes the shop another process over the same store.
func (s *shop) reopen(t *testing.T, db store.Store, clock *core.VirtualClock) {
	s.house = houseOver(t, db, clock)
	s.purse = &purse{Service: loyalty.NewService(loyalty.Options{Store: db, Clock: clock, Profiles: s.people, Committer: s.pipeline})}
	s.Coupons, s.Outbox = s.purse, mailroom{}
}

// looks returns when somebody next looks after a coupon; nothing when nobody does any more.
func (s *shop) looks() (due []time.Time) {
	s.t.Helper()
	require.NoError(s.t, work.Tasks.Each(s.ctx(), s.store, store.Query{}, func(task *work.Task) error {
		if task.Kind == "journey.coupon" {
			due = append(due, task.DueAt)
		}
		return nil
	}))
	return due
}

// coupon returns the code that somebody has from the pool, "" for none.
func (s *shop) coupon(profileID string) string {
	s.t.Helper()
	list, err := loyalty.Coupons.Find(s.ctx(), s.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("profile", profileID)}}, 0)
	require.NoError(s.t, err)
	if len(list) == 0 {
		return ""
	}
	require.Len(s.t, list, 1)
	return list[0].Code()
}

// free counts the codes that can be given.
func (s *shop) free() int {
	s.t.Helper()
	list, err := loyalty.Coupons.Find(s.ctx(), s.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("pool", s.pool), store.Gt("free", 0)}}, 0)
	require.NoError(s.t, err)
	return len(list)
}

// letters returns the messages of a person, in the order of their nodes.
func (s *shop) letters(profileID string) []*message.Message {
	s.t.Helper()
	list, err := message.Messages.Find(s.ctx(), s.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", profileID)}, Order: []string{"-at"}}, 0)
	require.NoError(s.t, err)
	return list
}

// becomes says what became of the person's latest message.
func (s *shop) becomes(profileID string, how func(*message.Message)) {
	s.t.Helper()
	m := s.letters(profileID)[0]
	how(m)
	require.NoError(s.t, work.Commit(s.ctx(), s.store, message.Messages.Replace(m)))
}

func ends(status message.Status) func(*message.Message) {
	return func(m *message.Message) { m.Status, m.Data = status, nil }
}

var gift = []string{`in {"entry":{"event":{"name":"Start"}}}`, `c {"coupon":{"pool":"POOL"}}`, mail("m"), `x {"exit":true}`}

func (s *shop) opens(nodes []string, edges ...string) *journey.Journey {
	s.t.Helper()
	own := make([]string, len(nodes))
	for i, n := range nodes {
		own[i] = n
		if n == gift[1] {
			own[i] = `c {"coupon":{"pool":"` + s.pool + `"}}`
		}
	}
	return s.published(drawing("", own, edges...))
}

// A coupon whose message was never handed over is free again; one that anybody may have seen
// is not.
func TestCouponsThatNobodySaw(t *testing.T) {
	handed := &message.Attempt{Number: 1, At: start, Fault: "RATE_LIMITED"}
	fates := map[string]struct {
		become func(*message.Message)
		freed  bool
	}{
		"skipped":           {ends(message.Skipped), true},
		"cancelled":         {ends(message.Cancelled), true},
		"sent":              {ends(message.Sent), false},
		"delivered":         {ends(message.Delivered), false},
		"bounced":           {ends(message.Bounced), false},
		"failed":            {ends(message.Failed), false},
		"indeterminate":     {ends(message.Indeterminate), false},
		"handed over first": {func(m *message.Message) { ends(message.Cancelled)(m); m.Attempt = handed }, false},
		"never delivered here": {func(m *message.Message) {
			ends(message.Skipped)(m)
			m.Channel, m.Attempt = message.InApp, handed
		}, true},
	}
	s := newShop(t, openStore(t), len(fates)+1)
	s.opens(gift, "in next c", "c next m", "m next x")
	who, freed := map[string]string{}, 0
	for name := range fates {
		who[name] = s.track(name, "Start", `{}`)
	}
	gone := s.track("deleted", "Start", `{}`)
	s.after(time.Minute)
	require.Zero(t, s.free())
	for name, fate := range fates {
		s.becomes(who[name], fate.become)
	}
	require.NoError(t, work.Commit(s.ctx(), s.store, message.Messages.Delete(s.letters(gone)[0]))) // by a rule of retention
	running(t, s.house, s.clock, func() bool { return len(s.looks()) == 0 })
	for name, fate := range fates {
		require.Equal(t, fate.freed, s.coupon(who[name]) == "", name)
		if fate.freed {
			freed++
		}
	}
	require.NotEmpty(t, s.coupon(gone), "nobody knows any more what became of it")
	require.Equal(t, freed, s.free())
	require.Equal(t, freed, len(s.events("Coupon Released")))
}

// events lists Headwater's own events of a name.
func (s *shop) events(name string) (out []string) {
	s.t.Helper()
	require.NoError(s.t, event.Events.Each(s.ctx(), s.store, store.Query{Workspace: ws}, func(e *event.Event) error {
		if e.Name == name {
			out = append(out, e.ID)
		}
		return nil
	}))
	return out
}

// While a message may still show a coupon, it is kept: one that is held or put off, and one
// that the journey has yet to send.
func TestCouponsThatSomebodyMaySee(t *testing.T) {
	s := newShop(t, openStore(t), 3)
	j := s.opens(append(gift, `w {"wait":{"duration":"P10D"}}`, mail("again")), "in next c", "c next m", "m next w", "w next again", "again next x")
	held, later, leaves := s.track("held", "Start", `{}`), s.track("later", "Start", `{}`), s.track("leaves", "Start", `{}`)
	s.after(time.Minute)
	s.becomes(held, func(m *message.Message) { m.Status = message.Held })
	s.becomes(later, ends(message.Skipped))
	s.becomes(leaves, ends(message.Skipped))
	code := s.coupon(later)
	upto := s.clock.Now().Add(10 * time.Minute) // several looks
	running(t, s.house, s.clock, func() bool { return s.looks()[0].After(upto) && s.looks()[1].After(upto) && s.looks()[2].After(upto) })
	require.Zero(t, s.free())

	s.reopen(t, s.store, s.clock)
	for _, e := range s.enrollments(j.JourneyID()) {
		if e.Part == leaves {
			_, err := s.Leave(s.ctx(), ws, e.EnrollmentID())
			require.NoError(t, err)
		}
	}
	running(t, s.house, s.clock, func() bool { return len(s.looks()) == 2 })
	require.Empty(t, s.coupon(leaves), "who has left is shown nothing any more")
	require.Equal(t, 1, s.free())

	s.reopen(t, s.store, s.clock)
	s.clock.Advance(10 * 24 * time.Hour)
	s.after(time.Minute)
	require.Contains(t, s.letters(later)[0].Data.String(), code, "the code is still theirs")
	s.becomes(later, ends(message.Sent))
	s.becomes(held, ends(message.Cancelled))
	for _, m := range s.letters(held) {
		m.Status = message.Cancelled
		require.NoError(t, work.Commit(s.ctx(), s.store, message.Messages.Replace(m)))
	}
	running(t, s.house, s.clock, func() bool { return len(s.looks()) == 0 })
	require.Equal(t, code, s.coupon(later))
	require.Empty(t, s.coupon(held))
	require.Equal(t, 2, s.free())
}

// What a webhook, a record, a trait or a task was given is not taken back.
func TestCouponsThatWentElsewhere(t *testing.T) {
	s := newShop(t, openStore(t), 1)
	s.opens(append(gift, `t {"updateTrait":{"path":"code","value":"{{ coupon.code }}"}}`), "in next c", "c next t", "t next m", "m next x")
	who := s.track("u1", "Start", `{}`)
	s.after(time.Minute)
	s.becomes(who, ends(message.Skipped))
	running(t, s.house, s.clock, func() bool { return len(s.looks()) == 0 })
	require.NotEmpty(t, s.coupon(who))
}

// A process that dies as it gives a coupon back is followed by another, and the code comes
// back once.
func TestCouponsComeBackOnce(t *testing.T) {
	dies := map[string]func(op *store.Op) bool{
		"as it takes the code back": func(op *store.Op) bool { return op.Spec.Name == loyalty.Coupons.Spec.Name },
		"as it says so":             func(op *store.Op) bool { return op.Spec == work.Tasks.Spec && op.Kind == store.OpDelete },
	}
	for name, dying := range dies {
		for _, kind := range []faultstore.Kind{faultstore.CrashBefore, faultstore.CrashAfter, faultstore.LostReply} {
			t.Run(fmt.Sprint(name, kind), func(t *testing.T) {
				db := faultstore.New(openStore(t))
				s := newShop(t, db, 1)
				s.opens(gift, "in next c", "c next m", "m next x")
				who := s.track("u1", "Start", `{}`)
				s.after(time.Minute)
				s.becomes(who, ends(message.Skipped))
				struck := make(chan struct{}, 100)
				db.Use(func(c faultstore.Call) faultstore.Fault {
					if c.Op == faultstore.Commit && len(struck) == 0 {
						for i := range c.Batch.Ops {
							if dying(&c.Batch.Ops[i]) {
								struck <- struct{}{}
								return faultstore.Fault{Kind: kind}
							}
						}
					}
					return faultstore.Fault{}
				})
				running(t, s.house, s.clock, func() bool { return len(struck) > 0 })
				db.Use(faultstore.Script())
				db.Reopen()
				s.reopen(t, db, s.clock)
				running(t, s.house, s.clock, func() bool { return len(s.looks()) == 0 })
				require.Empty(t, s.coupon(who))
				require.Equal(t, 1, s.free())
				require.Len(t, s.events("Coupon Released"), 1)
				p, err := s.purse.Pool(s.ctx(), ws, s.pool)
				require.NoError(t, err)
				levels, err := s.purse.Levels(s.ctx(), p)
				require.NoError(t, err)
				require.EqualValues(t, 1, levels.Free)
				require.Zero(t, levels.Assigned)
			})
		}
	}
}

// A code that a step has taken, and that is given back before the step commits, is not the
// enrollment's: it takes one anew.
func TestAStepWithoutItsCoupon(t *testing.T) {
	s := newShop(t, openStore(t), 1)
	// Of a step that says something about the person nobody demands that they are unchanged.
	j := s.opens(append(gift, `t {"updateTrait":{"path":"gift","value":true}}`), "in next c", "c next t", "t next m", "m next x")
	s.purse.meanwhile = func(pool, key string) {
		s.purse.meanwhile = nil
		require.NoError(t, s.purse.Release(s.ctx(), ws, pool, key))
		_, err := s.purse.Assign(s.ctx(), ws, pool, s.send(`{"type":"identify","userId":"another"}`), "theirs")
		require.NoError(t, err)
	}
	s.track("u1", "Start", `{}`)
	_ = s.Turn(s.ctx(), ws)
	require.Empty(t, s.enrollments(j.JourneyID()), "the code is another's")
}

// A code that was taken by somebody who then did not enter comes back after a day.
func TestACouponOfNobodyInside(t *testing.T) {
	db := faultstore.New(openStore(t))
	s := newShop(t, db, 1)
	j := s.opens(gift, "in next c", "c next m", "m next x")
	who := s.track("u1", "Start", `{}`)
	db.Use(func(c faultstore.Call) faultstore.Fault {
		if c.Op == faultstore.Commit {
			for _, op := range c.Batch.Ops {
				if op.Spec == journey.Enrollments.Spec {
					return faultstore.Fault{Kind: faultstore.CrashBefore}
				}
			}
		}
		return faultstore.Fault{}
	})
	require.Error(t, s.Turn(s.ctx(), ws))
	db.Use(faultstore.Script())
	db.Reopen()
	require.NotEmpty(t, s.coupon(who))
	s.reopen(t, db, s.clock)
	_, _, err := s.Stop(s.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	s.after(23 * time.Hour)
	due := s.clock.Now().Add(-2 * time.Minute)
	running(t, s.house, s.clock, func() bool { l := s.looks(); return len(l) == 0 || l[0].After(due) })
	require.NotEmpty(t, s.coupon(who), "it might still come to it")
	s.reopen(t, db, s.clock)
	s.clock.Advance(24 * time.Hour)
	running(t, s.house, s.clock, func() bool { return len(s.looks()) == 0 })
	require.Empty(t, s.coupon(who))
}

// The timeline says of a message that it was queued, and which one it is: also where an earlier
// release wrote that it was sent.
func TestTimelineNamesMessages(t *testing.T) {
	s := newShop(t, openStore(t), 1)
	j := s.opens(gift, "in next c", "c next m", "m next x")
	who := s.track("u1", "Start", `{}`)
	s.after(time.Minute)
	e := s.enrollments(j.JourneyID())[0]
	queued := func() (out []string) {
		list, err := s.Timeline(s.ctx(), e)
		require.NoError(t, err)
		for _, p := range list {
			require.NotEqual(t, "SENT", p.Did)
			if p.Did == journey.DidQueue {
				out = append(out, p.Node+" "+p.Detail)
			}
		}
		return out
	}
	want := []string{"m " + s.letters(who)[0].MessageID()}
	require.Equal(t, want, queued())
	for i := range e.Trail {
		if e.Trail[i].Did == journey.DidQueue {
			e.Trail[i].Did = "SENT"
		}
	}
	require.Equal(t, want, queued())
}
