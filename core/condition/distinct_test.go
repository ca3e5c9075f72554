package condition_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// What is kept of different values is bounded, in their number and their length,
// and does not depend on which came first.
func TestDistinctValuesAreBounded(t *testing.T) {
	n, err := condition.ParseJSON([]byte(`{"aggregate":{"event":{"name":"Page"},"fn":"DISTINCT","path":"url","value":{"gte":2}}}`))
	require.NoError(t, err)
	p, err := condition.Compile(n, condition.Zone{})
	require.NoError(t, err)
	spec := p.Needs().Ledgers[0]
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	fold := func(values, step int) *condition.Ledger {
		f, err := condition.CompileLedger(spec)
		require.NoError(t, err)
		l := &condition.Ledger{}
		for i := range values {
			props, err := bson.Marshal(bson.M{"url": strings.Repeat("x", 3000) + fmt.Sprint(i*step%values)})
			require.NoError(t, err)
			f.Add(l, condition.LedgerEvent{ID: fmt.Sprintf("evt_%06d", i), At: now.Add(-time.Hour), Properties: props}, now)
		}
		f.Prune(l, now.AddDate(0, 1, 0))
		return l
	}
	l := fold(condition.MaxDistinct+501, 1)
	require.Len(t, l.Total.Distinct, condition.MaxDistinct)
	size := 0
	for _, text := range l.Total.Distinct {
		size += len(text)
	}
	require.Less(t, size, 300_000)
	require.Equal(t, l.Total.Distinct, fold(condition.MaxDistinct+501, 7).Total.Distinct)
	require.Len(t, fold(101, 7).Total.Distinct, 101)
}
