package journey

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// act passes the nodes that do something beside sending.
func (r *run) act(n *place) bool {
	f := &filler{r: r}
	done := func(e Effect) bool {
		if f.over() {
			return r.leave(n, OnNext, DidSkip, "TOO_LARGE")
		}
		r.effect(e)
		return r.leave(n, OnNext, DidAct, n.kind)
	}
	missing := func() bool {
		if f.over() {
			return r.leave(n, OnNext, DidSkip, "TOO_LARGE")
		}
		return r.leave(n, OnNext, DidSkip, "MISSING_VALUE")
	}
	switch s := &n.Step; {
	case s.UpdateTrait != nil:
		value := f.tree(s.UpdateTrait.Value)
		if value == nil && s.UpdateTrait.Value != nil {
			return missing() // an absent value clears nothing
		}
		r.dirty = true
		return done(Effect{Trait: &SetTrait{Path: s.UpdateTrait.Path, Value: value}})
	case s.UpsertObject != nil:
		id, whole := f.text(s.UpsertObject.ExternalID)
		if !whole || id == "" {
			return missing()
		}
		r.dirty = true
		fields, _ := f.tree(s.UpsertObject.Fields).(map[string]any)
		return done(Effect{Object: &PutObject{Type: s.UpsertObject.Type, ExternalID: id, Relation: s.UpsertObject.Relation, Fields: fields}})
	case s.Webhook != nil:
		call := &CallWebhook{Secret: s.Webhook.Secret, Body: f.tree(s.Webhook.Body)}
		var whole bool
		if call.URL, whole = f.address(s.Webhook.URL); !whole {
			return missing()
		}
		for _, key := range sortedKeys(s.Webhook.Headers) {
			if call.Headers == nil {
				call.Headers = map[string]string{}
			}
			value, _ := f.text(s.Webhook.Headers[key])
			call.Headers[key] = strings.Map(printable, value)
		}
		return done(Effect{Webhook: call})
	case s.Coupon != nil:
		r.effect(Effect{Coupon: r.coupon(s.Coupon)})
		return r.await(ForCoupon, r.now, DidAsk, s.Coupon.Pool)
	case s.Points != nil:
		r.dirty = true
		points := *s.Points
		return done(Effect{Points: &points})
	case s.Score != nil:
		r.dirty = true
		score := *s.Score
		return done(Effect{Score: &score})
	case s.Task != nil:
		task := &CreateTask{Assignee: s.Task.Assignee}
		task.Title, _ = f.text(s.Task.Title)
		task.Note, _ = f.text(s.Task.Note)
		if s.Task.DueAfter != nil {
			task.Due = s.Task.DueAfter.After(r.base, r.location())
		}
		return done(Effect{Task: task})
	case s.Approval != nil:
		var until time.Time
		if s.Approval.Timeout != nil {
			until = r.after(s.Approval.Timeout)
		}
		r.effect(Effect{Approve: &AskApproval{Role: s.Approval.Role, Note: s.Approval.Note, Until: until}})
		return r.await(ForApproval, until, DidAsk, s.Approval.Role)
	case s.SubJourney != "":
		r.effect(Effect{Sub: &StartJourney{Journey: s.SubJourney}})
		return r.await(ForSubJourney, time.Time{}, DidWait, s.SubJourney)
	}
	return r.leave(n, OnNext, DidEnd, "") // no step: Check lets none through
}

// printable keeps what may stand in a header.
func printable(c rune) rune {
	if c < ' ' || c == 0x7f {
		return -1
	}
	return c
}

func (r *run) coupon(c *Coupon) *TakeCoupon {
	take := &TakeCoupon{Pool: c.Pool}
	if c.ExpiresAfter != nil {
		take.Expires = c.ExpiresAfter.After(r.st.Came, r.location())
	}
	return take
}

