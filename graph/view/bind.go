package view

import (
	"time"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// Node is anything with an id. The types of the domain do not know the schema, so
// every type is one; the switch in the generated code tells which.
type Node any

// The pages of the schema.
type (
	ProfileConnection          = Connection[profile.Profile]
	ProfileEdge                = Edge[profile.Profile]
	EventConnection            = Connection[event.Event]
	EventEdge                  = Edge[event.Event]
	QuarantinedEventConnection = Connection[event.QuarantineItem]
	QuarantinedEventEdge       = Edge[event.QuarantineItem]
	MergeProposalConnection    = Connection[profile.Proposal]
	MergeProposalEdge          = Edge[profile.Proposal]
	JobConnection              = Connection[work.Job]
	JobEdge                    = Edge[work.Job]
	KeyConnection              = Connection[access.Key]
	KeyEdge                    = Edge[access.Key]
)

// EventInput is one event as a client wrote it. What is wrong with it is found
// when it is decoded, like a message of the tracking protocol.
type EventInput struct {
	Type        event.Type
	MessageID   *string
	UserID      *string
	AnonymousID *string
	Event       *string
	Name        *string
	Category    *string
	Properties  scalar.JSON
	Traits      scalar.JSON
	GroupID     *string
	PreviousID  *string
	Timestamp   *scalar.LooseTime
	Context     scalar.JSON
}

// IngestInput is a batch of events.
type IngestInput struct {
	Events []EventInput
	Source *string
	SentAt *scalar.LooseTime
}

// Cause is why something changed.
type Cause string

// The causes of a change of a profile.
const (
	CauseEvent Cause = "EVENT"
	CauseMerge Cause = "MERGE"
)

// ProfileChange is a new state of a profile.
type ProfileChange struct {
	Cursor  string
	Profile *profile.Profile
	Paths   []string
	Cause   Cause
	At      time.Time
}
