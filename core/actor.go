package core

import "context"

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
}

type contextKey int

const (
	actorKey contextKey = iota
	requestKey
)

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
