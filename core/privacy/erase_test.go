package privacy

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestAnErasedPersonIsGoneForEveryInstant(t *testing.T) {
	r := newRig(t)
	id := r.identify("ana", `{"email":"ana@example.com","city":"Iasi"}`)
	anon := r.send(`{"type":"track","anonymousId":"a-1","event":"Seen"}`)[0].ProfileID
	before := time.Now()
	_, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: id, LoserID: anon, Reason: "ana said so"})
	require.NoError(t, err)
	other := r.identify("ben", `{"email":"ben@example.com"}`)

	dry, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id, DryRun: true})
	require.NoError(t, err)
	require.Len(t, dry.Plan.Parts, 2)
	require.Contains(t, dry.Plan.Counts, Count{"events", 3})
	p, err := r.people.Get(r.ctx, rigWS, id)
	require.NoError(t, err)
	require.NotNil(t, p, "a dry run changes nothing")

	out, err := r.Erase(r.ctx, rigWS, EraseInput{Identifier: &event.Identifier{Namespace: "email", Value: " Ana@Example.com"}, Reason: "ticket 7", IdempotencyKey: "k"})
	require.NoError(t, err)
	for _, gone := range []string{id, anon} {
		_, err := r.people.Get(r.ctx, rigWS, gone)
		require.Equal(t, "ERASED", reason(err))
		require.Equal(t, core.NotFound, core.CodeOf(err))
		for _, at := range []time.Time{before, time.Now()} {
			_, err = r.people.AsOf(r.ctx, rigWS, gone, at)
			require.Equal(t, "ERASED", reason(err))
		}
	}
	require.Equal(t, out.Job.JobID(), out.Request.Job)
	again, err := r.Erase(r.ctx, rigWS, EraseInput{Identifier: &event.Identifier{Namespace: "email", Value: " Ana@Example.com"}, Reason: "ticket 7", IdempotencyKey: "k"})
	require.NoError(t, err)
	require.Equal(t, out.Request.RequestID(), again.Request.RequestID())
	require.Equal(t, out.Job.JobID(), again.Job.JobID())
	_, err = r.Erase(r.ctx, rigWS, EraseInput{ProfileID: other, IdempotencyKey: "k"})
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", reason(err), "another person is not answered with her request")
	_, err = r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
	require.Equal(t, "ERASED", reason(err))

	q := r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Equal(t, Completed, q.Status)
	require.Contains(t, q.Counts, Count{"events", 3})
	require.Equal(t, q.ReceivedAt.AddDate(0, 1, 0), q.DueAt)
	p, err = r.people.Get(r.ctx, rigWS, other)
	require.NoError(t, err)
	require.NotNil(t, p)
	diffs, err := r.people.Check(r.ctx, rigWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

func TestTheReceiptIsProvedWithoutTheStore(t *testing.T) {
	r := newRig(t)
	id := r.identify("ana", `{"email":"ana@example.com"}`)
	q := r.erase(EraseInput{ProfileID: id})
	keys, err := r.ring.VerifierKeys(r.ctx, rigWS, signerName)
	require.NoError(t, err)
	st, err := VerifyReceipt([]byte(q.Receipt.SignedNote), keys[0].Key)
	require.NoError(t, err)
	require.Equal(t, q.RequestID(), st.Request)
	require.Equal(t, q.Subject, st.Subject)
	require.NotEmpty(t, st.Deleted)
	require.NotContains(t, q.Receipt.SignedNote, "ana@example.com")
	require.NotContains(t, q.Receipt.SignedNote, "key_officer")
	_, err = VerifyReceipt([]byte(q.Receipt.SignedNote[:40]+"x"+q.Receipt.SignedNote[41:]), keys[0].Key)
	require.Equal(t, "RECEIPT", reason(err))
	_, other, err := note.GenerateKey(nil, "headwater")
	require.NoError(t, err)
	_, err = VerifyReceipt([]byte(q.Receipt.SignedNote), other)
	require.Equal(t, "RECEIPT", reason(err))
}

func TestWhatIsOlderIsDroppedAndWhatIsNewerStartsAnew(t *testing.T) {
	r := newRig(t)
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	agreed := `"context":{"consent":{"categoryPreferences":{"marketing":true}}}`
	id := r.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com"},` + agreed + `}`)[0].ProfileID
	r.erase(EraseInput{ProfileID: id})
	old := fmt.Sprintf(`{"type":"track","userId":"ana","event":"Order Completed","timestamp":%q}`, yesterday)

	res := r.send(old)[0]
	require.Equal(t, event.Dropped, res.Status)
	require.Equal(t, "ERASED", res.Err.Reason)
	fresh := r.send(`{"type":"track","userId":"ana","event":"Back"}`)[0]
	require.Equal(t, event.Accepted, fresh.Status)
	require.NotEqual(t, id, fresh.ProfileID)
	require.Equal(t, event.Dropped, r.send(old)[0].Status, "known again, and still older")
	n, err := store.Sum(r.ctx, r.store, rigWS, "privacy/dropped")
	require.NoError(t, err)
	require.EqualValues(t, 2, n["events"])

	status := func() string {
		p, err := r.people.Get(r.ctx, rigWS, fresh.ProfileID)
		require.NoError(t, err)
		for _, c := range p.Words(time.Now()) {
			if c.Purpose == "marketing" {
				return c.Status
			}
		}
		return ""
	}
	require.Equal(t, "DENIED", status())
	r.send(`{"type":"track","userId":"ana","event":"Opted In",` + agreed + `}`)
	require.Equal(t, "GRANTED", status())
	diffs, err := r.people.Check(r.ctx, rigWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

func TestALegalHoldKeepsAPersonUntilItIsLifted(t *testing.T) {
	r := newRig(t)
	id := r.identify("ana", `{"email":"ana@example.com"}`)
	h, err := r.PlaceHold(r.ctx, rigWS, HoldInput{Identifier: &event.Identifier{Namespace: "email", Value: "ana@example.com"}, Reason: "case 12"})
	require.NoError(t, err)
	out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
	require.NoError(t, err)
	require.Equal(t, Received, out.Request.Status)
	require.Equal(t, h.HoldID(), out.Request.Tasks[0].Evidence)
	require.Nil(t, out.Job)
	p, err := r.people.Get(r.ctx, rigWS, id)
	require.NoError(t, err)
	require.NotNil(t, p)
	_, err = r.LiftHold(r.ctx, rigWS, h.HoldID(), "closed")
	require.NoError(t, err)
	q := r.await(out.Request.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Equal(t, Completed, q.Status)
	_, err = r.people.Get(r.ctx, rigWS, id)
	require.Equal(t, "ERASED", reason(err))
}

func TestSegmentsLoseTheMemberAndTellOfNobody(t *testing.T) {
	r := newRig(t)
	out, err := r.segments.Create(r.ctx, rigWS, segment.CreateInput{Name: "all", Kind: segment.Dynamic, Where: map[string]any{
		"trait": map[string]any{"path": "city", "eq": "Iasi"},
	}})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := r.segments.Get(r.ctx, rigWS, out.Segment.SegmentID())
		return err == nil && s.Status == segment.Live
	}, 20*time.Second, 20*time.Millisecond)
	id := r.identify("ana", `{"city":"Iasi"}`)
	r.identify("ben", `{"city":"Iasi"}`)
	size := func() int64 {
		s, err := r.segments.Get(r.ctx, rigWS, out.Segment.SegmentID())
		require.NoError(t, err)
		n, err := r.segments.Size(r.ctx, rigWS, s)
		require.NoError(t, err)
		return n.Value
	}
	require.EqualValues(t, 2, size())
	_, err = r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id})
	require.NoError(t, err)
	require.EqualValues(t, 1, size(), "with the mark")
	page, err := r.segments.Changes(r.ctx, rigWS, out.Segment.SegmentID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, segment.CauseErasure, page.Items[0].Cause)
	require.Equal(t, segment.Left, page.Items[0].Change)
	require.Empty(t, page.Items[0].Profile)
}

func TestAMergeOfAnErasedPersonSaysSo(t *testing.T) {
	r := newRig(t)
	ana, ben := r.identify("ana", `{}`), r.send(`{"type":"track","anonymousId":"b","event":"Seen"}`)[0].ProfileID
	m, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: ana, LoserID: ben, Reason: "secret words"})
	require.NoError(t, err)
	r.erase(EraseInput{ProfileID: ben})
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.Equal(t, "ERASED", reason(err))
	got, err := r.people.GetMerge(r.ctx, rigWS, m.Merge.MergeID())
	require.NoError(t, err)
	require.Equal(t, profile.ReasonOfErased, got.Reason)
}

var _ = work.Succeeded
