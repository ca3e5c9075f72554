package access

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// The roles.
const (
	Owner      = "owner"
	Admin      = "admin"
	Marketer   = "marketer"
	Analyst    = "analyst"
	Compliance = "compliance"
	Developer  = "developer"
	Write      = "write" // a write key: it only ingests, and has no other role
)

// hints is the letter that a secret of the role carries.
var hints = map[string]byte{
	Owner: 'o', Admin: 'a', Marketer: 'm', Analyst: 'n', Compliance: 'c', Developer: 'd', Write: 'w',
}

// Permission is something an actor may do.
type Permission string

// The permissions.
const (
	Read   Permission = "read"   // see what is in the workspace
	Ingest Permission = "ingest" // send events
	Design Permission = "design" // make and change segments, lists, object types and records
	Change Permission = "change" // change everything else: data and definitions
	Manage Permission = "manage" // keys, the workspace itself
)

// Permissions lists them all; a key's scopes are some of them.
var Permissions = []Permission{Read, Ingest, Design, Change, Manage}

// Operator is whoever runs the server, acting through the command line or through
// a part of the server, in no workspace and in each: "system:" and the name.
func Operator(name string) *core.Actor {
	return &core.Actor{ID: "system:" + name, Name: name, Roles: []string{Owner}}
}

// System is a part of the server acting in one workspace.
func System(workspace, name string) *core.Actor {
	a := Operator(name)
	a.Workspace = workspace
	return a
}

// Can reports whether the actor may do p; nobody (nil) may do nothing.
func Can(a *core.Actor, p Permission) bool {
	return a != nil && inScope(a, p) && inRole(a, p)
}

func inScope(a *core.Actor, p Permission) bool {
	return len(a.Scopes) == 0 || slices.Contains(a.Scopes, string(p))
}

func inRole(a *core.Actor, p Permission) bool {
	for _, role := range a.Roles {
		switch role {
		case Owner, Admin:
			return true
		case Write:
			if p == Ingest {
				return true
			}
		case Marketer:
			if p == Read || p == Design {
				return true
			}
		case Analyst, Compliance, Developer:
			if p == Read {
				return true
			}
		}
	}
	return false
}

// Require returns the actor of ctx when it may do p. Else the error is
// UNAUTHENTICATED (reason MISSING_KEY) when there is none, FORBIDDEN with the
// reason SCOPE (its key is narrower than its roles) or ROLE.
func Require(ctx context.Context, p Permission) (*core.Actor, error) {
	a := core.ActorFrom(ctx)
	switch {
	case a == nil:
		return nil, errMissingKey
	case !inRole(a, p):
		return nil, core.Errorf(core.Forbidden, "ROLE", "the roles of this key do not allow to %s; use a key whose role does", p)
	case !inScope(a, p):
		return nil, core.Errorf(core.Forbidden, "SCOPE", "the scopes of this key do not allow to %s; use a key without scopes, or with this one", p)
	}
	return a, nil
}

// Allow is Require for those who do not need the actor.
func Allow(ctx context.Context, p Permission) error {
	_, err := Require(ctx, p)
	return err
}

// in returns the workspace that the actor of ctx may do p in: its own, which is
// what "" means, or for an operator the one that is named.
func in(ctx context.Context, workspace string, p Permission) (string, *core.Actor, error) {
	a, err := Require(ctx, p)
	switch {
	case err != nil:
		return "", nil, err
	case a.Workspace == "" && workspace == "":
		return "", nil, core.Errorf(core.Invalid, "WORKSPACE_REQUIRED", "an operator must name the workspace").At("workspace")
	case a.Workspace == "":
		return workspace, a, nil
	case workspace != "" && workspace != a.Workspace:
		return "", nil, core.Errorf(core.Forbidden, "OTHER_WORKSPACE", "this key belongs to another workspace").At("workspace")
	}
	return a.Workspace, a, nil
}

// operator returns the actor of ctx when it acts outside any workspace.
func operator(ctx context.Context) (*core.Actor, error) {
	a, err := Require(ctx, Manage)
	if err == nil && a.Workspace != "" {
		err = core.Errorf(core.Forbidden, "OPERATOR", "only an operator of the server may do this, not a key of a workspace")
	}
	return a, err
}
