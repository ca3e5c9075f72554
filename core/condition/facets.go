package condition

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// traitPath reads a trait. Facts know no paths that lead into arrays: where there is
// nothing at the path, the traits above it are asked for, and the rest of the path
// is walked here.
type traitPath struct {
	path  string
	keys  []string
	above []string // JoinPath of all keys but the last, but the last two, …
}

func newTraitPath(path string) traitPath {
	t := traitPath{path: path, keys: SplitPath(path)}
	for i := len(t.keys) - 1; i > 0; i-- {
		t.above = append(t.above, JoinPath(t.keys[:i]...))
	}
	return t
}

// find returns the value from which the keys that are left lead on.
func (t *traitPath) find(f Facts) (v bson.RawValue, left []string, ok bool) {
	if v, ok = f.Trait(t.path); ok {
		return v, nil, true
	}
	for i, path := range t.above {
		if v, ok = f.Trait(path); ok {
			return v, t.keys[len(t.keys)-1-i:], true
		}
	}
	return v, nil, false
}

func (t *traitPath) judge(j *judge, c call) (bool, int64) {
	v, left, ok := t.find(c.facts)
	if !ok {
		return j.blank(), never
	}
	return j.of(v, left, c.clock)
}

func (t *traitPath) values(f Facts) []bson.RawValue {
	v, left, ok := t.find(f)
	if !ok {
		return nil
	}
	return collect(nil, v, left)
}

func (k *compiler) trait(n *Node, p *part) error {
	j, err := newJudge(n.Trait)
	if err != nil {
		return err
	}
	k.judged(j)
	k.needs.Traits = append(k.needs.Traits, n.Trait.Path)
	t := newTraitPath(n.Trait.Path)
	p.eval = func(c call) (bool, int64) { return t.judge(j, c) }
	p.decide = func(c call) any { return shown(t.values(c.facts)) }
	return nil
}

func (k *compiler) field(n *Node, p *part) error {
	j, err := newJudge(n.Field)
	if err != nil {
		return err
	}
	k.judged(j)
	keys := SplitPath(n.Field.Path)
	record := func(c call) bson.RawValue {
		return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: c.facts.Record()}
	}
	p.eval = func(c call) (bool, int64) { return j.of(record(c), keys, c.clock) }
	p.decide = func(c call) any { return shown(collect(nil, record(c), keys)) }
	return nil
}

func (k *compiler) object(n *Node, p *part) error {
	o := n.Object
	where, err := newMembers(o.Where)
	if err != nil {
		return at(err, "where")
	}
	for _, m := range where {
		k.judged(m.judge)
	}
	var count *interval
	if o.Count != nil {
		s, err := newInterval(o.Count)
		if err != nil {
			return at(err, "count")
		}
		count = &s
	}
	k.needs.Objects = append(k.needs.Objects, o.Type)
	tally := func(c call) (records, matching int, next int64) {
		next = never
		for _, r := range c.facts.Records(o.Type, o.Relation) {
			met, change := meets(where, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r}, c.clock)
			next = min(next, change)
			if records++; met {
				matching++
			}
		}
		return records, matching, next
	}
	p.eval = func(c call) (bool, int64) {
		records, matching, next := tally(c)
		switch {
		case count != nil:
			return count.has(int64(matching)), next
		case o.Match == MatchAll:
			return records > 0 && matching == records, next
		case o.Match == MatchNone:
			return matching == 0, next
		}
		return matching > 0, next
	}
	p.decide = func(c call) any {
		records, matching, _ := tally(c)
		return map[string]any{"records": records, "matching": matching}
	}
	return nil
}

// segment compiles segment and list nodes.
func (k *compiler) segment(n *Node, p *part) error {
	m := n.Segment
	if m == nil {
		m = n.List
	}
	k.needs.Segments = append(k.needs.Segments, m.ID)
	id, window := m.ID, k.window(m.Entered)
	if m.Entered == nil {
		p.eval = func(c call) (bool, int64) {
			_, in := c.facts.Member(id)
			return in, never
		}
	} else {
		k.needs.Clock = true
		p.eval = func(c call) (bool, int64) {
			since, in := c.facts.Member(id)
			if !in {
				return false, never
			}
			return window.change(milli(since), c.clock)
		}
	}
	p.decide = func(c call) any {
		since, in := c.facts.Member(id)
		if !in {
			return map[string]any{"in": false}
		}
		return map[string]any{"in": true, "since": stamp(milli(since))}
	}
	return nil
}

func (k *compiler) consent(n *Node, p *part) error {
	q := *n.Consent
	k.needs.Consents = append(k.needs.Consents, q.Purpose)
	k.needs.Clock = true // a consent may expire
	p.eval = func(c call) (bool, int64) {
		status, until := c.facts.ConsentStatus(q.Purpose, q.Channel, time.UnixMilli(c.now))
		if until.IsZero() {
			return status == q.Status, never
		}
		return status == q.Status, milli(until)
	}
	p.decide = func(c call) any {
		status, until := c.facts.ConsentStatus(q.Purpose, q.Channel, time.UnixMilli(c.now))
		if until.IsZero() {
			return map[string]any{"status": status}
		}
		return map[string]any{"status": status, "until": stamp(milli(until))}
	}
	return nil
}

func (k *compiler) bucket(n *Node, p *part) error {
	b := *n.Bucket
	k.needs.Buckets = true
	p.eval = func(c call) (bool, int64) {
		got := BucketOf(c.facts.ProfileID(), b.Salt)
		return b.From <= got && got < b.To, never
	}
	p.decide = func(c call) any {
		return map[string]any{"bucket": BucketOf(c.facts.ProfileID(), b.Salt)}
	}
	return nil
}
