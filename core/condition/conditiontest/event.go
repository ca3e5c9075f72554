package conditiontest

import (
	"math/big"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// lies tells whether an instant that has come lies in the window.
func (v view) lies(w *condition.Window, t time.Time) bool {
	return !t.After(v.now) && !v.precedes(w, t) && !v.follows(w, t)
}

// precedes tells whether an instant comes before the window.
func (v view) precedes(w *condition.Window, t time.Time) bool {
	switch {
	case w == nil:
		return false
	case w.Last != nil:
		return !t.After(v.ago(*w.Last))
	case w.AgoFrom != nil:
		return !t.After(v.ago(*w.AgoFrom))
	case w.Calendar != "":
		return t.Before(v.began(w.Calendar))
	case !w.From.IsZero():
		return t.Before(w.From)
	}
	return false
}

// follows tells whether an instant comes after the window.
func (v view) follows(w *condition.Window, t time.Time) bool {
	switch {
	case w == nil:
		return false
	case w.AgoTo != nil:
		return t.After(v.ago(*w.AgoTo))
	case !w.To.IsZero():
		return !t.Before(w.To)
	}
	return false
}

func (v view) inside(w *condition.Window, events []Event) []Event {
	var out []Event
	for _, e := range events {
		if v.lies(w, e.At) {
			out = append(out, e)
		}
	}
	return out
}

// matching returns the events of all time that the node speaks of.
func (v view) matching(n *condition.Event) []Event {
	var out []Event
	v.zone = time.UTC // events are matched when they come, for conditions of all zones at once
	for _, e := range v.h.past(n.Name, condition.IsSystemEvent(n.Name), v.now) {
		if v.all(n.Where, e.document()) {
			out = append(out, e)
		}
	}
	return out
}

func (v view) firstTime(n *condition.Event) bool {
	events := v.matching(n)
	return len(events) > 0 && v.lies(n.Window, events[0].At)
}

func (v view) stopped(n *condition.Event) bool {
	events, earlier := v.matching(n), 0
	for _, e := range events {
		if v.precedes(n.Window, e.At) {
			earlier++
		}
	}
	return len(v.inside(n.Window, events)) == 0 && inRange(n.Count, earlier)
}

func (v view) lastEvent(n *condition.Event) bool {
	events := v.h.past(n.Name, condition.IsSystemEvent(n.Name), v.now)
	if len(events) == 0 {
		return false
	}
	last := events[len(events)-1]
	utc := view{h: v.h, now: v.now, zone: time.UTC} // as in matching
	return v.lies(n.Window, last.At) && utc.all(n.Where, last.document())
}

func (v view) message(n *condition.Message) bool {
	for _, e := range v.h.past(condition.MessageEvent(n.Status), true, v.now) {
		p := e.document()
		if (n.CampaignID == "" || p["campaignId"] == n.CampaignID) &&
			(n.NodeID == "" || p["nodeId"] == n.NodeID) && v.lies(n.Window, e.At) {
			return true
		}
	}
	return false
}

// prediction asks about the value of the latest prediction of the name.
func (v view) prediction(p *condition.Predicate) bool {
	value := map[string]any{}
	for _, e := range v.h.past(condition.PredictionComputed, true, v.now) {
		if properties := e.document(); properties["name"] == p.Path {
			value = map[string]any{}
			if x, ok := properties["value"]; ok {
				value["value"] = x
			}
		}
	}
	q := *p
	q.Path = "value"
	return v.predicate(&q, value)
}

func (v view) aggregate(n *condition.Aggregate) bool {
	var numbers []*big.Rat
	var scalars []any // different ones
	having := 0
	for _, e := range v.inside(n.Event.Window, v.matching(n.Event)) {
		for _, x := range figures(n, e.document()) {
			if r, ok := x.(*big.Rat); ok {
				numbers = append(numbers, r)
			}
			if !has(scalars, x) && scalar(x) {
				scalars = append(scalars, x)
			}
		}
		if n.Path == "" || !blank(at(e.document(), segments(n.Path))) {
			having++ // as exists sees it
		}
	}
	sum := new(big.Rat)
	for _, x := range numbers {
		sum.Add(sum, x)
	}
	if len(numbers) == 0 && (n.Fn == condition.Avg || n.Fn == condition.Min || n.Fn == condition.Max) {
		return false
	}
	switch n.Fn {
	case condition.Count:
		return inRange(n.Value, having)
	case condition.Distinct:
		return inRange(n.Value, len(scalars))
	case condition.Sum:
		return within(n.Value, sum)
	case condition.Avg:
		return within(n.Value, sum.Quo(sum, new(big.Rat).SetInt64(int64(len(numbers)))))
	}
	best := numbers[0]
	for _, x := range numbers {
		if c := x.Cmp(best); n.Fn == condition.Min && c < 0 || n.Fn == condition.Max && c > 0 {
			best = x
		}
	}
	return within(n.Value, best)
}

// figures returns the values at the aggregate's path that are not null, arrays
// opened; with a currency, the amounts in it.
func figures(n *condition.Aggregate, properties map[string]any) []any {
	var out []any
	if n.Path == "" {
		return nil
	}
	for _, x := range opened(at(properties, segments(n.Path))) {
		if n.Currency != "" {
			amount, currency, ok := money(x)
			if !ok || currency != n.Currency {
				continue
			}
			x = amount
		}
		if x != nil {
			out = append(out, x)
		}
	}
	return out
}

func scalar(v any) bool {
	switch v.(type) {
	case bool, string, *big.Rat:
		return true
	}
	return false
}

func has(list []any, v any) bool {
	for _, e := range list {
		if same(e, v) {
			return true
		}
	}
	return false
}
