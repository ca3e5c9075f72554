package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Entry tells of one operation. Workspace, Actor, Purpose, Reason and RequestID are
// taken from the context where they are empty, ID and At are made when it is written,
// Decision is ALLOW when it says nothing.
type Entry struct {
	ID        string // aud_…
	Workspace string
	Actor     string // key_…, mem_…, "system:…"
	Action    string // what was done: "query.profile", "mutation.mergeProfiles", "policy.set"
	Resource  string // to what: kinds or ids of things, never a personal value
	Fields    []string
	// Subjects are the profile ids of the people concerned. They are stored as
	// pseudonyms, and SubjectCount, when it is less, is their number.
	Subjects     []string
	Identifiers  []Subject // that were asked for; stored as pseudonyms
	SubjectCount int
	Purpose      string
	Reason       string
	Decision     core.Effect
	RequestID    string
	At           time.Time
	Details      map[string]string // never personal values
}

// Subject is an identifier of a person.
type Subject struct{ Namespace, Value string }

// pseudonym returns the identifier's. Spaces around it and capital letters make no
// difference: who asks later need not write it as it was written then.
func (s Subject) pseudonym(psn func(kind, value string) string) string {
	return psn(s.Namespace, strings.ToLower(strings.TrimSpace(s.Value)))
}

// KindProfile is the kind of the pseudonyms of profile ids; those of identifiers have
// the namespace as their kind.
const KindProfile = "profile"

// The bounds of an entry, so that one can always be written.
const (
	maxFields  = 500
	maxText    = 2000 // bytes of each text
	maxDetails = 50
	maxInline  = 200 // subjects in the entry itself
	maxAsked   = 200 // identifiers
)

// Reasons of this package's errors.
const (
	ReasonUnavailable = "AUDIT_UNAVAILABLE"
	ReasonNoTrail     = "NO_AUDIT_TRAIL"
)

// unavailable is the error of an entry that could not be written: no entry, no answer.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return core.Errorf(core.Unavailable, ReasonUnavailable,
		"the audit log cannot be written now, and nothing is shown or done without it; try again").After(time.Second).Wrap(err)
}

// storeFault makes an error of the store, or of reading, the one that leaves the domain.
func storeFault(err error) error {
	var own *core.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(err)
}

// fill completes an entry from its context.
func (e *Entry) fill(ctx context.Context, now time.Time) error {
	if a := core.ActorFrom(ctx); a != nil {
		e.Workspace = or(e.Workspace, a.Workspace)
		e.Actor = or(e.Actor, a.ID)
		e.Purpose = or(e.Purpose, a.Purpose)
		e.Reason = or(e.Reason, a.Reason)
	}
	e.RequestID = or(e.RequestID, core.RequestID(ctx))
	if e.Decision == "" {
		e.Decision = core.Allow
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
	if e.ID == "" {
		e.ID = core.NewID(core.PrefixAudit, e.At)
	}
	if e.Workspace == "" || e.Action == "" {
		return core.Errorf(core.Internal, "AUDIT_ENTRY", "an entry of the audit log needs a workspace and an action")
	}
	return nil
}

func or(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
