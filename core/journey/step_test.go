package journey

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

const began = "2026-03-02T10:00:00Z" // a Monday

func start(t testing.TB) time.Time { return at(t, began) }

// TestWaitNeverEarly: a wait lets on at its time, and not a nanosecond before.
func TestWaitNeverEarly(t *testing.T) {
	p := compiled(t, drawn("", []string{`w {"wait":{"duration":"PT1H"}}`, mail("m")}, "in next w", "w next m"))
	now := start(t).Add(123_456 * time.Nanosecond) // it comes between two milliseconds
	s := enters(t, p, happens(t, "Start", now, ""))
	s.step(now.Add(time.Millisecond))
	require.Equal(t, Waiting, s.state.Status)
	due := s.state.Due
	require.False(t, due.Before(now.Add(time.Hour)))
	before := s.state
	for _, early := range []time.Duration{time.Nanosecond, time.Millisecond, 30 * time.Minute} {
		o := s.step(due.Add(-early))
		require.Empty(t, o.Effects)
		require.Empty(t, o.Trail)
		require.Equal(t, before, s.state)
	}
	o := s.step(due)
	require.Equal(t, []string{"m"}, sends(o))
	require.Equal(t, Completed, s.state.Status)
	require.Empty(t, s.step(due.Add(time.Hour)).Trail, "it has ended")
}

// TestCart: 1 h, 24 h with a coupon, 3 days; an order ends it, and only that of its cart.
func TestCart(t *testing.T) {
	p := compiled(t, drawn(`,"key":"cartId","exitWhen":{"event":{"name":"Order Completed","where":[{"path":"cartId","eq":"{{ event.cartId }}"}]}}`,
		[]string{`w1 {"wait":{"duration":"PT1H"}}`, mail("m1"), `w2 {"wait":{"duration":"PT23H"}}`, `c {"coupon":{"pool":"cart"}}`, mail("m2"), `w3 {"wait":{"duration":"P2D"}}`, mail("m3"), `x {"exit":true}`},
		"in next w1", "w1 next m1", "m1 next w2", "w2 next c", "c next m2", "c else x", "m2 next w3", "w3 next m3", "m3 next x"))
	cart := func(id string) *somebody { return enters(t, p, happens(t, "Start", start(t), `{"cartId":"`+id+`"}`)) }
	s := cart("a")
	require.Equal(t, []string{"m1 03-02T11:00", "m2 03-03T10:00", "m3 03-05T10:00"}, s.run(start(t).AddDate(0, 1, 0)))
	require.Equal(t, Completed, s.state.Status)
	require.Equal(t, "CODE", s.state.Coupons[0].Code)
	require.Equal(t, "a", p.KeyOf(s.entered))

	s = cart("a")
	require.Equal(t, []string{"m1 03-02T11:00"}, s.run(start(t).Add(2*time.Hour)))
	require.Equal(t, []string{"Order Completed"}, p.Listens(s.state, s.entered).Events)
	s.sees(happens(t, "Order Completed", start(t).Add(2*time.Hour), `{"cartId":"b"}`))
	require.Equal(t, Waiting, s.state.Status, "the order was for another cart")
	o := s.sees(happens(t, "Order Completed", start(t).Add(2*time.Hour), `{"cartId":"a"}`))
	require.Equal(t, Exited, s.state.Status)
	require.Equal(t, DidExit, o.Trail[0].Did)
	require.Empty(t, s.run(start(t).AddDate(0, 1, 0)))

	// An order without a word of its cart, and one of before.
	s = cart("a")
	s.events = append(s.events, happens(t, "Order Completed", start(t).Add(-time.Minute), `{"cartId":"a"}`), happens(t, "Order Completed", start(t).Add(time.Minute), ""))
	require.Len(t, s.run(start(t).AddDate(0, 1, 0)), 3)
}

