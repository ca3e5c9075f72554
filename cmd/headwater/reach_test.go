package main

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// TestEveryPersonIsFoundEverywhere fails when a collection with personal data does not
// say how the documents of one person are found in it.
func TestEveryPersonIsFoundEverywhere(t *testing.T) {
	e := &env{ctx: context.Background(), out: &bytes.Buffer{}, log: slog.New(slog.DiscardHandler), clock: core.SystemClock{}}
	a, err := storeFlags{Data: t.TempDir()}.start(e)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	require.Empty(t, a.privacy.Unreachable())
	forgotten := &store.Spec{Name: "forgotten", Data: map[string]core.Category{"email": core.Contact}}
	unindexed := &store.Spec{Name: "unindexed", Subject: "profile"}
	require.Len(t, a.privacy.Unreachable(forgotten, unindexed), 2, "what is forgotten is noticed")
}
