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
		for n < len(regs) && regs[n].Purpose == regs[0].Purpose {
			n++
		}
		if n == 1 {
			out = append(out, regs[0].word(now))
		} else {
			out = wordsOf(out, regs[:n], now)
		}
		regs = regs[n:]
	}
	return out
}

// wordsOf appends the words about one purpose. What holds for a part on a channel is
// found first, the strictest over the parts after that: what one part agreed to on a
// channel must not speak for another that refused them all.
func wordsOf(out []consent.Word, regs []Consent, now time.Time) []consent.Word {
	var parts, channels []string
	for i := range regs {
		parts = union(parts, regs[i].Parts)
		if c := regs[i].Channel; len(channels) == 0 || channels[len(channels)-1] != c {
			channels = append(channels, c) // the registers are sorted by it
		}
	}
	for _, channel := range channels {
		var best consent.Word
		var ends time.Time // the earliest instant at which a part's word expires
		for _, part := range parts {
			w, ok := wordOf(regs, part, channel, now)
			if !ok {
				continue
			}
			ends = earlier(ends, w.ExpiresAt)
			d := consent.Strictness(w.Status) - consent.Strictness(best.Status)
			if best.Purpose == "" || d > 0 || d == 0 && (w.At.After(best.At) || w.At.Equal(best.At) && w.Entry > best.Entry) {
				best = w
			}
		}
		if best.Purpose == "" {
			continue
		}
		if best.Channel = channel; best.Status == consent.Granted || best.Status == consent.Pending {
			best.ExpiresAt = ends // expired is stricter, whichever part's word it is
		}
		out = append(out, best)
	}
	return out
}

// wordOf returns what holds for a part on a channel. What was recorded for the channel
// does, unless a no for all channels is not older; a preference that is a no takes back
// a yes that was recorded before it, and one that is a yes takes nothing back.
func wordOf(regs []Consent, part, channel string, now time.Time) (consent.Word, bool) {
	var one, all, said *Consent
	for i := range regs {
		r := &regs[i]
		if r.Channel != "" && r.Channel != channel {
			continue
		}
		if _, in := slices.BinarySearch(r.Parts, part); !in {
			continue
		}
		switch {
		case !r.Recorded:
			said = r
		case r.Channel == "":
			all = r
		default:
			one = r
		}
	}
	if one == nil || all != nil && consent.No(all.Status) && !all.At.Before(one.At) {
		one = all
	}
	if one == nil {
		if said == nil {
			return consent.Word{}, false
		}
		return said.word(now), true
	}
	w := one.word(now)
	if said != nil && consent.No(said.Status) && !said.At.Before(one.At) && !consent.No(w.Status) {
		w = said.word(now)
		w.Status = consent.Withdrawn // it takes back what was recorded
	}
	return w, true
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
