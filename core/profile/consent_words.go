package profile

import (
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
)

// Words returns what the person said that holds at an instant: for each purpose and
// channel that anything was said about, the strictest over the profile's parts, sorted
// by purpose and channel. It is what consent.Register.Decide decides by. ExpiresAt is
// when the word changes by itself.
func (p *Profile) Words(now time.Time) []consent.Word {
	var out []consent.Word
	for regs := p.Consents; len(regs) > 0; {
		n := 1
		for n < len(regs) && regs[n].Purpose == regs[0].Purpose && regs[n].Channel == regs[0].Channel {
			n++
		}
		out = append(out, strictest(regs[:n], now))
		regs = regs[n:]
	}
	return out
}

// strictest returns what holds of one purpose and channel, given all registers about
// it: preferences first, then what was recorded.
func strictest(regs []Consent, now time.Time) consent.Word {
	split := slices.IndexFunc(regs, func(c Consent) bool { return c.Recorded })
	if split < 0 {
		split = len(regs)
	}
	var best consent.Word
	var ends time.Time // the earliest instant at which a part's word expires
	take := func(w consent.Word) {
		if !w.ExpiresAt.IsZero() {
			ends = earlier(ends, w.ExpiresAt)
		}
		d := consent.Strictness(w.Status) - consent.Strictness(best.Status)
		if best.Purpose == "" || d > 0 || d == 0 && (w.At.After(best.At) || w.At.Equal(best.At) && w.Entry > best.Entry) {
			best = w
		}
	}
	for i := range regs {
		r := &regs[i]
		for j := range regs[split:] {
			o := &regs[split+j]
			if r.Recorded || len(within(r.Parts, o.Parts)) == 0 {
				continue
			}
			if w := r.word(now); consent.No(w.Status) && !w.At.Before(o.At) {
				w.Status = consent.Withdrawn // it takes back what was recorded before
				take(w)
			}
		}
		if r.Recorded || slices.ContainsFunc(r.Parts, func(part string) bool { return !holdsAny(regs[split:], part) }) {
			take(r.word(now))
		}
	}
	if best.ExpiresAt.IsZero() && !consent.No(best.Status) && best.Status != consent.Expired {
		best.ExpiresAt = ends // stricter than what holds now is what another part's expiry leaves
	} else if !best.ExpiresAt.IsZero() {
		best.ExpiresAt = earlier(best.ExpiresAt, ends)
	}
	return best
}

func holdsAny(regs []Consent, part string) bool {
	return slices.ContainsFunc(regs, func(c Consent) bool {
		_, found := slices.BinarySearch(c.Parts, part)
		return found
	})
}

// word returns a register's word at an instant.
func (c *Consent) word(now time.Time) consent.Word {
	w := consent.Word{
		Purpose: c.Purpose, Channel: c.Channel, Status: c.Status, At: c.At, ExpiresAt: c.ExpiresAt,
		Entry: consent.EntryID(c.Event), Recorded: c.Recorded, Confirmed: c.Confirmed,
	}
	if !c.Recorded {
		w.Entry = consent.PreferenceID(c.Event, c.Purpose)
	}
	return w.Then(now)
}

// Jurisdiction returns the country where the person is, by the first of the register's
// paths of traits that holds a country's code; "" when none does.
func (p *Profile) Jurisdiction(r *consent.Register) string {
	for _, path := range r.CountryTraits() {
		if i, ok := find(p.Traits, TraitPath(path)); ok {
			if text, ok := p.Traits[i].Value.StringValueOK(); ok {
				if code := consent.Country(text); code != "" {
					return code
				}
			}
		}
	}
	return ""
}