// TestExitAndGoalBeforeEachStep: they are asked at wake-ups by time, too, and the goal first.
func TestExitAndGoalBeforeEachStep(t *testing.T) {
	order := `{"event":{"name":"Order Completed"}}`
	nodes, edges := []string{`w {"wait":{"duration":"PT1H"}}`, mail("m")}, []string{"in next w", "w next m"}
	for more, want := range map[string]Status{`,"exitWhen":` + order: Exited, `,"goal":` + order: GoalReached, `,"exitWhen":` + order + `,"goal":` + order: GoalReached} {
		s := enters(t, compiled(t, drawn(more, nodes, edges...)), happens(t, "Start", start(t), ""))
		s.step(start(t))
		s.events = append(s.events, happens(t, "Order Completed", start(t).Add(time.Minute), "")) // nobody told
		o := s.step(s.state.Due)
		require.Empty(t, o.Effects, more)
		require.Equal(t, want, s.state.Status, more)
	}
}

// TestLocalTime: the next time that the person's clocks show it, in either change of
// the clocks.
func TestLocalTime(t *testing.T) {
	bucharest, err := time.LoadLocation("Europe/Bucharest")
	require.NoError(t, err)
	for _, c := range []struct{ now, clock, want string }{
		{"2026-03-02T06:59:59.999Z", "09:00", "2026-03-02T07:00:00Z"},
		{"2026-03-02T07:00:00Z", "09:00", "2026-03-02T07:00:00Z"},
		{"2026-03-02T07:00:00.001Z", "09:00", "2026-03-03T07:00:00Z"},
		{"2026-03-28T22:00:00Z", "03:30", "2026-03-29T01:00:00Z"}, // skipped: when they are put forward
		{"2026-03-29T01:00:00.001Z", "03:30", "2026-03-30T00:30:00Z"},
		{"2026-03-28T22:00:00Z", "09:00", "2026-03-29T06:00:00Z"},
		{"2026-10-24T22:00:00Z", "03:30", "2026-10-25T00:30:00Z"}, // twice: the first
		{"2026-10-25T00:45:00Z", "03:30", "2026-10-26T01:30:00Z"}, // between the two: it was
		{"2026-10-25T01:30:00Z", "03:30", "2026-10-26T01:30:00Z"}, // the second is none
		{"2026-12-31T22:30:00Z", "00:00", "2027-01-01T22:00:00Z"},
	} {
		require.Equal(t, c.want, nextLocal(at(t, c.now), c.clock, bucharest, false).Format(time.RFC3339Nano), c.now)
	}
	p := compiled(t, drawn(`,"timeZone":"Asia/Tokyo"`, []string{`w {"wait":{"localTime":"09:00"}}`, mail("m")}, "in next w", "w next m"))
	s := enters(t, p, happens(t, "Start", start(t), ""))
	require.Equal(t, []string{"m 03-03T00:00"}, s.run(start(t).AddDate(0, 0, 3)), "the journey's zone")
	s = enters(t, p, happens(t, "Start", start(t), ""))
	s.zone = bucharest
	require.Equal(t, []string{"m 03-03T07:00"}, s.run(start(t).AddDate(0, 0, 3)), "the person's own")
}

// TestDaily: a circle through a time of day sends once a day, whatever the instant of
// the step.
func TestDaily(t *testing.T) {
	p := compiled(t, drawn("", []string{mail("m"), `w {"wait":{"localTime":"10:00"}}`}, "in next m", "m next w", "w next m"))
	s := enters(t, p, happens(t, "Start", start(t), ""))
	got := s.run(start(t).AddDate(0, 0, 2))
	require.Equal(t, []string{"m 03-02T10:00", "m 03-03T10:00", "m 03-04T10:00"}, got, "the one at ten has had its message")
	p = compiled(t, drawn("", []string{`w {"wait":{"localTime":"10:00"}}`, mail("m")}, "in next w", "w next m", "m next w"))
	got = enters(t, p, happens(t, "Start", start(t), "")).run(start(t).AddDate(0, 0, 2))
	require.Equal(t, []string{"m 03-02T10:00", "m 03-03T10:00", "m 03-04T10:00"}, got, "ten o'clock is now")
}

