package access

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// MaxReason is how many bytes the reason of a request may have.
const MaxReason = 200

// glass is how a reason begins that asks for more than usual.
const glass = "break-glass:"

// cleanReason trims a reason and refuses one that could spoil a log.
func cleanReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if len(reason) > MaxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		return "", core.Errorf(core.Invalid, "REASON_TEXT", "a reason (X-Reason) has at most %d bytes of UTF-8 and no control characters", MaxReason)
	}
	return reason, nil
}

// breakers are the roles that may break the glass.
var breakers = []string{Owner, Admin, Compliance}

// reasoned checks whether a reason is missing, and breaks the glass for who says so:
// for this one request the limits and the consent of people count no more. It is
// written down before anything is shown.
func (s *Service) reasoned(ctx context.Context, a *core.Actor, call Call, st standing) error {
	must := func(role string) bool { return slices.Contains(st.workspace.Access.ReasonRoles, role) }
	if a.Reason == "" && slices.ContainsFunc(a.Roles, must) {
		return core.Errorf(core.Forbidden, "REASON_REQUIRED", "this workspace wants to know why your role acts: say it in X-Reason, for example a ticket's number")
	}
	if !strings.HasPrefix(strings.ToLower(a.Reason), glass) {
		return nil
	}
	switch {
	case strings.TrimSpace(a.Reason[len(glass):]) == "":
		return core.Errorf(core.Invalid, "REASON_TEXT", "say why the glass is broken: %s and the reason", glass)
	case call.Stream:
		return core.Errorf(core.Forbidden, "BREAK_GLASS", "the glass is broken for one request at a time, not for a stream")
	case len(a.Scopes) > 0 || !slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(breakers, r) }):
		return core.Errorf(core.Forbidden, "BREAK_GLASS", "only an owner, an admin or compliance may break the glass, with a credential that has no scopes")
	case s.audit == nil:
		return core.Errorf(core.Unavailable, audit.ReasonUnavailable, "the glass cannot be broken while nothing is written down")
	}
	if err := s.breakGlass(ctx, a); err != nil {
		return err
	}
	a.BreakGlass, a.Limits = true, core.Limits{}
	if s.alert != nil {
		s.alert(ctx, Alert{Kind: AlertBreakGlass, Workspace: a.Workspace, Actor: a.ID, At: s.clock.Now()})
	}
	return nil
}

// Alert tells operators of something that somebody should look at.
type Alert struct {
	Kind      string // one of the Alert constants
	Workspace string
	Actor     string // key_… or mem_…
	At        time.Time
}

// AlertBreakGlass says that somebody broke the glass.
const AlertBreakGlass = "BREAK_GLASS"

// audited returns the operation that writes an entry in the batch of a change. None
// while there is no log.
func (s *Service) audited(ctx context.Context, ws, action, resource string, fields []string, details map[string]string) ([]store.Op, error) {
	if s.audit == nil {
		return nil, nil
	}
	op, err := s.audit.Op(ctx, audit.Entry{Workspace: ws, Action: action, Resource: resource, Fields: fields, Details: details})
	if err != nil {
		return nil, err
	}
	return []store.Op{op}, nil
}
