package quality

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// weeks sends perDay orders a day for some days, and ends at the beginning of the next.
func (r *rig) weeks(days, perDay int) {
	for range days {
		for i := range perDay {
			r.send("src_shop", `{"type":"track","userId":"u%d","event":"Order Completed","properties":{"total":%d,"currency":"EUR"}}`, i, 10+i)
		}
		r.clock.Advance(24 * time.Hour)
	}
}

// Faults are planted on one day; each rule finds its own and counts it, and on the day
// before none does.
func TestPlantedFaultsAreFound(t *testing.T) {
	r := newRig(t)
	r.start()
	const people = 40
	for i := range people {
		r.send("src_crm", `{"type":"identify","userId":"u%d","traits":{"city":"Cluj","postalCode":"4000%02d","taxId":"RO%d"}}`, i, i, i)
	}
	r.set("city", Rule{Kind: Completeness, Owner: event.OwnerTrait, Path: "city", MaxShare: 200})
	r.set("postal", Rule{Kind: Validity, Owner: event.OwnerTrait, Path: "postalCode", Where: `{"matches":"^[0-9]{6}$"}`, MaxShare: 0})
	r.set("tax", Rule{Kind: Uniqueness, Owner: event.OwnerTrait, Path: "taxId"})
	r.set("currency", Rule{Kind: Completeness, Owner: "Order Completed", Path: "currency"})
	r.set("total", Rule{Kind: Validity, Owner: "Order Completed", Path: "total", Where: `{"gt":0}`})
	r.set("fresh", Rule{Kind: Freshness, Owner: "Order Completed", MaxAge: 24 * time.Hour})
	r.set("shop", Rule{Kind: Freshness, Source: "src_shop", MaxAge: 12 * time.Hour})
	r.set("volume", Rule{Kind: Volume, Owner: "Order Completed", MaxShare: 3000})
	r.weeks(28, 5) // the clock stands on a Monday
	sum, latest := r.judge()
	require.EqualValues(t, 1, sum.Failed, "%+v", sum) // only the shop's last event of a day is 24 h old at its end
	require.Equal(t, Fail, latest["shop"].Verdict)
	for _, key := range []string{"city", "postal", "tax", "currency", "total", "fresh", "volume"} {
		require.Equal(t, Pass, latest[key].Verdict, key)
		require.Zero(t, latest[key].Share, key)
	}
	require.EqualValues(t, 5, latest["volume"].Usual)
	require.EqualValues(t, people, latest["city"].Checked)

	// A Monday on which much is wrong: 2 of 5 orders come, one without a currency, one below zero; a form writes
	// postal codes with a space, a person loses their city, two share a number.
	r.send("src_shop", `{"type":"track","userId":"u0","event":"Order Completed","properties":{"total":10}}`)
	r.send("src_shop", `{"type":"track","userId":"u1","event":"Order Completed","properties":{"total":-4,"currency":"EUR"}}`)
	r.send("src_form", `{"type":"identify","userId":"u7","traits":{"postalCode":"400 07"}}`)
	r.send("src_form", `{"type":"identify","userId":"u8","traits":{"city":null}}`)
	r.send("src_form", `{"type":"identify","userId":"u9","traits":{"taxId":" ro10 "}}`)
	r.clock.Advance(24 * time.Hour)
	sum, latest = r.judge()
	for key, want := range map[string]Result{
		"city":     {Verdict: Fail, Checked: people, Faulty: 1, Share: 250},
		"postal":   {Verdict: Fail, Checked: people, Faulty: 1, Share: 250},
		"tax":      {Verdict: Fail, Checked: people, Faulty: 2, Share: 500},
		"currency": {Verdict: Fail, Checked: 2, Faulty: 1, Share: 5000},
		"total":    {Verdict: Fail, Checked: 2, Faulty: 1, Share: 5000},
		"fresh":    {Verdict: Pass, Checked: 1},
		"volume":   {Verdict: Fail, Checked: 2, Faulty: 2, Share: 6000},
	} {
		got := latest[key]
		require.Equal(t, want, Result{Verdict: got.Verdict, Checked: got.Checked, Faulty: got.Faulty, Share: got.Share}, key)
	}
	require.EqualValues(t, 7, sum.Failed)

	// Nothing comes for a day: that is told, too.
	r.clock.Advance(24 * time.Hour)
	_, latest = r.judge()
	require.Equal(t, Fail, latest["fresh"].Verdict)
	require.Equal(t, Fail, latest["volume"].Verdict)
	require.EqualValues(t, Whole, latest["volume"].Share)
	require.Equal(t, NoData, latest["currency"].Verdict)

	// Judging a day again changes nothing.
	before := latest["tax"]
	_, latest = r.judge()
	require.Equal(t, before.Faulty, latest["tax"].Faulty)
	require.Equal(t, before.ID, latest["tax"].ID)
	require.Greater(t, latest["tax"].V, before.V)
}

