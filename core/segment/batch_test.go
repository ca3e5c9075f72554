package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// Who lost a race is left out at once with all others who lost theirs.
func TestBatchLeavesOutAllWhoMoved(t *testing.T) {
	o := newOffice(t)
	var all []*Behaviour
	for _, id := range []string{"prof_a", "prof_b", "prof_c", "prof_d"} {
		b := newBehaviour(o.ws, id)
		b.Members = []Member{{Segment: "seg_a", Since: 1, V: 1}}
		require.NoError(t, o.commit(o.ctx, []store.Op{Behaviours.Insert(b)}))
		b, err := Behaviours.Get(o.ctx, o.db, b.ID)
		require.NoError(t, err)
		all = append(all, b)
	}
	moved := *all[1]
	gone := *all[3]
	require.NoError(t, o.commit(o.ctx, []store.Op{Behaviours.Replace(&moved), Behaviours.Delete(&gone)}))
	set, err := o.fresh(o.ctx, o.ws)
	require.NoError(t, err)
	commits := 0
	b := o.newBatch(set, func(ops []store.Op) error {
		commits++
		return o.commit(o.ctx, ops)
	})
	for _, stored := range all {
		out := o.newOutcome(set, o.clock.Now())
		out.ops = append(out.ops, Behaviours.Replace(stored))
		require.NoError(t, b.add(out))
	}
	require.NoError(t, b.flush())
	require.Len(t, b.lost, 2)
	require.Equal(t, 2, commits)
	for i, version := range []int64{2, 2, 2, 0} {
		now, err := Behaviours.Get(o.ctx, o.db, all[i].ID)
		require.NoError(t, err)
		if version == 0 {
			require.Nil(t, now)
			continue
		}
		require.Equal(t, version, now.V)
	}
}
