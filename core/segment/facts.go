package segment

import (
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// facts answers what conditions ask about one profile from what was read of it:
// its registers are looked at one by one, never assembled.
type facts struct {
	set      *Set // whose segments a profile can be in; nil: any
	profile  *profile.Profile
	parts    []PartState
	members  []Member
	months   map[monthKey]*condition.Ledger // ledgers with what was read of their months
	records  map[string][]*object.Related   // by type
	location *time.Location
	located  bool
	fault    error               // of a ledger that could not be read
	opened   []*condition.Ledger // what Ledgers has answered since it was last emptied
}

// monthKey names a ledger of a part.
type monthKey struct{ part, ledger string }

var _ condition.Facts = (*facts)(nil)

// factsOf returns the facts of a profile (nil: nothing is known of the person) and
// its behaviour (nil: it has none). Records are by type; ledgers that have spilled
// lack their older entries: see Service.factsFor.
func factsOf(p *profile.Profile, b *Behaviour, records map[string][]*object.Related) *facts {
	f := &facts{profile: p, records: records}
	if b != nil {
		f.parts, f.members = b.Parts, b.Members
	}
	return f
}

// ProfileID implements condition.Facts.
func (f *facts) ProfileID() string {
	if f.profile == nil {
		return ""
	}
	return f.profile.ProfileID()
}

// zoneTraits are the traits that may name the profile's own time zone: the first
// that does is taken.
var zoneTraits = []string{"timezone", "timeZone", "time_zone"}

// Location implements condition.Facts: the IANA time zone that one of zoneTraits
// names.
func (f *facts) Location() *time.Location {
	if !f.located {
		f.located = true
		for _, path := range zoneTraits {
			if v, ok := f.Trait(path); ok && f.location == nil {
				if name, ok := v.StringValueOK(); ok {
					f.location = location(name)
				}
			}
		}
	}
	return f.location
}

var locations sync.Map // name → *time.Location; bounded by the names of the database

// location returns the time zone with an IANA name, nil when there is none.
func location(name string) *time.Location {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil
	}
	if v, ok := locations.Load(name); ok {
		return v.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	locations.Store(name, loc)
	return loc
}

// Trait implements condition.Facts.
func (f *facts) Trait(path string) (bson.RawValue, bool) {
	if f.profile == nil {
		return bson.RawValue{}, false
	}
	regs := f.profile.Traits
	i, exact := slices.BinarySearchFunc(regs, path, func(t profile.Trait, p string) int { return strings.Compare(t.Path, p) })
	above := i
	if exact {
		if regs[i].Value.Type != bson.TypeNull {
			return regs[i].Value, true
		}
		above++ // cleared, or hidden by what was written below it
	}
	for ; above < len(regs) && strings.HasPrefix(regs[above].Path, path); above++ {
		if len(regs[above].Path) > len(path) && regs[above].Path[len(path)] == '.' {
			t := f.profile.TraitAt(path)
			if t == nil || t.Value.Type == bson.TypeNull {
				return bson.RawValue{}, false
			}
			return t.Value, true
		}
	}
	return bson.RawValue{}, false
}

// Ledgers implements condition.Facts.
func (f *facts) Ledgers(key string) []*condition.Ledger {
	if f.opened == nil && len(f.parts) > 0 {
		f.opened = make([]*condition.Ledger, 0, 4*len(f.parts))
	}
	from := len(f.opened)
	for i := range f.parts {
		p := &f.parts[i]
		if l := f.months[monthKey{p.Part, key}]; l != nil {
			f.opened = append(f.opened, l)
			continue
		}
		l, err := p.open(key)
		if err != nil {
			f.fault = err
		}
		if l != nil {
			f.opened = append(f.opened, l)
		}
	}
	return slices.Clip(f.opened[from:])
}

// Records implements condition.Facts.
func (f *facts) Records(objectType, relation string) []bson.Raw {
	var out []bson.Raw
	for i, r := range f.records[objectType] {
		if relation != "" && r.Relation != relation {
			continue
		}
		// One record may be related in several ways, and is one record all the same.
		if relation == "" && slices.ContainsFunc(f.records[objectType][:i], func(o *object.Related) bool { return o.Record.ID == r.Record.ID }) {
			continue
		}
		out = append(out, r.Record.Fields)
	}
	return out
}

// Member implements condition.Facts.
func (f *facts) Member(segmentID string) (time.Time, bool) {
	if f.set != nil && f.set.byID[segmentID] == nil && !f.set.unread[segmentID] {
		return time.Time{}, false // archived
	}
	return memberSince(f.members, segmentID)
}

// ConsentStatus implements condition.Facts.
func (f *facts) ConsentStatus(purpose, channel string, now time.Time) (string, time.Time) {
	return consentStatus(f.profile, purpose, channel, now)
}

// consentStatus returns what holds for a purpose on a channel at an instant, and when
// that changes by itself.
func consentStatus(p *profile.Profile, purpose, channel string, now time.Time) (string, time.Time) {
	if p == nil || !slices.ContainsFunc(p.Consents, func(c profile.Consent) bool { return c.Purpose == purpose }) {
		return consent.Unknown, time.Time{}
	}
	return consent.Status(p.Words(now), purpose, channel, now)
}

// Record implements condition.Facts.
func (f *facts) Record() bson.Raw { return nil }
