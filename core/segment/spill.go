package segment

import (
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Month holds the entries of one ledger of one part in a calendar month (UTC), or
// some of them. Only the last document of a month is ever added to.
type Month struct {
	store.Meta `bson:",inline"` // key: workspace/part/ledger/YYYYMM/chunk
	Part       string
	Entries    []condition.Entry
}
