package quality

import (
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
)

var surnames = []string{"Popescu", "Ionescu", "Stan", "Dumitru", "Rusu", "Munteanu", "Matei", "Lazar", "Ciobanu", "Moldovan"}

// town makes people who are not each other, though many share a name.
func (r *rig) town(n int) {
	for i := range n {
		r.send("src_crm", `{"type":"identify","userId":"t%d","traits":{"firstName":"Ana%d","lastName":%q,"birthday":"19%02d-0%d-%02d","phone":"+4072%07d","address":{"postalCode":"4%05d"}}}`,
			i, i%23, surnames[i%10], 40+i%60, 1+i%9, 1+i%28, i*7919%10_000_000, i*31%90000)
	}
}

func (r *rig) duplicates(in DuplicatesInput) DuplicatesResult {
	r.t.Helper()
	j, err := r.FindDuplicates(r.ctx, rigWS, in, "")
	require.NoError(r.t, err)
	var out DuplicatesResult
	require.NoError(r.t, r.done(j.JobID()).DecodeResult(&out))
	return out
}

func (r *rig) proposals() []*profile.Proposal {
	r.t.Helper()
	page, err := r.Profiles.Proposals(r.ctx, rigWS, profile.Pending, core.Window{Limit: 100})
	require.NoError(r.t, err)
	return page.Items
}

// Planted twins are proposed with a score and what they agree on, strangers with one name
// are not; a decision holds, and what was merged can be parted again, for good.
func TestDuplicatesAreProposed(t *testing.T) {
	r := newRig(t)
	r.start()
	r.town(120)
	a := r.send("src_crm", `{"type":"identify","userId":"a","traits":{"firstName":"Ștefan","lastName":"Mureșanu","birthday":"1984-02-29","phone":"0721 000 111"}}`)
	b := r.send("src_shop", `{"type":"identify","anonymousId":"b","traits":{"firstName":"stefan","lastName":"Muresanu","birthday":"1984-02-29","phone":"+40721000111"}}`)
	c := r.send("src_shop", `{"type":"identify","userId":"c","traits":{"firstName":"Stefan","lastName":"Popescu","birthday":"1991-07-02"}}`)
	d := r.send("src_crm", `{"type":"identify","userId":"d","traits":{"firstName":"Margareta","lastName":"Constantinescu","birthday":"1970-05-05","company":"Apex"}}`)
	e := r.send("src_shop", `{"type":"identify","userId":"e","traits":{"firstName":"Margaretta","lastName":"Constantinescu","birthday":"1970-05-05","company":"Apex SRL"}}`)

	dry := r.duplicates(DuplicatesInput{DryRun: true})
	require.EqualValues(t, 2, dry.Found, "%+v", dry)
	require.Empty(t, r.proposals())

	first := r.duplicates(DuplicatesInput{})
	require.EqualValues(t, 2, first.Proposed, "%+v", first)
	got := map[string]*profile.Proposal{}
	for _, p := range r.proposals() {
		require.NotContains(t, p.Parts, c)
		require.Equal(t, profile.ReasonSimilar, p.Reason)
		require.GreaterOrEqual(t, p.Likeness.Score, UsualMinScore)
		got[p.Parts[0]], got[p.Parts[1]] = p, p
	}
	require.Equal(t, []string{"phone", "firstName", "lastName", "birthday"}, got[a].Likeness.Agrees)
	require.Same(t, got[a], got[b])
	require.Same(t, got[d], got[e])

	again := r.duplicates(DuplicatesInput{})
	require.Zero(t, again.Proposed)
	require.EqualValues(t, 2, again.Known)

	_, err := r.Profiles.DecideProposal(r.ctx, rigWS, got[d].ProposalID(), false)
	require.NoError(t, err)
	done, err := r.Profiles.DecideProposal(r.ctx, rigWS, got[a].ProposalID(), true)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{a, b}, done.Profile.Parts)
	_, err = r.Profiles.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: done.Merge.MergeID()})
	require.NoError(t, err)
	last := r.duplicates(DuplicatesInput{})
	require.Zero(t, last.Proposed, "%+v", last)
	require.EqualValues(t, 2, last.Known)
	require.Empty(t, r.proposals())
}

func TestDuplicatesInShares(t *testing.T) {
	r := newRig(t)
	for i := range 6 {
		r.send("src_crm", `{"type":"identify","userId":"p%d","traits":{"name":"Ilinca Vasilache-%d","email2":"x","birthday":"1980-01-01"}}`, i, i/2)
	}
	for _, shares := range []uint64{1, 3} {
		f := &search{Service: r.Service, ws: rigWS, in: DuplicatesInput{MinScore: 0.5, DryRun: true}, people: 100_000, seed: maphash.MakeSeed(), seen: map[uint64]bool{}, step: func(int64) error { return nil }}
		require.NoError(t, f.count(r.ctx))
		for share := range shares {
			require.NoError(t, f.share(r.ctx, share, shares))
		}
		require.EqualValues(t, 3, f.out.Found, fmt.Sprint(shares))
	}
}

func TestMinScore(t *testing.T) {
	r := newRig(t)
	_, err := r.FindDuplicates(r.ctx, rigWS, DuplicatesInput{MinScore: 0.2}, "")
	require.Equal(t, "MIN_SCORE", reason(err))
}

// The published examples of Winkler's comparator, and what folding takes for the same.
func TestComparing(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"MARTHA", "MARHTA", 0.9611}, {"DWAYNE", "DUANE", 0.84}, {"DIXON", "DICKSONX", 0.8133}, {"abc", "xyz", 0}, {"", "x", 0}, {"same", "same", 1}} {
		require.InDelta(t, c.want, winkler(c.a, c.b), 5e-5, c.a)
		require.InDelta(t, c.want, winkler(c.b, c.a), 5e-5, c.a)
	}
	require.Equal(t, "stefan cel mare", foldText("  Ștefan  cel-Mare "))
	require.Equal(t, foldWords("Popescu, Ana"), foldWords("ana POPESCU"))
	require.Equal(t, "ana@x.ro", foldEmail("Ana+shop@X.ro"))
	require.Equal(t, "721000111", foldPhone("+40 721-000-111"))
	require.Empty(t, foldPhone("112"))
	require.Equal(t, "1984-02-29", foldDate("1984-02-29T00:00:00Z"))
	require.Empty(t, foldDate("29.02.1984"))

	// Two of 1,000 who share a surname that 300 have are strangers; one that two have says much.
	n := int64(1000)
	some := make([]string, len(features))
	some[atLast], some[atFirst] = "rusu", "ana"
	common := compare(some, some, n, func(int, string) int64 { return 300 })
	rare := compare(some, some, n, func(int, string) int64 { return 2 })
	require.Less(t, common.Score, 0.1)
	require.Greater(t, rare.Score, 0.95)
}