// TestDailyInParts: so does one whose step ends at the same instant and goes on in another.
func TestDailyInParts(t *testing.T) {
	day := start(t)
	for _, wait := range []string{`{"localTime":"10:00"}`, `{"bestTime":{"within":"P1D","localTime":"10:00"}}`} {
		for _, then := range []string{
			`u {"updateTrait":{"path":"tier","value":"gold"}}`, `u {"coupon":{"pool":"p"}}`, `u {"subJourney":"jrn_b"}`,
			`u {"points":{"amount":5,"reason":"r"}}`, `u {"webhook":{"url":"https://example.com/hook"}}`,
		} {
			for _, edges := range [][]string{{"in next w", "w next m", "m next u", "u next w"}, {"in next u", "u next m", "m next w", "w next u"}, {"in next w", "w next u", "u next m", "m next w"}} {
				text := drawn("", []string{`w {"wait":` + wait + `}`, mail("m"), then}, edges...)
				s, err := Simulate(t.Context(), compiled(t, text), crowd{person(t, "prof_1", "", happens(t, "Start", day, ""))}, SimulateOptions{From: day, To: day.AddDate(0, 0, 4)})
				require.NoError(t, err)
				want := []DayCount{{"m", "2026-03-02", 1}, {"m", "2026-03-03", 1}, {"m", "2026-03-04", 1}, {"m", "2026-03-05", 1}}
				require.Equal(t, want, s.Sends, "%s", text)
				for _, w := range s.Warnings {
					require.NotEqual(t, WarnEndless, w.Reason)
				}
			}
		}
	}
}

// TestSimulateEndless: a message whose sending is what the circle waits for would be sent
// again for ever; the simulation ends and says so, and of others nothing is lost.
func TestSimulateEndless(t *testing.T) {
	day := start(t)
	p := compiled(t, drawn("", []string{mail("m"), `w {"wait":{"event":{"event":{"name":"Message Sent"},"timeout":"P1D"}}}`, `b {"branch":[{"name":"again","where":{"trait":{"path":"tier","eq":"gold"}}}]}`, `x {"exit":true}`},
		"in next m", "m next w", "w next b", "w timeout x", "b again m", "b else x"))
	people := crowd{}
	for i := range 6 {
		people = append(people, person(t, fmt.Sprint("prof_", i), []string{`{"tier":"gold"}`, `{}`}[i%2], happens(t, "Start", day, "")))
	}
	s, err := Simulate(t.Context(), p, people, SimulateOptions{From: day, To: day.AddDate(0, 0, 30)})
	require.NoError(t, err)
	require.EqualValues(t, 6, s.People)
	require.EqualValues(t, 3, s.Ended[Completed])
	var told []condition.Warning
	var stopped int64
	for _, n := range s.Nodes {
		stopped += n.Stopped
	}
	for _, w := range s.Warnings {
		if w.Reason == WarnEndless {
			told = append(told, w)
		}
	}
	require.EqualValues(t, 3, stopped)
	require.Len(t, told, 1)
	require.Contains(t, told[0].Message, "3 of the people")
}

// TestPunctual: waits count from when a step was due, up to a minute; later from now.
func TestPunctual(t *testing.T) {
	p := compiled(t, drawn("", []string{`w {"wait":{"duration":"PT1H"}}`, mail("m")}, "in next w", "w next m", "m next w"))
	s := enters(t, p, happens(t, "Start", start(t), ""))
	s.step(start(t))
	s.step(s.state.Due.Add(10 * time.Second))
	require.Equal(t, start(t).Add(2*time.Hour), s.state.Due)
	s.step(s.state.Due.Add(10 * time.Minute))
	require.Equal(t, start(t).Add(3*time.Hour+10*time.Minute), s.state.Due)

	// A wait of seconds is one however late the step, and a time of day comes once.
	p = compiled(t, drawn("", []string{`w {"wait":{"duration":"PT10S"}}`, mail("m")}, "in next w", "w next m", "m next w"))
	s = enters(t, p, happens(t, "Start", start(t), ""))
	s.step(start(t))
	now := s.state.Due.Add(30 * time.Second)
	require.Equal(t, []string{"m"}, sends(s.step(now)))
	require.Equal(t, now.Add(10*time.Second), s.state.Due)
	p = compiled(t, drawn("", []string{`u {"wait":{"until":"2026-03-02T09:59:30Z"}}`, `w {"wait":{"localTime":"10:00"}}`, mail("m")}, "in next u", "u next w", "w next m", "m next w"))
	s = enters(t, p, happens(t, "Start", start(t).Add(-time.Hour), ""))
	s.step(start(t).Add(-time.Hour))
	require.Equal(t, []string{"m"}, sends(s.step(start(t).Add(10*time.Second))))
	require.Equal(t, start(t).AddDate(0, 0, 1), s.state.Due)
}

