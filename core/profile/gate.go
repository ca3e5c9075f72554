package profile

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
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

// GateOptions are what a gate asks. Nil members say no: without View nobody but the
// system sees anything, without Members nobody is a member, without Pseudonyms a
// pseudonym is nothing.
type GateOptions struct {
	// View returns what the actor of ctx may see now: access.ViewOf.
	View func(context.Context) (*core.View, error)
	// Purposes returns the register of a workspace's purposes: consent.Service.Register.
	// Nil is the built-in register.
	Purposes func(ctx context.Context, ws string) (*consent.Register, error)
	// Events keeps the registry of fields and the sources' purposes.
	Events *event.Service
	// Pseudonyms returns the workspace's pseudonymiser: keyring.Pseudonymise.
	Pseudonyms func(ctx context.Context, ws string) (func(kind, value string) string, error)
	// Members answers for actors that are limited to segments.
	Members Membership
}

// SetGate makes the service answer through a gate. It is called before the first
// request, once.
func (s *Service) SetGate(o GateOptions) { s.gate = o }

// Gate is what one actor may see now of one workspace's people. It is made for one
// answer, or for one event of a stream, and not kept: the next one asks anew. It is
// safe for concurrent use.
type Gate struct {
	ctx      context.Context // of the answer: categories are read as they are needed
	svc      *Service
	ws       string
	actor    *core.Actor
	view     *core.View
	open     bool // everything of everybody: a part of the system
	clear    bool // every category may be read in clear, whatever its source
	now      time.Time
	register *consent.Register
	purpose  *consent.Purpose
	chain    []string        // of the purpose: itself, its parent, …
	foreign  map[string]bool // sources whose data may not be used for the purpose
	pseudo   func(kind, value string) string

	mu       sync.Mutex
	owners   map[string]map[string]core.Category
	everyone *bool                           // what Everyone found
	whose    map[event.Identifier]core.Whose // what Whose found
}

// Gate returns what the actor of ctx may see of a workspace's people now. A part of
// the system sees everything; an actor of another workspace sees nothing.
func (s *Service) Gate(ctx context.Context, ws string) (*Gate, error) {
	g := &Gate{ctx: ctx, svc: s, ws: ws, actor: core.ActorFrom(ctx)}
	if g.actor.IsSystem() {
		g.open, g.clear = true, true
		return g, nil
	}
	g.now = s.clock.Now()
	if s.gate.View == nil || g.actor == nil || g.actor.Workspace != ws {
		return g, nil // without a view: nothing
	}
	var err error
	if g.view, err = s.gate.View(ctx); err != nil {
		return nil, err
	}
	if g.register, err = s.purposes(ctx, ws); err != nil {
		return nil, err
	}
	g.purpose, g.chain = g.register.Purpose(g.view.Purpose), g.register.Chain(g.view.Purpose)
	if err := g.limitSources(ctx); err != nil {
		return nil, err
	}
	g.clear = len(g.foreign) == 0
	for _, c := range core.Categories {
		d := g.view.Reads(c)
		g.clear = g.clear && d.Allowed()
		if d.Effect == core.Mask && d.Form == core.Pseudonym && g.pseudo == nil && s.gate.Pseudonyms != nil {
			if g.pseudo, err = s.gate.Pseudonyms(ctx, ws); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

func (s *Service) purposes(ctx context.Context, ws string) (*consent.Register, error) {
	if s.gate.Purposes == nil {
		return consent.DefaultRegister(), nil
	}
	return s.gate.Purposes(ctx, ws)
}

// limitSources finds the sources that did not collect for the purpose. For
// compliance everything is seen that there is.
func (g *Gate) limitSources(ctx context.Context) error {
	if g.svc.gate.Events == nil || g.compliance() {
		return nil
	}
	limited, err := g.svc.gate.Events.SourcePurposes(ctx, g.ws)
	if err != nil {
		return err
	}
	for id, purposes := range limited {
		if !slices.ContainsFunc(g.chain, func(p string) bool { return slices.Contains(purposes, p) }) {
			if g.foreign == nil {
				g.foreign = map[string]bool{}
			}
			g.foreign[id] = true
		}
	}
	return nil
}

func (g *Gate) compliance() bool { return slices.Contains(g.chain, consent.Compliance) }

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

// Clear reports whether every category of data may be read in clear, whatever source
// it came from: Show and Event give what they are given. Not everybody need be
// admitted.
func (g *Gate) Clear() bool { return g.clear }

// Category returns the decision on reading data of a category.
func (g *Gate) Category(c core.Category) core.Decision {
	if g.open {
		return core.Decision{Effect: core.Allow}
	}
	return g.view.Reads(c)
}

// Data returns the decision on reading a field: of the traits (event.OwnerTrait), of
// an event's properties (event.OwnerOf its name) or of a record ("object:" and its
// type's key). A field that is not registered is UNCLASSIFIED.
func (g *Gate) Data(owner, path string) core.Decision {
	if g.clear {
		return core.Decision{Effect: core.Allow}
	}
	return g.Category(g.CategoryOf(owner, path))
}

// CategoryOf returns the category of a field; UNCLASSIFIED when the registry does
// not know it, or cannot be read.
func (g *Gate) CategoryOf(owner, path string) core.Category {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.owners[owner]
	if !ok {
		if g.owners == nil {
			g.owners = map[string]map[string]core.Category{}
		}
		if g.svc.gate.Events != nil {
			known, _ = g.svc.gate.Events.Categories(g.ctx, g.ws, owner) // unread: nothing is registered
		}
		g.owners[owner] = known
	}
	if c, ok := known[path]; ok && c != "" {
		return c
	}
	return core.Unclassified
}

// IdentifierCategory returns the category of the identifiers of a namespace: an
// address or a number that people are reached by is CONTACT.
func IdentifierCategory(namespace string) core.Category {
	switch namespace {
	case Email, Phone:
		return core.Contact
	}
	return core.IdentifierID
}

// Usable returns nil when a field may be asked about: filtered, sorted, counted,
// aggregated, completed or subscribed to. Else it is FORBIDDEN, reason
// PROTECTED_FIELD; the message names the path.
func (g *Gate) Usable(owner, path string) error {
	if g.open {
		return nil
	}
	if g.clear || g.Category(g.CategoryOf(owner, path)).Allowed() {
		return nil
	}
	return protected(strings.ToValidUTF8(path, "\ufffd"))
}

// UsableCategory is Usable for what has a category and no path of its own; what
// names it: "consents".
func (g *Gate) UsableCategory(c core.Category, what string) error {
	if g.Category(c).Allowed() {
		return nil
	}
	return protected(what)
}

func protected(what string) *core.Error {
	return core.Errorf(core.Forbidden, "PROTECTED_FIELD",
		"%s may not be asked about: this key may not read it in clear for this purpose", what)
}

// Samples reports whether values of a category may be shown that stand for no person in
// particular: nobody's consent is asked of them.
func (g *Gate) Samples(c core.Category) bool { return g.Category(c).Allowed() && g.everybody() }

// LookUp returns nil when people may be looked up by identifiers of a namespace: who
// may not read them in clear could guess them.
func (g *Gate) LookUp(namespace string) error {
	return g.UsableCategory(IdentifierCategory(namespace), "this namespace of identifiers")
}

// note tells the audit that people are about to be shown: what it does not hear of
// is not.
func (g *Gate) note(ctx context.Context, resource string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	effect := core.Allow
	if !g.clear {
		effect = core.Mask
	}
	return audit.Note(ctx, audit.Seen{Resource: resource, Profiles: ids, Decision: effect})
}
