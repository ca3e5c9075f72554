package quality

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// judgement judges one day of a workspace.
type judgement struct {
	rules   []*judged
	people  []*judged            // those about traits
	events  map[string][]*judged // those about properties, by the event's name
	day, at time.Time
	seed    maphash.Seed
	written map[string]map[string]Share // path, source
}

// judged is a rule and what was seen of it.
type judged struct {
	*Rule
	keys            []string // of the path
	valid           *condition.Program
	checked, faulty int64
	seen            map[uint64]uint32 // of UNIQUENESS: how often each value was met, of the share of hashes that is walked
	latest          time.Time         // of FRESHNESS
	came            int64             // of VOLUME
	before          []int64           // of VOLUME: that weekday, earlier
}

func newJudgement(rules []*Rule, d, at time.Time) *judgement {
	j := &judgement{day: d, at: at, seed: maphash.MakeSeed(), events: map[string][]*judged{}, written: map[string]map[string]Share{}}
	for _, r := range rules {
		k := &judged{Rule: r, keys: condition.SplitPath(r.Path)}
		node := "field"
		if r.ofPeople() {
			node = "trait"
		}
		if r.Kind == Validity {
			k.valid, _ = r.program(node) // it was checked when it was set; one that cannot be asked any more has no data
		}
		if r.Kind == Uniqueness {
			k.seen = map[uint64]uint32{}
		}
		j.rules = append(j.rules, k)
		switch {
		case r.ofPeople():
			j.people = append(j.people, k)
		case r.ofField():
			j.events[r.Owner] = append(j.events[r.Owner], k)
		}
	}
	return j
}

// maxSeen bounds the values that are held at once, of all rules about uniqueness: some
// 100 MB.
const maxSeen = 3_000_000

// shares returns into how many shares the hashes of values are cut.
func (j *judgement) shares(people int64) int {
	n := int64(0)
	for _, r := range j.people {
		if r.Kind == Uniqueness {
			n += people
		}
	}
	return int(1 + n/maxSeen)
}

// takeEvent looks at an event of the day.
func (j *judgement) takeEvent(e *event.Event) {
	for _, r := range j.events[e.Name] {
		v, found := event.Lookup(e.Properties, r.keys...)
		found = found && v.Type != bson.TypeNull
		switch {
		case r.Kind == Completeness:
			r.count(found)
		case found && r.valid != nil:
			r.count(r.valid.Evaluate(propertyFacts{properties: e.Properties}, j.at).Value)
		}
	}
}

// takePerson looks at a person: in the first walk at everything, in the others only at
// the values whose hash is in the share.
func (j *judgement) takePerson(p *profile.Profile, share, shares uint64) {
	f := traitFacts{p: p}
	for _, r := range j.people {
		v, found := f.Trait(r.Path)
		switch {
		case r.Kind == Uniqueness:
			if !found {
				continue
			}
			if h := j.hash(v); h%shares == share {
				r.seen[h]++
			}
		case share > 0:
		case r.Kind == Completeness:
			r.count(found)
		case found && r.valid != nil:
			r.count(r.valid.Evaluate(f, j.at).Value)
		}
	}
	if share > 0 {
		return
	}
	for i := range p.Traits {
		t := &p.Traits[i]
		if t.Value.Type == bson.TypeNull {
			continue
		}
		of := j.written[t.Path]
		if of == nil {
			if len(j.written) >= event.MaxOwnerPaths {
				continue
			}
			of = map[string]Share{}
			j.written[t.Path] = of
		}
		share, known := of[t.Source]
		if !known && len(of) >= 4*maxOrigins {
			continue
		}
		share.People++
		if t.At.After(share.Latest) {
			share.Latest = t.At
		}
		of[t.Source] = share
	}
}

// hash hashes a value; texts that differ in case or in space around them are one value.
func (j *judgement) hash(v bson.RawValue) uint64 {
	if text, ok := v.StringValueOK(); ok {
		return maphash.String(j.seed, "s"+strings.ToLower(strings.TrimSpace(text)))
	}
	return maphash.Bytes(j.seed, append([]byte{byte(v.Type)}, v.Value...))
}

func (j *judgement) closeShare() {
	for _, r := range j.people {
		for _, n := range r.seen {
			r.checked += int64(n)
			if n > 1 {
				r.faulty += int64(n)
			}
		}
		clear(r.seen)
	}
}

func (r *judged) count(good bool) {
	r.checked++
	if !good {
		r.faulty++
	}
}

// enough is how many earlier days of its weekday tell what is usual on a day.
const enough = 3

// result says what the rule says.
func (r *judged) result(j *judgement) *Result {
	out := &Result{
		Meta: store.Meta{ID: r.ID + "/" + dayText(j.day)}, Rule: r.Key(), Revision: r.Version(), Day: j.day, At: j.at,
		Checked: r.checked, Faulty: r.faulty, Verdict: NoData,
	}
	switch r.Kind {
	case Freshness:
		end := j.day.AddDate(0, 0, 1)
		out.Checked, out.LatestAt, out.Verdict = 1, r.latest, Pass
		if r.latest.IsZero() || end.Sub(r.latest) > r.MaxAge {
			out.Faulty, out.Share, out.Verdict = 1, Whole, Fail
		}
		return out
	case Volume:
		out.Checked, out.Faulty = r.came, r.came
		if len(r.before) < enough {
			return out
		}
		out.Usual = median(r.before)
		out.Share = 100 * Whole
		if d := max(r.came-out.Usual, out.Usual-r.came); d == 0 {
			out.Share = 0
		} else if out.Usual > 0 {
			out.Share = min(out.Share, d*Whole/out.Usual)
		}
	default:
		if r.checked == 0 {
			return out
		}
		// Rounded up, so that one of very many is not none.
		out.Share = (r.faulty*Whole + r.checked - 1) / r.checked
	}
	out.Verdict = Pass
	if out.Share > r.MaxShare {
		out.Verdict = Fail
	}
	return out
}

// median returns the middle of a list, the lower one of two.
func median(list []int64) int64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[(len(sorted)-1)/2]
}
