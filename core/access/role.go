package access

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// The roles.
const (
	Owner      = "owner"
	Admin      = "admin"
	Marketer   = "marketer"
	Analyst    = "analyst"
	Support    = "support"
	Compliance = "compliance"
	Developer  = "developer"
	Connector  = "connector" // another system, through a connector
	Write      = "write"     // a write key: it only ingests, and has no other role
)

// hints is the letter that a secret of the role carries.
var hints = map[string]byte{
	Owner: 'o', Admin: 'a', Marketer: 'm', Analyst: 'n', Support: 's', Compliance: 'c', Developer: 'd', Connector: 'k', Write: 'w',
}

// Roles lists the built-in roles.
var Roles = []string{Owner, Admin, Marketer, Analyst, Support, Compliance, Developer, Connector, Write}

// Permission is something an actor may do.
type Permission string

// The permissions.
const (
	Read    Permission = "read"    // see what is in the workspace
	Ingest  Permission = "ingest"  // send events
	Design  Permission = "design"  // make and change segments, lists, object types and records
	Change  Permission = "change"  // change everything else: data and definitions
	Manage  Permission = "manage"  // keys, members, the workspace itself
	Govern  Permission = "govern"  // purposes, consent settings, policy, documents, privacy requests, holds, retention
	Audit   Permission = "audit"   // read the audit log
	Consent Permission = "consent" // record consents and suppressions for people
	Connect Permission = "connect" // make and change connections to vendors and what flows over them
	Review  Permission = "review"  // agree to what somebody else made: templates
	Send    Permission = "send"    // hand messages to people, one by one; stop and settle those that go
	Engage  Permission = "engage"  // deal with customers: coupons, points, stages of leads
)

// Permissions lists them all; a key's scopes are some of them.
var Permissions = []Permission{Read, Ingest, Design, Change, Manage, Govern, Audit, Consent, Connect, Review, Send, Engage}

func permissionList() string {
	names := make([]string, len(Permissions))
	for i, p := range Permissions {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// builtIn is what the roles may do where no policy says otherwise; owner and admin
// may do everything.
var builtIn = map[string][]Permission{
	Marketer:   {Read, Design, Review, Send, Engage},
	Analyst:    {Read},
	Support:    {Read, Consent, Engage},
	Compliance: {Read, Audit, Govern, Consent, Review},
	Developer:  {Read, Ingest, Design, Connect},
	Connector:  {Read, Ingest},
	Write:      {Ingest},
}

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

// Can reports whether the actor of ctx may do p; nobody may do nothing.
func Can(ctx context.Context, p Permission) bool { return Allow(ctx, p) == nil }

func inRole(roles []string, p Permission) bool {
	return slices.ContainsFunc(roles, func(role string) bool {
		return role == Owner || role == Admin || slices.Contains(builtIn[role], p)
	})
}

// Require returns the actor of ctx when it may do p now. Else the error is
// UNAUTHENTICATED (reason MISSING_KEY) when there is none, FORBIDDEN with the
// reason ROLE, PURPOSE (another purpose would allow it), SCOPE (its key is
// narrower than its roles) or BREAK_GLASS, or what its Decider says.
func Require(ctx context.Context, p Permission) (*core.Actor, error) {
	a := core.ActorFrom(ctx)
	v, err := ViewOf(ctx)
	if err != nil {
		return nil, err
	}
	d := v.Permits(string(p))
	switch {
	case d.Allowed():
		return a, nil
	case d.Rule == scopeRule:
		return nil, core.Errorf(core.Forbidden, "SCOPE", "the scopes of this key do not allow to %s; use a key without scopes, or with this one", p)
	case d.Rule == glassRule:
		return nil, core.Errorf(core.Forbidden, "BREAK_GLASS", "the glass is broken to look, not to %s; send this without break-glass", p)
	case d.Withheld == core.WithheldPurpose:
		return nil, core.Errorf(core.Forbidden, "PURPOSE", "the purpose of this request does not allow to %s; name another one in X-Purpose", p)
	}
	return nil, core.Errorf(core.Forbidden, "ROLE", "the roles of this key do not allow to %s; use a key whose role does", p)
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
