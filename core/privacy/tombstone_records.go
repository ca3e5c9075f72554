package privacy

import (
	"context"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ object.Tombstones = (*Service)(nil)

// NoneSince implements object.Tombstones: every erasure writes the one document that says
// when the latest was.
func (s *Service) NoneSince(ctx context.Context, ws string) (store.Op, error) {
	key := store.Key(ws, latest)
	t, err := Tombstones.Get(ctx, s.o.Store, key)
	if err != nil || t == nil {
		return Tombstones.Absent(key), err
	}
	return Tombstones.Check(t), nil
}
