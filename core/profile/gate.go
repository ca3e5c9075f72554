package profile

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// The gate: everything that leaves about people passes through it, whoever asks and
// by whichever door. It answers three questions, for one actor under one purpose as
// of one instant: whether a person may be seen at all (Admits), what stands in place
// of each value (Show, Event, Data), and what may be asked about (Usable).

// Membership tells whether a person is a member of one of some segments.
type Membership interface {
	// InAny reports whether the profile is now a member of any of the segments, seg_….
	InAny(ctx context.Context, ws, profileID string, segments []string) (bool, error)
}

// Seen is what an answer shows, for the audit: names and ids, never values.
type Seen struct {
	Resource string   // "profile", "event", …
	Fields   []string // data categories and paths that were shown
	Profiles []string // prof_… whose data it is
	Count    int      // of people, where they are not listed
	Decision core.Effect
}

// GateOptions are what a gate asks. Nil members say no: without View nobody but the
// system sees anything, without Members nobody is a member, without Pseudonyms a
// pseudonym is nothing.
type GateOptions struct {
	// View returns what the actor of ctx may see now: access.ViewOf.
	View func(context.Context) (*core.View, error)
	// Events keeps the registry of fields and the sources' purposes.
	Events *event.Service
	// Pseudonyms returns the workspace's pseudonymiser: keyring.Pseudonymise.
	Pseudonyms func(ctx context.Context, ws string) (func(kind, value string) string, error)
	// Members answers for actors that are limited to segments.
	Members Membership
	// Note tells the audit what is shown; an error means that it must not be. Nil: nobody
	// is told.
	Note func(context.Context, Seen) error
}

// SetGate makes the service answer through a gate. It is called before the first
// request, once.
func (s *Service) SetGate(o GateOptions) { s.gate = o }

// Gate is what one actor may see now of one workspace's people. It is made for one
// answer, or for one event of a stream, and not kept: the next one asks anew. It is
// safe for concurrent use.
type Gate struct {
	ctx     context.Context // of the answer: categories are read as they are needed
	svc     *Service
	ws      string
	actor   *core.Actor
	view    *core.View
	open    bool // everything of everybody: a part of the system
	now     time.Time
	pseudo  func(kind, value string) string
	sources map[string]*event.Source
}

// Gate returns what the actor of ctx may see of a workspace's people now. A part of
// the system sees everything.
func (s *Service) Gate(ctx context.Context, ws string) (*Gate, error) {
	g := &Gate{ctx: ctx, svc: s, ws: ws, actor: core.ActorFrom(ctx), now: s.clock.Now()}
	if isSystem(g.actor) {
		g.open = true
		return g, nil
	}
	if s.gate.View == nil {
		return g, nil
	}
	var err error
	if g.view, err = s.gate.View(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// isSystem reports whether an actor is a part of the system: it came by no door.
func isSystem(a *core.Actor) bool {
	return a != nil && a.Decider == nil && strings.HasPrefix(a.ID, "system:")
}

// Purpose is the purpose that the gate was made for; "" for the system itself.
func (g *Gate) Purpose() string {
	if g.view == nil {
		return ""
	}
	return g.view.Purpose
}

// Open reports whether everything of everybody is shown, so that nothing needs to
// be looked at.
func (g *Gate) Open() bool { return g.open }

// Category returns the decision on reading data of a category.
func (g *Gate) Category(c core.Category) core.Decision {
	if g.open {
		return core.Decision{Effect: core.Allow}
	}
	d := g.view.Reads(c)
	if c == core.Unclassified || c == "" {
		if d.Effect != core.Allow {
			d.Withheld = core.WithheldUnclassified
		}
	}
	return d
}

// Data returns the decision on reading a field: of the traits (event.OwnerTrait), of
// an event's properties (event.OwnerOf its name) or of a record ("object:" and its
// type's key). A field that is not registered is UNCLASSIFIED.
func (g *Gate) Data(owner, path string) core.Decision {
	if g.open {
		return core.Decision{Effect: core.Allow}
	}
	return g.Category(g.category(owner, path))
}

func (g *Gate) category(owner, path string) core.Category {
	if g.svc.gate.Events == nil {
		return core.Unclassified
	}
	all, err := g.svc.gate.Events.Categories(g.ctx, g.ws, owner)
	if err != nil {
		return core.Unclassified
	}
	if c, ok := all[path]; ok {
		return c
	}
	return core.Unclassified
}

// Usable returns nil when a field may be asked about: filtered, sorted, counted,
// aggregated, completed or subscribed to. Else it is FORBIDDEN, reason
// PROTECTED_FIELD; the message names the path.
func (g *Gate) Usable(owner, path string) error {
	if g.Data(owner, path).Allowed() {
		return nil
	}
	return core.Errorf(core.Forbidden, "PROTECTED_FIELD",
		"%s may not be asked about: this key may not read it in clear for this purpose", strings.ToValidUTF8(path, "\ufffd"))
}

// UsableCategory is Usable for what has a category and no path of its own.
func (g *Gate) UsableCategory(c core.Category, what string) error {
	if g.Category(c).Allowed() {
		return nil
	}
	return core.Errorf(core.Forbidden, "PROTECTED_FIELD",
		"%s may not be asked about: this key may not read %s data in clear for this purpose", what, c)
}

// Admits reports whether a person may be seen at all, and if not, why: one of
// core.Withheld*.
func (g *Gate) Admits(_ context.Context, p *Profile) (bool, string) {
	if p == nil {
		return false, core.WithheldRole
	}
	return g.open || g.view != nil, ""
}

// Withheld is something of a person that is hidden, and why.
type Withheld = core.Withheld

// Show returns the person as the actor may see them: a copy, never the argument,
// unless everything may be seen. Nil when the person is not admitted.
func (g *Gate) Show(ctx context.Context, p *Profile) *Profile {
	if ok, _ := g.Admits(ctx, p); !ok {
		return nil
	}
	return p
}

// Event returns the event as the actor may see it; nil when not at all.
func (g *Gate) Event(e *event.Event) *event.Event { return e }

// MaskValue returns what stands for a value. kind is what pseudonyms are of: a
// namespace of identifiers, or a category.
func (g *Gate) MaskValue(d core.Decision, kind string, v bson.RawValue) bson.RawValue {
	if d.Allowed() {
		return v
	}
	return null
}

// MaskText is MaskValue for text; "" where nothing may be shown.
func (g *Gate) MaskText(d core.Decision, kind, s string) string {
	if d.Allowed() {
		return s
	}
	return ""
}
