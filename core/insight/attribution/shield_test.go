package attribution

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

type witness struct{}

func (witness) Saw(context.Context, audit.Seen) error { return nil }
func (witness) Asked(string, string)                  {}

// analyst sees what people did, and no identifiers.
type analyst struct{}

func (analyst) View(context.Context) (*core.View, error) {
	return &core.View{
		Purpose: "analytics", Permissions: map[string]core.Decision{"read": {Effect: core.Allow}},
		Data: map[core.Category]core.Decision{core.Behaviour: {Effect: core.Allow}, core.Transaction: {Effect: core.Allow}},
	}, nil
}

// Many conversions of one person are one person's: whoever sees aggregates only does not
// see them, nor what they could be worked out from, nor addresses in links.
func TestRowsOfFewPeopleAreWithheldHoweverManyConversions(t *testing.T) {
	r := newRig(t)
	r.people.SetGate(profile.GateOptions{View: access.ViewOf, Events: event.NewService(r.db, r.clock)})
	for i := range 12 {
		r.send(float64(i)/100, visit("ana", "email", "ana@example.com"))
		r.send(float64(i)/100+0.001, order("ana", "10"))
	}
	for campaign, n := range map[string]int{"spring": 12, "autumn": 14, "winter": 30} {
		for i := range n {
			who := fmt.Sprint(campaign, i)
			r.send(0, visit(who, "cpc", campaign))
			r.send(1, order(who, "10"))
		}
	}
	ctx := core.WithActor(audit.WithWitness(t.Context(), witness{}), &core.Actor{Workspace: rigWS, ID: "key_1", Decider: analyst{}})
	q := Query{Model: Last, With: Usual, Conversion: "purchase", From: rigStart.AddDate(0, 0, -5), To: rigStart.AddDate(0, 0, 60), By: []Dimension{Campaign}}
	report, err := r.Compute(ctx, rigWS, q)
	require.NoError(t, err)
	hide, whole, err := r.Shield(ctx, rigWS, report)
	require.NoError(t, err)
	require.False(t, whole)
	shown := map[string]bool{}
	for i, row := range report.Rows {
		shown[row.Key] = !hide[i]
	}
	require.Equal(t, map[string]bool{Withheld: false, "spring": false, "autumn": true, "winter": true}, shown)
	require.EqualValues(t, 57, report.People)

	// What two hidden rows have together is not of few either.
	few := &Report{Result: Result{Conversions: 100, People: 60, Rows: []Row{{Key: "a", Touched: 1, People: 1}, {Key: "b", Touched: 20, People: 1}, {Key: "c", Touched: 20, People: 20}, {Key: "d", Touched: 40, People: 38}}}}
	hide, _, err = r.Shield(ctx, rigWS, few)
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, true, false}, hide)

	// Who may read identifiers reads all.
	mine := r.ask(Last, Campaign)
	require.Equal(t, "120000/12000", credits(mine)["ana@example.com"])
}

// A currency is the same in small letters, as in figures.
func TestCurrenciesInSmallLetters(t *testing.T) {
	r := newRig(t)
	r.send(0, visit("ana", "email", "x"))
	r.send(1, `{"type":"track","event":"Order Completed","userId":"ana","properties":{"total":7.5,"currency":"eur"}}`)
	require.Equal(t, map[string]string{"email": "10000/750"}, credits(r.ask(Last)))
}
