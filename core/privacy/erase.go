package privacy

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/work"
)

// EraseInput asks for the erasure of a person, by an id or by an identifier.
type EraseInput struct {
	ProfileID      string
	Identifier     *event.Identifier
	Reason         string    // why, in words; never a personal value
	ReceivedAt     time.Time // of the request; zero: now
	RequestID      string    // a request of this type that was entered before; "" makes one
	IdempotencyKey string
	DryRun         bool
}

// Plan is what an erasure would do.
type Plan struct {
	ProfileID    string   // "" where nobody has the identifier: it is kept out all the same
	Parts        []string // every id that the person had
	Counts       []Count  // by collection, of those that hold something
	Holds        []*Hold  // that forbid it
	Destinations []string // who would be asked
	Retained     []Retained
}

// Erased is what Erase began, or would.
type Erased struct {
	Plan    *Plan    // of a dry run
	Request *Request // nil after a dry run
	Job     *work.Job
}

// Hold forbids to erase a person.
type Hold struct{}

// Erase erases a person. When it returns, nobody reads the person any more; the job
// does the rest. A person under a legal hold is not erased: the request is stored,
// RECEIVED, and begins when the last hold is lifted.
//
// Errors: FORBIDDEN; INVALID (SUBJECT); NOT_FOUND (PROFILE, ERASED).
func (s *Service) Erase(ctx context.Context, ws string, in EraseInput) (*Erased, error) {
	return nil, core.Errorf(core.Unavailable, "NOT_YET", "erasure is being built")
}
