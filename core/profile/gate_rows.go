package profile

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// TraitOwner is the trait that says whose customer a person is: actors may be
// limited to the people of some owners. It decides that only where its source vouches
// for it: whoever has a page's write key could give themselves anybody.
const TraitOwner = "owner"

// Admits reports whether a person may be seen at all, and if not, why: one of
// core.Withheld*. It must be asked of the person as stored, for what is masked
// decides nothing.
func (g *Gate) Admits(ctx context.Context, p *Profile) (bool, string) {
	switch {
	case p == nil:
		return false, core.WithheldRole
	case g.open:
		return true, ""
	case g.view == nil:
		return false, core.WithheldRole
	case g.purpose == nil || g.purpose.Archived:
		return false, core.WithheldPurpose
	case p.Workspace() != g.ws:
		return false, core.WithheldRole
	case p.Restricted != 0 && !g.compliance() && p.RestrictedFor(g.chain):
		return false, core.WithheldPurpose
	case g.actor.BreakGlass:
		return true, "" // the limits and what consent hides are lifted, and it is written down
	case !g.agreed(p):
		return false, core.WithheldConsent
	case !g.within(ctx, p):
		return false, core.WithheldRole
	}
	return true, ""
}

// agreed asks the one function about consent, where it could say no. Who broke the
// glass sees people all the same.
func (g *Gate) agreed(p *Profile) bool {
	if g.actor != nil && g.actor.BreakGlass {
		return true
	}
	if !g.purpose.ConsentRequired && (!g.purpose.Objectionable() || len(p.Consents) == 0) {
		return true
	}
	return g.register.Decide(p.Words(g.now), p.Jurisdiction(g.register), g.purpose.Key, "", g.now).Allowed
}

// within reports whether a person is among those that the actor is limited to. What
// cannot be asked is no.
func (g *Gate) within(ctx context.Context, p *Profile) bool {
	l := g.actor.Limits
	if len(l.Owners) > 0 {
		i, ok := find(p.Traits, TraitOwner)
		if !ok || p.Traits[i].Value.Type != bson.TypeString || !slices.Contains(l.Owners, p.Traits[i].Value.StringValue()) || !g.vouched(ctx, p.Traits[i].Source) {
			return false
		}
	}
	if len(l.Segments) == 0 {
		return true
	}
	if g.svc.gate.Members == nil {
		return false
	}
	in, err := g.svc.gate.Members.InAny(ctx, g.ws, p.ProfileID(), l.Segments)
	return err == nil && in
}

// vouched reports whether a source may say whose customer somebody is: not one whose
// write key may be public, unless it was ranked above others. What cannot be asked is no.
func (g *Gate) vouched(ctx context.Context, source string) bool {
	if g.svc.gate.Events == nil {
		return false
	}
	src, err := g.svc.gate.Events.Source(ctx, g.ws, source)
	if err != nil || src == nil {
		return false
	}
	return src.Priority > 0 || src.Kind != event.SourceHTTP && src.Kind != event.SourceForm
}

// everybody reports whether all people are admitted, but for those whose processing
// is restricted: nothing depends on their consent or on the actor's limits.
func (g *Gate) everybody() bool {
	if g.open {
		return true
	}
	return g.view != nil && g.purpose != nil && !g.purpose.Archived && (g.actor.BreakGlass || !g.purpose.ConsentRequired &&
		!g.purpose.Objectionable() && g.actor.Limits.None())
}

// nobodys reports whether what belongs to no person, or to one who was erased, is
// shown: not where people must have agreed or where the actor is limited to some.
func (g *Gate) nobodys() bool {
	return g.open || g.view != nil && g.purpose != nil && !g.purpose.Archived && (g.actor.BreakGlass || !g.purpose.ConsentRequired && g.actor.Limits.None())
}
