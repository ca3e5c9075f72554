package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
)

// Invitation is the open invitation of a member.
type Invitation struct {
	ID        string    `bson:"id"` // inv_…
	ExpiresAt time.Time `bson:"expiresAt"`
	// AnyEmail lets in whoever has the link, whatever address the issuer knows them by.
	AnyEmail bool `bson:"anyEmail,omitempty"`
}

// How long an invitation is good.
const (
	DefaultInvitation = 7 * 24 * time.Hour
	MaxInvitation     = 30 * 24 * time.Hour
)

// invitationUse is the use of its token.
const invitationUse = "invitation"

// invitationClaims is what the token holds.
type invitationClaims struct {
	Member     string `json:"m"`
	Invitation string `json:"i"`
}

// NewMember describes somebody to invite.
type NewMember struct {
	Workspace string // "" means the actor's own
	Email     string
	Name      string // "" takes what the issuer says
	Roles     []string
	Purposes  []string
	Purpose   string
	Limits    core.Limits
	ExpiresIn time.Duration // 0 means DefaultInvitation; at most MaxInvitation
	AnyEmail  bool
}

// InvitedMember is an invitation with its token, which cannot be had again.
type InvitedMember struct {
	Member *Member
	Token  string
}

// InviteMember makes somebody a member who has not joined yet. Inviting the same
// address again, until it was accepted, changes the invitation and makes the earlier
// token worthless; an address that has joined is CONFLICT (reason ALREADY_MEMBER).
func (s *Service) InviteMember(ctx context.Context, n NewMember) (*InvitedMember, error) {
	ws, a, err := in(ctx, n.Workspace, Manage)
	if err != nil {
		return nil, err
	}
	if err := s.checkInvitation(ctx, ws, a, &n); err != nil {
		return nil, err
	}
	hash, err := s.emailHash(ctx, ws, n.Email)
	if err != nil {
		return nil, err
	}
	var m *Member
	err = again(func() error {
		w, err := s.active(ctx, ws)
		if err != nil {
			return err
		}
		now := s.stamp()
		claim := store.Claim(ws, emailClaim, hash, "")
		taken, err := store.Claims.Get(ctx, s.store, claim.ID)
		if err != nil {
			return err
		}
		if taken != nil {
			if m, err = Members.Get(ctx, s.store, store.Key(ws, taken.Owner)); err != nil {
				return err
			}
			if m == nil || m.Status != Invited {
				return core.Errorf(core.Conflict, "ALREADY_MEMBER", "somebody with this address is a member; change or restore that member instead").At("email")
			}
			if err := within(a, m.Roles, nil, m.Purposes, m.Limits); err != nil {
				return err
			}
		} else {
			id := core.NewID(core.PrefixMember, now)
			m = &Member{Meta: store.Meta{ID: store.Key(ws, id)}, MemberID: id}
		}
		m.Status, m.Roles, m.Purposes, m.Purpose, m.Limits = Invited, n.Roles, n.Purposes, n.Purpose, n.Limits
		m.Email, m.Name, m.EmailHash, m.InvitedBy, m.InvitedAt = n.Email, n.Name, hash, a.ID, now
		m.Invitation = &Invitation{ID: core.NewID(core.PrefixInvitation, now), ExpiresAt: now.Add(n.ExpiresIn), AnyEmail: n.AnyEmail}
		if err := s.seal(ctx, m); err != nil {
			return err
		}
		ops, err := s.audited(ctx, ws, "member.invite", m.MemberID, nil, map[string]string{"roles": strings.Join(m.Roles, " ")})
		if err != nil {
			return err
		}
		if taken != nil {
			ops = append(ops, Members.Replace(m))
		} else {
			ops = append(ops, store.Claim(ws, emailClaim, hash, m.MemberID), Members.Insert(m), Workspaces.Check(w))
		}
		if err = s.write(ctx, ops...); err == nil {
			m.V++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.changed(ctx)
	token, err := s.ring.Sign(ctx, ws, invitationUse, invitationClaims{m.MemberID, m.Invitation.ID}, m.Invitation.ExpiresAt)
	if err != nil {
		return nil, err
	}
	return &InvitedMember{m, token}, nil
}

// emailClaim is the kind of the claim that an address is of one member only.
const emailClaim = "member_email"

func (s *Service) checkInvitation(ctx context.Context, ws string, a *core.Actor, n *NewMember) (err error) {
	if n.Email, err = cleanEmail(n.Email); err != nil {
		return err
	}
	if n.Name != "" {
		if n.Name, err = cleanName(n.Name); err != nil {
			return err
		}
	}
	if n.ExpiresIn == 0 {
		n.ExpiresIn = DefaultInvitation
	}
	if n.ExpiresIn < time.Minute || n.ExpiresIn > MaxInvitation {
		return core.Errorf(core.Invalid, "EXPIRES_IN", "an invitation is good for a minute to 30 days").At("expiresIn")
	}
	if err := s.checkAccess(ctx, ws, n.Roles, n.Purposes, n.Purpose, n.Limits); err != nil {
		return err
	}
	if err := within(a, n.Roles, nil, n.Purposes, n.Limits); err != nil {
		return err
	}
	return s.noMore(ctx, a, ws, n.Roles)
}

// checkAccess refuses what no member can be given.
func (s *Service) checkAccess(ctx context.Context, ws string, roles, purposes []string, purpose string, limits core.Limits) error {
	invalid := func(path, reason, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	if len(roles) == 0 || len(roles) > maxListed {
		return invalid("roles", "ROLE_REQUIRED", "a member needs at least one role")
	}
	known, err := s.roles(ctx, ws)
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(slices.Clone(known), func(r string) bool { return r == Write })
	for _, r := range roles {
		if !slices.Contains(known, r) {
			return invalid("roles", "UNKNOWN_ROLE", "the roles of members here are %s", strings.Join(known, ", "))
		}
	}
	if len(purposes) > maxListed {
		return invalid("purposes", "PURPOSE", "name at most %d purposes", maxListed)
	}
	for _, p := range append(slices.Clone(purposes), purpose) {
		if p == "" {
			continue
		}
		if err := s.knownPurpose(ctx, ws, p); err != nil {
			return core.AsError(err).At("purposes")
		}
	}
	if slices.Contains(purposes, "") || len(purpose) > MaxName {
		return invalid("purposes", "PURPOSE", "a purpose is a key of the purpose register")
	}
	if len(purposes) > 0 && purpose != "" && !slices.Contains(purposes, purpose) {
		return invalid("purpose", "PURPOSE_NOT_ALLOWED", "the default purpose must be one of the allowed ones")
	}
	return checkLimits(limits)
}

var errInvitation = core.Errorf(core.Invalid, "INVITATION_INVALID", "this invitation is used, withdrawn or replaced by a later one; ask for a new one").At("token")

// AcceptInvitation makes whoever signed in for this request the member whom the token
// invites. The issuer must have verified that the address is theirs, unless the
// invitation is for any (FORBIDDEN, reason INVITATION_EMAIL). A token is good once.
func (s *Service) AcceptInvitation(ctx context.Context, token string) (*Member, error) {
	a := core.ActorFrom(ctx)
	who := identityOf(a)
	if who == nil || s.ring == nil {
		return nil, core.Errorf(core.Forbidden, "SIGN_IN_REQUIRED", "an invitation is accepted by a person: send the token of an issuer as Authorization: Bearer")
	}
	ws, err := keyring.TokenWorkspace(token)
	if err != nil {
		return nil, core.AsError(err).At("token")
	}
	// A workspace that there is not has no secrets, and gets none by asking.
	if w, err := Workspaces.Get(ctx, s.store, ws); err != nil {
		return nil, err
	} else if w == nil || w.Status != Active {
		return nil, errInvitation
	}
	var claims invitationClaims
	if err := s.ring.Verify(ctx, ws, invitationUse, token, &claims, s.clock.Now()); err != nil {
		return nil, core.AsError(err).At("token")
	}
	login, err := s.login(ctx, who.Issuer, who.Subject)
	if err != nil {
		return nil, err
	}
	var m *Member
	err = again(func() error {
		w, err := s.active(ctx, ws)
		if err != nil {
			return errInvitation
		}
		if m, err = Members.Get(ctx, s.store, store.Key(ws, claims.Member)); err != nil {
			return err
		}
		if m == nil || m.Status != Invited || m.Invitation == nil || m.Invitation.ID != claims.Invitation {
			return errInvitation
		}
		if err := s.fits(ctx, w, m, who); err != nil {
			return err
		}
		m.Status, m.JoinedAt, m.Invitation = Joined, s.stamp(), nil
		m.Issuer, m.Login = who.Issuer, login
		ops, err := s.audited(core.WithActor(ctx, &core.Actor{Workspace: ws, ID: m.MemberID, Purpose: DefaultPurpose, Reason: a.Reason}), ws, "member.join", m.MemberID, nil, nil)
		if err != nil {
			return err
		}
		l := &Login{Meta: store.Meta{ID: store.Key(login, ws)}, Login: login, Workspace: ws, Member: m.MemberID}
		err = s.write(ctx, append(ops, Members.Replace(m), Logins.Insert(l), Workspaces.Check(w))...)
		if conflictIn(err, Logins.Spec) {
			return core.Errorf(core.Conflict, "ALREADY_MEMBER", "you are a member of this workspace already").At("token")
		}
		if err == nil {
			m.V++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.changed(ctx)
	return m, nil
}

// fits refuses somebody whom an invitation is not for.
func (s *Service) fits(ctx context.Context, w *Workspace, m *Member, who *Identity) error {
	if err := s.open(ctx, m); err != nil {
		return err
	}
	if len(w.Access.Issuers) > 0 && !slices.Contains(w.Access.Issuers, who.Issuer) {
		return core.Errorf(core.Forbidden, "BEARER_ISSUER", "this workspace does not let in who signs in at that issuer")
	}
	if email, err := cleanEmail(who.Email); !m.Invitation.AnyEmail && (err != nil || !who.EmailVerified || email != m.Email) {
		return core.Errorf(core.Forbidden, "INVITATION_EMAIL", "this invitation is for another address, or the issuer has not verified yours; sign in with the address that was invited").At("token")
	}
	if m.Name == "" && who.Name != "" {
		if name, err := cleanName(who.Name); err == nil {
			m.Name = name
			return s.seal(ctx, m)
		}
	}
	return nil
}
