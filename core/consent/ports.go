package consent

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// People finds those whose consent it is. core/profile implements it.
type People interface {
	// Subject returns the person with a profile's id as they are now, read from the
	// store; nil when there is none.
	Subject(ctx context.Context, ws, profile string) (*Subject, error)
	// SubjectAsOf is Subject at an instant of commit time.
	SubjectAsOf(ctx context.Context, ws, profile string, at time.Time) (*Subject, error)
	// SubjectBy returns the person who holds an identifier, with Part being the part
	// that the identifier belongs to; nil when nobody does.
	SubjectBy(ctx context.Context, ws string, id event.Identifier) (*Subject, error)
	// Normal returns the form under which an identifier is known here; false when it
	// can name nobody.
	Normal(ctx context.Context, ws string, id event.Identifier) (event.Identifier, bool, error)
}

// Subject is one person.
type Subject struct {
	ID        string                             // prof_…, the profile that the person has now
	Part      string                             // the part that was asked for: what is said is stored under it
	Parts     []string                           // all of them
	Version   int64                              // of the stored profile; 0 as of an instant
	UpdatedAt time.Time                          // commit time of the latest event
	Words     func(now time.Time) []Word         // as Profile.Words
	Said      func(part string) []Word           // what was recorded of one part
	Country   func(*Register) string             // as Profile.Jurisdiction
	Latest    func(purpose string) time.Time     // when the latest recorded word about a purpose was said; zero: none
	Holds     func(entry string) (status string) // the status of a recorded entry that is in force for any part; "": none is
	// Identifiers are what the person is known by, in their normal form.
	Identifiers []event.Identifier
	// Restricted reports whether processing is restricted for a purpose, given with its
	// ancestors; nil: it never is.
	Restricted func(chain []string) bool
	Check      store.Op // demands that nothing was committed about the person since
}

// Tokens signs what a person confirms with, and makes of an identifier what tells
// nothing of it. keyring.Ring implements it.
type Tokens interface {
	Sign(ctx context.Context, ws, use string, claims any, expires time.Time) (string, error)
	Verify(ctx context.Context, ws, use, token string, claims any, now time.Time) error
	MAC(ctx context.Context, ws, name string, data []byte) ([]byte, error)
}

// Trace is what the audit log is told of a decision or a change. It holds no personal
// value but the identifiers that core/audit makes pseudonyms of.
type Trace struct {
	Workspace  string
	Action     string // "consent.record"
	Resource   string // the entry, receipt or purpose
	Profiles   []string
	Identifier *event.Identifier
	Others     []event.Identifier // of a change to many
	Purpose    string
	Decision   core.Effect
	Details    map[string]string
}

// Auditor makes an entry of the audit log to be committed with what it tells of.
// audit.Log implements it.
type Auditor interface {
	Op(ctx context.Context, e audit.Entry) (store.Op, error)
}

// audited returns the operation of a trace in front of others.
func (s *Service) audited(ctx context.Context, t Trace, ops ...store.Op) ([]store.Op, error) {
	if s.Audit == nil {
		return ops, nil
	}
	e := audit.Entry{
		Workspace: t.Workspace, Action: t.Action, Resource: t.Resource, Subjects: t.Profiles, Decision: t.Decision,
		Details: map[string]string{},
	}
	for key, v := range t.Details {
		if v != "" {
			e.Details[key] = v
		}
	}
	if t.Purpose != "" {
		e.Details["purpose"] = t.Purpose // the entry's own is that of the request
	}
	if t.Identifier != nil {
		e.Identifiers = []audit.Subject{{Namespace: t.Identifier.Namespace, Value: t.Identifier.Value}}
	}
	for _, id := range t.Others {
		e.Identifiers = append(e.Identifiers, audit.Subject{Namespace: id.Namespace, Value: id.Value})
	}
	op, err := s.Audit.Op(ctx, e)
	if err != nil {
		return nil, err
	}
	return append([]store.Op{op}, ops...), nil
}

// actor names who acts.
func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}
