package view

import (
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
)

// JourneyDefinition is the input of a drawing as it came. core/journey reads it and tells
// what is wrong with the path of the culprit.
type JourneyDefinition struct {
	Tree any
	drawn
}

// drawn are the keys that the input may have. gqlgen wants a place for each, or a
// resolver, though UnmarshalGQL fills none.
type drawn struct {
	TimeZone     string
	Reentry      journey.Reentry
	ReentryAfter *time.Duration
	Key          *string
	ExitWhen     *Condition
	Goal         *Condition
	OnOverdue    journey.Overdue
	OverdueAfter *time.Duration
}

// UnmarshalGQL implements graphql.Unmarshaler.
func (d *JourneyDefinition) UnmarshalGQL(v any) error {
	d.Tree = v
	return nil
}

// MarshalGQL implements graphql.Marshaler, which gqlgen demands beside the other; nothing
// of the schema gives a definition out but as JSON.
func (d JourneyDefinition) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, "null") }

// JourneyConnection is a page of journeys.
type JourneyConnection = Connection[journey.Journey]

// JourneyEdge is an item of such a page.
type JourneyEdge = Edge[journey.Journey]

// EnrollmentConnection is a page of enrollments.
type EnrollmentConnection = Connection[journey.Enrollment]

// EnrollmentEdge is an item of such a page.
type EnrollmentEdge = Edge[journey.Enrollment]

// JourneyToDoConnection is a page of what journeys ask.
type JourneyToDoConnection = Connection[journey.ToDo]

// JourneyToDoEdge is an item of such a page.
type JourneyToDoEdge = Edge[journey.ToDo]

// EnrollmentChange is a step of somebody inside a journey, told live.
type EnrollmentChange struct {
	Cursor     string
	Enrollment *journey.Enrollment
	From, To   *string
	At         time.Time
}
