package profile

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/consent"
)

// The statuses of a consent that events give today: a category preference that is
// true grants, one that is false withdraws.
const (
	Granted   = "GRANTED"
	Withdrawn = "WITHDRAWN"
)

// strictness orders the statuses; where parts of a profile disagree, the strictest
// holds. A status that is not listed counts as UNKNOWN, the least strict.
var strictness = map[string]int{
	Withdrawn: 5, "DENIED": 4, "EXPIRED": 3, "PENDING": 2, Granted: 1,
}

// over reports whether c holds for a part that both cover: the later event does, of
// two at one time the stricter, then the greater event id.
func (c *Consent) over(o *Consent) bool {
	if d := c.At.Compare(o.At); d != 0 {
		return d > 0
	}
	if d := strictness[c.Status] - strictness[o.Status]; d != 0 {
		return d > 0
	}
	return c.Event > o.Event
}

func compareConsents(a, b Consent) int {
	if d := strings.Compare(a.Purpose, b.Purpose); d != 0 {
		return d
	}
	if d := strings.Compare(a.Channel, b.Channel); d != 0 {
		return d
	}
	return strings.Compare(a.Event, b.Event)
}

// putConsent adds a word on consent to the registers and returns them. The slices
// of parts that it is given are not changed.
func putConsent(regs []Consent, c Consent) []Consent {
	kept := regs[:0]
	for _, r := range regs {
		if r.Purpose == c.Purpose && r.Channel == c.Channel {
			if c.over(&r) {
				r.Parts = without(r.Parts, c.Parts)
			} else {
				c.Parts = without(c.Parts, r.Parts)
			}
			if len(r.Parts) == 0 {
				continue
			}
		}
		kept = append(kept, r)
	}
	clear(regs[len(kept):])
	if len(c.Parts) == 0 {
		return kept
	}
	i, _ := slices.BinarySearchFunc(kept, c, compareConsents)
	return slices.Insert(kept, i, c)
}

// joinConsents returns the registers of two profiles, which have no part in
// common.
func joinConsents(a, b []Consent) []Consent {
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, compareConsents)
	return out
}

// preferences calls f with each category preference in an event's context.
func preferences(context bson.Raw, f func(purpose, status string)) {
	if len(context) == 0 {
		return
	}
	prefs, ok := context.Lookup("consent", "categoryPreferences").DocumentOK()
	if !ok {
		return
	}
	elems, err := prefs.Elements()
	if err != nil {
		return
	}
	for _, e := range elems {
		if granted, ok := e.Value().BooleanOK(); ok && e.Key() != "" && len(e.Key()) <= 200 {
			status := Withdrawn
			if granted {
				status = Granted
			}
			f(e.Key(), status)
		}
	}
}

// ConsentStatus is what holds for a whole profile.
type ConsentStatus struct {
	Purpose string
	Channel string // "" is every channel
	Status  string
	At      time.Time // event time of the word that holds
	Event   string    // evt_…
}

// ConsentStatus returns, for each purpose and channel that anything was said
// about, the strictest status over the profile's parts: WITHDRAWN over GRANTED
// over UNKNOWN. Of two equally strict the later is named.
func (p *Profile) ConsentStatus() []ConsentStatus {
	var out []ConsentStatus
	for _, c := range p.Consents {
		s := ConsentStatus{Purpose: c.Purpose, Channel: c.Channel, Status: c.Status, At: c.At, Event: c.Event}
		if n := len(out) - 1; n >= 0 && out[n].Purpose == c.Purpose && out[n].Channel == c.Channel {
			d := strictness[s.Status] - strictness[out[n].Status]
			if d > 0 || d == 0 && s.At.After(out[n].At) {
				out[n] = s
			}
			continue
		}
		out = append(out, s)
	}
	return out
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

// Words returns what the person said that holds at an instant, for each purpose and
// channel that anything was said about the strictest over the profile's parts, sorted
// by purpose and channel: what consent.Register.Decide decides by.
func (p *Profile) Words(now time.Time) []consent.Word {
	list := p.ConsentStatus()
	out := make([]consent.Word, 0, len(list))
	for _, c := range list {
		out = append(out, consent.Word{Purpose: c.Purpose, Channel: c.Channel, Status: c.Status, At: c.At, Entry: consent.EntryID(c.Event)})
	}
	return out
}

// Jurisdiction returns the country where the person is, by the first of the given
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