// TestWaitForTrait: a time or a date; nothing and the past go on at once by else.
func TestWaitForTrait(t *testing.T) {
	p := compiled(t, drawn(`,"timeZone":"Europe/Bucharest"`, []string{`w {"wait":{"trait":"trip.at"}}`, mail("then"), mail("else")}, "in next w", "w next then", "w else else"))
	for trait, want := range map[string]string{
		`{"trip":{"at":"2026-03-05T12:00:00+02:00"}}`: "then 03-05T10:00",
		`{"trip":{"at":"2026-03-05"}}`:                "then 03-04T22:00",
		`{"trip":{"at":"2026-03-02T09:00:00Z"}}`:      "else 03-02T10:00",
		`{"trip":{"at":"soon"}}`:                      "else 03-02T10:00",
		`{"trip":{"at":5}}`:                           "else 03-02T10:00",
		`{}`:                                          "else 03-02T10:00",
	} {
		s := enters(t, p, happens(t, "Start", start(t), "")).set(trait)
		require.Equal(t, []string{want}, s.run(start(t).AddDate(0, 1, 0)), trait)
	}
	alone := compiled(t, drawn("", []string{`w {"wait":{"trait":"x"}}`, mail("then")}, "in next w", "w next then"))
	require.Equal(t, []string{"then 03-02T10:00"}, enters(t, alone, happens(t, "Start", start(t), "")).run(start(t)))
}

func TestWaitUntil(t *testing.T) {
	p := compiled(t, drawn("", []string{`w {"wait":{"until":"2026-03-03T00:00:00Z"}}`, mail("m")}, "in next w", "w next m"))
	require.Equal(t, []string{"m 03-03T00:00"}, enters(t, p, happens(t, "Start", start(t), "")).run(start(t).AddDate(1, 0, 0)))
	late := start(t).AddDate(0, 0, 5)
	require.Equal(t, []string{"m 03-07T10:00"}, enters(t, p, happens(t, "Start", late, "")).run(late))
}

// TestWaitForEvent: by the event when it lies in the wait, by the timeout else.
func TestWaitForEvent(t *testing.T) {
	p := compiled(t, drawn("", []string{`w {"wait":{"event":{"event":{"name":"Click","where":[{"path":"id","eq":"{{ event.id }}"}]},"timeout":"P1D"}}}`, mail("yes"), mail("no")},
		"in next w", "w next yes", "w timeout no"))
	begin := func() *somebody {
		s := enters(t, p, happens(t, "Start", start(t), `{"id":7}`))
		s.step(start(t))
		require.Equal(t, ForEvent, s.state.For)
		require.Equal(t, []string{"Click"}, p.Listens(s.state, s.entered).Events)
		return s
	}
	s := begin()
	require.Empty(t, s.sees(happens(t, "Click", start(t).Add(time.Hour), `{"id":8}`)).Trail)
	require.Empty(t, s.sees(happens(t, "Other", start(t).Add(time.Hour), `{"id":7}`)).Trail)
	require.Equal(t, []string{"yes"}, sends(s.sees(happens(t, "Click", start(t).Add(2*time.Hour), `{"id":7}`))))
	require.Equal(t, []string{"no 03-03T10:00"}, begin().run(start(t).AddDate(0, 0, 9)))

	s = begin() // it happened before the wait, and comes late
	require.Empty(t, s.step(start(t).Add(time.Hour), func(in *Input) { in.Woke = happens(t, "Click", start(t).Add(-time.Second), `{"id":7}`) }).Trail)
	s = begin() // it happened in the wait, and is known after it
	o := s.step(start(t).AddDate(0, 0, 1).Add(time.Second), func(in *Input) { in.Woke = happens(t, "Click", start(t).Add(23*time.Hour+30*time.Minute), `{"id":7}`) })
	require.Equal(t, []string{"yes"}, sends(o))
	s = begin() // it happened after it
	o = s.step(start(t).AddDate(0, 0, 1).Add(time.Minute), func(in *Input) { in.Woke = happens(t, "Click", start(t).AddDate(0, 0, 1), `{"id":7}`) })
	require.Equal(t, []string{"no"}, sends(o))
}

