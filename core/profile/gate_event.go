package profile

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// groupNamespace is what pseudonyms of groups' ids are of.
const groupNamespace = "group_id"

// Event returns the event as the actor may see it: a copy where anything is hidden.
// Nil when it may not be seen at all: what a person did is BEHAVIOUR, and a source
// collects for its purposes only. Whose event it is must have been admitted.
func (g *Gate) Event(e *event.Event) *event.Event {
	if e == nil || g.clear {
		return e
	}
	if !g.shows(e) {
		return nil
	}
	c := *e
	c.Identifiers = nil // as resolution took them; what was sent stands in the members
	c.Integrations = nil
	c.Withheld = nil
	c.UserID = g.named(&c, "userId", UserID, e.UserID)
	c.AnonymousID = g.named(&c, "anonymousId", AnonymousID, e.AnonymousID)
	c.PreviousID = g.named(&c, "previousId", UserID, e.PreviousID)
	c.GroupID = g.named(&c, "groupId", groupNamespace, e.GroupID)
	owner := event.OwnerOf(e.Name)
	c.Properties = g.part(&c, masker{g: g, owner: owner, prefix: "properties."}, e.Properties)
	if e.Type == event.Identify || e.Type == event.System {
		owner = event.OwnerTrait
	}
	c.Traits = g.part(&c, masker{g: g, owner: owner, prefix: "traits."}, e.Traits)
	c.Context = g.part(&c, masker{g: g, prefix: "context.", category: g.contextCategory}, e.Context)
	slices.SortFunc(c.Withheld, compareWithheld)
	c.Withheld = slices.Compact(c.Withheld)
	return &c
}

// shows reports whether an event may be seen at all.
func (g *Gate) shows(e *event.Event) bool {
	if g.clear {
		return true
	}
	return !g.foreign[e.Source] && g.Category(core.Behaviour).Allowed() && g.Category(eventCategory(e)).Allowed()
}

// eventCategory is the category of an event's being there at all.
func eventCategory(e *event.Event) core.Category {
	if e.Type != event.System {
		return core.Behaviour
	}
	switch e.Name {
	case event.NameProcessingRestricted, event.NameProcessingResumed:
		return core.Consent
	}
	if strings.HasPrefix(e.Name, "Consent ") {
		return core.Consent
	}
	return core.Behaviour
}

func (g *Gate) named(e *event.Event, path, namespace, value string) string {
	if value == "" {
		return ""
	}
	d := g.Category(IdentifierCategory(namespace))
	if d.Allowed() {
		return value
	}
	e.Withheld = append(e.Withheld, core.Withheld{Path: path, Reason: reasonOf(d)})
	return g.MaskText(d, namespace, value)
}

// part masks a document of an event; nil where nothing is left.
func (g *Gate) part(e *event.Event, m masker, doc bson.Raw) bson.Raw {
	if len(doc) == 0 {
		return nil
	}
	out := m.document(doc, "")
	e.Withheld = append(e.Withheld, m.withheld...)
	if len(out) <= 5 && len(doc) > 5 {
		return nil
	}
	return out
}

// contextCategories are the categories of what an event's context holds, by the
// longest path that leads to it; the tracking protocol names them. What is not here
// is UNCLASSIFIED.
var contextCategories = map[string]core.Category{
	"active": core.None, "app": core.Device, "channel": core.None, "library": core.None, "os": core.Device, "screen": core.Device,
	"network": core.Device, "userAgent": core.Device, "userAgentData": core.Device, "ip": core.Device, "direct": core.None,
	"device": core.Device, "device.id": core.IdentifierID, "device.advertisingId": core.IdentifierID, "device.token": core.IdentifierID,
	"locale": core.Demographic, "timezone": core.Location, "location": core.Location,
	"page": core.Behaviour, "campaign": core.Behaviour, "referrer": core.Behaviour, "sessionId": core.IdentifierID,
	"groupId": core.IdentifierID, "externalIds": core.IdentifierID,
	"consent": core.Consent, "gpc": core.Consent,
}

// contextCategory returns the category of a path of an event's context. Its traits
// are a person's traits.
func (g *Gate) contextCategory(path string) core.Category {
	if trait, ok := strings.CutPrefix(path, "traits."); ok {
		return g.CategoryOf(event.OwnerTrait, trait)
	}
	for {
		if c, ok := contextCategories[path]; ok {
			return c
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return core.Unclassified
		}
		path = path[:i]
	}
}
