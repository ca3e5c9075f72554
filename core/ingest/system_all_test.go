package ingest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// joined is a system event about a profile.
func joined(id, profileID string) event.SystemEvent {
	return event.SystemEvent{Input: event.Input{Name: "List Joined", MessageID: id}, ProfileID: profileID}
}

func TestSeveralSystemEventsAreOneBatch(t *testing.T) {
	m := &meddler{Store: file(t)}
	h, f := counted(t, m)
	ana := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	ben := h.one(t, track("m2", "ben", "Viewed")).ProfileID
	batches, asked := 0, f.asked.Load()
	m.set(func(_ context.Context, _ store.Batch, commit func() error) error {
		batches++
		return commit()
	})
	events := []event.SystemEvent{joined("a", ana), joined("b", ben), joined("c", ana), joined("d", "")}
	r, err := h.CommitAll(t.Context(), ws, events, store.Claim(ws, "list", "1", ana))
	require.NoError(t, err)
	require.Equal(t, 1, batches)
	require.Equal(t, asked+1, f.asked.Load())
	require.EqualValues(t, 1, f.pending.Load(), "the fold sees the caller's operation")
	require.Equal(t, []event.Status{event.Accepted, event.Accepted, event.Accepted, event.Accepted}, statuses(r))
	require.Equal(t, []string{ana, ben, ana, ""}, []string{r[0].ProfileID, r[1].ProfileID, r[2].ProfileID, r[3].ProfileID})
	require.Nil(t, events[0].Input.Sum, "the caller's events are his")
	var seqs []int64
	for i := range r {
		require.Equal(t, events[i].Input.MessageID, r[i].MessageID)
		e, err := event.Events.Get(t.Context(), h.db, store.Key(ws, r[i].EventID))
		require.NoError(t, err)
		require.Equal(t, event.System, e.Type)
		seqs = append(seqs, e.Seq)
	}
	require.Equal(t, []int64{2, 2, 3, 0}, seqs, "in their order")
	tallied(t, h)

	// The same again is a repetition as a whole, and the operation is not committed.
	again, err := h.CommitAll(t.Context(), ws, events, store.Claim(ws, "list", "2", ana))
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Duplicate, event.Duplicate, event.Duplicate, event.Duplicate}, statuses(again))
	require.Equal(t, r[2].EventID, again[2].EventID)
	claim, err := store.Claims.Get(t.Context(), h.db, store.Key(ws, "list", "2"))
	require.NoError(t, err)
	require.Nil(t, claim)

	// Some of it again is a mistake.
	_, err = h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ana), joined("new", ben)}, store.Claim(ws, "list", "2", ana))
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, "PARTLY_COMMITTED", core.AsError(err).Reason)
	require.NotErrorIs(t, err, store.ErrConflict, "trying again would not help")
	require.EqualValues(t, 6, h.count(t))
	require.Equal(t, 1, batches, "neither wrote anything")

	// Another payload under a known id.
	other := joined("b", ben)
	other.Input.Name = "List Left"
	r, err = h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ana), other})
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Duplicate, event.Rejected}, statuses(r))
	require.Equal(t, "MESSAGE_ID_REUSED", r[1].Err.Reason)
	tallied(t, h)
}

func TestAMistakeInOneOfSeveralWritesNothing(t *testing.T) {
	h, _ := counted(t, file(t))
	ana := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	stranger := core.NewID(core.PrefixProfile, time.Now())
	_, err := h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ana), joined("b", stranger)})
	require.Equal(t, core.NotFound, core.CodeOf(err))
	require.Equal(t, []string{"events", "1", "profileId"}, core.AsError(err).Path)
	_, err = h.Commit(t.Context(), ws, event.Input{Name: "Given"}, stranger)
	require.Equal(t, []string{"profileId"}, core.AsError(err).Path)
	_, err = h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ana), joined("a", "")})
	require.Equal(t, "MESSAGE_ID_TWICE", core.AsError(err).Reason)
	_, err = h.CommitAll(t.Context(), ws, make([]event.SystemEvent, event.MaxSystemEvents+1))
	require.Equal(t, "TOO_MANY", core.AsError(err).Reason)
	require.EqualValues(t, 1, h.count(t))
	require.Zero(t, h.Pending())
	tallied(t, h)
}