// TestOverdue: what comes much too late follows the policy, in one run only.
func TestOverdue(t *testing.T) {
	text := func(policy string) string {
		return drawn(`,"onOverdue":"`+policy+`","overdueAfter":"PT2H"`, []string{`w {"wait":{"duration":"PT1H"}}`, mail("a"), mail("b"), `w2 {"wait":{"duration":"PT1H"}}`, mail("c")},
			"in next w", "w next a", "a next b", "b next w2", "w2 next c")
	}
	begin := func(policy string, late time.Duration) (*somebody, Outcome) {
		s := enters(t, compiled(t, text(policy)), happens(t, "Start", start(t), ""))
		s.step(start(t))
		return s, s.step(s.state.Due.Add(late))
	}
	for _, policy := range []string{"SKIP", "SEND", "ASK"} {
		s, o := begin(policy, 2*time.Hour)
		require.Equal(t, []string{"a", "b"}, sends(o), "not later than the tolerance")
		require.Equal(t, Overdue(""), s.state.Late)
	}
	s, o := begin("SKIP", 3*time.Hour)
	require.Empty(t, sends(o))
	require.Equal(t, "OVERDUE", o.Trail[1].Detail)
	require.True(t, s.state.Due.Equal(start(t).Add(5*time.Hour)), "the next wait begins now: nothing floods")
	require.Equal(t, []string{"c 03-02T15:00"}, s.run(start(t).AddDate(0, 0, 1)))
	_, o = begin("SEND", 72*time.Hour)
	require.Equal(t, []string{"a", "b"}, sends(o))

	s, o = begin("ASK", 3*time.Hour)
	require.Empty(t, sends(o))
	require.Equal(t, ForOverdue, s.state.For)
	require.NotNil(t, o.Effects[0].Overdue)
	require.True(t, s.state.Due.IsZero())
	later := start(t).Add(48 * time.Hour)
	require.Empty(t, s.step(later, answered(Answer{For: ForOverdue, Visit: s.state.Visit + 1, OK: true})).Trail, "the answer is to another question")
	asked := s.state
	require.Equal(t, []string{"a", "b"}, sends(s.step(later, answered(Answer{For: ForOverdue, Visit: s.state.Visit, OK: true}))))
	s.state = asked
	require.Empty(t, sends(s.step(later, answered(Answer{For: ForOverdue, Visit: s.state.Visit}))))
	require.Equal(t, []string{"c 03-04T11:00"}, s.run(later.AddDate(0, 0, 1)))

	// A beginning that nobody worked on for a day, and an event that did.
	p := compiled(t, drawn("", []string{mail("m")}, "in next m"))
	s = enters(t, p, happens(t, "Start", start(t), ""))
	require.Empty(t, sends(s.step(start(t).AddDate(0, 0, 1))))
	p = compiled(t, drawn("", []string{`w {"wait":{"event":{"event":{"name":"Click"},"timeout":"P30D"}}}`, mail("m")}, "in next w", "w next m", "w timeout m"))
	s = enters(t, p, happens(t, "Start", start(t), ""))
	s.step(start(t))
	require.Empty(t, sends(s.step(start(t).AddDate(0, 0, 3), func(in *Input) { in.Woke = happens(t, "Click", start(t).AddDate(0, 0, 1), "") })))
}

// TestSplit: the arm is a hash of salt and person, is stored, and new weights move nobody.
func TestSplit(t *testing.T) {
	text := func(a, b string) string {
		return drawn("", []string{`s {"split":{"salt":"exp","arms":[{"name":"a","weight":` + a + `},{"name":"b","weight":` + b + `}]}}`, mail("ma"), `wb {"wait":{"duration":"PT1H"}}`},
			"in next s", "s a ma", "s b wb", "ma next wb", "wb next s")
	}
	p := compiled(t, text("30", "70"))
	counts := map[string]int{}
	for i := range 2000 {
		id := "prof_" + time.Duration(i).String()
		s := entersAs(t, p, happens(t, "Start", start(t), ""), id)
		s.step(start(t))
		arm := s.state.Arms["s"]
		counts[arm]++
		require.Equal(t, ArmOf(p.def.Nodes[1].Step.Split, id), arm)
		if i < 50 { // all the weight on the other arm: those inside stay
			other := map[string][2]string{"a": {"0", "100"}, "b": {"10000", "0"}}[arm]
			s.program = compiled(t, text(other[0], other[1]))
			s.step(s.state.Due)
			require.Equal(t, arm, s.state.Arms["s"])
			fresh := entersAs(t, s.program, happens(t, "Start", start(t), ""), id)
			fresh.step(start(t))
			require.NotEqual(t, arm, fresh.state.Arms["s"])
		}
	}
	require.InDelta(t, 600, counts["a"], 80)
	s := entersAs(t, compiled(t, text("100", "0")), happens(t, "Start", start(t), ""), "prof_x")
	require.Equal(t, "a", s.step(start(t)).Effects[0].Message.Arm)
}

