package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
)

// Restriction is the latest word on whether a person's data may be processed for a
// purpose, for the parts that it covers: those that the profile had when it was
// committed. Restricted people are seen for compliance only.
type Restriction struct {
	Purpose string    `bson:"u,omitempty"` // "" is every purpose
	Parts   []string  `bson:"p"`           // sorted; a part is in one register per purpose
	On      bool      `bson:"o,omitempty"` // restricted; else processing was resumed
	At      time.Time `bson:"t"`           // event time
	Event   string    `bson:"e"`
	Seq     int64     `bson:"q"`
}

// maxRestricted is how many purposes one event may restrict; more are all.
const maxRestricted = 50

// restricts reports whether an event speaks of restrictions.
func (f *fact) restricts() bool {
	return f.Type == event.System && (f.Name == event.NameProcessingRestricted || f.Name == event.NameProcessingResumed)
}

// restrictions calls say with each purpose that an event restricts or resumes.
func (f *fact) restrictions(say func(purpose string, on bool)) {
	on := f.Name == event.NameProcessingRestricted
	var purposes []string
	if list, ok := f.Properties.Lookup("purposes").ArrayOK(); ok {
		values, _ := list.Values()
		for _, v := range values {
			if s, ok := v.StringValueOK(); ok && s != "" && !slices.Contains(purposes, s) {
				purposes = append(purposes, s)
			}
		}
	}
	if len(purposes) == 0 || len(purposes) > maxRestricted {
		purposes = []string{""}
	}
	for _, p := range purposes {
		say(p, on)
	}
}

// over reports whether r holds for a part that both cover: the later word does, of
// two at one time the one that restricts, then the greater event id.
func (r *Restriction) over(o *Restriction) bool {
	if d := r.At.Compare(o.At); d != 0 {
		return d > 0
	}
	if r.On != o.On {
		return r.On
	}
	return r.Event > o.Event
}

func compareRestrictions(a, b Restriction) int {
	return cmp.Or(strings.Compare(a.Purpose, b.Purpose), strings.Compare(a.Event, b.Event))
}

// restrict adds a word to the registers. The slices of parts that it is given are
// not changed.
func (p *Profile) restrict(n Restriction) {
	kept := make([]Restriction, 0, len(p.Restrictions)+1)
	for _, r := range p.Restrictions {
		if r.Purpose == n.Purpose {
			if n.over(&r) {
				r.Parts = without(r.Parts, n.Parts)
			} else {
				n.Parts = without(n.Parts, r.Parts)
			}
			if len(r.Parts) == 0 {
				continue
			}
		}
		kept = append(kept, r)
	}
	if len(n.Parts) > 0 {
		kept = append(kept, n)
	}
	slices.SortFunc(kept, compareRestrictions)
	p.Restrictions = kept
	p.markRestricted()
}

// joinRestrictions takes in the registers of another profile, which has no part in
// common.
func (p *Profile) joinRestrictions(o *Profile) {
	if len(o.Restrictions) > 0 {
		p.Restrictions = append(slices.Clone(p.Restrictions), o.Restrictions...)
		slices.SortFunc(p.Restrictions, compareRestrictions)
	}
	p.markRestricted()
}

// markRestricted keeps what the index of restricted people holds: 1 while any purpose
// is restricted.
func (p *Profile) markRestricted() {
	p.Restricted = 0
	for i := range p.Restrictions {
		if r := &p.Restrictions[i]; r.On && p.inForce(r, []string{r.Purpose}) {
			p.Restricted = 1
		}
	}
}

// IsRestricted reports whether processing of the person's data is restricted for any
// purpose.
func (p *Profile) IsRestricted() bool { return p.Restricted != 0 }

// RestrictedFor reports whether processing is restricted for a purpose, given with
// its ancestors: the latest word about it, about one of them or about every purpose
// decides, for each part; one restricted part restricts the person.
func (p *Profile) RestrictedFor(chain []string) bool {
	for i := range p.Restrictions {
		r := &p.Restrictions[i]
		if r.On && (r.Purpose == "" || slices.Contains(chain, r.Purpose)) && p.inForce(r, chain) {
			return true
		}
	}
	return false
}

// inForce reports whether a restriction stands for one of its parts: no later word
// about the purposes of chain, or about all, resumed it.
func (p *Profile) inForce(r *Restriction, chain []string) bool {
	left := r.Parts
	for i := range p.Restrictions {
		o := &p.Restrictions[i]
		if !o.On && o.At.After(r.At) && (o.Purpose == "" || slices.Contains(chain, o.Purpose)) {
			left = without(left, o.Parts)
		}
	}
	return len(left) > 0
}
