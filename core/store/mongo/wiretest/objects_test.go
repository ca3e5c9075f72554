package wiretest

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/object/objecttest"
	"github.com/headwater-cdp/headwater/core/store"
)

// TestRecordsAreFound asks the engine over FerretDB for records by their fields.
// FerretDB looks for each end of a range among all elements, so it answers with
// more than was asked for; the evaluator drops that, and must. It does not know
// Decimal128, which the fields that are left out need.
func TestRecordsAreFound(t *testing.T) {
	// A page takes milliseconds where SQLite takes microseconds.
	require.NoError(t, flag.Set("rapid.checks", "8"))
	s := factory(serve(t))(t)
	require.NoError(t, s.Declare(t.Context(), append(append(store.Specs(), event.Specs()...), object.Specs()...)...))
	objecttest.FindAgreesWithEvaluator(t, s, 23, "weight", "marks", "price")
}