// TestHoldout: who falls to an arm without an edge is kept out, and that is recorded.
func TestHoldout(t *testing.T) {
	p := compiled(t, drawn("", []string{`h {"holdout":{"salt":"h","arms":[{"name":"control","weight":1000},{"name":"treated","weight":9000}]}}`, mail("m")}, "in next h", "h treated m"))
	out := 0
	for i := range 2000 {
		s := entersAs(t, p, happens(t, "Start", start(t), ""), "prof_"+time.Duration(i).String())
		o := s.step(start(t))
		if s.state.Status == HeldOut {
			out++
			require.Empty(t, o.Effects)
			require.Equal(t, "control", s.state.Arms["h"])
			require.Equal(t, DidHoldOut, o.Trail[1].Did)
		} else {
			require.Equal(t, []string{"m"}, sends(o))
		}
	}
	require.InDelta(t, 200, out, 45)
}

// TestBranch: the first arm that holds, else else. A message of the journey's own node
// is one of this enrollment.
func TestBranch(t *testing.T) {
	p := compiled(t, drawn("", []string{mail("m"), `w {"wait":{"duration":"P1D"}}`,
		`b {"branch":[{"name":"vip","where":{"trait":{"path":"tier","eq":"gold"}}},{"name":"opened","where":{"message":{"status":"OPENED","nodeId":"m"}}}]}`, mail("vip"), mail("opened"), mail("else")},
		"in next m", "m next w", "w next b", "b vip vip", "b opened opened", "b else else"))
	begin := func() *somebody { return enters(t, p, happens(t, "Start", start(t), "")).set("{}") }
	require.Contains(t, begin().set(`{"tier":"gold"}`).run(start(t).AddDate(0, 0, 2)), "vip 03-03T10:00")
	require.Contains(t, begin().run(start(t).AddDate(0, 0, 2)), "else 03-03T10:00")
	opened := func(at time.Time, journey string) string {
		s := begin()
		s.events = append(s.events, happens(t, "Message Opened", at, `{"journeyId":"`+journey+`","nodeId":"m"}`))
		return s.run(start(t).AddDate(0, 0, 2))[1]
	}
	require.Equal(t, "opened 03-03T10:00", opened(start(t).Add(time.Hour), "jrn_test"))
	require.Equal(t, "else 03-03T10:00", opened(start(t).Add(time.Hour), "jrn_other"))
	require.Equal(t, "else 03-03T10:00", opened(start(t).Add(-time.Hour), "jrn_test"), "of an earlier enrollment")
}

func TestGoalNode(t *testing.T) {
	text := drawn("", []string{`w {"wait":{"duration":"PT1H"}}`, `g {"goal":{"event":{"name":"Bought"}}}`, mail("m")}, "in next w", "w next g", "g else m")
	s := enters(t, compiled(t, text), happens(t, "Start", start(t), ""))
	require.Len(t, s.run(start(t).AddDate(0, 0, 1)), 1)
	require.Equal(t, Completed, s.state.Status)
	s = enters(t, compiled(t, text), happens(t, "Start", start(t), ""))
	s.events = append(s.events, happens(t, "Bought", start(t).Add(time.Minute), ""))
	require.Empty(t, s.run(start(t).AddDate(0, 0, 1)))
	require.Equal(t, GoalReached, s.state.Status)
}

