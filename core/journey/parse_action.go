package journey

import (
	"encoding/json"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// action reads the steps that do something beside sending.
func (r *reader) action(s *Step, kind string, v any) {
	switch kind {
	case "updateTrait":
		s.UpdateTrait = r.updateTrait(v)
	case "upsertObject":
		s.UpsertObject = r.upsertObject(v)
	case "webhook":
		s.Webhook = r.webhook(v)
	case "coupon":
		m := r.fields(v, "a coupon", "pool", "expiresAfter")
		s.Coupon = &Coupon{Pool: r.text(m, "pool", condition.MaxName, true), ExpiresAfter: r.period(m, "expiresAfter", false)}
		if s.Coupon.Pool != "" && r.voc != nil && !r.voc.Pool(s.Coupon.Pool) {
			r.at("pool", func() { r.fault(ReasonPool, "there is no pool of coupons with this key") })
		}
	case "points":
		m := r.fields(v, "points", "amount", "reason")
		s.Points = &Points{Amount: r.amount(m, "amount"), Reason: r.text(m, "reason", condition.MaxName, true)}
	case "score":
		s.Score = r.score(v)
	case "task":
		m := r.fields(v, "a task", "title", "note", "assignee", "dueAfter")
		s.Task = &Task{
			Title: r.filledText(m, "title", true), Note: r.filledText(m, "note", false),
			Assignee: r.text(m, "assignee", condition.MaxName, true), DueAfter: r.period(m, "dueAfter", false),
		}
	case "approval":
		m := r.fields(v, "an approval", "role", "note", "timeout")
		s.Approval = &Approval{
			Role: r.text(m, "role", condition.MaxName, true), Note: r.text(m, "note", maxText, false), Timeout: r.period(m, "timeout", false),
		}
	}
}

// filledText reads a text with placeholders.
func (r *reader) filledText(m map[string]any, key string, required bool) string {
	s := r.text(m, key, maxText, required)
	r.at(key, func() { r.filled(s) })
	return s
}

func (r *reader) amount(m map[string]any, key string) int64 {
	n := r.integer(m, key, -1_000_000, 1_000_000, true)
	if number, ok := number(m[key]); ok && number == "0" {
		r.at(key, func() { r.fault(condition.ReasonNumber, "nothing would change; leave the node out") })
	}
	return n
}

func (r *reader) score(v any) *Score {
	m := r.fields(v, "a score", "rule", "points", "reason")
	s := &Score{Rule: r.text(m, "rule", condition.MaxName, false)}
	switch {
	case m == nil:
	case (m["rule"] == nil) == (m["points"] == nil):
		r.fault(condition.ReasonOneKey, "a score has a rule, or points and a reason")
	case m["points"] != nil:
		s.Points, s.Reason = r.amount(m, "points"), r.text(m, "reason", condition.MaxName, true)
	case m["reason"] != nil:
		r.at("reason", func() { r.fault(condition.ReasonNotAllowed, "the rule says the reason") })
	case r.voc != nil && s.Rule != "" && !r.voc.Rule(s.Rule):
		r.at("rule", func() { r.fault(ReasonRule, "the score model has no rule about engagement with this key") })
	}
	return s
}

func (r *reader) updateTrait(v any) *UpdateTrait {
	in, _ := v.(map[string]any)
	m := r.fields(v, "an update of a trait", "path", "value")
	u := &UpdateTrait{Path: r.text(m, "path", condition.MaxName, true), Value: m["value"]}
	if u.Path != "" && (!goodPath(u.Path) || len(condition.SplitPath(u.Path)) > event.MaxDepth) {
		r.at("path", func() {
			r.fault(condition.ReasonPath, `the path of a trait is expected, such as "plan" or "address.city"`)
		})
	}
	if _, given := in["value"]; !given && m != nil {
		r.at("value", func() { r.fault(condition.ReasonRequired, `"value" is required; null clears the trait`) })
	}
	r.at("value", func() { u.Value = r.stored(u.Value) })
	return u
}

// tree reads any JSON, within bounds.
func (r *reader) tree(v any) any {
	raw, err := json.Marshal(v)
	switch {
	case err != nil:
		r.fault(condition.ReasonType, "JSON is expected")
		return nil
	case len(raw) > maxBody:
		r.fault(condition.ReasonTooLong, "at most %d bytes of JSON are possible", maxBody)
		return nil
	}
	r.filled(v)
	return v
}

// stored reads JSON that is to be stored: what no store holds, such as 1e999, is refused here
// and not at each step.
func (r *reader) stored(v any) any {
	before := len(r.faults)
	v = r.tree(v)
	if len(r.faults) == before && v != nil {
		if _, fault := event.ValueFromJSON(v); fault != nil {
			r.tell(fault)
		}
	}
	return v
}

func (r *reader) upsertObject(v any) *UpsertObject {
	m := r.fields(v, "an object", "type", "externalId", "relation", "fields")
	o := &UpsertObject{
		Type: r.text(m, "type", condition.MaxName, true), ExternalID: r.filledText(m, "externalId", true),
		Relation: r.text(m, "relation", condition.MaxName, false),
	}
	r.at("fields", func() {
		o.Fields, _ = r.stored(m["fields"]).(map[string]any)
		if m["fields"] != nil && o.Fields == nil {
			r.fault(condition.ReasonType, "an object of fields and their values is expected")
		}
	})
	if o.Type == "" || r.voc == nil || r.voc.Conditions() == nil {
		return o
	}
	t, ok := r.voc.Conditions().ObjectType(o.Type)
	if !ok {
		r.at("type", func() {
			r.fault(condition.ReasonUnknownType, "there is no type of records with this key; there are %s", orNone(r.voc.Conditions().ObjectTypes()))
		})
		return o
	}
	for _, key := range sortedKeys(o.Fields) {
		if _, ok := t.Fields[condition.JoinPath(key)]; !ok {
			r.at("fields", func() {
				r.at(clip(key), func() { r.fault(condition.ReasonUnknownField, "the type has no such field") })
			})
		}
	}
	return o
}

func (r *reader) webhook(v any) *Webhook {
	m := r.fields(v, "a webhook", "url", "headers", "body", "secret")
	w := &Webhook{URL: r.filledText(m, "url", true), Body: m["body"], Secret: r.text(m, "secret", condition.MaxName, false)}
	if r.voc != nil && w.Secret != "" && !r.voc.Secret(w.Secret) {
		r.at("secret", func() { r.fault(ReasonSecret, "there is no secret of this name; set it first") })
	}
	if w.URL != "" {
		r.at("url", func() { r.address(w.URL) })
	}
	r.at("body", func() { w.Body = r.tree(w.Body) })
	r.at("headers", func() { w.Headers = r.headers(m["headers"]) })
	return w
}

// headers reads {name: value}, or a list of {name, value}.
func (r *reader) headers(v any) map[string]string {
	out := map[string]string{}
	add := func(name string, value any) {
		s, ok := value.(string)
		r.at(clip(name), func() {
			switch {
			case !ok || len(s) > maxText:
				r.fault(condition.ReasonType, "a text is expected")
			case !nodeID.MatchString(name) || len(name) > MaxIDLength:
				r.fault(condition.ReasonName, "this is no name of a header")
			default:
				r.filled(s)
				out[name] = s
			}
		})
	}
	if m, ok := v.(map[string]any); ok {
		for _, name := range sortedKeys(m) {
			add(name, m[name])
		}
	} else {
		r.items(v, MaxArms, func(_ int, v any) {
			m := r.fields(v, "a header", "name", "value")
			if name := r.text(m, "name", MaxIDLength, true); name != "" {
				add(name, m["value"])
			}
		})
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
