package segment

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// A size that is counted while people come and go is left alone.
func TestSizesAreNotCountedInMotion(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	r.crowd(10, time.Hour)
	counting := &countingStore{Store: r.store}
	other := rigOver(t, counting, r.clock)
	counting.during = func() {
		// One more enters before the count, and one leaves after it.
		require.NoError(t, r.commit(t.Context(), []store.Op{store.AddTo(rigWS, sizeCounter("seg_recent"), 3, map[string]int64{"members": 1})}))
		require.NoError(t, r.commit(t.Context(), []store.Op{store.AddTo(rigWS, sizeCounter("seg_recent"), 4, map[string]int64{"members": -1})}))
	}
	counting.more = 1
	diffs, err := other.Rebuild(t.Context(), rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
	require.EqualValues(t, 10, r.size("seg_recent"))

	// At rest it is put right, whatever lanes there are.
	require.NoError(t, r.commit(t.Context(), []store.Op{store.AddTo(rigWS, sizeCounter("seg_recent"), 9, map[string]int64{"members": 7})}))
	diffs, err = r.Rebuild(t.Context(), rigWS)
	require.NoError(t, err)
	require.Equal(t, []Deviation{{"", "sizes.seg_recent"}}, diffs)
	require.EqualValues(t, 10, r.size("seg_recent"))
	r.consistent()
}

// countingStore lets something happen while members are counted.
type countingStore struct {
	store.Store
	during func()
	more   int64
}

// Count implements store.Reader.
func (c *countingStore) Count(ctx context.Context, p store.Plan) (int64, error) {
	n, err := c.Store.Count(ctx, p)
	if p.Spec.Name == Memberships.Spec.Name {
		c.during()
		n += c.more
	}
	return n, err
}
