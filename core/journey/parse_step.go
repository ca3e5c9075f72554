package journey

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
)

// The limits of texts, in bytes.
const (
	maxText = 1000
	maxBody = 16 << 10
)

// step reads what stands under the key of a step.
func (r *reader) step(s *Step, kind string, v any) {
	switch kind {
	case "entry":
		s.Entry = r.entry(v)
	case "message":
		s.Message = r.message(v)
	case "wait":
		s.Wait = r.wait(v)
	case "branch":
		s.Branch = r.arms(v, true)
	case "split":
		s.Split = r.split(v)
	case "holdout":
		s.Holdout = r.split(v)
	case "subJourney":
		s.SubJourney = r.subJourney(v)
	case "goal":
		s.Goal = r.sinceEntering(v)
	case "exit":
		s.Exit = r.bool(v)
	default:
		r.action(s, kind, v)
	}
}

func (r *reader) entry(v any) *Entry {
	e := &Entry{}
	key, v, ok := r.oneKey(v, "an entry", "event", "segmentEntered", "segmentLeft", "date", "object", "api", "list")
	if !ok {
		return e
	}
	one := map[string]any{key: v}
	switch key {
	case "segmentEntered":
		e.SegmentEntered = r.segment(one, key, false)
	case "segmentLeft":
		e.SegmentLeft = r.segment(one, key, false)
	case "list":
		e.List = r.segment(one, key, true)
	case "api":
		r.at(key, func() { e.API = r.bool(v) })
	case "event":
		r.at(key, func() {
			if n := r.wrapped(v, "event", false); n != nil {
				e.Event = n.Event
			}
		})
	case "object":
		r.at(key, func() {
			if n := r.wrapped(v, "object", false); n != nil {
				e.Object = n.Object
			}
		})
	case "date":
		r.at(key, func() { e.Date = r.date(v) })
	}
	return e
}

// date reads a predicate that comes to hold with time.
func (r *reader) date(v any) *condition.Predicate {
	n := r.wrapped(v, "trait", false)
	if n == nil {
		return nil
	}
	for _, o := range n.Trait.Operators {
		switch o.Op {
		case condition.Within, condition.OlderThan, condition.Anniversary:
			return n.Trait
		}
	}
	r.fault(condition.ReasonNotAllowed, "a date comes to hold by itself: ask with anniversary, within or olderThan")
	return n.Trait
}

func (r *reader) message(v any) *Message {
	m := r.fields(v, "a message", "templateId", "channel", "purpose", "priority", "quietHours")
	out := &Message{
		Template: r.text(m, "templateId", condition.MaxName, true),
		Channel:  r.enum(m, "channel", "", consent.Channels()...),
		Purpose:  r.text(m, "purpose", condition.MaxName, true),
		Priority: int(r.integer(m, "priority", -1000, 1000, false)),
		Quiet:    r.enum(m, "quietHours", "DEFER", "DEFER", "SKIP", "SEND"),
	}
	if r.voc == nil || m == nil {
		return out
	}
	if out.Template != "" {
		r.at("templateId", func() { r.template(out) })
	}
	if known := r.voc.Purposes(); out.Purpose != "" && known != nil && !slices.Contains(known, out.Purpose) {
		r.at("purpose", func() { r.fault(ReasonPurpose, "there is no purpose with this key; there are %s", orNone(known)) })
	}
	if out.Channel != "" && !r.voc.Connected(out.Channel) {
		r.warn(WarnNotConnected, "no connection sends on "+clip(out.Channel)+" yet; messages will be held until one does", "channel")
	}
	return out
}

func (r *reader) template(m *Message) {
	t, ok := r.voc.Template(m.Template)
	switch {
	case !ok:
		r.fault(ReasonTemplate, "there is no template with this id")
	case t.Archived:
		r.fault(ReasonTemplate, "the template is archived and cannot be sent")
	case t.Channel != "" && m.Channel != "" && t.Channel != m.Channel:
		r.fault(ReasonChannel, "the template is made for %s, not for %s", t.Channel, m.Channel)
	case !t.Published && r.opt.Publish:
		r.fault(ReasonUnpublished, "the template has no published version")
	case !t.Published:
		r.warn(WarnNotPublished, "the template has no published version yet")
	case len(t.Missing) > 0 && r.opt.Publish:
		r.fault(ReasonFallback, "the template shows %s without a fallback; give one, or let it skip the send", strings.Join(t.Missing, ", "))
	}
}

func (r *reader) wait(v any) *Wait {
	w := &Wait{}
	key, v, ok := r.oneKey(v, "a wait", "duration", "until", "localTime", "bestTime", "trait", "event")
	if !ok {
		return w
	}
	one := map[string]any{key: v}
	switch key {
	case "duration":
		w.Duration = r.period(one, key, true)
	case "until":
		r.at(key, func() {
			w.Until = r.instant(v)
			switch now := r.opt.Now; {
			case now.IsZero() || w.Until.IsZero():
			case w.Until.After(now.Add(MaxLongest)):
				r.fault(condition.ReasonTime, "a wait may last five years at most")
			case w.Until.Before(now):
				r.warn(WarnPast, "the time is past, so nobody will wait here")
			}
		})
	case "localTime":
		w.LocalTime = r.text(one, key, 5, true)
		r.at(key, func() { r.timeOfDay(w.LocalTime) })
	case "bestTime":
		r.at(key, func() { w.Best = r.bestTime(v) })
	case "trait":
		w.Trait = r.text(one, key, condition.MaxName, true)
		if w.Trait != "" && !goodPath(w.Trait) {
			r.at(key, func() { r.fault(condition.ReasonPath, "the path of a trait is expected") })
		}
	case "event":
		r.at(key, func() {
			m := r.fields(v, "a wait for an event", "event", "timeout")
			w.Timeout = r.period(m, "timeout", true)
			if m["event"] == nil {
				r.fault(condition.ReasonRequired, `"event" is required`)
				return
			}
			r.at("event", func() { w.Event = r.plainEvent(m["event"]) })
		})
	}
	return w
}

