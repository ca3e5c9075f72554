package access

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// freshness is how long what was read of a key or a member is believed, whatever
// happens.
const freshness = time.Second

// Call is what a request says of who makes it, and why.
type Call struct {
	Secret    string // a key, or a bearer token of an issuer
	Purpose   string // "" for the credential's own
	Reason    string // why: at most MaxReason bytes; "break-glass: …" asks for more than usual
	Workspace string // ws_…: needed by a member of several
	// Stream marks a call that opens something long, such as a websocket: it cannot
	// break the glass.
	Stream bool
	// Guest lets in somebody whose token is good but who is no member here, to accept
	// an invitation and do nothing else.
	Guest bool
}

// Authenticate is Admit for a call that names neither reason nor workspace.
func (s *Service) Authenticate(ctx context.Context, secret, purpose string) (*core.Actor, error) {
	return s.Admit(ctx, Call{Secret: secret, Purpose: purpose})
}

// Admit returns the actor that a call comes from, acting for the purpose that it
// names ("" means the credential's default, else DefaultPurpose). The error is
//   - UNAUTHENTICATED: of a key MISSING_KEY, UNKNOWN_KEY, KEY_REVOKED, KEY_EXPIRED or
//     WORKSPACE_DELETED; of a bearer token BEARER_INVALID, BEARER_EXPIRED,
//     BEARER_NOT_YET_VALID, BEARER_ISSUER, BEARER_AUDIENCE, NOT_A_MEMBER or
//     MEMBER_SUSPENDED;
//   - INVALID: PURPOSE_UNKNOWN, REASON_TEXT or WORKSPACE_REQUIRED;
//   - FORBIDDEN: PURPOSE_NOT_ALLOWED, REASON_REQUIRED, OTHER_WORKSPACE or BREAK_GLASS;
//   - UNAVAILABLE: ISSUER_UNAVAILABLE, for which nobody is to blame but the issuer.
func (s *Service) Admit(ctx context.Context, call Call) (*core.Actor, error) {
	reason, err := cleanReason(call.Reason)
	if err != nil {
		return nil, err
	}
	call.Reason = reason
	switch {
	case call.Secret == "":
		return nil, errMissingKey
	case wellFormed(call.Secret):
		return s.admitKey(ctx, call)
	case looksLikeToken(call.Secret):
		return s.admitMember(ctx, call)
	}
	return nil, errMalformed
}

func (s *Service) admitKey(ctx context.Context, call Call) (*core.Actor, error) {
	hash := hashSecret(call.Secret)
	e, err := s.lookup(ctx, hash)
	if err != nil {
		return nil, err
	}
	k := e.key
	if k == nil {
		return nil, errUnknownKey
	}
	now := s.clock.Now()
	if err := k.state(e.workspace, now); err != nil {
		return nil, err
	}
	if call.Workspace != "" && call.Workspace != k.Workspace {
		return nil, errOtherWorkspace
	}
	a := &core.Actor{
		Workspace: k.Workspace, ID: k.KeyID, Name: k.Name, Roles: k.Roles, Source: k.Source,
		Purposes: k.Purposes, Purpose: call.Purpose, Scopes: k.Scopes,
	}
	c := &credential{s: s, now: func(ctx context.Context) (standing, error) { return s.keyNow(ctx, hash) }}
	if err := s.equip(ctx, a, c, call, k.standing(e.workspace), k.Purpose); err != nil {
		return nil, err
	}
	s.usage.touch(k.Workspace, k.KeyID, now)
	s.quotas.set(k.KeyID, k.Quota, now)
	return a, nil
}

// equip gives the actor what is alike for keys and members: purpose, reason, limits
// and the Decider.
func (s *Service) equip(ctx context.Context, a *core.Actor, c *credential, call Call, st standing, own string) error {
	if a.Purpose == "" {
		a.Purpose = defaultPurpose(own, a.Purposes)
	}
	if len(a.Purposes) > 0 && !slices.Contains(a.Purposes, a.Purpose) {
		return core.Errorf(core.Forbidden, "PURPOSE_NOT_ALLOWED", "this credential may not be used for that purpose; name one of those that it allows in X-Purpose, or none")
	}
	if err := s.knownPurpose(ctx, a.Workspace, a.Purpose); err != nil {
		return err
	}
	a.Reason, a.Limits = call.Reason, st.limits()
	if err := s.reasoned(ctx, a, call, st); err != nil {
		return err
	}
	c.purpose, c.reason, c.given, c.broken = a.Purpose, a.Reason, st.given(), a.BreakGlass
	a.Decider = c
	return nil
}

// defaultPurpose is the purpose of a request that names none: the credential's own,
// else DefaultPurpose where it may be used for that, else the first that it may.
func defaultPurpose(own string, allowed []string) string {
	switch {
	case own != "":
		return own
	case len(allowed) > 0 && !slices.Contains(allowed, DefaultPurpose):
		return allowed[0]
	}
	return DefaultPurpose
}

// SetPurposes tells the service which purposes a workspace has. Until then any word
// is taken for one.
func (s *Service) SetPurposes(known func(ctx context.Context, workspace, purpose string) (bool, error)) {
	s.purposes.Store(&known)
}

// knownPurpose refuses a purpose that the workspace does not have: INVALID, reason
// PURPOSE_UNKNOWN.
func (s *Service) knownPurpose(ctx context.Context, workspace, purpose string) error {
	known := s.purposes.Load()
	if known == nil || purpose == DefaultPurpose {
		return nil
	}
	switch ok, err := (*known)(ctx, workspace, purpose); {
	case err != nil:
		return err
	case !ok:
		return core.Errorf(core.Invalid, "PURPOSE_UNKNOWN", "this workspace has no such purpose; name one of its register in X-Purpose, or none")
	}
	return nil
}

// entry is what is known of a key; both nil when there is none.
type entry struct {
	key       *Key
	workspace *Workspace
}

// lookup returns the entry of a key, by the hash of its secret.
func (s *Service) lookup(ctx context.Context, hash string) (entry, error) {
	return s.cache.get(ctx, hash, func(ctx context.Context) (e entry, keep bool, err error) {
		if e.key, err = Keys.Get(ctx, s.store, hash); err != nil || e.key == nil {
			return e, false, err
		}
		e.workspace, err = Workspaces.Get(ctx, s.store, e.key.Workspace)
		return e, err == nil, err
	})
}

// keyNow returns how a key stands as of now.
func (s *Service) keyNow(ctx context.Context, hash string) (standing, error) {
	e, err := s.lookup(ctx, hash)
	switch {
	case err != nil:
		return standing{}, err
	case e.key == nil:
		return standing{}, errUnknownKey
	}
	return e.key.standing(e.workspace), e.key.state(e.workspace, s.clock.Now())
}

func (k *Key) standing(w *Workspace) standing {
	return standing{workspace: w, roles: k.Roles, scopes: k.Scopes, purposes: k.Purposes, own: k.Limits}
}
