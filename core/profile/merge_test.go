package profile

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// two makes a profile of ana and one of ben, a minute apart.
func (f *fixture) two() (ana, ben *Profile) {
	f.send(f.in(event.Identify, user("ana"), traits(bson.D{{Key: "email", Value: "ana@x.io"}, {Key: "city", Value: "Cluj"}})))
	f.tick()
	f.send(f.in(event.Identify, user("ben"), traits(bson.D{{Key: "email", Value: "ben@x.io"}, {Key: "plan", Value: "pro"}})))
	f.tick()
	return f.must(UserID, "ana"), f.must(UserID, "ben")
}

func (f *fixture) merge(w, l *Profile) *Merge {
	f.t.Helper()
	out, err := f.s.Merge(f.ctx, f.ws, MergeInput{WinnerID: w.ProfileID(), LoserID: l.ProfileID(), Reason: "the same person"})
	require.NoError(f.t, err)
	f.tick()
	return out.Merge
}

func (f *fixture) unmerge(m *Merge) []*Profile {
	f.t.Helper()
	out, err := f.s.Unmerge(f.ctx, f.ws, UnmergeInput{MergeID: m.MergeID()})
	require.NoError(f.t, err)
	f.tick()
	return out.Profiles
}

func TestMergeByHand(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	ctx := core.WithActor(f.ctx, &core.Actor{ID: "key_1"})
	in := MergeInput{WinnerID: ben.ProfileID(), LoserID: ana.ProfileID(), Reason: "the same person"}

	in.DryRun = true
	dry, err := f.s.Merge(ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, []string{"city"}, dry.Preview.Traits, "ben's later email stays")
	require.EqualValues(t, 1, dry.Preview.Events)
	require.Len(t, dry.Preview.Identifiers, 2)
	require.Len(t, f.profiles(), 2, "a dry run writes nothing")

	in.DryRun = false
	out, err := f.s.Merge(ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, ben.ProfileID(), out.Profile.ProfileID(), "the named winner keeps its id")
	require.Equal(t, "key_1", out.Merge.Actor)
	require.JSONEq(t, `{"email":"ben@x.io","city":"Cluj","plan":"pro"}`, f.json(out.Profile))
	require.Len(t, f.profiles(), 1)
	stored, err := f.s.GetMerge(f.ctx, ws, out.Merge.MergeID())
	require.NoError(t, err)
	require.Equal(t, "the same person", stored.Reason)
	f.exact()

	_, err = f.s.Merge(ctx, ws, in)
	require.Equal(t, "SAME_PROFILE", reason(err))
	_, err = f.s.Merge(ctx, ws, MergeInput{WinnerID: ben.ProfileID(), LoserID: ana.ProfileID(), Reason: " \n"})
	require.Equal(t, "REASON", reason(err))
	require.Equal(t, []string{"reason"}, core.AsError(err).Path)
	_, err = f.s.Merge(ctx, ws, MergeInput{WinnerID: "prof_NOBODY", LoserID: ana.ProfileID(), Reason: "same"})
	require.Equal(t, core.NotFound, core.CodeOf(err))
	require.Equal(t, []string{"winnerId"}, core.AsError(err).Path)
	_, err = f.s.Merge(ctx, ws, MergeInput{WinnerID: ana.ProfileID(), LoserID: "x/../y", Reason: "same"})
	require.Equal(t, []string{"loserId"}, core.AsError(err).Path)
}

