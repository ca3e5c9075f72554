package keyring

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// stored is a master key that lies in the store itself.
type stored struct {
	store.Meta `bson:",inline"` // key: "master"
	Key        string           `bson:"key"` // base64
}

// Masters holds at most one document.
var Masters = store.Declare[stored](store.Spec{Name: "master_keys", Global: true})

// StoredMaster returns the master key that lies in the store, made when there is
// none. Whoever has the store then has its secrets too: it is for those who were
// given no other place, and they should be told.
func StoredMaster(ctx context.Context, s store.Store, clock core.Clock) (Master, error) {
	doc, err := Masters.Get(ctx, s, "master")
	if err == nil && doc == nil {
		fresh := &stored{Meta: store.Meta{ID: "master"}, Key: base64.StdEncoding.EncodeToString(randomBytes(masterSize))}
		_, err = s.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, clock.Now()), Ops: []store.Op{Masters.Insert(fresh)}})
		if err == nil || errors.Is(err, store.ErrConflict) {
			doc, err = Masters.Get(ctx, s, "master")
		}
	}
	if err != nil {
		return Master{}, unavailable(err)
	}
	if doc == nil {
		return Master{}, unavailable(errors.New("the master key that was just written is not there"))
	}
	return ParseMaster(doc.Key)
}
