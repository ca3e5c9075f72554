package condition

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Explain evaluates and says why, node by node. What decided a node:
//
//   - trait, field, prediction: value, or values where the path leads through arrays;
//   - event, message: count, latest (at most 5 times, the latest first), window {after, until};
//   - aggregate: value (a decimal as text, averages to 6 places; null for none), events, window;
//   - firstTime: first; stopped: before, since (counts), last; lastEvent: at, matches;
//   - sequence: found, the times of the one that begins last, or null;
//   - object: records, matching; segment, list: in, since; consent: status;
//   - bucket: bucket; geo: km from the centre.
func (p *Program) Explain(f Facts, now time.Time) *Explanation {
	return p.root.explain(p.call(f, now))
}

func (p *part) explain(c call) *Explanation {
	held, change := p.eval(c)
	e := &Explanation{Path: slices.Clone(p.path), Words: Words(p.node, nil), Value: held, Next: instantOf(change, c.now)}
	if p.decide != nil {
		e.Decided = p.decide(c)
	}
	for _, kid := range p.kids {
		e.Children = append(e.Children, kid.explain(c))
	}
	return e
}

// shownTimes is how many times an explanation lists.
const shownTimes = 5

func stamp(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }

func times(entries []Entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = stamp(e.At)
	}
	return out
}

// latestTimes returns the times of the latest entries, the latest first.
func latestTimes(entries []Entry) []string {
	out := times(entries[max(0, len(entries)-shownTimes):])
	slices.Reverse(out)
	return out
}

// shown is the stretch as it lies at an instant; nil for all time.
func (s *stretch) shown(c clock) any {
	after, until := s.at(c)
	if after == always {
		return nil
	}
	return map[string]any{"after": stamp(after), "until": stamp(until)}
}

// shown returns values as JSON trees.
func shown(values []bson.RawValue) any {
	out := []any{}
	for _, v := range values {
		tree, _ := decode([]byte(canonical(v)))
		out = append(out, tree)
	}
	switch len(out) {
	case 0:
		return map[string]any{"value": nil}
	case 1:
		return map[string]any{"value": out[0]}
	}
	return map[string]any{"values": out}
}

// lastOf returns the time of the latest event ever whose time has come; nil for none.
func lastOf(ledgers []*Ledger, entries []Entry, now int64) any {
	at := int64(always)
	for _, l := range ledgers {
		if l != nil && l.Total.Count > 0 {
			at = max(at, l.Total.Last)
		}
	}
	if past := upper(entries, now); past > 0 {
		at = max(at, entries[past-1].At)
	}
	if at == always {
		return nil
	}
	return stamp(at)
}

func (k *counting) decide(c call) any {
	ledgers := c.facts.Ledgers(k.key)
	entries := gather(ledgers)
	i, j := k.window.within(entries, c.clock)
	latest := latestTimes(entries[i:j])
	if len(latest) == 0 && k.window.kind == kindAll { // the times are no longer kept
		if at, ok := lastOf(ledgers, nil, c.now).(string); ok {
			latest = append(latest, at)
		}
	}
	return map[string]any{"count": k.before(ledgers) + int64(j-i), "latest": latest, "window": k.window.shown(c.clock)}
}
