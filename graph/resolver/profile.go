package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Profile answers Query.profile.
func (r query) Profile(ctx context.Context, id *string, identifier *event.Identifier, asOf *time.Time) (*profile.Profile, error) {
	ws := workspace(ctx)
	var p *profile.Profile
	var err error
	switch {
	case (id == nil) == (identifier == nil):
		return nil, core.Errorf(core.Invalid, "ID_OR_IDENTIFIER", "give either id or identifier").At("id")
	case identifier != nil && asOf != nil:
		p, err = r.Resolver.Profiles.ShowAsOfIdentifier(ctx, ws, *identifier, *asOf)
	case identifier != nil:
		p, err = r.Resolver.Profiles.ShowByIdentifier(ctx, ws, *identifier)
	case asOf != nil:
		return r.Resolver.Profiles.ShowAsOf(ctx, ws, *id, *asOf)
	default:
		return r.Resolver.Profiles.Show(ctx, ws, *id)
	}
	if fault := core.AsError(err); err != nil && fault.Reason == "PROTECTED_FIELD" {
		err = fault.At("identifier", "namespace")
	}
	return p, err
}

// Profiles answers Query.profiles.
func (r query) Profiles(ctx context.Context, where *view.Condition, segmentID *string, orderBy scalar.JSON, first *int, after *string, last *int, before *string) (*view.ProfileConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, in := workspace(ctx), segment.PeopleInput{SegmentID: value(segmentID)}
	if in.Descending, err = descending(orderBy); err != nil {
		return nil, err
	}
	if where != nil {
		in.Where = where.Tree
	}
	if in.Where == nil && in.SegmentID == "" && !in.Descending {
		page, err := r.Resolver.Profiles.ShowList(ctx, ws, w)
		if err != nil {
			return nil, err
		}
		return listed(page, func(ctx context.Context) (int64, error) { return r.Resolver.Profiles.CountShown(ctx, ws) }), nil
	}
	found, err := r.Resolver.Segments.People(ctx, ws, in, w)
	if err != nil {
		return nil, each(ctx, err)
	}
	c := view.NewConnection(found.Page, func(ctx context.Context) (int64, error) {
		return r.Resolver.Segments.CountPeople(ctx, ws, in)
	})
	c.PageInfo.StartCursor, c.PageInfo.EndCursor = text(found.Start), text(found.End)
	return c, nil
}

// descending reads the order of profiles; false for none.
func descending(orderBy scalar.JSON) (bool, error) {
	if orderBy.IsNull() {
		return false, nil
	}
	var o struct{ Field, Direction string }
	d := json.NewDecoder(bytes.NewReader(orderBy))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || o.Field != "id" || o.Direction != "" && o.Direction != "ASC" && o.Direction != "DESC" {
		return false, core.Errorf(core.Invalid, "ORDER_BY", `profiles are ordered by {"field": "id", "direction": "ASC"} or "DESC"`).At("orderBy")
	}
	return o.Direction == "DESC", nil
}

func window(first *int, after *string, last *int, before *string) (core.Window, error) {
	return core.PageArgs{First: first, After: after, Last: last, Before: before}.Resolve()
}

// Traits answers Profile.traits.
func (r profileFields) Traits(_ context.Context, p *profile.Profile, paths []string) (scalar.JSON, error) {
	return profile.TraitsJSON(p, paths)
}

// Trait answers Profile.trait.
func (r profileFields) Trait(_ context.Context, p *profile.Profile, path string) (*profile.Trait, error) {
	return p.TraitAt(path), nil
}

// Value answers Identifier.value: what Gate.Show left of it.
func (r identifierFields) Value(_ context.Context, h *profile.Held) (*string, error) {
	return text(h.Value), nil
}

// Value answers Trait.value.
func (r traitFields) Value(_ context.Context, t *profile.Trait) (scalar.JSON, error) {
	return event.ValueToJSON(t.Value)
}

// Events answers Profile.events.
func (r profileFields) Events(ctx context.Context, p *profile.Profile, first *int, after *string, last *int, before *string, names []string, from, to *time.Time) (*view.EventConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	f := profile.TimelineFilter{Names: names, From: from, To: to}
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	page, err := gate.ShowTimeline(ctx, p, f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return gate.CountTimeline(ctx, p, f) }), nil
}

// Consents answers Profile.consents.
func (r profileFields) Consents(_ context.Context, p *profile.Profile) ([]*gen.Consent, error) {
	out := []*gen.Consent{}
	for _, c := range p.Words(r.Clock.Now()) {
		status := gen.ConsentStatus(c.Status)
		if !status.IsValid() {
			status = gen.ConsentStatusUnknown
		}
		one := &gen.Consent{Purpose: c.Purpose, Status: &status, At: &c.At, EntryID: c.Entry}
		if ch := gen.Channel(c.Channel); ch.IsValid() {
			one.Channel = &ch
		}
		out = append(out, one)
	}
	return out, nil
}

// Merges answers Profile.merges.
func (r profileFields) Merges(ctx context.Context, p *profile.Profile) ([]*profile.Merge, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	return gate.ShowMerges(ctx, p)
}

// Restricted answers Profile.restricted.
func (r profileFields) Restricted(_ context.Context, p *profile.Profile) (bool, error) {
	return p.IsRestricted(), nil
}

// Cursor answers Profile.cursor.
func (r profileFields) Cursor(ctx context.Context, p *profile.Profile) (string, error) {
	return scopeOf(ctx).cursorOf(p)
}

// Profiles answers MergeProposal.profiles.
func (r proposalFields) Profiles(ctx context.Context, p *profile.Proposal) ([]*profile.Profile, error) {
	found, err := scopeOf(ctx).profiles.LoadAll(ctx, p.Parts)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p *profile.Profile) bool { return p == nil })
	return slices.CompactFunc(found, func(a, b *profile.Profile) bool { return a.ID == b.ID }), nil
}

// Namespace answers MergeProposal.namespace.
func (r proposalFields) Namespace(_ context.Context, p *profile.Proposal) (*string, error) {
	return text(p.Namespace), nil
}

// DecidedBy answers MergeProposal.decidedBy.
func (r proposalFields) DecidedBy(_ context.Context, p *profile.Proposal) (*string, error) {
	return text(p.DecidedBy), nil
}

// RebuildProfiles answers Mutation.rebuildProfiles.
func (r mutation) RebuildProfiles(ctx context.Context, in gen.RebuildProfilesInput) (*gen.RebuildProfilesPayload, error) {
	mode := profile.ModeRebuild
	if value(in.DryRun) {
		mode = profile.ModeCheck
	}
	j, err := r.Jobs.Start(ctx, profile.JobRebuild, workspace(ctx), profile.RebuildInput{Mode: mode}, value(in.IdempotencyKey))
	out := &gen.RebuildProfilesPayload{Job: j}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}
