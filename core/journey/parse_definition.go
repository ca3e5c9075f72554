package journey

import (
	"regexp"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

var defaultOverdueAfter = condition.Period{Elapsed: time.Hour}

func (r *reader) definition(v any) *Definition {
	m := r.fields(v, "a journey", "timeZone", "nodes", "edges", "reentry", "reentryAfter", "key", "exitWhen", "goal", "onOverdue", "overdueAfter")
	if m == nil {
		return nil
	}
	d := &Definition{
		TimeZone: r.text(m, "timeZone", condition.MaxName, true),
		Reentry:  Reentry(r.enum(m, "reentry", "", string(Once), string(After), string(Always))),
		Key:      r.text(m, "key", condition.MaxName, false), OnOverdue: Overdue(r.enum(m, "onOverdue", string(OverdueSkip), string(OverdueSkip), string(OverdueSend), string(OverdueAsk))),
		OverdueAfter: defaultOverdueAfter,
	}
	if d.TimeZone != "" {
		if _, err := time.LoadLocation(d.TimeZone); err != nil || d.TimeZone == "Local" {
			r.at("timeZone", func() {
				r.fault(ReasonTimeZone, "the name of a time zone is expected, such as Europe/Bucharest")
			})
		}
	}
	if d.Key != "" && !goodPath(d.Key) {
		r.at("key", func() {
			r.fault(condition.ReasonPath, `a path in the entering event's properties is expected, such as "cartId" or "order.id"`)
		})
	}
	r.reentry(d, m)
	if p := r.period(m, "overdueAfter", false); p != nil {
		d.OverdueAfter = condition.Period{Elapsed: p.Longest()}
		if p.Months > 0 {
			r.at("overdueAfter", func() { r.fault(condition.ReasonDuration, "weeks, days and less are expected, such as PT1H") })
		}
	}
	if m["exitWhen"] != nil {
		r.at("exitWhen", func() { d.ExitWhen = r.sinceEntering(m["exitWhen"]) })
	}
	if m["goal"] != nil {
		r.at("goal", func() { d.Goal = r.sinceEntering(m["goal"]) })
	}
	r.at("nodes", func() {
		seen := map[string]bool{}
		r.items(m["nodes"], MaxNodes, func(_ int, v any) {
			n := r.nodeOf(v)
			if n == nil {
				return
			}
			if n.ID != "" && seen[n.ID] {
				r.at("id", func() { r.fault(ReasonDuplicate, "another node has the id %q", n.ID) })
			}
			seen[n.ID] = true
			d.Nodes = append(d.Nodes, n)
		})
		if m["nodes"] == nil {
			r.fault(condition.ReasonRequired, "a journey has nodes, an entry at least")
		}
	})
	r.at("edges", func() {
		r.items(m["edges"], MaxNodes*MaxArms, func(_ int, v any) {
			e := r.fields(v, "an edge", "from", "to", "on")
			edge := Edge{From: r.text(e, "from", MaxIDLength, true), To: r.text(e, "to", MaxIDLength, true), On: r.text(e, "on", MaxIDLength, false)}
			if edge.On == "" {
				edge.On = OnNext
			}
			d.Edges = append(d.Edges, edge)
		})
	})
	return d
}

func (r *reader) reentry(d *Definition, m map[string]any) {
	d.ReentryAfter = r.period(m, "reentryAfter", d.Reentry == After)
	if d.ReentryAfter != nil && d.Reentry != After {
		r.at("reentryAfter", func() {
			r.fault(condition.ReasonNotAllowed, "a time until somebody may enter again belongs to reentry AFTER")
		})
	}
}

var nodeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]*$`)

func (r *reader) nodeOf(v any) *Node {
	m := r.fields(v, "a node", "id", "name", "step")
	if m == nil {
		return nil
	}
	n := &Node{ID: r.text(m, "id", MaxIDLength, true), Name: r.text(m, "name", condition.MaxName, false)}
	if n.ID != "" && len(n.ID) <= MaxIDLength && !nodeID.MatchString(n.ID) {
		r.at("id", func() {
			r.fault(ReasonNodeID, "an id is letters, digits and _ . : - and begins with a letter or digit")
		})
	}
	r.node = clip(n.ID)
	defer func() { r.node = "" }()
	if m["step"] == nil {
		r.at("step", func() { r.fault(condition.ReasonRequired, `"step" is required`) })
		return n
	}
	r.at("step", func() {
		kind, v, ok := r.oneKey(m["step"], "a step", kinds...)
		if ok {
			r.at(kind, func() { r.step(&n.Step, kind, v) })
		}
	})
	return n
}
