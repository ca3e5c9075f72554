package access

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// Stands reports whether a key or a member of a workspace can be used now, or the key
// that a rotation put into a key's place. Any other actor stands: it has no credential
// that could end. What it says is read from the store.
func (s *Service) Stands(ctx context.Context, workspace, id string) (bool, error) {
	if prefix := core.IDPrefix(id); prefix != core.PrefixKey && prefix != core.PrefixMember {
		return true, nil
	}
	for range 1000 { // a line of rotations ends
		_, why, _, err := s.readStanding(ctx, workspace, id)
		if err != nil || why == nil {
			return why == nil, err
		}
		k, err := s.findKey(ctx, workspace, id)
		if err != nil || k == nil || k.RotatedTo == "" || !k.RevokedAt.IsZero() {
			return false, err
		}
		id = k.RotatedTo
	}
	return false, nil
}
