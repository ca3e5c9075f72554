package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// QuarantinedEvents answers Query.quarantinedEvents.
func (r query) QuarantinedEvents(ctx context.Context, where *gen.QuarantineFilter, first *int, after *string, last *int, before *string) (*view.QuarantinedEventConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, f := workspace(ctx), quarantineFilter(where)
	page, err := r.Resolver.Events.Quarantined(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) {
		return r.Resolver.Events.CountQuarantined(ctx, ws, f)
	}), nil
}

func quarantineFilter(where *gen.QuarantineFilter) event.QuarantineFilter {
	if where == nil {
		return event.QuarantineFilter{}
	}
	return event.QuarantineFilter{
		Status: value(where.Status), Reason: value(where.Reason), Source: value(where.Source), From: where.From, To: where.To,
	}
}

// CorrectQuarantinedEvent answers Mutation.correctQuarantinedEvent.
func (r mutation) CorrectQuarantinedEvent(ctx context.Context, in gen.CorrectQuarantinedEventInput) (*gen.CorrectQuarantinedEventPayload, error) {
	done, err := r.Events.Correct(ctx, workspace(ctx), event.Correction{
		ID: in.ID, Raw: in.Payload, ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.CorrectQuarantinedEventPayload{UserErrors: errs}, err
	}
	out := &gen.CorrectQuarantinedEventPayload{QuarantinedEvent: done.Item}
	if done.Err != nil {
		out.UserErrors = []*core.Error{done.Err.At("input", "payload")}
	}
	return out, nil
}

// ReplayQuarantinedEvents answers Mutation.replayQuarantinedEvents.
func (r mutation) ReplayQuarantinedEvents(ctx context.Context, in gen.ReplayQuarantinedEventsInput) (*gen.ReplayQuarantinedEventsPayload, error) {
	out := &gen.ReplayQuarantinedEventsPayload{}
	var err error
	if in.Select.Filter == nil {
		var results []event.Result
		results, err = r.Resolver.Ingest.Replay(ctx, workspace(ctx), in.Select.Ids)
		out.Results = pointers(results)
	} else {
		f := quarantineFilter(in.Select.Filter)
		out.Job, err = r.Jobs.Start(ctx, ingest.ReplayKind, workspace(ctx), ingest.ReplayInput{
			Status: f.Status, Reason: f.Reason, Source: f.Source, From: f.From, To: f.To,
		}, value(in.IdempotencyKey))
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.ReplayQuarantinedEventsPayload{UserErrors: errs}, err
	}
	return out, nil
}

// DiscardQuarantinedEvents answers Mutation.discardQuarantinedEvents.
func (r mutation) DiscardQuarantinedEvents(ctx context.Context, in gen.DiscardQuarantinedEventsInput) (*gen.DiscardQuarantinedEventsPayload, error) {
	n, err := r.Events.Discard(ctx, workspace(ctx), in.Ids)
	out := &gen.DiscardQuarantinedEventsPayload{Discarded: n}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// Payload answers QuarantinedEvent.payload.
func (r quarantineFields) Payload(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(strings.ToValidUTF8(string(q.Raw), "\ufffd")), nil
}

// Correction answers QuarantinedEvent.correction.
func (r quarantineFields) Correction(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(string(q.Correction)), nil
}

// MessageID answers QuarantinedEvent.messageId.
func (r quarantineFields) MessageID(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(q.MessageID), nil
}

// Type answers QuarantinedEvent.type.
func (r quarantineFields) Type(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(string(q.Type)), nil
}

// Name answers QuarantinedEvent.name.
func (r quarantineFields) Name(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(q.Name), nil
}

// EventID answers QuarantinedEvent.eventId.
func (r quarantineFields) EventID(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(q.EventID), nil
}

// UpdatedBy answers QuarantinedEvent.updatedBy.
func (r quarantineFields) UpdatedBy(_ context.Context, q *event.QuarantineItem) (*string, error) {
	return text(q.UpdatedBy), nil
}