// couponed goes on with a coupon, or without one when the pool is empty; without an
// answer it asks again.
func (r *run) couponed(n *place, answer *Answer) {
	switch {
	case answer != nil && answer.OK:
		r.st.Coupons = append(r.st.Coupons, Held{Node: n.ID, Visit: answer.Visit, Code: answer.Code, ExpiresAt: answer.Expires})
		r.goOn(n, OnNext, DidAnswer, "")
	case answer != nil:
		r.goOn(n, OnElse, DidAnswer, "NO_COUPON")
	case r.due():
		r.effect(Effect{Coupon: r.coupon(n.Step.Coupon)})
	}
}

// location is the person's own time zone, or the journey's.
func (r *run) location() *time.Location {
	if loc := r.in.Facts.Location(); loc != nil {
		return loc
	}
	return r.p.loc
}

// after returns when a period ends that begins with the run's base, or now where that
// would be over already: a wait of seconds is one, however late the step.
func (r *run) after(p *condition.Period) time.Time {
	if due := p.After(r.base, r.location()); due.After(r.in.Now) {
		return due
	}
	return p.After(r.in.Now, r.location())
}

// wait stops at a wait, or passes one whose time has come already.
func (r *run) wait(n *place, w *Wait) bool {
	var due time.Time
	what, on, why := ForTime, OnNext, ""
	turned := r.turned || r.served[n.ID] // this occurrence has had its turn
	switch {
	case w.Duration != nil:
		due = r.after(w.Duration)
	case w.Event != nil:
		what, due = ForEvent, r.after(w.Timeout)
	case w.LocalTime != "":
		due = nextLocal(r.base, w.LocalTime, r.location(), false)
		if turned {
			due = nextLocal(r.in.Now, w.LocalTime, r.location(), true)
		}
	case w.Best != nil:
		due, why = r.bestTime(w.Best, turned)
	case w.Trait != "":
		on, due = OnElse, r.traitTime(w.Trait)
	default:
		due = up(w.Until)
	}
	if !due.After(r.in.Now) { // until and trait: past, or nothing; a local time, the best hour: just now
		if w.LocalTime != "" || w.Best != nil {
			r.serve(n.ID)
		}
		return r.leave(n, on, DidGoOn, why)
	}
	return r.await(what, due, DidWait, strings.TrimRight(due.Format(time.RFC3339)+" "+why, " "))
}

// traitTime reads the time that a trait holds: a time in the form of RFC 3339, or a
// date, which is the midnight with which that day begins where the person is. Zero
// for anything else.
func (r *run) traitTime(path string) time.Time {
	v, ok := r.in.Facts.Trait(path)
	if !ok {
		return time.Time{}
	}
	if v.Type == bson.TypeDateTime {
		return v.Time().UTC()
	}
	s, ok := v.StringValueOK()
	if !ok {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return up(t)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return condition.LocalInstant(t, r.location())
	}
	return time.Time{}
}

// nextLocal returns the first instant at or after now, or strictly after it, at
// which the clocks of a zone show HH:MM. A time that the clocks skip comes when they
// are put forward; one that they show twice comes the first time only.
func nextLocal(now time.Time, clock string, loc *time.Location, after bool) time.Time {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return now
	}
	y, m, d := now.In(loc).Date()
	for day := d - 1; ; day++ { // a zone may skip a whole day
		t := condition.LocalInstant(time.Date(y, m, day, at.Hour(), at.Minute(), 0, 0, time.UTC), loc)
		if t.After(now) || !after && t.Equal(now) {
			return t
		}
	}
}

// address fills the path and the query of a URL; what is filled in cannot change
// what it belongs to.
func (f *filler) address(url string) (string, bool) {
	whole := true
	out := placeholder.ReplaceAllStringFunc(url, func(m string) string {
		v := f.value(placeholder.FindStringSubmatch(m)[1])
		whole = whole && v != nil
		return escape(text(v))
	})
	return out, whole
}
