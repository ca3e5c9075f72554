package profile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
)

// TestACrashInACorrectionLeavesAllOrNothing ends processes before and after the commit of
// a correction and of a restoration, and loses the reply; another does the same again.
func TestACrashInACorrectionLeavesAllOrNothing(t *testing.T) {
	for _, kind := range []faultstore.Kind{faultstore.CrashBefore, faultstore.CrashAfter, faultstore.LostReply, faultstore.Error} {
		after := kind == faultstore.CrashAfter || kind == faultstore.LostReply
		f := newFixture(t)
		ana, _ := f.two()
		dying := func() *Service {
			db := faultstore.New(f.db)
			db.Use(faultstore.Script(faultstore.Fault{Kind: kind}))
			return NewService(db, f.clock)
		}
		in := CorrectInput{
			ProfileID: ana.ProfileID(), Release: []event.Identifier{mail("ana@x.io")}, Add: []event.Identifier{mail("anna@x.io")},
			Reason: "r", Key: "k",
		}
		_, err := dying().Correct(f.ctx, ws, in)
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
		_, err = dying().Restore(f.ctx, ws, back)
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
