package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Members answers Query.members.
func (r query) Members(ctx context.Context, status *access.MemberStatus, first *int, after *string, last *int, before *string) (*view.MemberConnection, error) {
	page, err := r.Access.Members(ctx, "", value(status), core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Access.CountMembers(ctx, "", value(status)) }), nil
}

// AccessSettings answers Query.accessSettings.
func (r query) AccessSettings(ctx context.Context) (*gen.AccessSettings, error) {
	w, err := r.Access.Workspace(ctx, "")
	if err != nil || w == nil {
		return nil, err
	}
	return settingsOf(w), nil
}

func settingsOf(w *access.Workspace) *gen.AccessSettings {
	s := &w.Access
	return &gen.AccessSettings{
		Issuers: s.Issuers, ReasonRoles: s.ReasonRoles, ReasonData: s.ReasonFor(), RoleLimits: pointers(s.RoleLimits), Version: int(w.V),
	}
}

// Invitations answers Query.invitations.
func (r query) Invitations(ctx context.Context, first *int, after *string, last *int, before *string) (*view.MemberConnection, error) {
	invited := access.Invited
	return r.Members(ctx, &invited, first, after, last, before)
}

// RevokeInvitation answers Mutation.revokeInvitation.
func (r mutation) RevokeInvitation(ctx context.Context, in gen.RevokeInvitationInput) (*gen.RevokeInvitationPayload, error) {
	m, err := r.Access.RevokeInvitation(ctx, "", in.ID)
	out := &gen.RevokeInvitationPayload{Member: m}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// InviteMember answers Mutation.inviteMember.
func (r mutation) InviteMember(ctx context.Context, in gen.InviteMemberInput) (*gen.InviteMemberPayload, error) {
	made, err := r.Access.InviteMember(ctx, access.NewMember{
		Email: in.Email, Name: value(in.Name), Roles: in.Roles, Purposes: in.Purposes, Purpose: value(in.Purpose),
		Limits: limits(in.Limits), ExpiresIn: value(in.ExpiresIn), AnyEmail: value(in.AnyEmail),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.InviteMemberPayload{UserErrors: errs}, err
	}
	return &gen.InviteMemberPayload{Member: made.Member, Token: &made.Token}, nil
}

// AcceptInvitation answers Mutation.acceptInvitation.
func (r mutation) AcceptInvitation(ctx context.Context, in gen.AcceptInvitationInput) (*gen.AcceptInvitationPayload, error) {
	m, err := r.Access.AcceptInvitation(ctx, in.Token)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.AcceptInvitationPayload{UserErrors: errs}, err
	}
	ws := m.Workspace()
	return &gen.AcceptInvitationPayload{Member: m, WorkspaceID: &ws}, nil
}

// UpdateMember answers Mutation.updateMember.
func (r mutation) UpdateMember(ctx context.Context, in gen.UpdateMemberInput) (*gen.UpdateMemberPayload, error) {
	u := access.MemberUpdate{ID: in.ID, ExpectedVersion: int64(value(in.ExpectedVersion))}
	var m *access.Member
	err := patchMember(&u, in)
	if err == nil {
		m, err = r.Access.UpdateMember(ctx, u)
	}
	out := &gen.UpdateMemberPayload{Member: m}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

func patchMember(u *access.MemberUpdate, in gen.UpdateMemberInput) (err error) {
	if u.Name, err = patched(in.Name, "name", nil); err != nil {
		return err
	}
	if roles, set := in.Roles.ValueOK(); set {
		u.Roles = &roles
	}
	if purposes, set := in.Purposes.ValueOK(); set {
		u.Purposes = &purposes
	}
	if u.Purpose, err = patched(in.Purpose, "purpose", new(string)); err != nil {
		return err
	}
	if given, set := in.Limits.ValueOK(); set {
		l := limits(given)
		u.Limits = &l
	}
	return nil
}

// SuspendMember answers Mutation.suspendMember.
func (r mutation) SuspendMember(ctx context.Context, in gen.SuspendMemberInput) (*gen.SuspendMemberPayload, error) {
	m, err := r.Access.SuspendMember(ctx, "", in.ID)
	out := &gen.SuspendMemberPayload{Member: m}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// RestoreMember answers Mutation.restoreMember.
func (r mutation) RestoreMember(ctx context.Context, in gen.RestoreMemberInput) (*gen.RestoreMemberPayload, error) {
	m, err := r.Access.RestoreMember(ctx, "", in.ID)
	out := &gen.RestoreMemberPayload{Member: m}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveMember answers Mutation.removeMember.
func (r mutation) RemoveMember(ctx context.Context, in gen.RemoveMemberInput) (*gen.RemoveMemberPayload, error) {
	m, err := r.Access.RemoveMember(ctx, "", in.ID)
	out := &gen.RemoveMemberPayload{Member: m}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateAccessSettings answers Mutation.updateAccessSettings.
func (r mutation) UpdateAccessSettings(ctx context.Context, in gen.UpdateAccessSettingsInput) (*gen.UpdateAccessSettingsPayload, error) {
	u := access.SettingsUpdate{ExpectedVersion: int64(value(in.ExpectedVersion))}
	if list, set := in.Issuers.ValueOK(); set {
		u.Issuers = &list
	}
	if list, set := in.ReasonRoles.ValueOK(); set {
		u.ReasonRoles = &list
	}
	if list, set := in.ReasonData.ValueOK(); set {
		u.ReasonData = &list
	}
	if list, set := in.RoleLimits.ValueOK(); set {
		roles := make([]access.RoleLimits, len(list))
		for i, l := range list {
			roles[i] = access.RoleLimits{Role: l.Role, Limits: limits(l.Limits)}
		}
		u.RoleLimits = &roles
	}
	w, err := r.Access.UpdateSettings(ctx, u)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.UpdateAccessSettingsPayload{UserErrors: errs}, err
	}
	return &gen.UpdateAccessSettingsPayload{AccessSettings: settingsOf(w)}, nil
}

// limits reads the limits of an input; none when they were left out.
func limits(in *gen.LimitsInput) core.Limits {
	if in == nil {
		return core.Limits{}
	}
	return core.Limits{Segments: in.Segments, Owners: in.Owners}
}

// limitsOf returns nil for limits that narrow nothing, which the schema writes as null.
func limitsOf(l core.Limits) *core.Limits {
	if l.None() {
		return nil
	}
	return &l
}

// Email answers Member.email.
func (r staffFields) Email(_ context.Context, m *access.Member) (*string, error) {
	return text(m.Email), nil
}

// Name answers Member.name.
func (r staffFields) Name(_ context.Context, m *access.Member) (*string, error) {
	return text(m.Name), nil
}

// Purpose answers Member.purpose.
func (r staffFields) Purpose(_ context.Context, m *access.Member) (*string, error) {
	return text(m.Purpose), nil
}

// Limits answers Member.limits.
func (r staffFields) Limits(_ context.Context, m *access.Member) (*core.Limits, error) {
	return limitsOf(m.Limits), nil
}

// Issuer answers Member.issuer.
func (r staffFields) Issuer(_ context.Context, m *access.Member) (*string, error) {
	return text(m.Issuer), nil
}

// InvitationExpiresAt answers Member.invitationExpiresAt.
func (r staffFields) InvitationExpiresAt(_ context.Context, m *access.Member) (*time.Time, error) {
	if m.Invitation == nil {
		return nil, nil
	}
	return &m.Invitation.ExpiresAt, nil
}
