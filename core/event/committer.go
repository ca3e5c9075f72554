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
	Dropped     Status = "DROPPED"     // not kept: it is older than the erasure of the person whom it names
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
	// CommitAll commits several system events with extra operations in one batch, all
	// or nothing, and tells of each event in their order. There are at most
	// MaxSystemEvents of them, each with a message id of its own; several may be about
	// one profile, and they are applied in their order. Without any, the operations are
	// committed alone. When every message id was
	// committed before, nothing is written, the operations neither, and each result
	// says so; when only some were, nothing is written and the error is CONFLICT,
	// reason PARTLY_COMMITTED. A batch beyond the store's limits is INVALID, reason
	// BATCH_TOO_LARGE, and errors.Is finds store.ErrTooLarge: commit fewer at once. A
	// lost race about the operations is store.ErrConflict.
	CommitAll(ctx context.Context, workspace string, events []SystemEvent, ops ...store.Op) ([]Result, error)
}

// MaxSystemEvents is how many events one call of CommitAll takes.
const MaxSystemEvents = 200

// SystemEvent is one event of CommitAll.
type SystemEvent struct {
	Input     Input
	ProfileID string // prof_… that it is about, merged away or not; "" is nobody
}
