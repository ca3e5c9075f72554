package privacy

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func (b *bureau) pieces() int64 {
	b.t.Helper()
	n, err := exports.Chunks.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
	require.NoError(b.t, err)
	return n
}

func TestAnErasureTakesWhatWasAnsweredBefore(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com"}}`)
	ben := b.send(`{"type":"identify","userId":"ben","traits":{"email":"ben@example.com"}}`)
	answered, others := b.open(OpenInput{Type: Access, ProfileID: ana}), b.open(OpenInput{Type: Access, ProfileID: ben})
	waiting := b.open(OpenInput{Type: Access, Identifier: &event.Identifier{Namespace: "email", Value: "ana@example.com"}})
	early := b.open(OpenInput{Type: Access, Identifier: &event.Identifier{Namespace: "phone", Value: "+41446681800"}}) // nobody, as yet
	traits, err := bson.Marshal(bson.M{"city": "Bern"})
	require.NoError(t, err)
	correct := b.open(OpenInput{Type: Rectification, ProfileID: ana, Traits: traits})
	b.verify(answered)
	b.verify(others)
	answered, others = b.until(answered, Completed), b.until(others, Completed)
	links, err := b.Downloads(b.ctx, answered)
	require.NoError(t, err)
	require.Len(t, links, 2)
	require.Equal(t, ana, b.send(`{"type":"identify","userId":"ana","traits":{"phone":"+41 44 668 18 00"}}`))

	out, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana})
	require.NoError(t, err)
	none, err := b.Downloads(b.ctx, answered)
	require.NoError(t, err)
	require.Empty(t, none, "from the mark on")
	_, err = b.Fetch(b.ctx, strings.TrimPrefix(links[0].URL, DownloadPath))
	require.Equal(t, "FILE_GONE", whyNot(err))

	done := b.until(out.Request, Completed)
	require.Contains(t, done.Counts, Count{"privacy_exports", 6}, "two files, and what four requests held")
	require.EqualValues(t, 2, b.pieces(), "ben's")
	answered = b.until(answered, Completed)
	require.Empty(t, answered.Handling.Files)
	for _, r := range []*Request{waiting, early, correct} {
		r = b.until(r, Failed)
		require.Empty(t, r.Handling.Sealed)
		require.Equal(t, "PROFILE", r.Tasks[0].Evidence)
		require.NotNil(t, r.CompletedAt)
	}
	links, err = b.Downloads(b.ctx, others)
	require.NoError(t, err)
	f, err := b.Fetch(b.ctx, strings.TrimPrefix(links[0].URL, DownloadPath))
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Contains(t, string(text), "ben@example.com")
}

// TestAnAnswerThatIsBeingMadeIsNotGivenAfterTheErasure erases the person while the
// answer is written.
func TestAnAnswerThatIsBeingMadeIsNotGivenAfterTheErasure(t *testing.T) {
	for _, swept := range []bool{true, false} {
		b := newBureau(t, dayOne)
		ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com"}}`)
		r := b.open(OpenInput{Type: Portability, ProfileID: ana})
		erased, files := false, 0
		m := &meddled{Store: b.db}
		m.committed = func(batch store.Batch) {
			if erased || batch.Ops[0].Spec != exports.Chunks.Spec {
				return
			}
			if files++; !swept && files < 3 {
				return // just before the answer, which then comes before the sweep
			}
			erased = true
			out, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana})
			require.NoError(t, err)
			if swept {
				b.until(out.Request, Completed)
			}
		}
		b.Desk.o.Store = m
		b.verify(r)
		r = b.until(r, Failed)
		require.True(t, erased)
		require.Empty(t, r.Handling.Files)
		require.Empty(t, r.Handling.Sealed)
		require.Eventually(t, func() bool {
			jobs, err := work.JobDocs.Find(b.ctx, b.db, store.Query{Workspace: deskWS, Where: []store.Cond{store.Eq("kind", JobAnswer)}, Order: []string{"-createdAt"}}, 0)
			return err == nil && len(jobs) == 1 && jobs[0].Status.Final()
		}, 10e9, 5e6)
		require.Zero(t, b.pieces(), "what was written is unmade")
	}
}
