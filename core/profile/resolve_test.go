package profile

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

func TestAnonymousVisitsBecomeTheUserWhoIdentifies(t *testing.T) {
	f := newFixture(t)
	first := f.send(f.in(event.Page, anon("a1")))[0]
	second := f.send(f.in(event.Identify, anon("a1"), user("u1"), email(" Ana@Example.com ")))[0]
	p := f.must(UserID, "u1")
	require.Equal(t, first.Part, p.ProfileID())
	require.Equal(t, first.Part, second.Part, "unknown identifiers join the part of the known one")
	require.Equal(t, []string{"anonymous_id:a1", "email:ana@example.com", "user_id:u1"}, names(p))
	require.EqualValues(t, 2, p.Events)
	require.EqualValues(t, 2, p.Seq)
	require.Equal(t, p.ID, f.must(Email, "ANA@example.com").ID)
	require.Equal(t, []event.Identifier{{Namespace: UserID, Value: "u1"}, {Namespace: Email, Value: "ana@example.com"}, {Namespace: AnonymousID, Value: "a1"}}, second.Identifiers)
	f.exact()
}

func TestTwoDevicesMergeWhenBothIdentify(t *testing.T) {
	f := newFixture(t)
	phone := f.send(f.in(event.Page, anon("phone")))[0]
	f.tick()
	laptop := f.send(f.in(event.Page, anon("laptop")))[0]
	f.tick()
	f.send(f.in(event.Identify, anon("laptop"), user("u1")))
	f.tick()
	last := f.send(f.in(event.Identify, anon("phone"), user("u1")))[0]
	p := f.must(UserID, "u1")
	require.Equal(t, phone.Part, p.ProfileID(), "the profile that began first wins")
	require.Equal(t, []string{phone.Part, laptop.Part}, p.Parts)
	require.Equal(t, laptop.Part, last.Part, "an event is stored under the part of its highest identifier, after merges too")
	merged, err := f.s.Get(f.ctx, ws, laptop.Part)
	require.NoError(t, err)
	require.Equal(t, p.ID, merged.ID, "the id that was merged away finds the profile")
	merges, err := f.s.Merges(f.ctx, ws, p.ProfileID())
	require.NoError(t, err)
	require.Len(t, merges, 1)
	require.Equal(t, RuleIdentifiers, merges[0].Rule)
	require.EqualValues(t, 5, p.Events, "the merge is an event too")
	page, err := f.s.Timeline(f.ctx, p, TimelineFilter{Names: []string{event.NameProfileMerged}}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, event.System, page.Items[0].Type)
	require.Equal(t, "merge:"+merges[0].MergeID(), page.Items[0].MessageID)
	require.Equal(t, merges[0].MergeID(), page.Items[0].Properties.Lookup("mergeId").StringValue())
	f.exact()
}

func TestSharedDeviceKeepsTwoUsersApart(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, anon("kiosk"), user("ana")))
	for range 3 {
		e := f.send(f.in(event.Identify, anon("kiosk"), user("ben")))[0]
		require.Equal(t, f.must(UserID, "ben").ProfileID(), e.Part)
	}
	ana, ben := f.must(UserID, "ana"), f.must(UserID, "ben")
	require.NotEqual(t, ana.ID, ben.ID)
	require.Equal(t, ana.ID, f.must(AnonymousID, "kiosk").ID, "the first commit wins")
	require.EqualValues(t, 3, ben.Events)
	open := f.pending()
	require.Len(t, open, 1, "one proposal per pair, not repeated")
	require.Equal(t, ReasonExclusive, open[0].Reason)
	require.Equal(t, UserID, open[0].Namespace)
	f.exact()
}

func TestHigherIdentifierDecidesBetweenKnownProfiles(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, user("ana"), email("ana@x.io")))
	f.send(f.in(event.Identify, user("ben"), email("ben@x.io")))
	e := f.send(f.in(event.Identify, user("ana"), email("ben@x.io")))[0]
	require.Equal(t, f.must(UserID, "ana").ProfileID(), e.Part)
	require.Len(t, f.pending(), 1)
	require.Len(t, f.profiles(), 2)
	f.exact()
}

