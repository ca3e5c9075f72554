package segment

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// reason says what touched a segment: of several, the cause of a change is the
// weightiest.
type reason uint8

const (
	byDefinition reason = 1 << iota
	byConsent
	byTime
	byEvent
	byMerge
)

// cause names the weightiest reason.
func (r reason) cause() Cause {
	switch {
	case r&byMerge != 0:
		return CauseMerge
	case r&byEvent != 0:
		return CauseEvent
	case r&byTime != 0:
		return CauseTime
	case r&byConsent != 0:
		return CauseConsent
	}
	return CauseDefinition
}

// The names of the events that fill lists. Their property segmentId names the list.
const (
	NameListJoined = "List Joined"
	NameListLeft   = "List Left"
)

// touched is which segments must be asked again, and why.
type touched map[int32]reason

func (t touched) add(list []int32, r reason) {
	for _, i := range list {
		t[i] |= r
	}
}

// touchedBy finds what the change of a profile touches, the ledgers of its events
// aside. moved says that parts came or went.
func (t *Set) touchedBy(c *profile.Change, moved bool, out touched) {
	why := byEvent
	if moved {
		why = byMerge
	}
	if len(t.traits) > 0 || len(t.zoned) > 0 {
		eachChangedTrait(traitsOf(c.Before), traitsOf(c.After), func(path string) { t.touchTrait(path, why, out) })
	}
	if len(t.purposes) > 0 {
		t.touchConsents(c, moved, out)
	}
	if len(t.objects) > 0 && !sameIdentifiers(c.Before, c.After) {
		for _, list := range t.objects {
			out.add(list, why)
		}
	}
	if c.Before == nil {
		out.add(t.creation, why)
	}
	for _, e := range c.Events {
		if e.Type == event.System {
			t.touchSystem(e, out)
		}
	}
}

func traitsOf(p *profile.Profile) []profile.Trait {
	if p == nil {
		return nil
	}
	return p.Traits
}

// eachChangedTrait calls f with the path of each register that is not the same in
// both sorted lists.
func eachChangedTrait(a, b []profile.Trait, f func(path string)) {
	beside(a, b, func(t *profile.Trait) string { return t.Path }, func(old, now *profile.Trait) {
		switch {
		case old == nil:
			f(now.Path)
		case now == nil || old.Value.Type != now.Value.Type || !bytes.Equal(old.Value.Value, now.Value.Value):
			f(old.Path)
		}
	})
}

// touchTrait finds the segments that read the path, something above it or
// something below it.
func (t *Set) touchTrait(path string, why reason, out touched) {
	out.add(t.traits[path], why)
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '.':
			out.add(t.traits[path[:i]], why)
		}
	}
	below := path + "."
	i, _ := slices.BinarySearch(t.paths, below)
	for ; i < len(t.paths) && strings.HasPrefix(t.paths[i], below); i++ {
		out.add(t.traits[t.paths[i]], why)
	}
	if len(t.zoned) > 0 && slices.Contains(zoneTraits, path) {
		out.add(t.zoned, why)
	}
}

func (t *Set) touchConsents(c *profile.Change, moved bool, out touched) {
	var before, after []profile.Consent
	if c.Before != nil {
		before = c.Before.Consents
	}
	if c.After != nil {
		after = c.After.Consents
	}
	if len(before) == 0 && len(after) == 0 {
		return
	}
	why := byConsent
	if moved {
		why = byMerge
	}
	old, now := t.said(before), t.said(after)
	for purpose, s := range old {
		if now[purpose] != s {
			out.add(t.purposes[purpose], why)
		}
	}
	for purpose := range now {
		if _, had := old[purpose]; !had {
			out.add(t.purposes[purpose], why)
		}
	}
}

// said returns, for each purpose that segments ask about, what decides on its status
// at any instant.
func (t *Set) said(regs []profile.Consent) map[string]string {
	out := map[string]string{}
	for len(regs) > 0 {
		purpose, n, ordered := regs[0].Purpose, 0, false
		for n < len(regs) && regs[n].Purpose == purpose {
			ordered = ordered || regs[n].Channel != "" || regs[n].Recorded
			n++
		}
		if t.purposes[purpose] != nil {
			var b []byte
			for i := range regs[:n] {
				c := &regs[i]
				b = fmt.Appendf(b, "%s|%t|%s|%d|%q|", c.Channel, c.Recorded, c.Status, c.ExpiresAt.UnixMilli(), c.Parts)
				if ordered { // which of them holds depends on their times
					b = strconv.AppendInt(b, c.At.UnixMilli(), 10)
				}
			}
			out[purpose] = string(b)
		}
		regs = regs[n:]
	}
	return out
}

// sameIdentifiers reports whether both are found by the same links of records.
func sameIdentifiers(a, b *profile.Profile) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Parts, b.Parts) && slices.EqualFunc(a.Identifiers, b.Identifiers, func(x, y profile.Held) bool {
		return x.Namespace == y.Namespace && x.Value == y.Value
	})
}

// touchSystem finds what Headwater's own events touch besides ledgers.
func (t *Set) touchSystem(e *event.Event, out touched) {
	switch e.Name {
	case object.NameRecordChanged:
		out.add(t.objects[property(e.Properties, "type")], byEvent)
	case NameListJoined, NameListLeft:
		if c := t.byID[property(e.Properties, "segmentId")]; c != nil && c.program == nil {
			out[c.place] |= byDefinition
		}
	}
}

// property returns a text of an event's properties, "" when there is none.
func property(doc bson.Raw, key string) string {
	if len(doc) == 0 {
		return ""
	}
	s, _ := doc.Lookup(key).StringValueOK()
	return s
}
