package condition

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// judge is a compiled predicate. Of the values to which the path leads, arrays
// opened:
//
//   - neq and notIn: none equals an operand;
//   - the other operators: one and the same value meets them all;
//   - exists: the path leads to something that is not null (an empty array is);
//   - any, all, none ask the elements of the arrays to which the path leads, size
//     asks that one of these arrays has it.
//
// Where the path leads to nothing but null, or nowhere, only exists is asked, and
// the rest holds when missing values are included and not otherwise.
type judge struct {
	asking  []test
	denying []equal
	exists  int // 1: must, -1: must not, 0: not asked
	any     []*member
	all     []*member
	none    []*member
	lists   bool // any, all, none or size is asked
	size    *interval
	include bool
	dated   bool // reads dates: depends on the clock's zone
	moving  bool // the answer can change by itself
}

// member is a predicate about something within a value.
type member struct {
	keys []string
	*judge
}

func newJudge(p *Predicate) (*judge, error) {
	j := &judge{include: p.IncludeNull}
	for i, o := range p.Operators {
		var err error
		switch o.Op {
		case Exists:
			must, ok := o.Value.(bool)
			if !ok {
				return nil, at(operandFault(o.Op), string(o.Op))
			}
			if j.exists = -1; must {
				j.exists = 1
			}
		case Neq:
			j.denying = append(j.denying, newEqual(o.Value))
		case NotIn:
			list, ok := o.Value.([]any)
			if !ok {
				return nil, at(operandFault(o.Op), string(o.Op))
			}
			j.denying = append(j.denying, newChoice(list))
		default:
			var t test
			if t, err = newTest(p.Operators[i]); err != nil {
				return nil, at(err, string(o.Op))
			}
			j.asking = append(j.asking, t)
			j.moving = j.moving || slices.Contains([]Op{Within, OlderThan, Anniversary}, o.Op)
			j.dated = j.dated || j.moving || o.Op == Before || o.Op == After
		}
	}
	for _, list := range []struct {
		key  string
		from []*Predicate
		to   *[]*member
	}{{"any", p.Any, &j.any}, {"all", p.All, &j.all}, {"none", p.None, &j.none}} {
		members, err := newMembers(list.from)
		if err != nil {
			return nil, at(err, list.key)
		}
		*list.to = members
		j.lists = j.lists || members != nil
		for _, m := range members {
			j.dated, j.moving = j.dated || m.dated, j.moving || m.moving
		}
	}
	if p.Size != nil {
		s, err := newInterval(p.Size)
		if err != nil {
			return nil, at(err, "size")
		}
		j.size, j.lists = &s, true
	}
	return j, nil
}

// newMembers compiles predicates of which each is to hold; nil for none.
func newMembers(list []*Predicate) ([]*member, error) {
	var out []*member
	for i, p := range list {
		j, err := newJudge(p)
		if err != nil {
			return nil, at(err, strconv.Itoa(i))
		}
		m := &member{judge: j}
		if p.Path != "" {
			m.keys = SplitPath(p.Path)
		}
		out = append(out, m)
	}
	return out, nil
}

// at puts the path before that of a *core.Error.
func at(err error, path ...string) error { return core.AsError(err).At(path...) }

// meets tells whether each predicate holds of a value, and when that can change.
func meets(list []*member, of bson.RawValue, c clock) (bool, int64) {
	next := int64(never)
	for _, m := range list {
		ok, change := m.of(of, m.keys, c)
		if !ok {
			return false, change
		}
		next = min(next, change)
	}
	return true, next
}

// of judges what the keys lead to from v.
func (j *judge) of(v bson.RawValue, keys []string, c clock) (bool, int64) {
	for len(keys) > 0 && v.Type == bson.TypeEmbeddedDocument {
		next, ok := lookup(v.Value, keys[0])
		if !ok {
			return j.blank(), never
		}
		v, keys = next, keys[1:]
	}
	if len(keys) == 0 && v.Type != bson.TypeArray {
		return j.one(v, c)
	}
	return j.many(collect(nil, v, keys), c)
}

// blank judges what is missing or null.
func (j *judge) blank() bool {
	switch {
	case j.exists == 1:
		return false
	case j.include:
		return true
	}
	return j.exists == -1 && len(j.asking) == 0 && len(j.denying) == 0 && !j.lists
}

// one judges a single value that is no array.
func (j *judge) one(v bson.RawValue, c clock) (bool, int64) {
	switch {
	case isNull(v):
		return j.blank(), never
	case j.exists == -1, j.lists:
		return false, never
	}
	for _, equals := range j.denying {
		if equals(v) {
			return false, never
		}
	}
	return j.asks(v, c)
}

// asks tells whether a value meets all operators that ask something of it.
func (j *judge) asks(v bson.RawValue, c clock) (bool, int64) {
	next := int64(never)
	for _, t := range j.asking {
		ok, change := t(v, c)
		if !ok {
			return false, change // the whole cannot hold before this does
		}
		next = min(next, change)
	}
	return true, next
}

// many judges the values to which a path through arrays leads.
func (j *judge) many(found []bson.RawValue, c clock) (bool, int64) {
	blank := true
	for _, v := range found {
		blank = blank && isNull(v)
	}
	if blank {
		return j.blank(), never
	}
	if j.exists == -1 {
		return false, never
	}
	var values []bson.RawValue
	for _, v := range found {
		values = open(values, v)
	}
	for _, equals := range j.denying {
		for _, v := range values {
			if !isNull(v) && equals(v) {
				return false, never
			}
		}
	}
	next := int64(never)
	if len(j.asking) > 0 {
		ok, change := j.some(values, c)
		if next = change; !ok {
			return false, next
		}
	}
	if j.lists {
		met, change := j.elements(found, c)
		if !met {
			return false, change
		}
		next = min(next, change)
	}
	return true, next
}

// some tells whether one of the values meets all operators.
func (j *judge) some(values []bson.RawValue, c clock) (bool, int64) {
	next := int64(never)
	for _, v := range values {
		if isNull(v) {
			continue
		}
		ok, change := j.asks(v, c)
		if ok {
			return true, change
		}
		next = min(next, change)
	}
	return false, next
}

// elements judges the arrays among the values by size and by what is asked of
// their elements.
func (j *judge) elements(found []bson.RawValue, c clock) (bool, int64) {
	var elements []bson.RawValue
	arrays, sized := 0, false
	for _, v := range found {
		if v.Type != bson.TypeArray {
			continue
		}
		arrays++
		before := len(elements)
		for s := scanOf(v.Value); s.next(); {
			elements = append(elements, s.value)
		}
		sized = sized || j.size != nil && j.size.has(int64(len(elements)-before))
	}
	if arrays == 0 || j.size != nil && !sized || j.all != nil && len(elements) == 0 {
		return false, never
	}
	next, some := int64(never), false
	for _, e := range elements {
		if j.any != nil && !some {
			met, change := meets(j.any, e, c)
			next, some = min(next, change), some || met
		}
		if j.all != nil {
			met, change := meets(j.all, e, c)
			if next = min(next, change); !met {
				return false, next
			}
		}
		if j.none != nil {
			met, change := meets(j.none, e, c)
			if next = min(next, change); met {
				return false, next
			}
		}
	}
	return j.any == nil || some, next
}