func TestLimitOfANamespace(t *testing.T) {
	f := newFixture(t)
	for i := range 7 {
		f.send(f.in(event.Identify, user("ana"), email(fmt.Sprintf("ana%d@x.io", i))))
	}
	require.Len(t, names(f.must(UserID, "ana")), 6, "five emails and the user id")
	require.Nil(t, f.by(Email, "ana6@x.io"), "a value over the limit names nobody yet")
	f.send(f.in(event.Identify, email("ana6@x.io"), anon("a")))
	require.NotEqual(t, f.must(UserID, "ana").ID, f.must(Email, "ana6@x.io").ID)
	f.send(f.in(event.Identify, user("ana"), anon("a")))
	open := f.pending()
	require.Len(t, open, 1)
	require.Equal(t, ReasonLimit, open[0].Reason)
	require.Equal(t, Email, open[0].Namespace)
	f.exact()
}

func TestBlockedAndUnusableIdentifiers(t *testing.T) {
	f := newFixture(t)
	for _, in := range []*event.Input{
		f.in(event.Track, user("undefined")),
		f.in(event.Track, user("NULL"), anon(" guest ")),
		f.in(event.Track, user("a\x00b")),
		f.in(event.Identify, email("test@test.com")),
		f.in(event.Identify, email("not an address")),
		f.in(event.Track, user(string(make([]byte, 300)))),
		f.in(event.Group),
	} {
		_, errs := f.try(in)
		require.Equal(t, "NO_IDENTIFIER", reason(errs[0]))
		require.Equal(t, core.Invalid, core.CodeOf(errs[0]))
	}
	require.Empty(t, f.profiles())
	e := f.send(f.in(event.Track, user("[object Object]"), anon("a")))[0]
	require.Equal(t, "[object Object]", e.UserID, "the event keeps what was sent")
	require.Equal(t, []string{"anonymous_id:a"}, names(f.must(AnonymousID, "a")))
}

func TestAlias(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Page, anon("a1")))
	f.tick()
	f.send(f.in(event.Alias, user("ana"), prev("a1")))
	require.Equal(t, f.must(UserID, "ana").ID, f.must(AnonymousID, "a1").ID, "the previous id is an anonymous one")

	f.send(f.in(event.Identify, user("ben")))
	e := f.send(f.in(event.Alias, user("cat"), prev("ben")))[0]
	require.Equal(t, f.must(UserID, "cat").ProfileID(), e.Part, "the event is about the new id")
	require.Nil(t, f.by(AnonymousID, "ben"), "the previous id is a known user")
	require.NotEqual(t, f.must(UserID, "ben").ID, f.must(UserID, "cat").ID, "alias does not join exclusive ids")
	require.Len(t, f.pending(), 1)

	f.send(f.in(event.Page, anon("a2")))
	f.send(f.in(event.Identify, user("dan")))
	f.send(f.in(event.Alias, user("dan"), prev("a2")))
	dan := f.must(UserID, "dan")
	require.Equal(t, dan.ID, f.must(AnonymousID, "a2").ID)
	merges, err := f.s.Merges(f.ctx, ws, dan.ProfileID())
	require.NoError(t, err)
	require.Equal(t, RuleAlias, merges[0].Rule)
	f.exact()
}

func TestPhonesAreE164(t *testing.T) {
	f := newFixture(t)
	phone := func(v string) edit { return traits(bson.D{{Key: "phone", Value: v}}) }
	f.send(f.in(event.Identify, user("ana"), phone("+40 721 234 567")))
	require.Equal(t, []string{"phone:+40721234567", "user_id:ana"}, names(f.must(Phone, "+40-721-234-567")))
	f.send(f.in(event.Identify, user("ben"), phone("0721 999 888")))
	require.Equal(t, []string{"user_id:ben"}, names(f.must(UserID, "ben")), "no country: a trait, not an identifier")
	require.JSONEq(t, `{"phone":"0721 999 888"}`, f.json(f.must(UserID, "ben")))
	_, err := f.s.SetRegion(f.ctx, ws, "RO")
	require.NoError(t, err)
	f.send(f.in(event.Identify, user("ben"), phone("0721 999 888")))
	require.Equal(t, "user_id:ben", names(f.must(Phone, "+40721999888"))[1])
	_, err = f.s.SetRegion(f.ctx, ws, "Romania")
	require.Equal(t, "REGION", reason(err))
}

