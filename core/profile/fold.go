package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// fact is what the fold reads of an event. Its tags are those of event.Event, so
// that a refold decodes nothing else.
type fact struct {
	store.Meta  `bson:",inline"`
	Part        string     `bson:"part"`
	Seq         int64      `bson:"seq"`
	Type        event.Type `bson:"type"`
	Name        string     `bson:"name"`
	Timestamp   time.Time  `bson:"timestamp"`
	CommittedAt time.Time  `bson:"committedAt"`
	Source      string     `bson:"source"`
	Properties  bson.Raw   `bson:"properties"`
	Traits      bson.Raw   `bson:"traits"`
	Context     bson.Raw   `bson:"context"`
}

func factOf(e *event.Event) *fact {
	return &fact{
		Meta: e.Meta, Part: e.Part, Seq: e.Seq, Type: e.Type, Name: e.Name, Timestamp: e.Timestamp,
		CommittedAt: e.CommittedAt, Source: e.Source, Properties: e.Properties, Traits: e.Traits, Context: e.Context,
	}
}

// saysTraits reports whether the event's traits are the person's: those of a group
// event are the group's.
func (f *fact) saysTraits() bool {
	return len(f.Traits) > 0 && (f.Type == event.Identify || f.Type == event.System)
}

// releases reports whether the event is of an identifier that was let go of or given back.
func (f *fact) releases() bool {
	return f.Type == event.System && (f.Name == event.NameIdentifierReleased || f.Name == event.NameIdentifierRestored)
}

// apply folds one event into p, which is changed: its slices must be its own.
// cover lists, sorted, the parts that p had when the event was committed. The
// result does not depend on the order in which events are applied.
func (p *Profile) apply(f *fact, r *rules, cover []string) {
	if f.folded() {
		p.applyFolded(f, r)
		return
	}
	id := store.Rest(f.ID)
	if p.Events == 0 || f.CommittedAt.Before(p.CreatedAt) {
		p.CreatedAt = f.CommittedAt
	}
	p.Events++
	p.Seq = max(p.Seq, f.Seq)
	p.UpdatedAt = later(p.UpdatedAt, f.CommittedAt)
	if f.Type != event.System {
		p.FirstSeenAt = earlier(p.FirstSeenAt, f.Timestamp)
		p.LastSeenAt = later(p.LastSeenAt, f.Timestamp)
	}
	if f.saysTraits() {
		flatten(f.Traits, "", func(path string, v bson.RawValue) {
			t := Trait{Path: path, Value: v, Source: f.Source, At: f.Timestamp, Event: id, Rule: LastWrite, Seq: f.Seq}
			if r.priorities != nil {
				if ranks, ok := r.priorities[top(path)]; ok {
					t.Rule, t.Priority = SourcePriority, ranks[f.Source]
				}
			}
			p.Traits = put(p.Traits, t)
		})
	}
	if f.releases() {
		p.ReleasedSeq = max(p.ReleasedSeq, f.Seq)
	}
	if f.restricts() {
		f.restrictions(func(purpose string, on bool) {
			p.restrict(Restriction{Purpose: purpose, Parts: cover, On: on, At: f.Timestamp, Event: id, Seq: f.Seq})
		})
	}
	f.sayings(func(c Consent) {
		c.Parts, c.At, c.Event, c.Seq = cover, f.Timestamp, id, f.Seq
		p.Consents = putConsent(p.Consents, c)
	})
}

// top returns the first key of a path.
func top(path string) string {
	for end := range separators(path) {
		return unescape(path[:end])
	}
	return unescape(path)
}

// clone returns a copy whose registers may be changed.
func (p *Profile) clone() *Profile {
	c := *p
	c.HeldUntil = time.Time{}
	c.Traits = slices.Clone(p.Traits)
	c.Consents = slices.Clone(p.Consents)
	return &c
}

// oversize says which bound p is beyond, or nothing.
func (p *Profile) oversize() string {
	switch {
	case len(p.Traits) > MaxTraits:
		return "traits"
	case len(p.Consents) > MaxConsents:
		return "consents"
	case traitBytes(p.Traits) > MaxTraitBytes:
		return "bytes of traits"
	}
	return ""
}

func errTooLarge(what string) *core.Error {
	return core.Errorf(core.Invalid, "PROFILE_TOO_LARGE",
		"the profile would hold too many %s; a profile holds at most %d trait paths, %d bytes of traits and %d consents",
		what, MaxTraits, MaxTraitBytes, MaxConsents)
}

// join returns the profile that winner and loser are together after the merge m,
// whose Seq and At are set. Neither is changed.
func join(winner, loser *Profile, m *Merge) *Profile {
	p := *winner
	p.Parts = orderParts(winner.ProfileID(), append(slices.Clone(winner.Parts), loser.Parts...))
	p.Identifiers = append(slices.Clone(winner.Identifiers), loser.Identifiers...)
	slices.SortFunc(p.Identifiers, compareHeld)
	p.Traits = joinTraits(winner.Traits, loser.Traits)
	p.Consents = joinConsents(winner.Consents, loser.Consents)
	p.joinRestrictions(loser)
	p.Separations = union(winner.Separations, loser.Separations)
	p.Proposals = union(winner.Proposals, loser.Proposals)
	p.Released = union(winner.Released, loser.Released)
	p.ReleasedSeq = max(winner.ReleasedSeq, loser.ReleasedSeq)
	p.Seq, p.MergedSeq = m.Seq, m.Seq
	p.Events += loser.Events
	p.FirstSeenAt = earlier(winner.FirstSeenAt, loser.FirstSeenAt)
	p.LastSeenAt = later(winner.LastSeenAt, loser.LastSeenAt)
	if winner.Events == 0 || loser.Events > 0 && loser.CreatedAt.Before(winner.CreatedAt) {
		p.CreatedAt = loser.CreatedAt
	}
	p.UpdatedAt, p.HeldUntil = m.At, time.Time{}
	return &p
}

// orderParts puts the profile's own part first and sorts the others.
func orderParts(own string, parts []string) []string {
	slices.SortFunc(parts, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == own:
			return -1
		case b == own:
			return 1
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(parts)
}

// sorted returns the parts in plain order, as coverage and sides want them.
func sorted(parts []string) []string {
	out := slices.Clone(parts)
	slices.Sort(out)
	return out
}

func compareHeld(a, b Held) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Value, b.Value))
}

// union returns the sorted union of two sorted lists.
func union(a, b []string) []string {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	}
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// earlier ignores the zero time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
