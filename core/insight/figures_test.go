package insight

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiguresAreKeptInTheCommitOfTheirEvents(t *testing.T) {
	r := newRig(t)
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [PAST]"}, shown(r.ask("orders", nil)), "nobody has counted the past")
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 0"}, shown(r.ask("orders", nil)))
	require.Equal(t, []string{"2026-06-01T00 ZERO_DENOMINATOR"}, shown(r.ask("conversion_rate", nil)), "null, not 0")

	for _, who := range []string{"ana", "bo", "cy", "di"} {
		r.send(`{"type":"page","userId":%q,"timestamp":"2026-06-01T08:00:00Z","context":{"campaign":{"medium":"email"}}}`, who)
	}
	r.track("ana", "Order Completed", "2026-06-01T09:30:00Z", `{"total":"ten","currency":"EUR"}`) // no number
	r.track("ana", "Order Completed", "2026-06-01T10:30:00Z", `{"total":10.10,"currency":"EUR","channel":"email"}`)
	r.track("ana", "Order Completed", "2026-06-02T10:30:00Z", `{"total":0.2,"currency":"eur"}`)
	r.track("bo", "Order Completed", "2026-05-31T22:59:59Z", `{"total":5,"currency":"EUR"}`) // May

	require.Equal(t, []string{"2026-06-01T00 3"}, shown(r.ask("orders", nil)))
	require.Equal(t, []string{"2026-06-01T00 10.3"}, shown(r.ask("revenue", nil)), "exact")
	require.Equal(t, "EUR", r.ask("revenue", nil).Currency)
	require.Equal(t, []string{"2026-06-01T00 0.25"}, shown(r.ask("conversion_rate", nil)))
	require.Equal(t, []string{"2026-06-01T00  0.2", "2026-06-01T00 email 10.1"}, shown(r.ask("revenue", func(q *Question) { q.By = []string{"channel"} })))
	require.Equal(t, []string{"2026-06-01T00 10.3 (5)"}, shown(r.ask("revenue", func(q *Question) { q.Compare = true })), "May before June")
	require.Equal(t, []string{"2026-06-01T00 1"}, shown(r.ask("new_customers", nil)), "Ana; Bo was new in May")

	report, err := r.Refold(r.ctx, rigWS, false, nil)
	require.NoError(t, err)
	require.Zero(t, report.Differences, "%v", report.Sample)
}
