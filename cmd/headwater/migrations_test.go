package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// old stores n profiles of a workspace as versions before 1 did: without a bucket.
func old(t *testing.T, s store.Store, ws string, n int) {
	t.Helper()
	var ops []store.Op
	for i := range n {
		id := store.Key(ws, fmt.Sprintf("prof_%06d", i))
		raw, err := profile.Profiles.Encode(&profile.Profile{Meta: store.Meta{ID: id, V: 3}, Parts: []string{store.Rest(id)},
			Traits: []profile.Trait{{Path: "note", Value: bson.RawValue{Type: bson.TypeString, Value: text(strings.Repeat("x", 30_000))}, Rule: profile.LastWrite}}})
		require.NoError(t, err)
		var d bson.D
		require.NoError(t, bson.Unmarshal(raw, &d))
		d = slices.DeleteFunc(d, func(e bson.E) bool { return e.Key == "k" })
		raw, err = bson.Marshal(d)
		require.NoError(t, err)
		ops = append(ops, store.Op{Kind: store.OpInsert, Spec: profile.Profiles.Spec, ID: id, Doc: raw})
	}
	for chunk := range slices.Chunk(ops, 100) {
		_, err := s.Commit(t.Context(), store.Batch{ID: chunk[0].ID, Ops: chunk})
		require.NoError(t, err)
	}
}

// text is a BSON string's bytes.
func text(s string) []byte {
	_, b, _ := bson.MarshalValue(s)
	return b
}

func TestOldProfilesGetTheirBucketsOnce(t *testing.T) {
	ctx := t.Context()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	require.NoError(t, s.Declare(ctx, specs()...))
	require.NoError(t, store.Migrate(ctx, s, nil, nil), "a store of version 0")
	counts := map[string]int{"ws_1": 230, "ws_10": 0, "ws_2": 7}
	for ws, n := range counts {
		_, err := s.Commit(ctx, store.Batch{ID: ws, Ops: []store.Op{access.Workspaces.Insert(&access.Workspace{Meta: store.Meta{ID: ws}})}})
		require.NoError(t, err)
		old(t, s, ws, n)
	}

	// The first run is interrupted after two steps, and meets a document that changes
	// while it runs.
	interrupted := errors.New("interrupted")
	migration := migrations()[0]
	run, steps := migration.Run, 0
	migration.Run = func(ctx context.Context, s store.Store, from []byte, step store.Step) error {
		return run(ctx, s, from, func(ctx context.Context, position []byte, done, total int64, ops ...store.Op) error {
			require.EqualValues(t, 237, total)
			if steps++; steps == 3 {
				return interrupted
			}
			if steps == 1 {
				p, err := profile.Profiles.Get(ctx, s, "ws_1/prof_000005")
				require.NoError(t, err)
				_, err = s.Commit(ctx, store.Batch{ID: "meanwhile", Ops: []store.Op{profile.Profiles.Replace(p)}})
				require.NoError(t, err)
			}
			return step(ctx, position, done, total, ops...)
		})
	}
	require.ErrorIs(t, store.Migrate(ctx, s, []store.Migration{migration}, nil), interrupted)
	some, err := profile.Profiles.Count(ctx, s, store.Query{Workspace: "ws_1", Order: []string{"k"}})
	require.NoError(t, err)
	require.Positive(t, some)
	require.Less(t, some, int64(230))

	var last int64
	require.NoError(t, store.Migrate(ctx, s, migrations()[:1], func(_ store.Migration, done, total int64) {
		require.Greater(t, done, last)
		require.LessOrEqual(t, done, total)
		last = done
	}))
	for ws, n := range counts {
		all, err := profile.Profiles.Find(ctx, s, store.Query{Workspace: ws, Where: []store.Cond{store.Gte("k", 0), store.Lt("k", profile.Buckets)}}, 0)
		require.NoError(t, err)
		require.Len(t, all, n, ws)
		for _, p := range all {
			require.EqualValues(t, profile.BucketOf(p.ProfileID(), ""), p.Bucket)
			want := int64(4)
			if p.ID == "ws_1/prof_000005" {
				want++
			}
			require.Equal(t, want, p.V, "%s was written more than once", p.ID)
			require.Len(t, p.Traits, 1)
		}
	}
	require.NoError(t, store.Migrate(ctx, s, migrations()[:1], func(store.Migration, int64, int64) { t.Error("nothing is left to do") }))
}
