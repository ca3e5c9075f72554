package journey

import (
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// run is one step: what is seen, and what came of it so far.
type run struct {
	p      *Program
	in     Input
	now    time.Time // whole milliseconds
	base   time.Time // from which waits count: when the run was due, or now when it is late
	st     State
	out    Outcome
	fresh  bool            // that it came to the node was not told yet
	dirty  bool            // the run has changed something about the person
	served map[string]bool // waits for a local time that were left in this run
	turned bool            // it has sent a message, or a run before it did or left such a wait at this very instant
}

// Step takes an enrollment on: through all nodes that need no waiting, to the next
// wait, an end, or something whose answer it needs. Where nothing is to be done (it
// is not time yet, the event was none of its own, it has ended) the state comes back
// as it was, without effects.
func (p *Program) Step(st State, in Input) Outcome {
	r := &run{p: p, in: in, now: in.Now.UTC().Truncate(time.Millisecond), st: st}
	r.base, r.turned = in.Now, !st.Turned.IsZero() && st.Turned.Equal(r.now)
	r.st.Arms, r.st.Coupons = maps.Clone(st.Arms), slices.Clone(st.Coupons)
	switch {
	case !st.Status.Live():
	case p.nodes[st.Node] == nil:
		r.end(Completed, DidEnd, "NO_SUCH_NODE")
	case st.Status == Active && in.Now.Before(st.Due):
	case st.Status == Waiting && !r.due() && in.Woke == nil && in.Answer == nil:
	case r.over():
	default:
		r.resume(p.nodes[st.Node])
	}
	r.out.State = r.st
	return r.out
}

// due tells whether the enrollment steps by time.
func (r *run) due() bool { return !r.st.Due.IsZero() && !r.in.Now.Before(r.st.Due) }

// over ends the enrollment when its goal is reached or it is to be left.
func (r *run) over() bool {
	r.fresh = r.st.Status == Active && !r.st.Told
	switch {
	case r.p.goal != nil && r.asks(r.p.goal):
		r.end(GoalReached, DidReach, "")
	case r.p.exit != nil && r.asks(r.p.exit):
		r.end(Exited, DidExit, "")
	default:
		return false
	}
	return true
}

func (r *run) asks(a *asked) bool { return a.holds(r.in.Facts, r.st.Began, r.in.Event, r.now) }

// resume lets the enrollment on from where it stands, if what it waits for has come.
func (r *run) resume(n *place) {
	if r.st.Status == Active {
		r.late(r.st.Due)
		r.walk()
		return
	}
	answer := r.in.Answer
	if answer != nil && (answer.For != r.st.For || answer.Visit != r.st.Visit) {
		answer = nil
	}
	switch r.st.For {
	case ForTime:
		if r.due() {
			r.late(r.st.Due)
			r.serve(n.ID)
			r.goOn(n, OnNext, DidGoOn, "")
		}
	case ForEvent:
		r.wake(n)
	case ForCoupon:
		r.couponed(n, answer)
	case ForApproval:
		switch {
		case answer != nil && answer.OK:
			r.goOn(n, OnNext, DidAnswer, answer.Decision)
		case answer != nil:
			r.goOn(n, OnElse, DidAnswer, answer.Decision)
		case r.due():
			r.late(r.st.Due)
			r.goOn(n, OnTimeout, DidGoOn, "")
		}
	case ForSubJourney:
		if answer != nil {
			r.goOn(n, OnNext, DidGoOn, answer.Decision)
		}
	case ForOverdue:
		if answer != nil {
			r.st.Late = OverdueSkip
			if answer.OK {
				r.st.Late = OverdueSend
			}
			r.st.Status, r.st.For, r.st.Due = Active, "", time.Time{}
			r.walk()
		}
	}
}

// serve notes that a wait was left at this instant.
func (r *run) serve(id string) {
	if r.served == nil {
		r.served = map[string]bool{}
	}
	r.served[id], r.st.Turned = true, r.now
}

// wake ends a wait for an event: by the event when its own time lies in the wait, by
// the timeout when that has come.
func (r *run) wake(n *place) {
	e := r.in.Woke
	if e != nil && r.in.Event != nil && e.ID != "" && e.ID == r.in.Event.ID {
		e = nil // by it the person entered
	}
	if e != nil && !e.Timestamp.Before(r.st.Came) && e.Timestamp.Before(r.st.Due) && n.event.matches(e, r.in.Event) {
		known := e.CommittedAt
		if known.IsZero() {
			known = e.Timestamp
		}
		r.late(known)
		r.goOn(n, OnNext, DidGoOn, e.Name)
		return
	}
	if r.due() {
		r.late(r.st.Due)
		r.goOn(n, OnTimeout, DidGoOn, "")
	}
}

// punctual is how late a step may come and still count as on time: the waits after
// it count from when it was due, so that what a busy hour costs does not add up.
const punctual = time.Minute

// late notes that the run comes later than it should have, or much later.
func (r *run) late(due time.Time) {
	if r.in.Woke == nil && r.in.Now.Sub(due) <= punctual && due.Before(r.in.Now) {
		r.base = due
	}
	if r.st.Late == "" && r.now.Sub(due) > r.p.def.OverdueAfter.Elapsed {
		r.st.Late = r.p.def.OnOverdue
	}
}

// goOn leaves a node where the enrollment waited, and walks on.
func (r *run) goOn(n *place, on, did, detail string) {
	r.st.Status, r.st.For, r.st.Due = Active, "", time.Time{}
	if r.leave(n, on, did, detail) {
		r.walk()
	}
}

// leave tells that the enrollment goes by an edge, and goes. False at an end. A
// missing edge is an end; "else" and its like fall back to "next".
func (r *run) leave(n *place, on, did, detail string) bool {
	to, ok := n.out[on]
	if !ok {
		on = OnNext
		to, ok = n.out[on]
	}
	if !ok || r.p.nodes[to] == nil {
		status := Completed
		if did == DidReach {
			status = GoalReached
		}
		r.end(status, did, detail)
		return false
	}
	r.tell(did, on, detail, true)
	r.st.Node, r.st.Came = to, r.base.UTC().Truncate(time.Millisecond)
	r.st.Visit++
	r.fresh = true
	return true
}

func (r *run) end(status Status, did, detail string) {
	r.tell(did, "", detail, true)
	r.st.Status, r.st.For, r.st.Due, r.st.Late = status, "", time.Time{}, ""
}

func (r *run) tell(did, on, detail string, left bool) {
	r.out.Trail = append(r.out.Trail, Passage{
		Node: r.st.Node, Visit: r.st.Visit, At: r.now, Came: r.fresh, Left: left, Did: did, On: on, Detail: detail,
	})
	r.fresh, r.st.Told = false, false
}

func (r *run) effect(e Effect) {
	e.Node, e.Visit = r.st.Node, r.st.Visit
	r.out.Effects = append(r.out.Effects, e)
}

// await stops at the node. A zero due waits for an answer only.
func (r *run) await(what Await, due time.Time, did, detail string) bool {
	r.st.Status, r.st.For, r.st.Due = Waiting, what, due
	if what != ForCoupon && what != ForOverdue {
		r.st.Late = ""
	}
	r.tell(did, "", detail, false)
	return false
}

// walk passes nodes until one stops. Each cycle holds a node that surely does.
func (r *run) walk() {
	for range 4*len(r.p.nodes) + 4 {
		n := r.p.nodes[r.st.Node]
		if r.dirty && n.sees { // it must see what this run has changed
			r.st.Status, r.st.For, r.st.Due = Active, "", r.now
			return
		}
		if !r.pass(n) {
			return
		}
	}
	// No drawing that Check lets through comes here; should one, it holds no process for ever.
	r.st.Status, r.st.For, r.st.Due = Active, "", up(r.in.Now.Add(punctual))
}

// pass does what a node does. False when the run ends with it.
func (r *run) pass(n *place) bool {
	switch s := &n.Step; {
	case s.Entry != nil:
		return r.leave(n, OnNext, DidEnter, "")
	case s.Message != nil:
		return r.message(n, s.Message)
	case s.Wait != nil:
		return r.wait(n, s.Wait)
	case s.Branch != nil:
		for i, a := range n.arms {
			if r.asks(a) {
				return r.leave(n, s.Branch[i].Name, DidChoose, s.Branch[i].Name)
			}
		}
		return r.leave(n, OnElse, DidChoose, OnElse)
	case s.Split != nil:
		arm := r.arm(n.ID, s.Split)
		return r.leave(n, arm, DidChoose, arm)
	case s.Holdout != nil:
		arm := r.arm(n.ID, s.Holdout)
		if _, on := n.out[arm]; !on {
			r.end(HeldOut, DidHoldOut, arm)
			return false
		}
		return r.leave(n, arm, DidChoose, arm)
	case s.Goal != nil:
		if r.asks(n.goal) {
			return r.leave(n, OnNext, DidReach, "")
		}
		return r.leave(n, OnElse, DidGoOn, "")
	case s.Exit:
		r.end(Completed, DidEnd, "")
		return false
	}
	return r.act(n)
}

// message sends, unless the run is overdue and that says otherwise.
func (r *run) message(n *place, m *Message) bool {
	switch r.st.Late {
	case OverdueSkip:
		return r.leave(n, OnNext, DidSkip, "OVERDUE")
	case OverdueAsk:
		r.effect(Effect{Overdue: &OverdueAsking{Since: r.now}})
		return r.await(ForOverdue, time.Time{}, DidAsk, "OVERDUE")
	}
	send := &SendMessage{Template: m.Template, Channel: m.Channel, Purpose: m.Purpose, Quiet: m.Quiet, Priority: m.Priority, Arm: r.st.Arm, Coupon: r.held()}
	r.turned, r.st.Turned = true, r.now
	r.effect(Effect{Message: send})
	return r.leave(n, OnNext, DidQueue, "")
}

// held is the latest coupon; nil for none.
func (r *run) held() *Held {
	if n := len(r.st.Coupons); n > 0 {
		h := r.st.Coupons[n-1]
		return &h
	}
	return nil
}

// arm returns the arm of a split: that of before, or the one that the person's hash
// falls to.
func (r *run) arm(id string, s *Split) string {
	arm := r.st.Arms[id]
	if !slices.ContainsFunc(s.Arms, func(a Arm) bool { return a.Name == arm }) {
		arm = ArmOf(s, r.in.Facts.ProfileID())
		if r.st.Arms == nil {
			r.st.Arms = map[string]string{}
		}
		r.st.Arms[id] = arm
	}
	r.st.Arm = arm
	return arm
}

// ArmOf returns the arm of a split that a profile's id falls to: the first of its
// arms get the lowest buckets.
func ArmOf(s *Split, profileID string) string {
	total := 0
	for _, a := range s.Arms {
		total += a.Weight
	}
	bucket := condition.BucketOf(profileID, s.Salt) * total / condition.Buckets
	for _, a := range s.Arms {
		if bucket -= a.Weight; bucket < 0 {
			return a.Name
		}
	}
	return s.Arms[len(s.Arms)-1].Name
}

// Listening is what can matter to a live enrollment before its time comes.
type Listening struct {
	Events   []string // names
	Traits   []string // paths
	Objects  []string // types of records
	Segments []string // seg_…
	Purposes []string // consents
}

// Listens returns what an enrollment listens to: what it waits for, and what its
// exit condition and goal ask. Each list is sorted and without repetitions.
func (p *Program) Listens(st State, entered *event.Event) Listening {
	var l Listening
	if !st.Status.Live() {
		return l
	}
	if n := p.nodes[st.Node]; n != nil && n.event != nil {
		l.Events = append(l.Events, n.event.name)
	}
	for _, a := range []*asked{p.goal, p.exit} {
		if a == nil {
			continue
		}
		c, _ := a.ready(entered)
		if c == nil {
			continue
		}
		needs := c.Needs()
		for _, spec := range needs.Ledgers {
			l.Events = append(l.Events, spec.Event)
		}
		l.Traits, l.Objects = append(l.Traits, needs.Traits...), append(l.Objects, needs.Objects...)
		l.Segments, l.Purposes = append(l.Segments, needs.Segments...), append(l.Purposes, needs.Consents...)
	}
	for _, list := range []*[]string{&l.Events, &l.Traits, &l.Objects, &l.Segments, &l.Purposes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return l
}
