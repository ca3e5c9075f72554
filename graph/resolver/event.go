package resolver

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Events answers Query.events.
func (r query) Events(ctx context.Context, first *int, after *string, last *int, before *string) (*view.EventConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Resolver.Profiles.ShowEvents(ctx, ws, w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) { return r.Resolver.Profiles.CountShownEvents(ctx, ws) }), nil
}

// ID answers Event.id.
func (r eventFields) ID(_ context.Context, e *event.Event) (string, error) {
	return store.Rest(e.Meta.ID), nil
}

// Type answers Event.type.
func (r eventFields) Type(_ context.Context, e *event.Event) (string, error) {
	return string(e.Type), nil
}

// SourceInfo answers Event.sourceInfo.
func (r eventFields) SourceInfo(ctx context.Context, e *event.Event) (*event.Source, error) {
	return r.Events.Source(ctx, workspace(ctx), e.Source)
}

// Profile answers Event.profile.
func (r eventFields) Profile(ctx context.Context, e *event.Event) (*profile.Profile, error) {
	return loadProfile(ctx, e.Part)
}

// Properties answers Event.properties.
func (r eventFields) Properties(_ context.Context, e *event.Event) (scalar.JSON, error) {
	return document(e.Properties)
}

// Traits answers Event.traits.
func (r eventFields) Traits(_ context.Context, e *event.Event) (scalar.JSON, error) {
	return document(e.Traits)
}

// Context answers Event.context.
func (r eventFields) Context(_ context.Context, e *event.Event) (scalar.JSON, error) {
	return document(e.Context)
}

// UserID answers Event.userId.
func (r eventFields) UserID(_ context.Context, e *event.Event) (*string, error) {
	return text(e.UserID), nil
}

// AnonymousID answers Event.anonymousId.
func (r eventFields) AnonymousID(_ context.Context, e *event.Event) (*string, error) {
	return text(e.AnonymousID), nil
}

// GroupID answers Event.groupId.
func (r eventFields) GroupID(_ context.Context, e *event.Event) (*string, error) {
	return text(e.GroupID), nil
}

// document writes a stored document as JSON, null when there is none.
func document(raw bson.Raw) (scalar.JSON, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return event.ToJSON(raw)
}
