package ingest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestASystemEventCommitsWithItsOperations(t *testing.T) {
	h := open(t)
	id := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	in := event.Input{Name: "Coupon Given", MessageID: "coupon:1"}
	r, err := h.Commit(t.Context(), ws, in, id, store.Claim(ws, "coupon", "A1", id))
	require.NoError(t, err)
	require.Equal(t, event.Accepted, r.Status)
	require.Equal(t, id, r.ProfileID)
	e, err := event.Events.Get(t.Context(), h.db, store.Key(ws, r.EventID))
	require.NoError(t, err)
	require.Equal(t, event.System, e.Type)
	require.Equal(t, id, e.Part)
	require.EqualValues(t, 2, e.Seq)
	claim, err := store.Claims.Get(t.Context(), h.db, store.Key(ws, "coupon", "A1"))
	require.NoError(t, err)
	require.Equal(t, id, claim.Owner)
	h.consistent(t)

	again, err := h.Commit(t.Context(), ws, in, id, store.Claim(ws, "coupon", "A2", id))
	require.NoError(t, err)
	require.Equal(t, event.Duplicate, again.Status, "the first call did it all")
	claim, err = store.Claims.Get(t.Context(), h.db, store.Key(ws, "coupon", "A2"))
	require.NoError(t, err)
	require.Nil(t, claim)
}

func TestALostRaceOfTheCallerIsHis(t *testing.T) {
	h := open(t)
	id := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	_, err := h.Commit(t.Context(), ws, event.Input{Name: "Given"}, id, store.Claim(ws, "coupon", "A1", id))
	require.NoError(t, err)
	_, err = h.Commit(t.Context(), ws, event.Input{Name: "Given"}, id, store.Claim(ws, "coupon", "A1", id))
	require.ErrorIs(t, err, store.ErrConflict)
	require.EqualValues(t, 2, h.count(t), "nothing of it was written")
	h.consistent(t)
}

func TestASystemEventAboutNobody(t *testing.T) {
	h := open(t)
	props, err := bson.Marshal(bson.M{"setting": "region"})
	require.NoError(t, err)
	r, err := h.Commit(t.Context(), ws, event.Input{Name: "Setting Changed", Properties: props}, "")
	require.NoError(t, err)
	e, err := event.Events.Get(t.Context(), h.db, store.Key(ws, r.EventID))
	require.NoError(t, err)
	require.Empty(t, e.Part)
	h.consistent(t)
}

func TestASystemEventAboutAStranger(t *testing.T) {
	h := open(t)
	_, err := h.Commit(t.Context(), ws, event.Input{Name: "Given"}, core.NewID(core.PrefixProfile, core.SystemClock{}.Now()))
	require.Equal(t, core.NotFound, core.CodeOf(err))
}
