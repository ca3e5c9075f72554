package event

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// CacheTTL is how long a process may go on using a source or a plan that another
// process has changed. What this process changes holds at once.
const CacheTTL = time.Second

// Service keeps what surrounds the event log in a workspace: its sources, its
// tracking plan, the catalogue of fields and the quarantine. It is safe for
// concurrent use; several processes may run one on the same store.
type Service struct {
	db        store.Store
	clock     core.Clock
	normalise Normalise // nil: as they are

	plans   cache[*compiledPlan]
	sources cache[map[string]*Source]
	// by key of the owner
	categories cache[map[string]core.Category]

	mu        sync.Mutex
	catalogue map[string]*catalogue // by workspace
}

// NewService returns a service over db, whose Specs must have been declared.
func NewService(db store.Store, clock core.Clock) *Service {
	return &Service{db: db, clock: clock, catalogue: map[string]*catalogue{}}
}

// Specs lists the package's collections.
func Specs() []*store.Spec {
	return []*store.Spec{Events.Spec, Sources.Spec, Plans.Spec, Fields.Spec, Quarantine.Spec}
}

// maxCached bounds a cache: beyond it everything is read again.
const maxCached = 4096

// cache keeps one value per workspace (or other key) for CacheTTL.
type cache[T any] struct {
	mu      sync.Mutex
	entries map[string]cached[T]
}

type cached[T any] struct {
	value T
	at    time.Time
}

// get returns the workspace's value, from load when it is missing or too old;
// load gets the old value, to keep what has not changed.
func (c *cache[T]) get(ws string, now time.Time, load func(old T) (T, error)) (T, error) {
	c.mu.Lock()
	e, ok := c.entries[ws]
	c.mu.Unlock()
	if age := now.Sub(e.at); ok && age >= 0 && age < CacheTTL {
		return e.value, nil
	}
	v, err := load(e.value)
	if err != nil {
		var zero T
		return zero, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= maxCached {
		c.entries = map[string]cached[T]{}
	}
	c.entries[ws] = cached[T]{v, now}
	return v, nil
}

// drop forgets the workspace's value.
func (c *cache[T]) drop(ws string) {
	c.mu.Lock()
	delete(c.entries, ws)
	c.mu.Unlock()
}

// commit writes one batch on its own.
func (s *Service) commit(ctx context.Context, ops ...store.Op) error {
	_, err := s.db.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, s.clock.Now()), Ops: ops})
	return err
}

// outward turns an error into the one that leaves the domain.
func outward(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "CONFLICT", "somebody else changed it meanwhile; read it and try again").Wrap(err)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").Wrap(err).After(time.Second)
	}
	return core.AsError(err)
}

// attempts is how often a change is computed anew after a lost race.
const attempts = 10

// retry runs f until it loses no race.
func retry(f func() error) error {
	var err error
	for range attempts {
		if err = f(); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return outward(err)
}

// staleVersion is the answer to a change that was based on an older version.
func staleVersion(what string, have, want int64) *core.Error {
	return core.Errorf(core.Conflict, "VERSION_CONFLICT", "%s has version %d, not %d; read it and try again", what, have, want).At("expectedVersion")
}
