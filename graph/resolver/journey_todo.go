package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// Kind answers JourneyToDo.kind.
func (r toDoFields) Kind(_ context.Context, t *journey.ToDo) (gen.JourneyToDoKind, error) {
	return gen.JourneyToDoKind(t.Kind), nil
}

// State answers JourneyToDo.state.
func (r toDoFields) State(_ context.Context, t *journey.ToDo) (gen.JourneyToDoState, error) {
	return gen.JourneyToDoState(t.State), nil
}

// Journey answers JourneyToDo.journey.
func (r toDoFields) Journey(ctx context.Context, t *journey.ToDo) (*journey.Journey, error) {
	return r.Journeys.Journey(ctx, workspace(ctx), t.Journey)
}

// Enrollment answers JourneyToDo.enrollment.
func (r toDoFields) Enrollment(ctx context.Context, t *journey.ToDo) (*journey.Enrollment, error) {
	return r.Journeys.ShowEnrollment(ctx, workspace(ctx), t.Enrollment)
}

// Profile answers JourneyToDo.profile.
func (r toDoFields) Profile(ctx context.Context, t *journey.ToDo) (*profile.Profile, error) {
	return loadProfile(ctx, t.Part)
}

// Title answers JourneyToDo.title.
func (r toDoFields) Title(_ context.Context, t *journey.ToDo) (*string, error) {
	return text(t.Title), nil
}

// Note answers JourneyToDo.note.
func (r toDoFields) Note(_ context.Context, t *journey.ToDo) (*string, error) {
	return text(t.Note), nil
}

// Assignee answers JourneyToDo.assignee.
func (r toDoFields) Assignee(_ context.Context, t *journey.ToDo) (*string, error) {
	return text(t.Assignee), nil
}

// DueAt answers JourneyToDo.dueAt.
func (r toDoFields) DueAt(_ context.Context, t *journey.ToDo) (*time.Time, error) {
	return instant(t.Due), nil
}

// DecidedBy answers JourneyToDo.decidedBy.
func (r toDoFields) DecidedBy(_ context.Context, t *journey.ToDo) (*string, error) {
	return text(t.DecidedBy), nil
}

// DecidedAt answers JourneyToDo.decidedAt.
func (r toDoFields) DecidedAt(_ context.Context, t *journey.ToDo) (*time.Time, error) {
	return instant(t.DecidedAt), nil
}

// Reason answers JourneyToDo.reason.
func (r toDoFields) Reason(_ context.Context, t *journey.ToDo) (*string, error) {
	return text(t.Reason), nil
}
