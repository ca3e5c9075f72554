package privacy

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/work"
)

// Subject is whom an erasure is about, as a destination needs to know it. It lives in
// memory only.
type Subject struct {
	Workspace   string
	Request     string   // dsr_…: also the idempotency key
	Parts       []string // every profile id that the person had
	Identifiers []event.Identifier

	anonymise bool // what is nobody's is kept here
}

// Answer is what a destination says of an erasure.
type Answer struct {
	// Status is RUNNING while the destination works on it, SUCCEEDED when nothing of
	// the person is left there, FAILED when it never will do it.
	Status   work.Status
	Ref      string        // the destination's name for the work, for Check
	Evidence string        // what proves it; never a personal value
	After    time.Duration // when to ask again while it is RUNNING; 0: a minute
}

// Destination is a place outside that data of people was handed to. Its methods are
// called from jobs, again after an error or a crash, and by several processes.
type Destination interface {
	// Name tells it from all others, for ever.
	Name() string
	// Erase asks for the erasure. The same Subject.Request asked again is the same
	// work. An error is tried again.
	Erase(ctx context.Context, s Subject) (Answer, error)
	// Check asks what became of what Erase called RUNNING.
	Check(ctx context.Context, workspace, ref string) (Answer, error)
}
