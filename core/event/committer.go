package event

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Status says what became of one event.
type Status string

// The statuses.
const (
	Accepted    Status = "ACCEPTED"    // on disk now
	Duplicate   Status = "DUPLICATE"   // on disk before, the same payload
	Quarantined Status = "QUARANTINED" // kept aside with its reason; can be corrected and replayed
	Rejected    Status = "REJECTED"    // not kept: another payload under the same message id
)

// Result is what became of one event.
type Result struct {
	MessageID string
	EventID   string // evt_…, for ACCEPTED and DUPLICATE
	ProfileID string // prof_…, for ACCEPTED; the profile at the time of the commit
	Status    Status
	Err       *core.Error // for QUARANTINED and REJECTED
}

// Committer takes events into the log together with other operations: all of one
// call's operations are committed with its first event, all or nothing. Packages
// that must emit events hold this port; core/ingest implements it and cmd injects
// it. Acknowledged means on disk.
type Committer interface {
	// Ingest commits events of one source and tells of each. One bad event costs
	// the others nothing. An error means that nothing is known of those without a
	// result: send them again, their message ids make it harmless.
	Ingest(ctx context.Context, workspace, source string, inputs []Input) ([]Result, error)
	// Commit commits one system event with extra operations, all or nothing. A lost
	// race is store.ErrConflict: re-read, recompute, try again.
	Commit(ctx context.Context, workspace string, e Input, profileID string, ops ...store.Op) (Result, error)
}
