package journey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// The canonical form: keys in a fixed order, nothing that is the default, durations
// and times alike when they are equal; nodes and edges in the author's order.
type (
	definitionJSON struct {
		TimeZone     string          `json:"timeZone"`
		Nodes        []nodeJSON      `json:"nodes"`
		Edges        []edgeJSON      `json:"edges"`
		Reentry      Reentry         `json:"reentry"`
		ReentryAfter string          `json:"reentryAfter,omitempty"`
		Key          string          `json:"key,omitempty"`
		ExitWhen     json.RawMessage `json:"exitWhen,omitempty"`
		Goal         json.RawMessage `json:"goal,omitempty"`
		OnOverdue    Overdue         `json:"onOverdue"`
		OverdueAfter string          `json:"overdueAfter,omitempty"`
	}
	nodeJSON struct {
		ID   string         `json:"id"`
		Name string         `json:"name,omitempty"`
		Step map[string]any `json:"step"` // one key
	}
	edgeJSON struct {
		From string `json:"from"`
		To   string `json:"to"`
		On   string `json:"on"`
	}
	armJSON struct {
		Name   string          `json:"name"`
		Where  json.RawMessage `json:"where,omitempty"`
		Weight *int            `json:"weight,omitempty"`
	}
	splitJSON struct {
		Salt string    `json:"salt"`
		Arms []armJSON `json:"arms"`
	}
)

// MarshalJSON writes the canonical form, which ParseJSON reads back to the same
// definition.
func MarshalJSON(d *Definition) ([]byte, error) {
	w := &writer{}
	out := definitionJSON{
		TimeZone: d.TimeZone, Nodes: []nodeJSON{}, Edges: []edgeJSON{}, Reentry: d.Reentry, ReentryAfter: period(d.ReentryAfter), Key: d.Key,
		ExitWhen: w.condition(d.ExitWhen), Goal: w.condition(d.Goal), OnOverdue: d.OnOverdue,
	}
	if d.OverdueAfter != defaultOverdueAfter {
		out.OverdueAfter = period(&d.OverdueAfter)
	}
	for _, n := range d.Nodes {
		out.Nodes = append(out.Nodes, nodeJSON{ID: n.ID, Name: n.Name, Step: map[string]any{n.Step.Kind(): w.step(&n.Step)}})
	}
	for _, e := range d.Edges {
		out.Edges = append(out.Edges, edgeJSON(e))
	}
	if w.err != nil {
		return nil, w.err
	}
	return encode(out)
}

// Hash is what an approval is bound to: of the canonical form.
func Hash(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func period(p *condition.Period) string {
	if p == nil {
		return ""
	}
	return p.String()
}

// writer keeps the first error.
type writer struct{ err error }

func (w *writer) condition(n *condition.Node) json.RawMessage {
	if n == nil {
		return nil
	}
	raw, err := condition.MarshalJSON(n)
	if err != nil {
		w.err = err
		return nil
	}
	return raw
}

// under returns what a condition's one node has under its key.
func (w *writer) under(n *condition.Node) json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(w.condition(n), &m); err != nil && w.err == nil {
		w.err = err
	}
	for _, v := range m {
		return v
	}
	return nil
}

func (w *writer) arms(arms []Arm, branch bool) []armJSON {
	out := make([]armJSON, len(arms))
	for i, a := range arms {
		out[i] = armJSON{Name: a.Name, Where: w.condition(a.Where)}
		if !branch {
			out[i].Weight = &arms[i].Weight
		}
	}
	return out
}

// step returns what stands under the key of a step. The keys of maps come sorted.
func (w *writer) step(s *Step) any {
	switch {
	case s.Entry != nil:
		return w.entry(s.Entry)
	case s.Message != nil:
		m := s.Message
		out := map[string]any{"templateId": m.Template, "channel": m.Channel, "purpose": m.Purpose, "quietHours": m.Quiet}
		if m.Priority != 0 {
			out["priority"] = m.Priority
		}
		return out
	case s.Wait != nil:
		return w.wait(s.Wait)
	case s.Branch != nil:
		return w.arms(s.Branch, true)
	case s.Split != nil:
		return splitJSON{s.Split.Salt, w.arms(s.Split.Arms, false)}
	case s.Holdout != nil:
		return splitJSON{s.Holdout.Salt, w.arms(s.Holdout.Arms, false)}
	case s.SubJourney != "":
		return s.SubJourney
	case s.Goal != nil:
		return w.condition(s.Goal)
	case s.Exit:
		return true
	}
	return w.action(s)
}

func (w *writer) entry(e *Entry) any {
	switch {
	case e.Event != nil:
		return map[string]any{"event": w.under(&condition.Node{Event: e.Event})}
	case e.Object != nil:
		return map[string]any{"object": w.under(&condition.Node{Object: e.Object})}
	case e.Date != nil:
		return map[string]any{"date": w.under(&condition.Node{Trait: e.Date})}
	case e.SegmentEntered != "":
		return map[string]any{"segmentEntered": e.SegmentEntered}
	case e.SegmentLeft != "":
		return map[string]any{"segmentLeft": e.SegmentLeft}
	case e.List != "":
		return map[string]any{"list": e.List}
	}
	return map[string]any{"api": true}
}

func (w *writer) wait(v *Wait) any {
	switch {
	case v.Duration != nil:
		return map[string]any{"duration": v.Duration.String()}
	case v.Event != nil:
		return map[string]any{"event": map[string]any{"event": w.under(&condition.Node{Event: v.Event}), "timeout": v.Timeout.String()}}
	case v.LocalTime != "":
		return map[string]any{"localTime": v.LocalTime}
	case v.Best != nil:
		return map[string]any{"bestTime": map[string]any{"within": v.Best.Within.String(), "localTime": v.Best.LocalTime}}
	case v.Trait != "":
		return map[string]any{"trait": v.Trait}
	}
	return map[string]any{"until": v.Until.UTC().Format(time.RFC3339Nano)}
}

func (w *writer) action(s *Step) any {
	out := map[string]any{}
	put := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	switch {
	case s.UpdateTrait != nil:
		out["path"], out["value"] = s.UpdateTrait.Path, s.UpdateTrait.Value
	case s.UpsertObject != nil:
		o := s.UpsertObject
		out["type"], out["externalId"] = o.Type, o.ExternalID
		put("relation", o.Relation)
		if o.Fields != nil {
			out["fields"] = o.Fields
		}
	case s.Webhook != nil:
		out["url"] = s.Webhook.URL
		if s.Webhook.Headers != nil {
			out["headers"] = s.Webhook.Headers
		}
		if s.Webhook.Body != nil {
			out["body"] = s.Webhook.Body
		}
		put("secret", s.Webhook.Secret)
	case s.Coupon != nil:
		out["pool"] = s.Coupon.Pool
		put("expiresAfter", period(s.Coupon.ExpiresAfter))
	case s.Points != nil:
		out["amount"], out["reason"] = s.Points.Amount, s.Points.Reason
	case s.Score != nil:
		put("rule", s.Score.Rule)
		if s.Score.Points != 0 {
			out["points"], out["reason"] = s.Score.Points, s.Score.Reason
		}
	case s.Task != nil:
		out["title"], out["assignee"] = s.Task.Title, s.Task.Assignee
		put("note", s.Task.Note)
		put("dueAfter", period(s.Task.DueAfter))
	case s.Approval != nil:
		out["role"] = s.Approval.Role
		put("note", s.Approval.Note)
		put("timeout", period(s.Approval.Timeout))
	}
	return out
}
