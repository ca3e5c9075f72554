package profile

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestBucketsAreEvenAndStable(t *testing.T) {
	require.Equal(t, 7000, BucketOf("prof_01ARZ3NDEKTSV4RRFFQ69G5FAV", ""), "stored: it may never change")
	const n = 100_000
	var tenths, salted [10]int
	same := 0
	for i := range n {
		id := core.NewID(core.PrefixProfile, epoch) // ids of one instant count up
		a, b := BucketOf(id, ""), BucketOf(id, fmt.Sprint("test ", i%2))
		require.True(t, a >= 0 && a < Buckets)
		tenths[a*10/Buckets]++
		salted[b*10/Buckets]++
		if a*10/Buckets == b*10/Buckets {
			same++
		}
	}
	for i := range tenths {
		require.InDelta(t, n/10, tenths[i], n/100)
		require.InDelta(t, n/10, salted[i], n/100)
	}
	require.InDelta(t, n/10, same, n/100, "a salt makes another choice")
}

func TestEveryProfileKeepsItsBucket(t *testing.T) {
	f := newFixture(t)
	check := func(n int) {
		t.Helper()
		all, err := Profiles.Find(f.ctx, f.db, store.Query{Workspace: ws, Order: []string{"k"}}, 0)
		require.NoError(t, err)
		require.Len(t, all, n)
		for _, p := range all {
			require.EqualValues(t, BucketOf(p.ProfileID(), ""), p.Bucket)
		}
		f.exact()
	}
	f.send(f.in(event.Identify, user("ana")), f.in(event.Identify, user("ben")))
	ana, ben := f.must(UserID, "ana"), f.must(UserID, "ben")
	check(2)
	m := f.merge(ana, ben)
	check(1)
	f.unmerge(m)
	check(2)
}

func TestCheckSeesAWrongBucket(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, user("ana")))
	p := f.must(UserID, "ana")
	right := p.Bucket
	p.Bucket = (right + 1) % Buckets
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Replace(p)))
	diffs, err := f.s.Check(f.ctx, ws, nil)
	require.NoError(t, err)
	require.Equal(t, []Difference{{p.ProfileID(), "k"}}, diffs)
	require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: ws, Mode: ModeRebuild}))
	f.exact()
	require.Equal(t, right, f.must(UserID, "ana").Bucket)
}
