package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Settings are what a workspace says about who comes in and how. They are part of its
// document.
type Settings struct {
	// Issuers are the issuers whose tokens open the workspace; none means all that the
	// server trusts.
	Issuers []string `bson:"issuers,omitempty"`
	// ReasonRoles are the roles that act only when a reason is given.
	ReasonRoles []string `bson:"reasonRoles,omitempty"`
	// ReasonData are the categories that are read only when a reason is given. Nil
	// means DefaultReasonData; empty means none.
	ReasonData []core.Category `bson:"reasonData"`
	// RoleLimits narrow whose data each role may see.
	RoleLimits []RoleLimits `bson:"roleLimits,omitempty"`
}

// RoleLimits are the limits of one role.
type RoleLimits struct {
	Role   string      `bson:"role"`
	Limits core.Limits `bson:"limits"`
}

// DefaultReasonData is what is read only when a reason is given, until the workspace
// says otherwise.
var DefaultReasonData = []core.Category{core.Special}

func (s *Settings) limitsOf(role string) core.Limits {
	for _, r := range s.RoleLimits {
		if r.Role == role {
			return r.Limits
		}
	}
	return core.Limits{}
}

// ReasonFor returns the categories that are read only when a reason is given.
func (s *Settings) ReasonFor() []core.Category {
	if s.ReasonData == nil {
		return DefaultReasonData
	}
	return s.ReasonData
}

// SettingsOf returns what a workspace says about who comes in. It checks nothing: callers
// are the server's own parts.
func (s *Service) SettingsOf(ctx context.Context, workspace string) (*Settings, error) {
	w, err := Workspaces.Get(ctx, s.store, workspace)
	if err != nil || w == nil {
		return &Settings{}, err
	}
	return &w.Access, nil
}

// NeedsReason reports whether somebody with the roles reads a category (NONE: does
// anything) only when a reason is given.
func (s *Settings) NeedsReason(roles []string, category core.Category) bool {
	must := func(role string) bool { return slices.Contains(s.ReasonRoles, role) }
	return slices.ContainsFunc(roles, must) || slices.Contains(s.ReasonFor(), category)
}

// SettingsUpdate changes settings; what is nil stays as it is.
type SettingsUpdate struct {
	Workspace       string // "" means the actor's own
	ExpectedVersion int64  // of the workspace; 0 for whichever there is
	Issuers         *[]string
	ReasonRoles     *[]string
	ReasonData      *[]core.Category
	RoleLimits      *[]RoleLimits
}

// maxListed is how many elements each list of settings and limits may have.
const maxListed = 100

// UpdateSettings changes how a workspace is entered. Nobody changes the limits of a
// role of their own: FORBIDDEN (reason OWN_ACCESS).
func (s *Service) UpdateSettings(ctx context.Context, u SettingsUpdate) (*Workspace, error) {
	ws, a, err := in(ctx, u.Workspace, Manage)
	if err != nil {
		return nil, err
	}
	known, err := s.roles(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := s.checkSettings(a, &u, known); err != nil {
		return nil, err
	}
	var w *Workspace
	err = again(func() error {
		if w, err = s.active(ctx, ws); err != nil {
			return err
		}
		if u.ExpectedVersion != 0 && w.V != u.ExpectedVersion {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the workspace was changed meanwhile; read it again").At("expectedVersion")
		}
		fields := u.apply(&w.Access, a)
		if fields == nil {
			return core.Errorf(core.Forbidden, "OWN_ACCESS", "nobody changes the limits of a role of their own; ask somebody who does not have it").At("roleLimits")
		}
		ops, err := s.audited(ctx, ws, "access.settings", ws, fields, nil)
		if err != nil {
			return err
		}
		if err = s.write(ctx, append(ops, Workspaces.Replace(w))...); err == nil {
			w.V++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.changed(ctx)
	return w, nil
}

// apply changes the settings and returns the names of what was given, nil when it
// would change the limits of a role of the actor's.
func (u *SettingsUpdate) apply(to *Settings, a *core.Actor) []string {
	fields := []string{}
	if u.Issuers != nil {
		to.Issuers = *u.Issuers
		fields = append(fields, "issuers")
	}
	if u.ReasonRoles != nil {
		to.ReasonRoles = *u.ReasonRoles
		fields = append(fields, "reasonRoles")
	}
	if u.ReasonData != nil {
		to.ReasonData = append([]core.Category{}, *u.ReasonData...)
		fields = append(fields, "reasonData")
	}
	if u.RoleLimits != nil {
		next := Settings{RoleLimits: *u.RoleLimits}
		for _, r := range a.Roles {
			if a.Workspace != "" && !sameLimits(to.limitsOf(r), next.limitsOf(r)) {
				return nil
			}
		}
		to.RoleLimits = next.RoleLimits
		fields = append(fields, "roleLimits")
	}
	return fields
}

func (s *Service) checkSettings(a *core.Actor, u *SettingsUpdate, roles []string) error {
	unknown := func(r string) bool { return !slices.Contains(roles, r) }
	invalid := func(path, reason, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	if u.Issuers != nil {
		for _, url := range *u.Issuers {
			if o := s.oidc.Load(); o == nil || !o.trusts(url) {
				return invalid("issuers", "ISSUER_UNKNOWN", "this server does not trust that issuer; its operator names the trusted ones with --oidc-issuer")
			}
		}
	}
	if u.ReasonData != nil {
		for _, c := range *u.ReasonData {
			if !c.Valid() {
				return invalid("reasonData", "CATEGORY", "that is not a category of data")
			}
		}
	}
	if u.ReasonRoles != nil && (len(*u.ReasonRoles) > maxListed || slices.ContainsFunc(*u.ReasonRoles, unknown)) {
		return invalid("reasonRoles", "UNKNOWN_ROLE", "name at most %d roles, of %s", maxListed, strings.Join(roles, ", "))
	}
	if u.RoleLimits != nil {
		if !a.Limits.None() {
			return core.Errorf(core.Forbidden, "ESCALATION", "who is limited to some people may not change limits").At("roleLimits")
		}
		for i, r := range *u.RoleLimits {
			other := func(o RoleLimits) bool { return o.Role == r.Role }
			if i >= maxListed || unknown(r.Role) || slices.IndexFunc(*u.RoleLimits, other) != i {
				return invalid("roleLimits", "UNKNOWN_ROLE", "name each role once, and at most %d, of %s", maxListed, strings.Join(roles, ", "))
			}
			if err := checkLimits(r.Limits); err != nil {
				return core.AsError(err).At("roleLimits")
			}
		}
	}
	return nil
}

// stamp is the present moment as the store keeps it.
func (s *Service) stamp() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }
