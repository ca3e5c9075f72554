package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkspacesCurrencyIsThatOfMetricsThatNameNone(t *testing.T) {
	r := newRig(t)
	r.Costs = fixedCosts{{Day: Date{2026, 6, 2}, Currency: "GBP", Amount: newDecimal(4)}}
	r.counted()
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", `{"total":10,"currency":"EUR"}`)
	r.track("ana", "Order Completed", "2026-06-04T10:00:00Z", `{"total":10,"currency":"USD"}`)
	r.track("ana", "Order Completed", "2026-06-20T10:00:00Z", `{"total":10,"currency":"USD"}`)

	_, err := r.SetCurrency(r.ctx, rigWS, "euro", 0, false)
	require.Equal(t, "CURRENCY", reason(err))
	dry, err := r.SetCurrency(r.ctx, rigWS, "EUR", 0, true)
	require.NoError(t, err)
	require.Equal(t, "EUR", dry.Currency)
	_, err = r.Ask(r.ctx, rigWS, Question{Name: "revenue", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total})
	require.Equal(t, "CURRENCY_UNSET", reason(err), "a dry run sets nothing")
	missing, err := r.MissingRates(r.ctx, rigWS, "revenue", "EUR")
	require.NoError(t, err)
	require.Equal(t, []MissingRate{{"USD", "EUR", Date{2026, 6, 4}}}, missing, "the first day")

	set, err := r.SetCurrency(r.ctx, rigWS, "eur", 0, false)
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Version())
	_, err = r.SetCurrency(r.ctx, rigWS, "USD", 0, false)
	require.Equal(t, "VERSION_CONFLICT", reason(err))
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [USD 2026-06-04 USD 2026-06-20]"}, shown(r.ask("revenue", nil)))
	missing, err = r.MissingRates(r.ctx, rigWS, "roas", "")
	require.NoError(t, err)
	require.Equal(t, []MissingRate{{"GBP", "EUR", Date{2026, 6, 2}}, {"USD", "EUR", Date{2026, 6, 4}}}, missing, "of what was spent too")
	missing, err = r.MissingRates(r.ctx, rigWS, "", "")
	require.NoError(t, err)
	require.Len(t, missing, 2, "of all that name none")
	missing, err = r.MissingRates(r.ctx, rigWS, "orders", "")
	require.NoError(t, err)
	require.Empty(t, missing)

	require.NoError(t, r.SetRates(r.ctx, rigWS, []ExchangeRate{
		{"USD", "EUR", Date{2026, 6, 1}, dec(t, "0.9")}, {"USD", "EUR", Date{2026, 6, 10}, dec(t, "0.8")}, {"EUR", "GBP", Date{2026, 1, 1}, dec(t, "0.8")},
	}))
	missing, err = r.MissingRates(r.ctx, rigWS, "ltv_cac", "")
	require.NoError(t, err)
	require.Empty(t, missing, "a rate of the other way about counts")
	revenue := r.ask("revenue", nil)
	require.Equal(t, "EUR", revenue.Currency)
	require.Equal(t, []string{"2026-06-01T00 27"}, shown(revenue), "10 + 10 × 0.9 + 10 × 0.8")
	require.Equal(t, []string{"2026-06-01T00 5.4"}, shown(r.ask("roas", nil)), "over 4 / 0.8")
	_, _, err = r.Update(r.ctx, rigWS, "revenue", 0, func(d *Definition) { d.Currency = "USD" }, false)
	require.NoError(t, err)
	missing, err = r.MissingRates(r.ctx, rigWS, "revenue", "EUR")
	require.NoError(t, err)
	require.Empty(t, missing, "its own currency counts: EUR is turned into it")

	_, err = r.SetCurrency(r.ctx, rigWS, "GBP", 1, false)
	require.NoError(t, err)
	require.Equal(t, "GBP", r.ask("ad_cost", nil).Currency)
	require.Eventually(t, func() bool { return shown(r.ask("ad_cost", nil))[0] == "2026-06-01T00 4" }, time.Second, time.Millisecond)
}
