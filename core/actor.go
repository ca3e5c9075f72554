package core

import (
	"context"
	"strings"
)

// Actor is who acts: a key, a member or a part of the system, in one workspace.
type Actor struct {
	Workspace string   // ws_…; "" for an operator outside any workspace
	ID        string   // key_…, or "system:demo"
	Name      string   // for people; never a personal value
	Roles     []string // as api.md names them
	Source    string   // src_… for a write key: where its events come from
	Purposes  []string // what its data may be used for; empty means all
	Purpose   string   // the one that this request acts under
	Scopes    []string // what the credential may do at all; empty means all its roles allow
	Reason    string   // why, as the caller says it: a ticket's number, "break-glass: …"
	// Limits narrow whose data a role may see; see Limits.
	Limits Limits
	// BreakGlass lifts, for this one request, the limits and what people's consent
	// hides; who may do so said why in Reason, and it is written down.
	BreakGlass bool
	// Decider tells what the actor may do as of now. Whoever comes in from outside has
	// one; an actor without one is a part of the system or may not read data at all.
	Decider Decider
}

// Limits narrow the people whom an actor may see. The zero Limits narrow nothing.
type Limits struct {
	Segments []string `bson:"segments,omitempty"` // seg_…: only members of one of these
	Owners   []string `bson:"owners,omitempty"`   // only people whose owner trait is one of these
}

// None reports whether nothing is narrowed.
func (l Limits) None() bool { return len(l.Segments) == 0 && len(l.Owners) == 0 }

type contextKey int

const (
	actorKey contextKey = iota
	requestKey
)

// IsSystem reports whether the actor is a part of the server: it came by no door, and
// decides for itself what it does with data. Nobody (nil) is none.
func (a *Actor) IsSystem() bool {
	return a != nil && a.Decider == nil && strings.HasPrefix(a.ID, "system:")
}

// WithActor returns ctx with the actor in it.
func WithActor(ctx context.Context, a *Actor) context.Context {
	return context.WithValue(ctx, actorKey, a)
}

// ActorFrom returns the actor of ctx, or nil when nobody was authenticated.
func ActorFrom(ctx context.Context) *Actor {
	a, _ := ctx.Value(actorKey).(*Actor)
	return a
}

// WithRequestID returns ctx with the request's id in it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}

// RequestID returns the request's id, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}
