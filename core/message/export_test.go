package message

import (
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// SetFlight sets when another process may take a message for lost.
func SetFlight(d time.Duration) { flightFor = d }

// StatusQuery finds the messages of a status.
func StatusQuery(ws string, s Status) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("status", string(s))}, Order: []string{"-at"}}
}
