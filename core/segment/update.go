package segment

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// UpdateInput changes a segment; nil leaves a field as it is.
type UpdateInput struct {
	ID string
	// ExpectedVersion is Segment.Version as the caller read it: another one is
	// CONFLICT, reason VERSION_CONFLICT.
	ExpectedVersion *int64
	Name            *string
	Description     *string
	Where           any // as in CreateInput
	TimeZone        *string
	ZoneOfProfile   *bool
	Tags            *[]string
	// RestoreVersion takes condition and time zone from that version. It does not go
	// with Where, TimeZone and ZoneOfProfile.
	RestoreVersion *int64
	// DryRun changes nothing, and tells who would enter and leave.
	DryRun bool
	// Exact makes a dry run look at everybody: see PreviewInput.
	Exact bool
}

func (in *UpdateInput) redefines() bool {
	return in.Where != nil || in.TimeZone != nil || in.ZoneOfProfile != nil || in.RestoreVersion != nil
}

// Update changes a segment. Each change that changes something is a version. One of
// the condition or its time zone makes the segment BUILDING, with its members as
// they were, until its job has looked at everybody; any other costs nothing.
func (s *Service) Update(ctx context.Context, ws string, in UpdateInput) (*Outcome, error) {
	if !isSegment(in.ID) {
		return nil, notFound("id")
	}
	if in.RestoreVersion != nil && (in.Where != nil || in.TimeZone != nil || in.ZoneOfProfile != nil) {
		return nil, invalid("RESTORE_BOTH", "restoring a version brings its condition and time zone; give no other").At("restoreVersion")
	}
	var seg *Segment
	var warnings []condition.Warning
	var defined, changed bool
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	draft := func() error {
		var err error
		seg, warnings, defined, changed, err = s.redraft(ctx, ws, &in, by)
		return err
	}
	if in.DryRun {
		if err := draft(); err != nil {
			return nil, fail(err)
		}
		out := &Outcome{Segment: seg, Warnings: warnings}
		var err error
		if defined {
			out.Preview, err = s.previewDraft(ctx, by, seg, in.Exact)
		}
		return out, fail(err)
	}
	write := func(rev int64) ([]store.Op, error) {
		if err := draft(); err != nil || !changed {
			return nil, err
		}
		if defined {
			seg.Status, seg.Since = Building, rev
		}
		voc, err := s.vocabulary(ctx, ws)
		if err != nil {
			return nil, err
		}
		return []store.Op{Segments.Replace(seg), Versions.Insert(versionOf(ctx, seg, voc.names(), s.clock.Now()))}, nil
	}
	if err := draft(); err != nil {
		return nil, fail(err)
	}
	var job string
	if defined {
		job, err = s.redefine(ctx, ws, in.ID, write)
	} else {
		err = s.retouch(ctx, ws, func() ([]store.Op, error) {
			ops, err := write(0)
			if defined { // somebody else defined it anew meanwhile
				return nil, &store.ConflictError{Collection: Segments.Spec.Name, ID: store.Key(ws, in.ID)}
			}
			return ops, err
		})
	}
	if err != nil {
		return nil, fail(err)
	}
	out, err := s.follow(ctx, ws, in.ID, job)
	if err != nil {
		return nil, fail(err)
	}
	out.Warnings = warnings
	return out, nil
}

// redraft reads a segment and changes it as in says. defined tells that the members
// may be others then, changed that anything is different.
func (s *Service) redraft(ctx context.Context, ws string, in *UpdateInput, by *sight) (seg *Segment, warnings []condition.Warning, defined, changed bool, err error) {
	voc, err := s.vocabularyNow(ctx, ws)
	if err != nil {
		return nil, nil, false, false, err
	}
	old := voc.segments[in.ID]
	if old == nil {
		return nil, nil, false, false, notFound("id")
	}
	if in.ExpectedVersion != nil && *in.ExpectedVersion != old.Version {
		return nil, nil, false, false, stale(old.Version, *in.ExpectedVersion)
	}
	own := *old
	seg = &own
	if in.Name != nil {
		seg.Name = strings.TrimSpace(*in.Name)
	}
	if in.Description != nil {
		seg.Description = *in.Description
	}
	if in.Tags != nil {
		seg.Tags = tidyTags(*in.Tags)
	}
	var faults []*core.Error
	if in.redefines() {
		if err := s.mayMove(ctx, voc, in.ID); err != nil {
			return nil, nil, false, false, err
		}
		// Who leaves and who enters tells of the present condition too.
		if err := by.readable(old); err != nil {
			return nil, nil, false, false, core.AsError(err).At("id")
		}
		if faults, warnings, err = s.redefined(ctx, voc, in, seg, by); err != nil {
			return nil, nil, false, false, err
		}
	}
	if err := faultsAt(append(checkAbout(seg), faults...)); err != nil {
		return nil, nil, false, false, err
	}
	defined = seg.Where != old.Where || seg.TimeZone != old.TimeZone || seg.ZoneOfProfile != old.ZoneOfProfile
	changed = defined || seg.Name != old.Name || seg.Description != old.Description || !slices.Equal(seg.Tags, old.Tags)
	if changed {
		seg.Version++
		seg.UpdatedAt = millis(s.clock.Now())
	}
	return seg, warnings, defined, changed, nil
}

// redefined gives a segment the condition and time zone of an update.
func (s *Service) redefined(ctx context.Context, voc *vocabulary, in *UpdateInput, seg *Segment, by *sight) ([]*core.Error, []condition.Warning, error) {
	switch {
	case seg.Kind == Static:
		return []*core.Error{invalid("STATIC_WHERE", "a static list has no condition; add people to it or remove them").At("id")}, nil, nil
	case seg.Status == Archived:
		return nil, nil, archived("id")
	}
	where := in.Where
	if in.RestoreVersion != nil {
		v, err := s.Version(ctx, voc.ws, in.ID, *in.RestoreVersion)
		if err != nil {
			return nil, nil, err
		}
		if v == nil {
			return nil, nil, core.Errorf(core.NotFound, "SEGMENT_VERSION", "the segment has no version %d", *in.RestoreVersion).At("restoreVersion")
		}
		if where, err = whereTree(v.WhereVersion, v.Where); err != nil {
			return nil, nil, err
		}
		seg.TimeZone, seg.ZoneOfProfile = v.TimeZone, v.ZoneOfProfile
	}
	if in.TimeZone != nil {
		seg.TimeZone = *in.TimeZone
	}
	if in.ZoneOfProfile != nil {
		seg.ZoneOfProfile = *in.ZoneOfProfile
	}
	if where == nil {
		return nil, nil, by.readable(seg) // in the person's own time zone, perhaps
	}
	n, faults, warnings, err := voc.check(where, seg.SegmentID(), seg.Kind, by, seg.ZoneOfProfile)
	if n != nil {
		faults = append(faults, define(seg, n)...)
	}
	return faults, warnings, err
}

func stale(have, want int64) *core.Error {
	return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the segment has version %d, not %d; read it and try again", have, want).At("expectedVersion")
}

func archived(path ...string) *core.Error {
	return core.Errorf(core.Conflict, "ARCHIVED", "the segment is archived; restore it first").At(path...)
}