// plainEvent reads an event of which one is waited for.
func (r *reader) plainEvent(v any) *condition.Event {
	n := r.wrapped(v, "event", true)
	if n == nil {
		return nil
	}
	if n.Event.Count != nil || n.Event.Window != nil {
		r.fault(condition.ReasonNotAllowed, "the next such event is waited for; leave count and window out, and ask a branch about more")
	}
	return n.Event
}

// arms reads the arms of a branch, or of a split.
func (r *reader) arms(v any, branch bool) []Arm {
	out := []Arm{}
	r.items(v, MaxArms, func(_ int, v any) {
		m := r.fields(v, "an arm", "name", "where", "weight")
		a := Arm{Name: r.text(m, "name", MaxIDLength, true)}
		switch {
		case slices.Contains([]string{OnNext, OnElse, OnTimeout}, a.Name):
			r.at("name", func() { r.fault(condition.ReasonName, "next, else and timeout name other edges; choose another name") })
		case slices.ContainsFunc(out, func(b Arm) bool { return b.Name == a.Name }):
			r.at("name", func() { r.fault(ReasonDuplicate, "another arm has this name") })
		}
		other, key := "weight", "where"
		if !branch {
			other, key = key, other
		}
		if m[other] != nil {
			r.at(other, func() { r.fault(condition.ReasonNotAllowed, "an arm here has %s", key) })
		}
		switch {
		case !branch:
			a.Weight = int(r.integer(m, "weight", 0, condition.Buckets, true))
		case m["where"] == nil:
			r.at("where", func() {
				r.fault(condition.ReasonRequired, `"where" is required; who meets no arm goes by the edge "else"`)
			})
		default:
			r.at("where", func() { a.Where = r.conditioned(m["where"], true) })
		}
		out = append(out, a)
	})
	if len(out) == 0 {
		r.fault(condition.ReasonEmpty, "at least one arm is expected")
	}
	return out
}

func (r *reader) split(v any) *Split {
	m := r.fields(v, "a split", "salt", "arms")
	s := &Split{Salt: r.text(m, "salt", condition.MaxName, true)}
	before := len(r.faults)
	r.at("arms", func() { s.Arms = r.arms(m["arms"], false) })
	total := 0
	for _, a := range s.Arms {
		total += a.Weight
	}
	if len(r.faults) == before && total != 100 && total != condition.Buckets {
		r.at("arms", func() {
			r.fault(ReasonWeights, "the weights of all arms together are 100 (percent) or 10,000; here they are %d", total)
		})
	}
	return s
}

func (r *reader) subJourney(v any) string {
	id, ok := v.(string)
	switch {
	case !ok || id == "" || len(id) > condition.MaxName:
		r.fault(condition.ReasonType, "the id of a journey is expected")
		return ""
	case id == r.opt.Self:
		r.fault(ReasonCycle, "a journey cannot lead into itself")
	case r.voc != nil:
		info, ok := r.voc.Journey(id)
		switch {
		case !ok:
			r.fault(ReasonJourney, "there is no journey with this id")
		case info.Archived:
			r.fault(ReasonJourney, "the journey is archived")
		case r.opt.Self != "" && r.leadsTo(id, r.opt.Self):
			r.fault(ReasonCycle, "the journey leads back into this one")
		}
	}
	return id
}

// leadsTo tells whether a journey starts another, or starts one that does.
func (r *reader) leadsTo(from, to string) bool {
	seen, todo := map[string]bool{from: true}, []string{from}
	for len(todo) > 0 {
		info, _ := r.voc.Journey(todo[0])
		todo = todo[1:]
		for _, sub := range info.Subs {
			if sub == to {
				return true
			}
			if !seen[sub] {
				seen[sub] = true
				todo = append(todo, sub)
			}
		}
	}
	return false
}

// filled checks the placeholders of a JSON tree.
func (r *reader) filled(tree any) {
	for _, name := range placeholders(tree) {
		if !knownPlaceholder(name) {
			r.fault(ReasonPlaceholder, "{{ %s }} stands for nothing; there are {{ event.path }}, {{ profile.path }}, {{ coupon.code }}, {{ enrollment.id }} and {{ now }}", clip(name))
		}
	}
}

// address checks a webhook's URL.
func (r *reader) address(s string) {
	u, err := url.Parse(placeholder.ReplaceAllString(s, "x"))
	host := s
	if _, rest, ok := strings.Cut(s, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		r.fault(ReasonURL, "an address is expected that begins with https:// and names a host, without a user and a fragment")
	case strings.Contains(host, "{{"):
		r.fault(ReasonURL, "the host must be fixed; placeholders belong into the path and the query")
	}
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strconv.Quote(clip(w))
	}
	return strings.Join(out, ", ")
}
