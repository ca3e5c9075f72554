package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Nodes would take JourneyDefinitionInput.nodes, if the input were not taken as it came.
func (drawingInput) Nodes(context.Context, *view.JourneyDefinition, []map[string]any) error {
	return nil
}

// Edges would take JourneyDefinitionInput.edges likewise.
func (drawingInput) Edges(context.Context, *view.JourneyDefinition, []map[string]any) error {
	return nil
}

// CreateJourney answers Mutation.createJourney.
func (r mutation) CreateJourney(ctx context.Context, in gen.CreateJourneyInput) (*gen.CreateJourneyPayload, error) {
	j, warnings, err := r.Journeys.Create(ctx, workspace(ctx), journey.CreateInput{
		Name: in.Name, Description: value(in.Description), Tags: in.Tags, Definition: in.Definition.Tree, Approval: value(in.NeedsApproval), Pilot: long(in.Pilot),
		DryRun: value(in.DryRun), IdempotencyKey: value(in.IdempotencyKey),
	})
	out := &gen.CreateJourneyPayload{Warnings: []*condition.Warning{}}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Journey, out.Warnings = j, warned(warnings)
	return out, nil
}

// UpdateJourney answers Mutation.updateJourney.
func (r mutation) UpdateJourney(ctx context.Context, in gen.UpdateJourneyInput) (*gen.UpdateJourneyPayload, error) {
	j, v, warnings, err := r.Journeys.Save(ctx, workspace(ctx), in.ID, in.Definition.Tree, journey.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.UpdateJourneyPayload{Warnings: []*condition.Warning{}}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Journey, out.Version, out.Warnings = j, v, warned(warnings)
	return out, nil
}

// PublishJourney answers Mutation.publishJourney.
func (r mutation) PublishJourney(ctx context.Context, in gen.PublishJourneyInput) (*gen.PublishJourneyPayload, error) {
	p := journey.PublishInput{ID: in.ID, Number: int64(value(in.Version)), Inside: string(in.Inside), Edit: journey.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)}}
	p.NodeMap = nodeMap(in.NodeMap)
	done, err := r.Journeys.Publish(ctx, workspace(ctx), p)
	out := &gen.PublishJourneyPayload{Inside: []*gen.JourneyInside{}}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Journey, out.Version, out.Approval = done.Journey, done.Version, done.Approval
	for _, one := range done.Inside {
		out.Inside = append(out.Inside, &gen.JourneyInside{
			Version: int(one.Version), NodeID: one.Node, Count: int(one.Count), To: text(one.To), Goes: gen.JourneyInsideGoes(one.Goes),
		})
	}
	out.Job, err = r.job(ctx, done.Job)
	return out, err
}

func asSeen(v *int) journey.Edit { return journey.Edit{ExpectedVersion: long(v)} }

// PauseJourney answers Mutation.pauseJourney.
func (r mutation) PauseJourney(ctx context.Context, in gen.PauseJourneyInput) (*gen.PauseJourneyPayload, error) {
	j, err := r.Journeys.Pause(ctx, workspace(ctx), in.ID, asSeen(in.ExpectedVersion))
	errs, err := problems(err)
	return &gen.PauseJourneyPayload{Journey: j, UserErrors: errs}, err
}

// ResumeJourney answers Mutation.resumeJourney.
func (r mutation) ResumeJourney(ctx context.Context, in gen.ResumeJourneyInput) (*gen.ResumeJourneyPayload, error) {
	j, job, err := r.Journeys.Resume(ctx, workspace(ctx), in.ID, value(in.OnOverdue), asSeen(in.ExpectedVersion))
	out := &gen.ResumeJourneyPayload{Journey: j}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Job, err = r.job(ctx, job)
	return out, err
}

// CloseJourney answers Mutation.closeJourney.
func (r mutation) CloseJourney(ctx context.Context, in gen.CloseJourneyInput) (*gen.CloseJourneyPayload, error) {
	j, err := r.Journeys.Close(ctx, workspace(ctx), in.ID, asSeen(in.ExpectedVersion))
	errs, err := problems(err)
	return &gen.CloseJourneyPayload{Journey: j, UserErrors: errs}, err
}

