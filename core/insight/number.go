package insight

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/headwater-cdp/headwater/core/condition"
)

var limit = decimal.NewFromInt(maxAmount)

func newDecimal(n int64) condition.Decimal { return decimal.NewFromInt(n) }

// places is to how many digits a quotient is given.
const places = 6

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func quote(text string) string {
	out, _ := json.Marshal(text) // a text: cannot fail
	return string(out)
}