// TestEffects: what is done has its values filled in, and what has none is left.
func TestEffects(t *testing.T) {
	p := compiled(t, drawn("", []string{
		`t {"updateTrait":{"path":"last.cart","value":"{{ event.cart }}"}}`, `t2 {"updateTrait":{"path":"x","value":"{{ event.none }}"}}`, `t3 {"updateTrait":{"path":"y","value":null}}`,
		`o {"upsertObject":{"type":"cart","externalId":"c-{{ event.cart.id }}","fields":{"total":"{{ event.cart.total }}","by":"{{ profile.name }}!"}}}`, `o2 {"upsertObject":{"type":"cart","externalId":"c-{{ event.none }}"}}`,
		`h {"webhook":{"url":"https://example.com/{{ event.path }}?e={{ enrollment.id }}","headers":{"X-Name":"{{ profile.name }}"},"body":[{"n":"{{ event.cart.total }}"},1]}}`,
		`k {"task":{"title":"Call {{ profile.name }}","assignee":"sales","dueAfter":"P1D"}}`, `p {"points":{"amount":5,"reason":"r"}}`, `sc {"score":{"rule":"cart"}}`, `sub {"subJourney":"jrn_b"}`, mail("m")},
		"in next t", "t next t2", "t2 next t3", "t3 next o", "o next o2", "o2 next h", "h next k", "k next p", "p next sc", "sc next sub", "sub next m"))
	s := enters(t, p, happens(t, "Start", start(t), `{"cart":{"id":"a/b","total":12.50},"path":"a b/../c"}`)).set(`{"name":"Ana\nX: y"}`)
	all := map[string]Effect{}
	steps := 0
	for s.state.Status == Active {
		steps++
		for _, e := range s.step(start(t)).Effects {
			all[e.Node] = e
		}
	}
	require.Equal(t, 3, steps, "the object and the webhook ask for the person's name as it is after what was set before")
	require.Equal(t, &SetTrait{Path: "last.cart", Value: map[string]any{"id": "a/b", "total": jsonNumber("12.5")}}, all["t"].Trait)
	require.NotContains(t, all, "t2")
	require.Equal(t, &SetTrait{Path: "y"}, all["t3"].Trait)
	require.Equal(t, &PutObject{Type: "cart", ExternalID: "c-a/b", Fields: map[string]any{"total": jsonNumber("12.5"), "by": "Ana\nX: y!"}}, all["o"].Object)
	require.NotContains(t, all, "o2")
	require.Equal(t, "https://example.com/a%20b%2F..%2Fc?e=enr_1", all["h"].Webhook.URL)
	require.Equal(t, "AnaX: y", all["h"].Webhook.Headers["X-Name"])
	require.Equal(t, []any{map[string]any{"n": jsonNumber("12.5")}, jsonNumber("1")}, all["h"].Webhook.Body)
	require.Equal(t, "sales", all["k"].Task.Assignee)
	require.True(t, all["k"].Task.Due.Equal(start(t).AddDate(0, 0, 1)))
	require.Equal(t, int64(5), all["p"].Points.Amount)
	require.Equal(t, "cart", all["sc"].Score.Rule)
	require.Equal(t, "jrn_b", all["sub"].Sub.Journey)
	require.Equal(t, ForSubJourney, s.state.For)
	require.Equal(t, []string{"m"}, sends(s.step(start(t).AddDate(0, 1, 0), answered(Answer{For: ForSubJourney, Visit: s.state.Visit}))))
}

// TestCouponAsksAgain: a process that dies between asking and the answer asks under
// the same key.
func TestCouponAsksAgain(t *testing.T) {
	p := compiled(t, drawn("", []string{`c {"coupon":{"pool":"p","expiresAfter":"P7D"}}`, mail("m"), mail("none")}, "in next c", "c next m", "c else none"))
	s := enters(t, p, happens(t, "Start", start(t), ""))
	first := s.step(start(t)).Effects[0]
	asked := s.state
	again := s.step(start(t).Add(time.Minute)).Effects[0]
	require.Equal(t, first, again)
	o := s.step(start(t).Add(time.Minute), answered(Answer{For: ForCoupon, Visit: s.state.Visit, OK: true, Code: "X", Expires: first.Coupon.Expires}))
	require.Equal(t, &Held{Node: "c", Visit: 2, Code: "X", ExpiresAt: start(t).AddDate(0, 0, 7)}, o.Effects[0].Message.Coupon)
	s.state = asked
	require.Equal(t, []string{"none"}, sends(s.step(start(t), answered(Answer{For: ForCoupon, Visit: s.state.Visit}))))
}

