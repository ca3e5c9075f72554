package profile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
)

// over reports whether c holds for a part that both cover: the later event does, of
// two at one time a no, then the greater event id.
func (c *Consent) over(o *Consent) bool {
	if d := c.At.Compare(o.At); d != 0 {
		return d > 0
	}
	if a, b := weight(c.Status), weight(o.Status); a != b {
		return a > b
	}
	return c.Event > o.Event
}

// weight is the strictness of a status for two words of one time: whether a no is a
// withdrawal depends on other words, and must not choose between them.
func weight(status string) int {
	if consent.No(status) {
		return consent.Strictness(consent.Withdrawn)
	}
	return consent.Strictness(status)
}

// compareConsents is the order of a profile's registers.
func compareConsents(a, b Consent) int {
	return cmp.Or(
		strings.Compare(a.Purpose, b.Purpose), strings.Compare(a.Channel, b.Channel), compareBool(a.Recorded, b.Recorded),
		strings.Compare(a.Event, b.Event), a.FirstYes.Compare(b.FirstYes),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sameThing reports whether two registers are about the same thing, so that a part is
// in one of them only.
func (c *Consent) sameThing(o *Consent) bool {
	return c.Purpose == o.Purpose && c.Channel == o.Channel && c.Recorded == o.Recorded
}

// with returns what a part holds for which both c and o were said: the later word and
// the first yes, whichever of them came first.
func (c *Consent) with(o *Consent) Consent {
	out := *o
	if c.over(o) {
		out = *c
	}
	out.FirstYes = earlier(c.FirstYes, o.FirstYes)
	return out.told()
}

// told says of a no whether it took a yes back. A no that was recorded as a withdrawal
// is one: to withdraw is what the person asked for.
func (c Consent) told() Consent {
	if c.Status == consent.Denied && !c.FirstYes.IsZero() && !c.FirstYes.After(c.At) {
		c.Status = consent.Withdrawn
	}
	return c
}

// putConsent adds a word on consent to the registers and returns them. What a part
// holds does not depend on the order in which words come. The slices of parts that it
// is given are not changed.
func putConsent(regs []Consent, c Consent) []Consent {
	if c.Status == consent.Granted && c.FirstYes.IsZero() {
		c.FirstYes = c.At
	}
	c = c.told()
	kept, rest := make([]Consent, 0, len(regs)+1), c.Parts
	var joined []Consent
	for _, r := range regs {
		if r.sameThing(&c) {
			if both := within(r.Parts, c.Parts); len(both) > 0 {
				j := c.with(&r)
				j.Parts = both
				joined = append(joined, j)
				rest, r.Parts = without(rest, both), without(r.Parts, both)
			}
			if len(r.Parts) == 0 {
				continue
			}
		}
		kept = append(kept, r)
	}
	if c.Parts = rest; len(rest) > 0 {
		joined = append(joined, c)
	}
	for _, j := range joined {
		kept = addConsent(kept, j)
	}
	return kept
}

// addConsent puts a register in its place, or its parts into the register that says the
// same.
func addConsent(regs []Consent, c Consent) []Consent {
	i, found := slices.BinarySearchFunc(regs, c, compareConsents)
	if found {
		regs[i].Parts = union(regs[i].Parts, c.Parts)
		return regs
	}
	return slices.Insert(regs, i, c)
}

// joinConsents returns the registers of two profiles, which have no part in
// common.
func joinConsents(a, b []Consent) []Consent {
	out := slices.Clone(a)
	for _, c := range b {
		out = addConsent(out, c)
	}
	return out
}

// sayings calls f with each word on consent that an event says. Where the event is
// about one word that was recorded, that is the only one.
func (f *fact) sayings(say func(Consent)) {
	if len(f.Context) == 0 {
		return
	}
	if f.Type == event.System {
		if w, ok := consent.Recorded(f.Context); ok {
			say(Consent{
				Purpose: w.Purpose, Channel: w.Channel, Status: w.Status, ExpiresAt: w.ExpiresAt, Recorded: true, Confirmed: w.Confirmed,
			})
			return
		}
	}
	consent.Preferences(f.Context, func(purpose, status string) { say(Consent{Purpose: purpose, Status: status}) })
}

// without returns the elements of a sorted list that are not in another.
func without(list, remove []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if _, found := slices.BinarySearch(remove, s); !found {
			out = append(out, s)
		}
	}
	return out
}

// within returns the elements of a sorted list that are in another as well.
func within(list, other []string) []string {
	var out []string
	for _, s := range list {
		if _, found := slices.BinarySearch(other, s); found {
			out = append(out, s)
		}
	}
	return out
}
