package privacy

import (
	"context"
	"log/slog"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
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

// Options are what a Service is made of. All but Destinations and Logger are required.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Keys     Keys
	Events   *event.Service
	Profiles *profile.Service
	Objects  *object.Service
	Ingest   *ingest.Pipeline
	Jobs     *work.Jobs
	Runner   *work.Runner
	Specs    []*store.Spec // of the whole server: what an erasure sweeps
	Logger   *slog.Logger  // default slog.Default()
	// Destinations returns where data of a workspace's people was handed to; nil: nowhere.
	Destinations func(ctx context.Context, workspace string) ([]Destination, error)
}

// Service answers requests of data subjects. It is safe for concurrent use.
type Service struct {
	o Options
}

// New returns the service, which handles its jobs and tasks with the runner.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{o: o}
}

// Specs lists the package's collections.
func Specs() []*store.Spec { return []*store.Spec{Requests.Spec} }