// Those whom a rule is at odds with meet its condition.
func TestConditionOfARule(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Kind: Completeness, Owner: event.OwnerTrait, Path: "city"}, `{"trait":{"path":"city","exists":false}}`},
		{Rule{Kind: Validity, Owner: event.OwnerTrait, Path: "age", Where: `{"between":[16,120]}`}, `{"and":[{"trait":{"path":"age","exists":true}},{"not":{"trait":{"between":[16,120],"path":"age"}}}]}`},
		{Rule{Kind: Uniqueness, Owner: event.OwnerTrait, Path: "age"}, ""},
		{Rule{Kind: Completeness, Owner: "Order Completed", Path: "total"}, ""},
	} {
		got := c.rule.Condition()
		require.Equal(t, c.want, got)
		if got != "" {
			_, err := condition.ParseJSON([]byte(got))
			require.NoError(t, err)
		}
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	r := newRig(t)
	good := Rule{Name: "x", Kind: Completeness, Owner: event.OwnerTrait, Path: "city"}
	for name, c := range map[string]struct {
		change func(*Rule)
		reason string
		path   string
	}{
		"kind":         {func(r *Rule) { r.Kind = "ACCURACY" }, "RULE_KIND", "kind"},
		"no name":      {func(r *Rule) { r.Name = " " }, "NAME", "name"},
		"no path":      {func(r *Rule) { r.Path = "" }, "RULE_PATH", "path"},
		"no owner":     {func(r *Rule) { r.Owner = "" }, "RULE_OWNER", "owner"},
		"share":        {func(r *Rule) { r.MaxShare = Whole + 1 }, "RULE_MAX_SHARE", "maxShare"},
		"where":        {func(r *Rule) { r.Where = `{"eq":1}` }, "RULE_WHERE", "where"},
		"no where":     {func(r *Rule) { r.Kind = Validity }, "RULE_WHERE", "where"},
		"bad where":    {func(r *Rule) { r.Kind, r.Where = Validity, `{"matches":"("}` }, "", "where"},
		"where's path": {func(r *Rule) { r.Kind, r.Where = Validity, `{"path":"x","eq":1}` }, "RULE_WHERE", "where"},
		"events":       {func(r *Rule) { r.Kind, r.Owner = Uniqueness, "Order Completed" }, "RULE_OWNER", "owner"},
		"age":          {func(r *Rule) { r.Kind, r.Owner, r.Path = Freshness, "", "" }, "RULE_MAX_AGE", "maxAge"},
		"volume":       {func(r *Rule) { r.Kind, r.Owner, r.Path = Volume, "", "" }, "RULE_MAX_SHARE", "maxShare"},
		"both":         {func(r *Rule) { r.Kind, r.Path, r.Source, r.MaxShare, r.Owner = Volume, "", "src_a", 1, "X" }, "RULE_SOURCE", "source"},
	} {
		in := good
		c.change(&in)
		_, err := r.SetRule(r.ctx, rigWS, "x", 0, in)
		require.Error(t, err, name)
		require.Equal(t, core.Invalid, core.CodeOf(err), name)
		if c.reason != "" {
			require.Equal(t, c.reason, reason(err), name)
		}
		require.Equal(t, c.path, core.AsError(err).Path[0], name)
	}
	_, err := r.SetRule(r.ctx, rigWS, "x", 0, good)
	require.NoError(t, err)
	_, err = r.SetRule(r.ctx, rigWS, "x", 0, good)
	require.Equal(t, "VERSION_CONFLICT", reason(err))
	got, err := r.SetRule(r.ctx, rigWS, "x", 1, good)
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Version())
	require.NoError(t, r.DeleteRule(r.ctx, rigWS, "x"))
	require.Equal(t, "QUALITY_RULE", reason(r.DeleteRule(r.ctx, rigWS, "x")))
}

// The first rule begins the daily judgement, and each day is judged once.
func TestDaily(t *testing.T) {
	r := newRig(t)
	r.start()
	r.set("any", Rule{Kind: Freshness, MaxAge: 24 * time.Hour})
	r.send("src_shop", `{"type":"track","userId":"a","event":"Seen"}`)
	for n := range 3 {
		r.clock.Advance(rigStart.Add(time.Duration(n+1)*24*time.Hour + 2*time.Hour).Sub(r.clock.Now()))
		want := store.Key(rigWS, "any", dayText(rigStart.AddDate(0, 0, n)))
		require.Eventually(t, func() bool {
			got, err := Results.Get(r.ctx, r.Store, want)
			require.NoError(t, err)
			return got != nil
		}, 20*time.Second, 5*time.Millisecond, want)
	}
	n, err := r.CountResults(r.ctx, rigWS, "any", "")
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
}

func TestUniquenessInShares(t *testing.T) {
	rule := &Rule{Kind: Uniqueness, Owner: event.OwnerTrait, Path: "taxId"}
	rule.ID = store.Key(rigWS, "tax")
	r := newRig(t)
	for i := range 30 {
		r.send("src_crm", `{"type":"identify","userId":"u%d","traits":{"taxId":"%d"}}`, i, i%27)
	}
	for _, shares := range []uint64{1, 2, 7} {
		j := newJudgement([]*Rule{rule}, rigStart, rigStart)
		for share := range shares {
			for i := range 30 {
				p, err := r.Profiles.ByIdentifiers(r.ctx, rigWS, []event.Identifier{{Namespace: "user_id", Value: fmt.Sprintf("u%d", i)}})
				require.NoError(t, err)
				j.takePerson(p[0], share, shares)
			}
			j.closeShare()
		}
		require.EqualValues(t, 30, j.rules[0].checked)
		require.EqualValues(t, 6, j.rules[0].faulty)
	}
}