func TestContextTraitsExternalIDsAndDevices(t *testing.T) {
	f := newFixture(t)
	_, err := f.s.SetNamespace(f.ctx, ws, Namespace{Name: "crm", Priority: 90, Limit: 1})
	require.NoError(t, err)
	_, err = f.s.SetNamespace(f.ctx, ws, Namespace{Name: "device_id", Priority: 10, Limit: 50})
	require.NoError(t, err)
	f.send(f.in(event.Track, anon("a"), ctxDoc(bson.D{
		{Key: "traits", Value: bson.D{{Key: "email", Value: "ANA@x.io"}, {Key: "plan", Value: "pro"}}},
		{Key: "device", Value: bson.D{{Key: "id", Value: "dev-1"}, {Key: "advertisingId", Value: "ad-1"}}},
		{Key: "externalIds", Value: bson.A{
			bson.D{{Key: "id", Value: int64(77)}, {Key: "type", Value: "crm"}, {Key: "collection", Value: "users"}, {Key: "encoding", Value: "none"}},
			bson.D{{Key: "id", Value: "x"}, {Key: "type", Value: "unheard_of"}},
			bson.D{{Key: "id", Value: "g"}, {Key: "type", Value: "crm"}, {Key: "collection", Value: "groups"}},
			"junk",
		}},
	})))
	p := f.must("crm", "77")
	require.Equal(t, []string{"anonymous_id:a", "crm:77", "device_id:dev-1", "email:ana@x.io"}, names(p))
	require.JSONEq(t, `{}`, f.json(p), "context traits name people; identify sets traits")
	f.exact()
}

func TestGroupTraitsAreNotThePersons(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Group, user("ana"), traits(bson.D{{Key: "name", Value: "Acme"}, {Key: "email", Value: "info@acme.io"}})))
	p := f.must(UserID, "ana")
	require.JSONEq(t, `{}`, f.json(p))
	require.Nil(t, f.by(Email, "info@acme.io"))
	require.EqualValues(t, 1, p.Events)
}

func TestSeveralEventsInOneUnitWriteAProfileOnce(t *testing.T) {
	f := newFixture(t)
	inputs := []*event.Input{
		f.in(event.Page, anon("a")), f.in(event.Page, anon("b")), f.in(event.Identify, anon("a"), user("u")),
		f.in(event.Identify, anon("b"), user("u")), f.in(event.Page, anon("b")),
	}
	u, err := f.s.Begin(f.ctx, ws, inputs)
	require.NoError(t, err)
	var seqs []int64
	for _, in := range inputs {
		e, err := u.Apply(in, "src_web", f.clock.Now())
		require.NoError(t, err)
		seqs = append(seqs, e.Seq)
		require.NotEmpty(t, u.ProfileOf(e.Part))
	}
	require.Equal(t, []int64{1, 1, 2, 4, 5}, seqs, "a merge takes a number of its own")
	docs := map[string]int{}
	for _, op := range u.Ops() {
		require.NoError(t, op.Err)
		docs[op.Spec.Name]++
	}
	require.Equal(t, map[string]int{"profiles": 1, "identifiers": 3, "parts": 2, "merges": 1, "events": 1}, docs)
}

func TestAnEventThatIsRefusedLeavesTheUnitAsItWas(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Page, anon("a")))
	f.send(f.in(event.Page, anon("b")))
	big := bson.D{}
	for i := range MaxTraits + 1 {
		big = append(big, bson.E{Key: fmt.Sprintf("t%04d", i), Value: int64(i)})
	}
	bad := f.in(event.Identify, anon("a"), user("u"), traits(big))
	bad.Context = doc(bson.D{{Key: "externalIds", Value: bson.A{bson.D{{Key: "id", Value: "b"}, {Key: "type", Value: AnonymousID}}}}})
	good := f.in(event.Page, anon("a"))
	_, errs := f.try(bad, good)
	require.Equal(t, "PROFILE_TOO_LARGE", reason(errs[0]))
	require.NoError(t, errs[1])
	require.Nil(t, f.by(UserID, "u"))
	require.NotEqual(t, f.must(AnonymousID, "a").ID, f.must(AnonymousID, "b").ID, "the merge was taken back too")
	require.EqualValues(t, 2, f.must(AnonymousID, "a").Events)
	f.exact()
}

