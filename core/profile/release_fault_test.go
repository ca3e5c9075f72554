package profile

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// dying is a store whose process ends at the next commit, before it or after it.
type dying struct {
	store.Store
	after bool
	dead  bool
}

var errDead = errors.New("the process is gone")

func (d *dying) Commit(ctx context.Context, b store.Batch) (token store.Token, err error) {
	if d.dead {
		return token, errDead
	}
	d.dead = true
	if d.after {
		if token, err = d.Store.Commit(ctx, b); err != nil {
			return token, err
		}
	}
	return token, errDead
}

// TestACrashInACorrectionLeavesAllOrNothing kills processes before and after the commit of
// a correction and of a restoration, and has another do the same again.
func TestACrashInACorrectionLeavesAllOrNothing(t *testing.T) {
	for _, after := range []bool{false, true} {
		f := newFixture(t)
		ana, _ := f.two()
		in := CorrectInput{
			ProfileID: ana.ProfileID(), Release: []event.Identifier{mail("ana@x.io")}, Add: []event.Identifier{mail("anna@x.io")},
			Reason: "r", Key: "k",
		}
		_, err := NewService(&dying{Store: f.db, after: after}, f.clock).Correct(f.ctx, ws, in)
		require.Error(t, err)
		require.Equal(t, after, f.by(Email, "ana@x.io") == nil)
		require.Equal(t, after, f.by(Email, "anna@x.io") != nil)
		f.exact()
		done, err := f.s.Correct(f.ctx, ws, in)
		require.NoError(t, err)
		require.Equal(t, []string{"email:anna@x.io", "user_id:ana"}, names(done.Profile))
		n, err := Releases.Count(f.ctx, f.db, store.Query{Workspace: ws})
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		f.exact()

		f.tick()
		back := RestoreInput{ReleaseID: done.Releases[0].ReleaseID(), Reason: "r"}
		_, err = NewService(&dying{Store: f.db, after: after}, f.clock).Restore(f.ctx, ws, back)
		require.Error(t, err)
		_, err = f.s.Restore(f.ctx, ws, back)
		if after {
			require.Equal(t, core.Conflict, core.CodeOf(err), "it was done")
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, ana.ID, f.must(Email, "ana@x.io").ID)
		f.exact()
	}
}
