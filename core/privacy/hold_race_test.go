package privacy

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// meddled is a store in which something happens between two of a caller's steps.
type meddled struct {
	*sqlite.Store
	scanned   func(*store.Spec)
	committed func(store.Batch)
	refuse    func(store.Batch) error
}

func (m *meddled) Scan(ctx context.Context, p store.Plan) ([]bson.Raw, error) {
	out, err := m.Store.Scan(ctx, p)
	if m.scanned != nil {
		m.scanned(p.Spec)
	}
	return out, err
}

func (m *meddled) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if m.refuse != nil {
		if err := m.refuse(b); err != nil {
			return "", err
		}
	}
	token, err := m.Store.Commit(ctx, b)
	if m.committed != nil && err == nil {
		m.committed(b)
	}
	return token, err
}

// over returns the service over another store.
func (s *Service) over(m *meddled) *Service {
	c := *s
	c.o.Store = m
	return &c
}

// TestAHoldThatIsPlacedStopsTheErasureThatHasNotBegun places one after each of the
// reads by which an erasure looks for holds.
func TestAHoldThatIsPlacedStopsTheErasureThatHasNotBegun(t *testing.T) {
	r := newRig(t)
	for n := 1; n <= 6; n++ {
		user := fmt.Sprintf("ana%d", n)
		id := r.identify(user, fmt.Sprintf(`{"email":"%s@example.com"}`, user)) // three names: 3 reads look for holds
		seen, placed := 0, false
		m := &meddled{Store: r.store}
		m.scanned = func(spec *store.Spec) {
			if spec != Holds.Spec {
				return
			}
			if seen++; seen == n {
				placed = true
				_, err := r.PlaceHold(r.ctx, rigWS, HoldInput{ProfileID: id, Reason: "case 12"})
				require.NoError(t, err)
			}
		}
		out, err := r.over(m).Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
		require.NoError(t, err)
		require.True(t, placed)
		require.Equal(t, Received, out.Request.Status, "a hold placed after read %d", n)
		require.Equal(t, targetHold, out.Request.Tasks[0].Target)
		require.Len(t, out.Request.Tasks, 1)
		p, err := r.people.Get(r.ctx, rigWS, id)
		require.NoError(t, err)
		require.NotNil(t, p)
	}
}

// TestAHoldOnNobodyStopsTheErasureOfNobody is the same for an identifier that nobody
// has.
func TestAHoldOnNobodyStopsTheErasureOfNobody(t *testing.T) {
	r := newRig(t)
	r.erase(EraseInput{ProfileID: r.identify("eve", `{}`)}) // there is an erasure before
	for n := 1; n <= 2; n++ {
		who := &event.Identifier{Namespace: "email", Value: fmt.Sprintf("nobody%d@example.com", n)}
		seen := 0
		m := &meddled{Store: r.store}
		m.scanned = func(spec *store.Spec) {
			if spec != Holds.Spec {
				return
			}
			if seen++; seen == n {
				_, err := r.PlaceHold(r.ctx, rigWS, HoldInput{Identifier: who, Reason: "case 12"})
				require.NoError(t, err)
			}
		}
		out, err := r.over(m).Erase(r.ctx, rigWS, EraseInput{Identifier: who})
		require.NoError(t, err)
		require.Equal(t, Received, out.Request.Status, "a hold placed after read %d", n)
	}
}

// TestWhoAppearsDuringTheErasureOfAnIdentifierIsErased sends an event between the
// look for its owner and the mark.
func TestWhoAppearsDuringTheErasureOfAnIdentifierIsErased(t *testing.T) {
	r := newRig(t)
	var id string
	m := &meddled{Store: r.store}
	m.scanned = func(spec *store.Spec) {
		if spec == Holds.Spec && id == "" {
			id = r.identify("ana", `{"email":"ana@example.com"}`)
		}
	}
	out, err := r.over(m).Erase(r.ctx, rigWS, EraseInput{Identifier: &event.Identifier{Namespace: "email", Value: "ana@example.com"}})
	require.NoError(t, err)
	require.NotEmpty(t, id)
	require.Equal(t, id, out.Request.Profile)
	_, err = r.people.Get(r.ctx, rigWS, id)
	require.Equal(t, "ERASED", reason(err))
}

// TestAParkedErasureOfNobodyMeetsWhoHasTheIdentifierSince lifts a hold after somebody
// came to have the identifier.
func TestAParkedErasureOfNobodyMeetsWhoHasTheIdentifierSince(t *testing.T) {
	r := newRig(t)
	who := &event.Identifier{Namespace: "email", Value: "ana@example.com"}
	h, err := r.PlaceHold(r.ctx, rigWS, HoldInput{Identifier: who, Reason: "case 12"})
	require.NoError(t, err)
	out, err := r.Erase(r.ctx, rigWS, EraseInput{Identifier: who})
	require.NoError(t, err)
	require.Equal(t, Received, out.Request.Status)
	id := r.identify("ana", `{"email":"ana@example.com"}`)
	_, err = r.LiftHold(r.ctx, rigWS, h.HoldID(), "closed")
	require.NoError(t, err)
	r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status == Completed })
	_, err = r.people.Get(r.ctx, rigWS, id)
	require.Equal(t, "ERASED", reason(err))
}

// TestAHoldStopsRetentionBetweenTwoBatches places one while a person's events go.
func TestAHoldStopsRetentionBetweenTwoBatches(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"track","userId":"ana","event":"Page Read"}`)
	for range 2*foldSlice + 50 {
		b.send(`{"type":"track","userId":"ana","event":"Page Read"}`)
	}
	b.clock.set(dayOne.Add(100 * day))
	placed := false
	m := &meddled{Store: b.db}
	m.committed = func(batch store.Batch) {
		if !placed {
			placed = true
			_, err := b.eraser.PlaceHold(b.ctx, deskWS, HoldInput{ProfileID: ana, Reason: "case 7"})
			require.NoError(t, err)
		}
	}
	desk := *b.Desk
	desk.o.Store = m
	out := RetentionResult{Rules: map[string]int64{}}
	rule := &RetentionRule{Meta: store.Meta{ID: store.Key(deskWS, "ret_1")}, Kind: RetainEvents, After: 90 * day}
	require.NoError(t, desk.retainOne(b.ctx, b.get(ana), []*RetentionRule{rule}, retentionInput{At: b.clock.Now()}, &out))
	require.EqualValues(t, foldSlice, out.Rules["ret_1"], "one batch, before the hold")
	require.EqualValues(t, 1, out.Held)
	n, err := event.Events.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
	require.NoError(t, err)
	require.EqualValues(t, 1+2*foldSlice+50-foldSlice+1, n)
	b.same()
}
