package privacy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

func address(v string) event.Identifier { return event.Identifier{Namespace: "email", Value: v} }

func (b *bureau) whoHas(v string) *profile.Profile {
	b.t.Helper()
	p, err := b.people.ByIdentifier(b.ctx, deskWS, address(v))
	require.NoError(b.t, err)
	return p
}

func TestARectificationTakesAnAddressAndGivesAnother(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"anna@example.com"}}`)
	b.clock.set(dayOne.Add(time.Hour))
	in := OpenInput{
		Type: Rectification, ProfileID: ana, Traits: mustDoc(t, bson.D{{Key: "email", Value: "ana@example.com"}}),
		Release: []event.Identifier{address("Anna@example.com")}, Add: []event.Identifier{address("ana@example.com")},
	}
	wrong := in
	wrong.Release = []event.Identifier{address("ben@example.com")}
	_, err := b.Open(b.ctx, deskWS, wrong)
	require.Equal(t, "IDENTIFIER_NOT_HELD", whyNot(err))
	require.Equal(t, []string{"releaseIdentifiers", "0"}, core.AsError(err).Path)
	r := b.open(in)
	require.NotContains(t, string(r.Handling.Sealed), "anna")
	b.verify(r)
	r = b.until(r, Completed)
	require.Equal(t, "rel", core.IDPrefix(r.Tasks[0].Evidence))
	require.Nil(t, b.whoHas("anna@example.com"))
	require.Equal(t, ana, b.whoHas("ana@example.com").ProfileID())
	diffs, err := b.people.Check(b.ctx, deskWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)

	// The work that is done again, as after a crash before the request was written, does
	// nothing twice.
	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	evidence, err := b.correct(b.ctx, r, p, details{Release: in.Release, Adds: in.Add})
	require.NoError(t, err)
	require.Equal(t, r.Tasks[0].Evidence, evidence)
	again, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	require.Equal(t, p.Seq, again.Seq)

	// Whoever has the address now is not in the copy of whoever had it.
	out := b.exported(ana)
	require.Contains(t, out, "email:anna@example.com")
	anna := b.send(`{"type":"identify","userId":"anna","traits":{"email":"anna@example.com"}}`)
	require.NotEqual(t, ana, anna)
	out = b.exported(ana)
	require.NotContains(t, out, "email:anna@example.com")
	require.Contains(t, out, r.Tasks[0].Evidence)

	_, err = b.Restore(b.ctx, deskWS, RestoreInput{ReleaseID: evidence, Reason: "a mistake"})
	require.Equal(t, "IDENTIFIER_TAKEN", whyNot(err))
}

// exported is what an access export holds of a person's releases.
func (b *bureau) exported(id string) string {
	b.t.Helper()
	p, err := b.people.Get(b.ctx, deskWS, id)
	require.NoError(b.t, err)
	w, err := b.person(b.ctx, deskWS, p, nil)
	require.NoError(b.t, err)
	text := ""
	require.NoError(b.t, b.each(b.ctx, profile.Releases.Spec, w, func(doc bson.Raw) error {
		text += doc.String()
		return nil
	}))
	return text
}

func TestAReleaseByHandIsAuditedAndUndone(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"anna@example.com"}}`)
	in := ReleaseInput{ProfileID: ana, Identifier: address("anna@example.com"), Reason: "a stranger's", IdempotencyKey: "k"}
	none := core.WithActor(b.ctx, &core.Actor{ID: "key_marketer", Workspace: deskWS, Roles: []string{access.Marketer}})
	_, err := b.Release(none, deskWS, in)
	require.Equal(t, core.Forbidden, core.CodeOf(err))
	_, err = b.Restore(none, deskWS, RestoreInput{ReleaseID: "rel_X", Reason: "r"})
	require.Equal(t, core.Forbidden, core.CodeOf(err))

	done, err := b.Release(b.ctx, deskWS, in)
	require.NoError(t, err)
	again, err := b.Release(b.ctx, deskWS, in)
	require.NoError(t, err)
	require.Equal(t, done.Releases[0].ID, again.Releases[0].ID)
	require.Nil(t, b.whoHas("anna@example.com"))
	in.IdempotencyKey = ""
	_, err = b.Release(b.ctx, deskWS, in)
	require.Equal(t, "IDENTIFIER_NOT_HELD", whyNot(err))
	require.Equal(t, []string{"identifier"}, core.AsError(err).Path)

	back, err := b.Restore(b.ctx, deskWS, RestoreInput{ReleaseID: done.Releases[0].ReleaseID(), Reason: "it was theirs"})
	require.NoError(t, err)
	require.Equal(t, "key_officer", back.Restored[0].RestoredBy)
	require.Equal(t, ana, b.whoHas("anna@example.com").ProfileID())
	said := ""
	pending := &store.Collection[anyDoc]{Spec: &store.Spec{Name: "audit_pending"}}
	require.NoError(t, pending.Each(b.ctx, b.db, store.Query{Workspace: deskWS}, func(e *anyDoc) error {
		said += string(e.doc)
		return nil
	}))
	require.Equal(t, 1, strings.Count(said, "privacy.releaseIdentifier"))
	require.Equal(t, 1, strings.Count(said, "privacy.restoreIdentifier"))
	require.NotContains(t, said, "anna@example.com")
}

func mustDoc(t *testing.T, d bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	require.NoError(t, err)
	return raw
}

func TestAnErasureTakesReleasesAlong(t *testing.T) {
	r := newRig(t)
	ana := r.identify("ana", `{"email":"anna@example.com"}`)
	_, err := r.people.Correct(r.ctx, rigWS, profile.CorrectInput{ProfileID: ana, Release: []event.Identifier{address("anna@example.com")}, Reason: "r"})
	require.NoError(t, err)
	ben := r.identify("ben", `{"email":"anna@example.com"}`)
	count := func() int64 {
		n, err := profile.Releases.Count(r.ctx, r.store, store.Query{Workspace: rigWS})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 1, count())
	r.erase(EraseInput{ProfileID: ana})
	require.Eventually(t, func() bool { return count() == 0 }, 20*time.Second, 20*time.Millisecond)
	p, err := r.people.ByIdentifier(r.ctx, rigWS, address("anna@example.com"))
	require.NoError(t, err)
	require.Equal(t, ben, p.ProfileID(), "whoever has the address now is not erased with it")
}
