package profile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

const (
	maxAttempts = 100   // of a change that loses races
	maxGet      = 1000  // keys in one read
	cachedHints = 50000 // parts that are not their own profile
)

var errBusy = core.Errorf(core.Unavailable, "BUSY", "the profile changes too often to be changed by hand just now; try again")

// errChangeTooLarge is a change by hand from which more derives than one commit holds.
var errChangeTooLarge = core.Errorf(core.Invalid, "CHANGE_TOO_LARGE",
	"this changes more than one commit can hold; archive segments that these people are in, or undo some of their merges, and try again")

// Service answers questions about profiles and changes them. It is safe for
// concurrent use.
type Service struct {
	db       store.Store
	clock    core.Clock
	settings sync.Map                   // workspace → *rules
	ids      *memory                    // identifier key → part: as last read: a profile that is read says whether it is still true
	hints    *lru.Cache[string, string] // part key → profile id: a guess that a read profile confirms
	derives  Fold                       // nil: nothing
	tombs    Tombstones                 // nil: nobody was erased
	erasedAt sync.Map                   // workspace → time.Time of the latest erasure, as last read
	gate     GateOptions
}

// NewService returns a service over db, whose collections (Specs, and the event
// log) are declared.
func NewService(db store.Store, clock core.Clock) *Service {
	hints, _ := lru.New[string, string](cachedHints) // fails for a size below 1 only
	return &Service{db: db, clock: clock, ids: newMemory(), hints: hints}
}

// Get returns the profile with an id, or nil. The id of a profile that was merged
// into another finds that other; one of an erased person is NOT_FOUND, reason ERASED.
func (s *Service) Get(ctx context.Context, ws, id string) (*Profile, error) {
	out, err := s.GetMany(ctx, ws, []string{id})
	if err != nil {
		return nil, err
	}
	if out[0] == nil {
		return nil, s.gone(ctx, ws, id)
	}
	return out[0], nil
}

// GetMany returns the profiles with the ids, in that order, nil where there is
// none. At most 1000 ids.
func (s *Service) GetMany(ctx context.Context, ws string, ids []string) ([]*Profile, error) {
	if len(ids) > maxGet {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "ask for at most %d profiles at once", maxGet)
	}
	u := s.newUnit(ws, nil)
	asked := make([]string, 0, len(ids))
	for _, id := range ids {
		if isPart(id) {
			asked = append(asked, id)
		}
	}
	if _, err := u.loadProfiles(ctx, asked); err != nil {
		return nil, storeError("read profiles", err)
	}
	out := make([]*Profile, len(ids))
	for i, id := range ids {
		out[i] = u.profile(id)
	}
	return out, nil
}

// ByIdentifier returns the profile that holds an identifier, or nil. The value is
// normalised first; one that can name nobody finds nobody.
func (s *Service) ByIdentifier(ctx context.Context, ws string, id event.Identifier) (*Profile, error) {
	out, err := s.ByIdentifiers(ctx, ws, []event.Identifier{id})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// ByIdentifiers is ByIdentifier for at most 1000 at once, in their order.
func (s *Service) ByIdentifiers(ctx context.Context, ws string, ids []event.Identifier) ([]*Profile, error) {
	if len(ids) > maxGet {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "ask for at most %d identifiers at once", maxGet)
	}
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	u := s.newUnit(ws, r)
	keys := make([]string, len(ids))
	asked := make([]string, 0, len(ids))
	for i, id := range ids {
		if n, ok := r.normalise(id.Namespace, id.Value); ok {
			keys[i] = identifierKey(ws, n)
			asked = append(asked, keys[i])
		}
	}
	if err := u.load(ctx, asked, nil); err != nil {
		return nil, storeError("find profiles", err)
	}
	out := make([]*Profile, len(ids))
	for i, key := range keys {
		if part, ok := u.ids[key]; ok {
			out[i] = u.profile(part)
		}
	}
	return out, nil
}

// List returns a window of the workspace's profiles, the oldest id first.
func (s *Service) List(ctx context.Context, ws string, w core.Window) (store.Page[Profile], error) {
	page, err := Profiles.Page(ctx, s.db, everything(ws), w)
	return page, storeError("list profiles", err)
}

func everything(ws string) store.Query { return store.Query{Workspace: ws} }

// isPart tells what may be the id of a profile, so that nothing else reaches a key.
func isPart(id string) bool {
	return core.IDPrefix(id) == core.PrefixProfile && len(id) <= 64 && !strings.ContainsAny(id, "/\x00")
}

func isID(prefix, id string) bool {
	return core.IDPrefix(id) == prefix && len(id) <= 64 && !strings.ContainsAny(id, "/\x00")
}

// storeError turns what the store says into the domain's error; nil stays nil.
func storeError(op string, err error) error {
	var e *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrConflict):
		return errBusy.Wrap(err)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE", "the store cannot answer now; try again").Wrap(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	}
	return core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(fmt.Errorf("%s: %w", op, err))
}
