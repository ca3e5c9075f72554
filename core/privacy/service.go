package privacy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Keys are the workspace's secrets, as core/keyring keeps them.
type Keys interface {
	MAC(ctx context.Context, workspace, name string, data []byte) ([]byte, error)
	Pseudonym(ctx context.Context, workspace, kind, value string) (string, error)
	Seal(ctx context.Context, workspace string, plain, aad []byte) ([]byte, error)
	Open(ctx context.Context, workspace string, sealed, aad []byte) ([]byte, error)
	Signer(ctx context.Context, workspace, name string) (note.Signer, error)
}

// Options are what a Service is made of. Those without a remark are required.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Keys     Keys
	Events   *event.Service
	Profiles *profile.Service
	Objects  *object.Service
	Segments *segment.Service
	Jobs     *work.Jobs
	Runner   *work.Runner
	Specs    []*store.Spec // of the whole server: what an erasure sweeps
	Logger   *slog.Logger  // default slog.Default()
	Audit    *audit.Log    // nil: nobody is told, in tests
	// Destinations returns where data of a workspace's people was handed to; nil: nowhere.
	Destinations func(ctx context.Context, workspace string) ([]Destination, error)
	// Suppress returns the operations that suppress the identifiers of somebody who is
	// erased by a request at an instant, until they agree anew; nil: nobody is.
	Suppress func(ctx context.Context, workspace string, ids []event.Identifier, request string, at time.Time) ([]store.Op, error)
	// Suppressed returns the purposes that a new profile of an erased person is out of;
	// nil: marketing and personalisation.
	Suppressed func(ctx context.Context, workspace string) ([]string, error)
	// Deleted returns what must be committed with the deletion of an event, so that figures
	// keep what it counted; nil: nothing.
	Deleted func(ctx context.Context, workspace string, e *event.Event) ([]store.Op, error)
}

// Service answers requests of data subjects. It is safe for concurrent use.
type Service struct {
	o       Options
	secrets *sync.Map // workspaces whose secret of the tombstones is known to exist
}

// New returns the service, which handles its jobs and tasks with the runner and is
// what profiles ask for tombstones.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, secrets: &sync.Map{}}
	o.Profiles.SetTombstones(s)
	if o.Objects != nil {
		o.Objects.SetTombstones(s)
	}
	o.Jobs.HandleLasting(EraseKind, work.JobHandlerFunc(s.runErase), 2)
	o.Runner.Handle(taskWatch, work.Kind{Handler: work.HandlerFunc(s.watch), Attempts: -1})
	o.Runner.Handle(finishKind, work.Kind{Handler: work.HandlerFunc(s.finish), Concurrency: 2, Attempts: -1})
	o.Runner.Handle(scrubKind, work.Kind{Handler: work.HandlerFunc(s.scrub), Concurrency: 1, Attempts: -1})
	return s
}

// Specs lists the package's collections.
func Specs() []*store.Spec {
	return []*store.Spec{Requests.Spec, Tombstones.Spec, subjects.Spec, residuals.Spec, AnonymousRows.Spec, Holds.Spec}
}

// govern is the permission to answer requests.
const govern access.Permission = "govern"

func (s *Service) allow(ctx context.Context) error { return access.Allow(ctx, govern) }

func actorID(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return ""
}

// audited returns the operations that tell the audit log of a step.
func (s *Service) audited(ctx context.Context, ws, action, resource, reason string, parts []string) ([]store.Op, error) {
	if s.o.Audit == nil {
		return nil, nil
	}
	op, err := s.o.Audit.Op(ctx, audit.Entry{
		Workspace: ws, Action: action, Resource: resource, Reason: reason, Subjects: parts, SubjectCount: len(parts), Decision: core.Allow,
	})
	if err != nil {
		return nil, err
	}
	return []store.Op{op}, nil
}

// remembered returns the operations by which the audit log goes on finding entries
// about a person by an identifier, when nothing else knows whose it was.
func (s *Service) remembered(ctx context.Context, ws string, ids []event.Identifier, parts []string) ([]store.Op, error) {
	if s.o.Audit == nil {
		return nil, nil
	}
	of := make([]audit.Subject, len(ids))
	for i, id := range ids {
		of[i] = audit.Subject{Namespace: id.Namespace, Value: id.Value}
	}
	return s.o.Audit.Link(ctx, ws, of, parts)
}
