package profile

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// Show returns the person as the actor may see them, and tells the audit: a copy
// where anything is hidden, the argument where nothing is. Nil when the person is
// not admitted, or when the audit cannot be told.
func (g *Gate) Show(ctx context.Context, p *Profile) *Profile {
	out := g.Look(ctx, p)
	if out == nil || g.note(ctx, "profile", out.ProfileID()) != nil {
		return nil
	}
	return out
}

// Look is Show for what does not leave, such as to see whether anything visible
// changed: the audit is not told.
func (g *Gate) Look(ctx context.Context, p *Profile) *Profile {
	if ok, _ := g.Admits(ctx, p); !ok {
		return nil
	}
	return g.mask(p)
}

// Whole returns the person as stored of one whom a gate masked: to find by what belongs
// to them, never to show.
func (p *Profile) Whole() *Profile {
	if p.whole != nil {
		return p.whole
	}
	return p
}

// What of a person is behaviour, consent and free text, as Withheld names it.
var (
	behaviourPaths = []string{"eventCount", "events", "explain", "firstSeenAt", "lastSeenAt", "segments"}
	consentPaths   = []string{"consents"}
	textPaths      = []string{"merges.reason"}
)

// mask returns the person with everything in its place that may be shown there.
func (g *Gate) mask(p *Profile) *Profile {
	if g.clear {
		return p
	}
	c := *p
	c.Withheld, c.whole = nil, p
	c.maskTraits(g)
	c.maskIdentifiers(g)
	c.withholdReleases(g)
	if d := g.Category(core.Consent); !d.Allowed() {
		c.Consents, c.Restrictions, c.Restricted = nil, nil, 0
		c.withhold(d, consentPaths...)
	}
	if d := g.Category(core.Behaviour); !d.Allowed() {
		c.Events, c.FirstSeenAt, c.LastSeenAt = 0, time.Time{}, time.Time{}
		c.withhold(d, behaviourPaths...)
	}
	if d := g.Category(core.FreeText); !d.Allowed() {
		c.withhold(d, textPaths...)
	}
	slices.SortFunc(c.Withheld, compareWithheld)
	c.Withheld = slices.Compact(c.Withheld)
	return &c
}

func compareWithheld(a, b core.Withheld) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Reason, b.Reason))
}

func (p *Profile) withhold(d core.Decision, paths ...string) {
	for _, path := range paths {
		p.Withheld = append(p.Withheld, core.Withheld{Path: path, Reason: reasonOf(d)})
	}
}

func reasonOf(d core.Decision) string {
	if d.Withheld == "" {
		return core.WithheldRole
	}
	return d.Withheld
}

// maskTraits keeps the registers that may be shown, and masks what may be shown in
// part. What was cleared has nothing to show.
func (p *Profile) maskTraits(g *Gate) {
	kept := make([]Trait, 0, len(p.Traits))
	for _, t := range p.Traits {
		if t.Value.Type == bson.TypeNull {
			continue
		}
		if g.foreign[t.Source] {
			p.Withheld = append(p.Withheld, core.Withheld{Path: "traits." + t.Path, Reason: core.WithheldPurpose})
			continue
		}
		m := masker{g: g, owner: event.OwnerTrait, prefix: "traits."}
		v, ok := m.value(t.Path, t.Value)
		p.Withheld = append(p.Withheld, m.withheld...)
		if ok {
			t.Value = v
			kept = append(kept, t)
		}
	}
	p.Traits = kept
}

// maskIdentifiers leaves the namespaces, and of the values what may be shown.
func (p *Profile) maskIdentifiers(g *Gate) {
	p.Identifiers = slices.Clone(p.Identifiers)
	for i := range p.Identifiers {
		h := &p.Identifiers[i]
		d := g.Category(IdentifierCategory(h.Namespace))
		if d.Allowed() {
			continue
		}
		h.Value = g.MaskText(d, h.Namespace, h.Value)
		p.withhold(d, "identifiers."+h.Namespace)
	}
	slices.SortStableFunc(p.Identifiers, compareHeld) // their order told something of the values
}

// Told returns those of ChangedSince's paths that the actor may hear of. last is the
// person as the actor saw them before, nil when that is not known: a part of a value
// that looks as before has not changed.
func (g *Gate) Told(paths []string, now, last *Profile) []string {
	if g.clear {
		return paths
	}
	out := make([]string, 0, len(paths))
	for _, path := range paths {
		if g.tells(path, now, last) {
			out = append(out, path)
		}
	}
	return out
}

func (g *Gate) tells(path string, now, last *Profile) bool {
	trait, isTrait := strings.CutPrefix(path, "traits.")
	switch {
	case isTrait:
		return g.tellsTrait(trait, now, last)
	case path == "traits":
		return len(now.Traits) > 0
	case path == "events":
		return g.Category(core.Behaviour).Allowed()
	case strings.HasPrefix(path, "consents"), strings.HasPrefix(path, "restrict"):
		return g.Category(core.Consent).Allowed()
	}
	return true // identifiers: their namespaces are shown; merges
}

func (g *Gate) tellsTrait(path string, now, last *Profile) bool {
	i, shown := find(now.Traits, path)
	if !shown {
		// Hidden, or cleared: that it is gone may be told where it may be read.
		return g.Data(event.OwnerTrait, path).Allowed() && !slices.ContainsFunc(now.Withheld, func(w core.Withheld) bool { return w.Path == "traits."+path })
	}
	if g.Data(event.OwnerTrait, path).Allowed() {
		return true
	}
	if last == nil {
		return false
	}
	j, before := find(last.Traits, path)
	return !before || !now.Traits[i].Value.Equal(last.Traits[j].Value)
}