func TestApproval(t *testing.T) {
	p := compiled(t, drawn("", []string{`a {"approval":{"role":"boss","timeout":"P3D"}}`, mail("yes"), mail("no"), mail("late")}, "in next a", "a next yes", "a else no", "a timeout late"))
	begin := func() *somebody {
		s := enters(t, p, happens(t, "Start", start(t), ""))
		require.Equal(t, "boss", s.step(start(t)).Effects[0].Approve.Role)
		return s
	}
	s := begin()
	require.Equal(t, []string{"yes"}, sends(s.step(start(t).AddDate(0, 0, 1), answered(Answer{For: ForApproval, Visit: s.state.Visit, OK: true}))))
	s = begin()
	require.Equal(t, []string{"no"}, sends(s.step(start(t).AddDate(0, 0, 1), answered(Answer{For: ForApproval, Visit: s.state.Visit}))))
	require.Equal(t, []string{"late 03-05T10:00"}, begin().run(start(t).AddDate(0, 1, 0)))
}

func TestReentry(t *testing.T) {
	now := start(t)
	may := func(more string, last time.Time, live bool) bool {
		return compiled(t, drawn(more, []string{mail("m")}, "in next m")).MayEnter(last, live, now)
	}
	require.True(t, may(`,"reentry":"ONCE"`, time.Time{}, false))
	require.False(t, may(`,"reentry":"ONCE"`, now.AddDate(-9, 0, 0), false))
	require.True(t, may(`,"reentry":"ALWAYS"`, now, false))
	require.False(t, may(`,"reentry":"ALWAYS"`, now.AddDate(0, 0, -1), true), "never twice at once")
	after := `,"reentry":"AFTER","reentryAfter":"P7D"`
	require.True(t, may(after, now.AddDate(0, 0, -7), false))
	require.False(t, may(after, now.AddDate(0, 0, -7).Add(time.Millisecond), false))
}

// TestEntrances: an event opens one that it matches, and a client's event of a system
// event's name does not.
func TestEntrances(t *testing.T) {
	p := compiled(t, full)
	in := p.Entrances()
	require.Len(t, in, 6)
	require.True(t, in[0].Matches(happens(t, "Cart Updated", start(t), `{"total":11}`)))
	require.False(t, in[0].Matches(happens(t, "Cart Updated", start(t), `{"total":10}`)))
	require.NotNil(t, in[0].Asks, "the count is asked when it matches")
	changed := happens(t, "Record Changed", start(t), `{"type":"contract"}`)
	require.True(t, in[3].Matches(changed))
	changed.Type = "TRACK"
	require.False(t, in[3].Matches(changed))
	require.True(t, p.WantsEvent())
	kept, err := p.Kept()
	require.NoError(t, err)
	require.NotEmpty(t, kept)
	require.NotContains(t, kept[0]+kept[1], "cartId", "the exit is another condition for each cart")
}

// TestGoneNode: who stands on a node that a version does not have ends, and says so.
func TestGoneNode(t *testing.T) {
	p := compiled(t, drawn("", []string{mail("m")}, "in next m"))
	o := p.Step(State{Status: Waiting, For: ForTime, Node: "gone", Visit: 3, Due: start(t)}, Input{Now: start(t), Facts: &somebody{}})
	require.Equal(t, Completed, o.State.Status)
	require.Equal(t, "NO_SUCH_NODE", o.Trail[0].Detail)
}

// TestStateIsSmall: what a waiting enrollment keeps of itself.
func TestStateIsSmall(t *testing.T) {
	p := compiled(t, drawn("", []string{`w {"wait":{"duration":"PT1H"}}`, mail("m")}, "in next w", "w next m"))
	s := enters(t, p, happens(t, "Start", start(t), ""))
	s.step(start(t))
	raw, err := bson.Marshal(s.state)
	require.NoError(t, err)
	require.LessOrEqual(t, len(raw), 110)
	var back State
	require.NoError(t, bson.Unmarshal(raw, &back))
	require.Equal(t, s.state.Due, back.Due.UTC())
}