func TestUnmergeGivesBackTwoPeople(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	m := f.merge(ana, ben)
	late := f.send(f.in(event.Identify, user("ben"), traits(bson.D{{Key: "city", Value: "Iasi"}})))[0]
	require.Equal(t, ben.ProfileID(), late.Part)
	require.JSONEq(t, `{"email":"ben@x.io","city":"Iasi","plan":"pro"}`, f.json(f.must(UserID, "ana")))

	dry, err := f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: m.MergeID(), DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []string{"city", "email", "plan"}, dry.Preview.Traits)
	require.EqualValues(t, 2, dry.Preview.Events)
	require.Len(t, f.profiles(), 1)

	sides := f.unmerge(m)
	require.Equal(t, ana.ProfileID(), sides[0].ProfileID())
	require.Equal(t, ben.ProfileID(), sides[1].ProfileID())
	require.JSONEq(t, `{"email":"ana@x.io","city":"Cluj"}`, f.json(f.must(UserID, "ana")))
	require.JSONEq(t, `{"email":"ben@x.io","city":"Iasi","plan":"pro"}`, f.json(f.must(UserID, "ben")))
	f.exact()

	_, err = f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: m.MergeID()})
	require.Equal(t, core.Conflict, core.CodeOf(err))
	require.Equal(t, "ALREADY_UNDONE", reason(err))
	_, err = f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: "mrg_NONE"})
	require.Equal(t, core.NotFound, core.CodeOf(err))
	f.send(f.in(event.Track, user("ben")), f.in(event.Track, user("ana")))
	f.exact()
}

func TestRulesAndAliasNeverCrossASeparation(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Page, anon("a")))
	f.tick()
	f.send(f.in(event.Page, anon("b")))
	f.tick()
	f.send(f.in(event.Identify, anon("a"), user("u")))
	f.send(f.in(event.Identify, anon("b"), user("u")))
	merges, err := f.s.Merges(f.ctx, ws, f.must(UserID, "u").ProfileID())
	require.NoError(t, err)
	f.unmerge(merges[0])
	for range 2 {
		f.send(f.in(event.Identify, anon("b"), user("u")))
		f.send(f.in(event.Alias, user("u"), prev("b")))
	}
	require.NotEqual(t, f.must(UserID, "u").ID, f.must(AnonymousID, "b").ID)
	require.Empty(t, f.pending(), "nor is it proposed again")
	// A third profile that joins one side is kept from the other side too.
	f.send(f.in(event.Identify, anon("b"), email("b@x.io")))
	f.send(f.in(event.Identify, anon("c"), email("b@x.io")))
	f.send(f.in(event.Identify, anon("c"), user("u")))
	require.NotEqual(t, f.must(UserID, "u").ID, f.must(AnonymousID, "c").ID)
	f.exact()
	// A person may cross it.
	f.merge(f.must(UserID, "u"), f.must(AnonymousID, "b"))
	require.Equal(t, f.must(UserID, "u").ID, f.must(AnonymousID, "c").ID)
	f.exact()
}

func TestUnmergeInTheMiddleOfAChainKeepsWhatWasJoinedLater(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("cat")))
	f.tick()
	cat := f.must(UserID, "cat")
	f.send(f.in(event.Identify, user("dan")))
	f.tick()
	dan := f.must(UserID, "dan")
	m1 := f.merge(ana, ben) // ana-ben
	m2 := f.merge(cat, dan) // cat-dan
	m3 := f.merge(cat, ana) // cat-ana: the group is cat's now
	f.exact()
	sides := f.unmerge(m1) // ana stays with cat and dan; ben gets his id back
	require.Equal(t, cat.ProfileID(), sides[0].ProfileID())
	require.ElementsMatch(t, []string{cat.ProfileID(), dan.ProfileID(), ana.ProfileID()}, sides[0].Parts)
	require.Equal(t, []string{ben.ProfileID()}, sides[1].Parts)
	f.exact()
	sides = f.unmerge(m3)
	require.Equal(t, []string{cat.ProfileID(), dan.ProfileID()}, sides[0].Parts)
	require.Equal(t, []string{ana.ProfileID()}, sides[1].Parts)
	f.exact()
	f.unmerge(m2)
	require.Len(t, f.profiles(), 4)
	f.exact()
}

