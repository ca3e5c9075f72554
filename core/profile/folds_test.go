package profile

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// foldOf is a fold that adds one claim, and notes what was pending and its fate.
type foldOf struct {
	name    string
	pending int
	fate    string
	fail    error
}

func (f *foldOf) Derive(_ context.Context, _ *Unit, pending []store.Op) (Derived, error) {
	f.pending, f.fate = len(pending), ""
	return Derived{
		Ops:       []store.Op{store.Claim(ws, "fold", f.name, "")},
		Committed: func() { f.fate += "committed" }, Conflicted: func() { f.fate += "conflicted" },
	}, f.fail
}

func TestFoldsDeriveOneAfterAnother(t *testing.T) {
	a, b := &foldOf{name: "a"}, &foldOf{name: "b"}
	pending := []store.Op{store.Claim(ws, "caller", "x", "")}
	d, err := Folds{a, b}.Derive(t.Context(), nil, pending)
	require.NoError(t, err)
	require.Len(t, d.Ops, 2)
	require.Equal(t, []int{1, 2}, []int{a.pending, b.pending})
	d.Settle(true)
	require.Equal(t, "committed committed", a.fate+" "+b.fate)

	d, err = Folds{a, b}.Derive(t.Context(), nil, pending)
	require.NoError(t, err)
	d.Settle(false)
	require.Equal(t, "conflicted conflicted", a.fate+" "+b.fate)

	b.fail = errors.New("unreadable")
	_, err = Folds{a, b}.Derive(t.Context(), nil, pending)
	require.ErrorIs(t, err, b.fail)
	require.Equal(t, "conflicted", a.fate, "who derived before is told that nothing was committed")
}
