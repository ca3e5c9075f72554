package consent

import (
	"fmt"
	"time"

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

// The collections of the register. The history holds every revision, so that what
// was decided can be decided again.
var (
	registers = store.Declare[registerDoc](store.Spec{Name: "purposes"})
	history   = store.Declare[registerDoc](store.Spec{Name: "purpose_history", Indexes: []store.Index{store.On("-at")}})
)

func registerKey(ws string) string { return store.Key(ws, "register") }

func historyKey(ws string, revision int64) string {
	return store.Key(ws, fmt.Sprintf("%012d", revision))
}

// Specs lists the collections of this package.
func Specs() []*store.Spec {
	return []*store.Spec{registers.Spec, history.Spec}
}
