package privacy

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Tombstone remembers that whoever held an identifier was erased. Its key is a hash of
// the identifier under a secret of the workspace: it tells nothing to whoever does not
// know the identifier and the secret.
type Tombstone struct {
	store.Meta `bson:",inline"` // key: workspace/hex of the hash, or workspace/latest
	ErasedAt   time.Time        `bson:"erasedAt"`
	Request    string           `bson:"request,omitempty"` // dsr_…
}

// Tombstones outlive the people whom they keep out.
var Tombstones = store.Declare[Tombstone](store.Spec{
	Name: "tombstones", Reach: store.ReachNobody,
	Data: map[string]core.Category{"_id": core.None},
})

const (
	tombstoneSecret = "tombstones"
	latest          = "latest" // no hash: of the latest erasure
)

var _ profile.Tombstones = (*Service)(nil)

func (s *Service) tombstoneKeys(ctx context.Context, ws string, ids []event.Identifier) ([]string, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		mac, err := s.o.Keys.MAC(ctx, ws, tombstoneSecret, []byte(id.Namespace+"\x1f"+id.Value))
		if err != nil {
			return nil, err
		}
		keys[i] = store.Key(ws, hex.EncodeToString(mac))
	}
	return keys, nil
}

// Latest implements profile.Tombstones. Who takes events asks it before the first, and
// it makes the secret of the tombstones: a backup that was made before the first erasure
// then has it too, and the list of erasures is understood where it is restored.
func (s *Service) Latest(ctx context.Context, ws string) (time.Time, error) {
	if _, done := s.secrets.Load(ws); !done {
		if _, err := s.o.Keys.MAC(ctx, ws, tombstoneSecret, nil); err != nil {
			return time.Time{}, err
		}
		s.secrets.Store(ws, true)
	}
	t, err := Tombstones.Get(ctx, s.o.Store, store.Key(ws, latest))
	if t == nil || err != nil {
		return time.Time{}, err
	}
	return t.ErasedAt, nil
}

// Erased implements profile.Tombstones.
func (s *Service) Erased(ctx context.Context, ws string, ids []event.Identifier) ([]time.Time, error) {
	keys, err := s.tombstoneKeys(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	docs, err := Tombstones.GetMany(ctx, s.o.Store, keys)
	if err != nil {
		return nil, err
	}
	out := make([]time.Time, len(ids))
	for i, d := range docs {
		if d != nil {
			out[i] = d.ErasedAt
		}
	}
	return out, nil
}

// Suppressed implements profile.Tombstones.
func (s *Service) Suppressed(ctx context.Context, ws string) ([]string, error) {
	if s.o.Suppressed == nil {
		return []string{"marketing", "personalisation"}, nil
	}
	return s.o.Suppressed(ctx, ws)
}

// tombstoneOps returns the operations that keep identifiers out from at on, and suppress
// whoever comes back with one.
func (s *Service) tombstoneOps(ctx context.Context, ws, request string, ids []event.Identifier, at time.Time) ([]store.Op, error) {
	keys, err := s.tombstoneKeys(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	newest := store.Key(ws, latest)
	ops, err := s.raise(ctx, append(keys, newest), request, at)
	if err == nil && s.o.Suppress != nil {
		var more []store.Op
		more, err = s.o.Suppress(ctx, ws, ids, request, at)
		ops = append(ops, more...)
	}
	if err != nil || slices.ContainsFunc(ops, func(op store.Op) bool { return op.ID == newest }) {
		return ops, err
	}
	d, err := Tombstones.Get(ctx, s.o.Store, newest)
	if err == nil && d != nil {
		ops = append(ops, Tombstones.Check(d)) // see touchLatest
	}
	return ops, err
}

// raise returns the operations after which the tombstones with the keys say at, or
// later.
func (s *Service) raise(ctx context.Context, keys []string, request string, at time.Time) ([]store.Op, error) {
	docs, err := Tombstones.GetMany(ctx, s.o.Store, keys)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for i, d := range docs {
		switch {
		case d == nil:
			ops = append(ops, Tombstones.Insert(&Tombstone{Meta: store.Meta{ID: keys[i]}, ErasedAt: at, Request: request}))
		case d.ErasedAt.Before(at):
			d.ErasedAt, d.Request = at, request
			ops = append(ops, Tombstones.Replace(d))
		}
	}
	return ops, nil
}

// touchLatest returns the operation that changes nothing but the version of what every
// mark writes, so that one which has read it looks for holds again.
func (s *Service) touchLatest(ctx context.Context, ws string) (store.Op, error) {
	d, err := Tombstones.Get(ctx, s.o.Store, store.Key(ws, latest))
	if err != nil {
		return store.Op{}, err
	}
	if d == nil {
		d = &Tombstone{Meta: store.Meta{ID: store.Key(ws, latest)}}
	}
	return Tombstones.Put(d), nil
}
