package object

import (
	"context"
	"log/slog"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// NameRecordChanged is the name of the system event about a changed record. Its
// properties are type, externalId, recordId, change (CREATED, UPDATED, DELETED,
// RESTORED or LINKED) and fields, the keys of what changed. One about nobody has no
// externalId: it would outlive the person whom the record turns out to be about.
const NameRecordChanged = "Record Changed"

// People finds the profiles of people.
type People interface {
	// Resolve returns the id of the profile that each identifier names, in their
	// order, "" when nobody has it. In the namespace ProfileNamespace the value is a
	// profile's id, perhaps of one that was merged into another.
	Resolve(ctx context.Context, ws string, refs []event.Identifier) ([]string, error)
}

// Options are what a Service needs.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Committer event.Committer
	People    People         // nil: records relate to nobody
	Events    *event.Service // nil: fields are not registered
	Jobs      *work.Jobs     // nil: nothing can be imported, nor types deleted with their records
	Logger    *slog.Logger   // nil: slog.Default()
	// Gate tells what the actor of a call may read; nil: only parts of the system read.
	Gate Gates
	// Uses names what uses a type (field "") or one of its fields, relations or
	// aliases; nil: nothing does.
	Uses func(ctx context.Context, ws, typeKey, field string) ([]string, error)
}

// Service defines types and keeps records. It is safe for concurrent use; several
// processes may run one on the same store.
type Service struct {
	o     Options
	cache typeCache
	tombs Tombstones // nil: nobody was erased
}

// NewService returns a service whose collections (Specs, and the event log) are
// declared.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{o: o}
}

// Specs lists the package's collections.
func Specs() []*store.Spec {
	return []*store.Spec{Types.Spec, revisions.Spec, guardDocs.Spec, Records.Spec, Files.Chunks.Spec}
}

// SetUses sets Options.Uses: what uses types stands on a higher floor and is made
// later. Call it before the service is used.
func (s *Service) SetUses(f func(ctx context.Context, ws, typeKey, field string) ([]string, error)) {
	s.o.Uses = f
}