// StopJourney answers Mutation.stopJourney.
func (r mutation) StopJourney(ctx context.Context, in gen.StopJourneyInput) (*gen.StopJourneyPayload, error) {
	j, job, err := r.Journeys.Stop(ctx, workspace(ctx), in.ID, asSeen(in.ExpectedVersion))
	out := &gen.StopJourneyPayload{Journey: j}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Job, err = r.job(ctx, job)
	return out, err
}

// ArchiveJourney answers Mutation.archiveJourney.
func (r mutation) ArchiveJourney(ctx context.Context, in gen.ArchiveJourneyInput) (*gen.ArchiveJourneyPayload, error) {
	j, err := r.Journeys.Archive(ctx, workspace(ctx), in.ID, asSeen(in.ExpectedVersion))
	errs, err := problems(err)
	return &gen.ArchiveJourneyPayload{Journey: j, UserErrors: errs}, err
}

// SetJourneyPilot answers Mutation.setJourneyPilot.
func (r mutation) SetJourneyPilot(ctx context.Context, in gen.SetJourneyPilotInput) (*gen.SetJourneyPilotPayload, error) {
	j, err := r.Journeys.SetPilot(ctx, workspace(ctx), in.ID, int64(in.Percent), asSeen(in.ExpectedVersion))
	errs, err := problems(err)
	return &gen.SetJourneyPilotPayload{Journey: j, UserErrors: errs}, err
}

// EnrollInJourney answers Mutation.enrollInJourney.
func (r mutation) EnrollInJourney(ctx context.Context, in gen.EnrollInJourneyInput) (*gen.EnrollInJourneyPayload, error) {
	ask := journey.EnrollInput{Journey: in.JourneyID, ProfileID: value(in.ProfileID), Identifier: in.Identifier, IdempotencyKey: in.IdempotencyKey}
	if !in.Event.IsNull() {
		ask.Event = []byte(in.Event)
	}
	id, err := r.Journeys.Enroll(ctx, workspace(ctx), ask)
	errs, err := problems(err)
	return &gen.EnrollInJourneyPayload{EnrollmentID: text(id), UserErrors: errs}, err
}

// RemoveEnrollment answers Mutation.removeEnrollment.
func (r mutation) RemoveEnrollment(ctx context.Context, in gen.RemoveEnrollmentInput) (*gen.RemoveEnrollmentPayload, error) {
	ws := workspace(ctx)
	out := &gen.RemoveEnrollmentPayload{}
	e, err := r.Journeys.ShowEnrollment(ctx, ws, in.ID)
	if err == nil && e == nil {
		err = core.Errorf(core.NotFound, "ENROLLMENT", "no enrollment has this id").At("id")
	}
	if err == nil {
		out.Enrollment, err = r.Journeys.Leave(ctx, ws, in.ID)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// DecideJourneyToDo answers Mutation.decideJourneyToDo.
func (r mutation) DecideJourneyToDo(ctx context.Context, in gen.DecideJourneyToDoInput) (*gen.DecideJourneyToDoPayload, error) {
	ws := workspace(ctx)
	t, err := r.Journeys.ShowToDo(ctx, ws, in.ID)
	if err == nil && t == nil {
		err = core.Errorf(core.NotFound, "TODO", "there is no to-do with this id").At("id")
	}
	if err == nil {
		t, err = r.Journeys.Decide(ctx, ws, in.ID, in.Yes, value(in.Reason))
	}
	errs, err := problems(err)
	return &gen.DecideJourneyToDoPayload{ToDo: t, UserErrors: errs}, err
}

// DecideOverdue answers Mutation.decideOverdue.
func (r mutation) DecideOverdue(ctx context.Context, in gen.DecideOverdueInput) (*gen.DecideOverduePayload, error) {
	n, err := r.Journeys.DecideOverdue(ctx, workspace(ctx), in.JourneyID, in.Send)
	errs, err := problems(err)
	return &gen.DecideOverduePayload{Decided: n, UserErrors: errs}, err
}

// nodeMap is a map of nodes as it is asked for; nil for none.
func nodeMap(in []*gen.NodeMapInput) map[string]*string {
	if len(in) == 0 {
		return nil
	}
	out := map[string]*string{}
	for _, m := range in {
		out[m.From] = m.To
	}
	return out
}