func TestTheSideWithoutTheProfilesIDGetsItsFormerID(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("cat")))
	cat := f.must(UserID, "cat")
	f.tick()
	m1 := f.merge(ana, ben)
	f.merge(cat, ben) // ben's id finds ana's profile: cat-ana by their own parts
	sides := f.unmerge(m1)
	require.Equal(t, cat.ProfileID(), sides[0].ProfileID(), "ana is still with cat")
	require.Equal(t, ben.ProfileID(), sides[1].ProfileID())
	f.exact()
}

func TestProposalDecisions(t *testing.T) {
	f := newFixture(t)
	_, ben := f.two()
	link := func() { f.send(f.in(event.Identify, user("ben"), email("ana@x.io"), minute(-100))) }
	link()
	open := f.pending()
	require.Len(t, open, 1)
	no, err := f.s.DecideProposal(f.ctx, ws, open[0].ProposalID(), false)
	require.NoError(t, err)
	require.Equal(t, Rejected, no.Proposal.Status)
	link()
	require.Empty(t, f.pending(), "a rejected link is not proposed again")
	_, err = f.s.DecideProposal(f.ctx, ws, open[0].ProposalID(), true)
	require.Equal(t, "ALREADY_DECIDED", reason(err))
	_, err = f.s.DecideProposal(f.ctx, ws, "prop_NONE", true)
	require.Equal(t, core.NotFound, core.CodeOf(err))

	f.send(f.in(event.Identify, user("cat"), email("ben@x.io")))
	open = f.pending()
	require.Len(t, open, 1)
	yes, err := f.s.DecideProposal(f.ctx, ws, open[0].ProposalID(), true)
	require.NoError(t, err)
	require.Equal(t, Accepted, yes.Proposal.Status)
	require.Equal(t, RuleProposal, yes.Merge.Rule)
	require.Equal(t, ben.ProfileID(), yes.Profile.ProfileID(), "the older one wins")
	stored, err := f.s.GetProposal(f.ctx, ws, open[0].ProposalID())
	require.NoError(t, err)
	require.Equal(t, Accepted, stored.Status)
	require.NotNil(t, stored.DecidedAt)
	f.exact()
}

func TestMergeByHandMakesTheOpenProposalObsolete(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io")))
	open := f.pending()
	require.Len(t, open, 1)
	f.merge(ana, ben)
	require.Empty(t, f.pending())
	stored, err := f.s.GetProposal(f.ctx, ws, open[0].ProposalID())
	require.NoError(t, err)
	require.Equal(t, Obsolete, stored.Status)
	f.exact()
}

func TestAProposalWaitsForBothUntilDecidedEvenWhenOneIsMerged(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io")))
	f.send(f.in(event.Identify, user("cat")))
	cat := f.must(UserID, "cat")
	f.merge(cat, ana)
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io")))
	require.Len(t, f.pending(), 1, "the pair is asked about already")
	yes, err := f.s.DecideProposal(f.ctx, ws, f.pending()[0].ProposalID(), true)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{cat.ProfileID(), ana.ProfileID(), ben.ProfileID()}, yes.Profile.Parts)
	f.exact()
}

func TestProposalsOfASharedDeviceAreBounded(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Identify, anon("kiosk"), user("owner")))
	var inputs []*event.Input
	for i := range MaxProposals + 20 {
		inputs = append(inputs, f.in(event.Identify, anon("kiosk"), user(fmt.Sprintf("guest%03d", i))))
	}
	f.send(inputs...)
	n, err := Proposals.Count(f.ctx, f.db, everything(ws))
	require.NoError(t, err)
	require.EqualValues(t, MaxProposals, n)
	require.Len(t, f.profiles(), MaxProposals+21)
	f.exact()
}

func TestPartsOfAProfileAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	f := newFixture(t)
	_, err := f.s.SetNamespace(f.ctx, ws, Namespace{Name: AnonymousID, Priority: 20, Limit: 1000})
	require.NoError(t, err)
	for from := 0; from <= MaxParts; from += 100 {
		var pages, links []*event.Input
		for i := range 100 {
			a := fmt.Sprintf("a%03d", from+i)
			pages = append(pages, f.in(event.Page, anon(a)))
			links = append(links, f.in(event.Identify, anon(a), user("u")))
		}
		f.send(pages...)
		f.tick()
		f.send(links...)
		f.tick()
	}
	u := f.must(UserID, "u")
	require.Len(t, u.Parts, MaxParts)
	open := f.pending()
	require.Len(t, open, 100)
	require.Equal(t, ReasonTooManyParts, open[0].Reason)
	_, err = f.s.Merge(f.ctx, ws, MergeInput{WinnerID: u.ProfileID(), LoserID: f.must(AnonymousID, "a599").ProfileID(), Reason: "same"})
	require.Equal(t, ReasonTooManyParts, reason(err))
	f.exact()
	merges, err := f.s.Merges(f.ctx, ws, u.ProfileID())
	require.NoError(t, err)
	require.Len(t, merges, MaxParts-1)
	f.unmerge(merges[len(merges)/2])
	f.exact()
}

func TestAsOfRemembersEveryInstant(t *testing.T) {
	f := newFixture(t)
	before := f.clock.Now().Add(-time.Second)
	ana, ben := f.two()
	type memory struct {
		at   time.Time
		raws map[string]string
	}
	var past []memory
	ids := []string{ana.ProfileID(), ben.ProfileID()}
	remember := func() {
		m := memory{f.clock.Now(), map[string]string{}}
		for _, id := range ids {
			p, err := f.s.Get(f.ctx, ws, id)
			require.NoError(t, err)
			c := *p
			c.V = 0
			raw, err := c.MarshalBSON()
			require.NoError(t, err)
			m.raws[id] = string(raw)
		}
		past = append(past, m)
		f.tick()
	}
	remember()
	f.send(f.in(event.Track, user("ana"), consentSaid("ads", true)))
	remember()
	m := f.merge(ana, ben)
	remember()
	f.send(f.in(event.Identify, user("ben"), minute(-500), consentSaid("ads", false)))
	remember()
	f.send(f.in(event.Identify, user("ana"), email("late@x.io"), minute(-50)))
	remember()
	f.unmerge(m)
	remember()
	f.send(f.in(event.Identify, user("ben"), email("ana@x.io")))
	remember()
	for i, m := range past {
		for id, raw := range m.raws {
			p, err := f.s.AsOf(f.ctx, ws, id, m.at)
			require.NoError(t, err)
			got, err := p.MarshalBSON()
			require.NoError(t, err)
			require.Equal(t, bson.Raw(raw).String(), bson.Raw(got).String(), "memory %d", i)
		}
	}
	none, err := f.s.AsOf(f.ctx, ws, ids[0], before)
	require.NoError(t, err)
	require.Nil(t, none, "before its first event")
	none, err = f.s.AsOf(f.ctx, ws, "prof_NOBODY", f.clock.Now())
	require.NoError(t, err)
	require.Nil(t, none)
}

// Who read a profile before it was merged away must lose against the one that
// comes back under its id, although nothing else tells the two apart.
func TestReturnedProfileIsNotTheOneThatLeft(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	m := f.merge(ana, ben)
	f.unmerge(m)
	back := f.must(UserID, "ben")
	require.Equal(t, ben.ProfileID(), back.ProfileID())
	require.ErrorIs(t, commitOps(f.ctx, f.db, Profiles.Replace(ben)), store.ErrConflict)
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Replace(back)))
}

// A client that guesses the id of a system event cannot keep it from happening.
func TestClientsCannotTakeTheIDsOfSystemEvents(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	m := f.merge(ana, ben)
	in := f.in(event.Track, user("eve"))
	in.MessageID = "unmerge:" + m.MergeID()
	f.send(in)
	require.Len(t, f.unmerge(m), 2)
}
