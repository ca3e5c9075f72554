package conditiontest

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

type object = map[string]any

// Condition returns a condition in its JSON form, nodes nested so deep. Some are
// ones that a check refuses: the caller draws again.
func (r *Random) Condition(depth int) map[string]any {
	if depth > 0 && r.chance(2) {
		switch r.IntN(3) {
		case 0:
			return object{"and": r.conditions(depth - 1)}
		case 1:
			return object{"or": r.conditions(depth - 1)}
		}
		return object{"not": r.Condition(depth - 1)}
	}
	if r.crowded && r.chance(2) {
		return object{"event": r.counted(object{"name": "Order"})}
	}
	switch r.IntN(26) {
	case 0, 1, 2:
		return object{"trait": r.predicate(kindOf{lists: true, now: true})}
	case 3:
		return object{"field": r.predicate(kindOf{lists: true, now: true})}
	case 4, 5, 6:
		return object{"event": r.counted(r.happening(object{}))}
	case 7, 8:
		return object{"firstTime": r.windowed(r.happening(object{}), true)}
	case 9, 10:
		return object{"stopped": r.counted(r.happening(object{"window": r.window()}))}
	case 11, 12:
		return object{"lastEvent": r.windowed(r.happening(object{}), false)}
	case 13, 14, 15:
		return object{"aggregate": r.aggregate()}
	case 16, 17, 18:
		return object{"sequence": r.sequence()}
	case 19:
		return object{"object": r.related()}
	case 20:
		m := object{"id": segmentIDs[r.IntN(2)]}
		if r.chance(2) {
			m["entered"] = r.window()
		}
		return object{r.one("segment", "list"): m}
	case 21:
		c := object{"purpose": r.one("marketing", "analytics"), "status": r.one("GRANTED", "WITHDRAWN")}
		if r.chance(2) {
			c["channel"] = "EMAIL"
		}
		return object{"consent": c}
	case 22:
		m := r.windowed(object{"status": r.one("OPENED", "CLICKED")}, false)
		if r.chance(2) {
			m["campaignId"] = "c1"
		}
		if r.chance(3) {
			m["nodeId"] = "n1"
		}
		return object{"message": m}
	}
	switch r.IntN(4) {
	case 0:
		from := r.IntN(10000)
		return object{"bucket": object{"salt": r.one("", "s"), "from": from, "to": from + 1 + r.IntN(10000-from)}}
	case 1:
		return object{"geo": object{"path": r.one("place", "place", "list"), "lat": json.Number(r.one("44.4", "45", "-90")),
			"lon": json.Number(r.one("26.1", "26", "179.95")), "radiusKm": json.Number(r.one("50", "70.5", "5000", "20000"))}}
	}
	p := r.predicate(kindOf{now: true})
	p["path"] = r.one("churn", "ltv")
	return object{"prediction": p}
}

func (r *Random) conditions(depth int) []any {
	out := []any{}
	for range 1 + r.IntN(3) {
		out = append(out, r.Condition(depth))
	}
	return out
}

func (r *Random) name() string {
	if r.chance(20) {
		return condition.MessageEvent("OPENED") // means Headwater's own
	}
	return r.one("Order", "Order", "View", "Click")
}

// happening adds to e which events are meant: half the time those that others mean
// too, so that ledgers are shared.
func (r *Random) happening(e object) object {
	h := r.happenings[r.IntN(len(r.happenings))]
	if r.chance(2) {
		h = object{"name": r.name(), "where": r.where()}
	}
	e["name"], e["where"] = h["name"], h["where"]
	return e
}

// where returns what is asked of events; it is often nothing, so that events match.
func (r *Random) where() []any { return r.predicates(kindOf{lists: true}) }

func (r *Random) predicates(kind kindOf) []any {
	out := []any{}
	for range max(r.IntN(6)-3, 0) {
		out = append(out, r.predicate(kind))
	}
	return out
}

func (r *Random) counted(e object) object {
	if !r.chance(3) {
		e["count"] = r.bounds(3)
	}
	return r.windowed(e, false)
}

func (r *Random) windowed(e object, always bool) object {
	if _, ok := e["window"]; !ok && (always || !r.chance(4)) {
		e["window"] = r.window()
	}
	return e
}

func (r *Random) bounds(most int) object {
	n := func() json.Number { return json.Number(strconv.Itoa(r.IntN(most + 1))) }
	switch r.IntN(6) {
	case 0:
		return object{"eq": n()}
	case 1:
		return object{"lte": n()}
	case 2:
		return object{"gt": n()}
	case 3:
		return object{"lt": n()}
	case 4:
		return object{"gte": n(), "lt": json.Number(strconv.Itoa(most + 1))}
	}
	return object{"gte": n()}
}

func (r *Random) window() object {
	switch r.IntN(8) {
	case 0:
		return object{"allTime": true}
	case 1:
		from, to := r.instant(), r.instant()
		if to.Before(from) {
			from, to = to, from
		}
		return object{"between": object{"from": from.Format(time.RFC3339Nano), "to": to.Format(time.RFC3339Nano)}}
	case 2:
		i, j := r.draw(), r.draw()
		return object{"ago": object{"from": periods[max(i, j)].text, "to": periods[min(i, j)].text}}
	case 3:
		return object{"calendar": r.one("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")}
	}
	return object{"last": r.period()}
}

func (r *Random) aggregate() object {
	fn := r.one("COUNT", "SUM", "SUM", "AVG", "MIN", "MAX", "DISTINCT")
	e := object{"name": r.name()}
	if r.chance(4) {
		e["where"] = r.where()
	}
	if !r.chance(3) { // totals over all time are kept apart
		e["window"] = r.window()
	}
	a := object{"fn": fn, "event": e, "value": r.bounds(4)}
	if r.chance(4) {
		a["value"] = object{r.one("gte", "lt", "eq"): json.Number(r.one("2.5", "0.1", "1.75", "-3", "9007199254740993"))}
	}
	if fn != "COUNT" || r.chance(2) {
		a["path"] = r.one("x", "x", "x", "x", "y", "y.x", "list", "list.x", "price", "price.amount", `d\.t`)
	}
	if p, _ := a["path"].(string); p == "price" && !r.chance(4) {
		a["currency"] = r.one("EUR", "RON")
	}
	return a
}

func (r *Random) sequence() object {
	step := func() any {
		e := object{"name": r.name()}
		if r.chance(4) {
			e["where"] = r.where()
		}
		return e
	}
	steps := []any{step(), step()}
	if r.chance(2) {
		steps = append(steps, step())
	}
	s := r.windowed(object{"steps": steps}, false)
	if r.chance(2) {
		s["within"] = r.period()
	}
	if r.chance(3) {
		s["without"] = []any{step()}
	}
	return s
}

func (r *Random) related() object {
	o := object{"type": r.one("subscription", "visit"), "where": r.predicates(kindOf{lists: true, now: true})}
	if r.chance(2) {
		o["relation"] = r.one("owner", "payer")
	}
	if r.chance(3) {
		o["count"] = r.bounds(3)
	} else {
		o["match"] = r.one("ANY", "ALL", "NONE")
	}
	return o
}
