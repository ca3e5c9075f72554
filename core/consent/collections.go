package consent

import (
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// registerDoc is a workspace's register: what differs from the built-in purposes and
// rules. Its version is the revision.
type registerDoc struct {
	store.Meta `bson:",inline"` // key: workspace/register; in the history workspace/ and the revision
	At         time.Time        `bson:"at"` // since when it holds; greater than that of the revision before
	By         string           `bson:"by"` // id of the actor who made it
	Purposes   []Purpose        `bson:"purposes,omitempty"`
	Settings   Settings         `bson:"settings"`
	Revision   int64            `bson:"revision"`
}

// receipt is a decision as it was made. It is written once and never changes; its id
// is made of what it says.
type receipt struct {
	store.Meta   `bson:",inline"` // key: workspace/rcp_…
	Profile      string           `bson:"profile"`
	Purpose      string           `bson:"purpose"`
	Channel      string           `bson:"channel,omitempty"`
	AsOf         time.Time        `bson:"asOf"`
	Allowed      bool             `bson:"allowed"`
	Reason       string           `bson:"reason"`
	Entries      []string         `bson:"entries,omitempty"` // con_…
	Jurisdiction string           `bson:"jurisdiction,omitempty"`
	Revision     int64            `bson:"revision"` // of the register
}

// The collections. The history holds every revision of the register, so that what was
// decided can be decided again.
var (
	registers = store.Declare[registerDoc](store.Spec{Name: "purposes"})
	history   = store.Declare[registerDoc](store.Spec{Name: "purpose_history", Indexes: []store.Index{store.On("-at")}})
	receipts  = store.Declare[receipt](store.Spec{
		Name: "consent_receipts", Subject: "profile",
		Data:    map[string]core.Category{"jurisdiction": core.Location, "*": core.Consent},
		Indexes: []store.Index{store.On("profile", "-asOf")},
	})
)

func registerKey(ws string) string { return store.Key(ws, "register") }

func historyKey(ws string, revision int64) string {
	return store.Key(ws, fmt.Sprintf("%012d", revision))
}

// Specs lists the collections of this package. The ledger itself is the event log.
func Specs() []*store.Spec {
	return []*store.Spec{registers.Spec, history.Spec, receipts.Spec, suppressions.Spec, marks.Spec, documents.Spec, texts.Spec, addresses.Spec, processors.Spec}
}