func TestSystemEventsFindWhoStayed(t *testing.T) {
	h, _ := counted(t, file(t))
	ana := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	ben := h.one(t, track("m2", "ben", "Viewed")).ProfileID
	_, err := h.profiles.Merge(t.Context(), ws, profile.MergeInput{WinnerID: ana, LoserID: ben, Reason: "same"})
	require.NoError(t, err)
	r, err := h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ben), joined("b", ana), joined("c", ben)})
	require.NoError(t, err)
	for i := range r {
		require.Equal(t, ana, r[i].ProfileID)
	}
	e, err := event.Events.Get(t.Context(), h.db, store.Key(ws, r[0].EventID))
	require.NoError(t, err)
	require.Equal(t, ben, e.Part, "an unmerge takes it along")
	tallied(t, h)
}

func TestALostRaceAboutAPersonIsRunAgainAndTheCallersIsHis(t *testing.T) {
	m := &meddler{Store: file(t)}
	h, f := counted(t, m)
	ana := h.one(t, track("m1", "ana", "Viewed")).ProfileID
	rivals := 0
	m.set(func(ctx context.Context, _ store.Batch, commit func() error) error {
		if rivals++; rivals == 1 { // somebody else changes the tally first
			d, err := tallies.Get(ctx, m.Store, store.Key(ws, ana))
			require.NoError(t, err)
			_, err = m.Store.Commit(ctx, store.Batch{ID: "rival", Ops: []store.Op{tallies.Replace(d)}})
			require.NoError(t, err)
		}
		return commit()
	})
	lost := f.conflicted.Load()
	_, err := h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("a", ana), joined("b", ana)}, store.Claim(ws, "list", "1", ana))
	require.NoError(t, err)
	require.Equal(t, 2, rivals)
	require.Equal(t, lost+1, f.conflicted.Load())

	asked := f.asked.Load()
	_, err = h.CommitAll(t.Context(), ws, []event.SystemEvent{joined("c", ana)}, store.Claim(ws, "list", "1", ana))
	require.ErrorIs(t, err, store.ErrConflict)
	require.Equal(t, asked+1, f.asked.Load())
	tallied(t, h)
}

func TestMoreSystemEventsThanABatchHolds(t *testing.T) {
	h, f := counted(t, file(t))
	var events []event.SystemEvent
	for i, in := range many(event.MaxSystemEvents) {
		r := h.one(t, in)
		events = append(events, joined(fmt.Sprint("j", i), r.ProfileID))
	}
	f.extra = 5
	_, err := h.CommitAll(t.Context(), ws, events)
	require.Equal(t, core.Invalid, core.CodeOf(err))
	require.Equal(t, "BATCH_TOO_LARGE", core.AsError(err).Reason)
	require.ErrorIs(t, err, store.ErrTooLarge)
	for _, half := range [][]event.SystemEvent{events[:100], events[100:]} {
		r, err := h.CommitAll(t.Context(), ws, half)
		require.NoError(t, err)
		require.Len(t, r, 100)
	}
	tallied(t, h)
}

func TestOperationsAlone(t *testing.T) {
	h := open(t)
	r, err := h.CommitAll(t.Context(), ws, nil)
	require.NoError(t, err)
	require.Empty(t, r)
	_, err = h.CommitAll(t.Context(), ws, nil, store.Claim(ws, "list", "1", "x"))
	require.NoError(t, err)
	claim, err := store.Claims.Get(t.Context(), h.db, store.Key(ws, "list", "1"))
	require.NoError(t, err)
	require.NotNil(t, claim)
}