func TestSystemEventsGoToTheProfileThatIsNamed(t *testing.T) {
	f := newFixture(t)
	p := f.send(f.in(event.Page, anon("a")))[0].Part
	in := f.in(event.System, traits(bson.D{{Key: "score", Value: int64(7)}}))
	u, err := f.s.Begin(f.ctx, ws, nil, p)
	require.NoError(t, err)
	e, err := u.ApplyTo(p, in, "system", f.clock.Now())
	require.NoError(t, err)
	require.Equal(t, p, e.Part)
	require.EqualValues(t, 2, e.Seq)
	require.EqualValues(t, 2, u.Profile(p).Events)
	_, err = u.ApplyTo("prof_NOBODY", in, "system", f.clock.Now())
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

func TestWhatIsStoredWinsOverWhatBeganInTheUnit(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	for range 20 { // ids of one millisecond are in random order
		f := newFixture(t)
		stored := f.send(f.in(event.Page, anon("a")))[0].Part
		f.clock.Advance(-time.Hour) // this process's clock is behind
		f.send(f.in(event.Identify, user("u")), f.in(event.Identify, user("u"), anon("a")))
		require.Equal(t, stored, f.must(UserID, "u").ProfileID())
		require.Len(t, f.profiles(), 1)
		f.exact()
	}
}

func TestCommitTimeNeverGoesBackWithinAProfile(t *testing.T) {
	f := newFixture(t)
	first := f.send(f.in(event.Page, user("u")))[0]
	f.clock.Advance(-time.Hour)
	second := f.send(f.in(event.Page, user("u")))[0]
	require.Equal(t, first.CommittedAt, second.CommittedAt)
	other := f.send(f.in(event.Page, anon("a")))[0]
	require.Equal(t, f.clock.Now(), other.CommittedAt)
	f.send(f.in(event.Page, user("u"), anon("a")))
	merges, err := f.s.Merges(f.ctx, ws, first.Part)
	require.NoError(t, err)
	require.Equal(t, first.CommittedAt, merges[0].At, "a merge is not earlier than what it joins")
	f.exact()
}

func TestAnIdentifierThatWasErasedIsForgotten(t *testing.T) {
	f := newFixture(t)
	old := f.send(f.in(event.Page, user("u")))[0].Part
	require.NotNil(t, f.by(UserID, "u"))
	f.wipe() // as another process would
	require.Nil(t, f.by(UserID, "u"))
	again := f.send(f.in(event.Page, user("u")))[0].Part
	require.NotEqual(t, old, again)
	f.exact()
}

func TestTimesAreKeptInMillisecondsSoThatARefoldAgrees(t *testing.T) {
	f := newFixture(t)
	f.clock.Advance(1234567 * time.Nanosecond)
	local := time.FixedZone("somewhere", 3*3600)
	f.send(f.in(event.Identify, user("u"), email("a@x.io"), at(epoch.Add(987654321*time.Nanosecond).In(local)), consentSaid("ads", true)))
	f.exact()
}

func TestSettingsAreChecked(t *testing.T) {
	f := newFixture(t)
	for _, n := range []Namespace{
		{Name: "Bad", Priority: 1, Limit: 1}, {Name: "a:b", Priority: 1, Limit: 1}, {Name: "ok", Priority: 0, Limit: 1},
		{Name: "ok", Priority: 1, Limit: 0}, {Name: "ok", Priority: 1, Limit: 2, Exclusive: true},
	} {
		_, err := f.s.SetNamespace(f.ctx, ws, n)
		require.Equal(t, core.Invalid, core.CodeOf(err), "%+v", n)
	}
	list, err := f.s.SetNamespace(f.ctx, ws, Namespace{Name: Email, Priority: 110, Limit: 2, Blocklist: []string{"Shop@X.io"}})
	require.NoError(t, err)
	require.Equal(t, Email, list[0].Name)
	require.Len(t, list, 4)
	_, errs := f.try(f.in(event.Identify, email("shop@x.io")))
	require.Equal(t, "NO_IDENTIFIER", reason(errs[0]))
	e := f.send(f.in(event.Identify, user("u"), email("a@x.io")))[0]
	require.Equal(t, Email, e.Identifiers[0].Namespace, "the priority is the workspace's")
}
