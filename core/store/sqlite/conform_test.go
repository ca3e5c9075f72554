package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

// forgetful is a store on a virtual clock, so that its changes can grow old.
type forgetful struct {
	*sqlite.Store
	clock *core.VirtualClock
}

// ForgetChanges implements storetest.Forgetter: of two commits after the retention
// the second prunes all but itself.
func (f forgetful) ForgetChanges(ctx context.Context) error {
	for _, id := range []string{"forget-1", "forget-2"} {
		f.clock.Advance(store.Retention + time.Hour)
		if _, err := f.Commit(ctx, store.Batch{ID: id, Ops: []store.Op{storetest.Others.Absent("ws/nothing")}}); err != nil {
			return err
		}
	}
	return nil
}

func fresh(t *testing.T) store.Store {
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return forgetful{s, clock}
}

func TestConformance(t *testing.T) { storetest.Run(t, fresh) }

func TestEquivalentToModel(t *testing.T) {
	storetest.Equivalent(t, fresh, func(*testing.T) store.Store { return storetest.NewModel() })
}
