package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// CreateSegment answers Mutation.createSegment.
func (r mutation) CreateSegment(ctx context.Context, in gen.CreateSegmentInput) (*gen.CreateSegmentPayload, error) {
	ws, out := workspace(ctx), &gen.CreateSegmentPayload{}
	var done *segment.Outcome
	var err error
	if value(in.DryRun) {
		done = &segment.Outcome{}
		done.Preview, err = r.Segments.Preview(ctx, ws, segment.PreviewInput{
			Where: in.Where.Tree, TimeZone: value(in.TimeZone), ZoneOfProfile: value(in.ZoneOfProfile),
		})
		if err == nil {
			done.Warnings = done.Preview.Warnings
		}
	} else {
		done, err = r.Segments.Create(ctx, ws, segment.CreateInput{
			Name: in.Name, Description: value(in.Description), Where: in.Where.Tree, Kind: in.Kind, TimeZone: value(in.TimeZone),
			ZoneOfProfile: value(in.ZoneOfProfile), Tags: in.Tags, IdempotencyKey: value(in.IdempotencyKey),
		})
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.CreateSegmentPayload{UserErrors: errs}, err
	}
	out.Segment, out.Warnings = done.Segment, warned(done.Warnings)
	if done.Preview == nil {
		out.Job, err = r.job(ctx, done.Job)
		return out, err
	}
	seg, err := draft(*in.Where)
	if err == nil {
		out.Preview, err = r.preview(ctx, done.Preview, seg)
	}
	if out.Preview != nil {
		out.Preview.Warnings = out.Warnings
	}
	return out, err
}

// warned returns the warnings about a mutation's input, with paths that begin like
// those of its errors.
func warned(list []condition.Warning) []*condition.Warning {
	out := make([]*condition.Warning, len(list))
	for i, w := range list {
		w.Path = append([]string{"input"}, w.Path...)
		out[i] = &w
	}
	return out
}

// UpdateSegment answers Mutation.updateSegment.
func (r mutation) UpdateSegment(ctx context.Context, in gen.UpdateSegmentInput) (*gen.UpdateSegmentPayload, error) {
	var done *segment.Outcome
	u, err := segmentUpdate(in)
	if err == nil {
		done, err = r.Segments.Update(ctx, workspace(ctx), u)
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.UpdateSegmentPayload{UserErrors: errs}, err
	}
	out := &gen.UpdateSegmentPayload{Segment: done.Segment, Warnings: warned(done.Warnings)}
	if out.Job, err = r.job(ctx, done.Job); err == nil && done.Preview != nil {
		if out.Preview, err = r.preview(ctx, done.Preview, done.Segment); out.Preview != nil {
			out.Preview.Warnings = out.Warnings
		}
	}
	return out, err
}

func segmentUpdate(in gen.UpdateSegmentInput) (segment.UpdateInput, error) {
	u := segment.UpdateInput{
		ID: in.ID, ExpectedVersion: long(in.ExpectedVersion), RestoreVersion: long(in.RestoreVersion),
		DryRun: value(in.DryRun), Exact: value(in.Exact),
	}
	var faults segment.Faults
	note := func(err error) {
		if err != nil {
			faults = append(faults, core.AsError(err))
		}
	}
	var err error
	u.Name, err = patched(in.Name, "name", nil)
	note(err)
	u.Description, _ = patched(in.Description, "description", new(string))
	u.TimeZone, _ = patched(in.TimeZone, "timeZone", new(string))
	u.ZoneOfProfile, _ = patched(in.ZoneOfProfile, "zoneOfProfile", new(bool))
	where, err := patched(in.Where, "where", nil)
	note(err)
	if where != nil {
		u.Where = where.Tree
	}
	if tags, set := in.Tags.ValueOK(); set {
		u.Tags = &tags // null is none
	}
	if len(faults) > 0 {
		return u, faults
	}
	return u, nil
}

// ArchiveSegment answers Mutation.archiveSegment.
func (r mutation) ArchiveSegment(ctx context.Context, in gen.ArchiveSegmentInput) (*gen.ArchiveSegmentPayload, error) {
	done, err := r.Segments.Archive(ctx, workspace(ctx), in.ID, long(in.ExpectedVersion))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.ArchiveSegmentPayload{UserErrors: errs}, err
	}
	return &gen.ArchiveSegmentPayload{Segment: done.Segment}, nil
}

// RestoreSegment answers Mutation.restoreSegment.
func (r mutation) RestoreSegment(ctx context.Context, in gen.RestoreSegmentInput) (*gen.RestoreSegmentPayload, error) {
	done, err := r.Segments.Restore(ctx, workspace(ctx), in.ID, long(in.ExpectedVersion))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.RestoreSegmentPayload{UserErrors: errs}, err
	}
	job, err := r.job(ctx, done.Job)
	return &gen.RestoreSegmentPayload{Segment: done.Segment, Job: job}, err
}

// SnapshotSegment answers Mutation.snapshotSegment.
func (r mutation) SnapshotSegment(ctx context.Context, in gen.SnapshotSegmentInput) (*gen.SnapshotSegmentPayload, error) {
	done, err := r.Segments.Snapshot(ctx, workspace(ctx), segment.SnapshotInput{
		SegmentID: in.SegmentID, Name: value(in.Name), Description: value(in.Description), Tags: in.Tags, IdempotencyKey: value(in.IdempotencyKey),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.SnapshotSegmentPayload{UserErrors: errs}, err
	}
	job, err := r.job(ctx, done.Job)
	return &gen.SnapshotSegmentPayload{Segment: done.Segment, Job: job}, err
}

// CombineSegments answers Mutation.combineSegments.
func (r mutation) CombineSegments(ctx context.Context, in gen.CombineSegmentsInput) (*gen.CombineSegmentsPayload, error) {
	done, err := r.Segments.CreateFrom(ctx, workspace(ctx), segment.CombineInput{
		Operation: in.Operation, Segments: in.SegmentIds, Name: in.Name, Description: value(in.Description), Tags: in.Tags,
		Static: value(in.Static), IdempotencyKey: value(in.IdempotencyKey),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.CombineSegmentsPayload{UserErrors: errs}, err
	}
	job, err := r.job(ctx, done.Job)
	return &gen.CombineSegmentsPayload{Segment: done.Segment, Job: job}, err
}

// CreateStaticSegment answers Mutation.createStaticSegment.
func (r mutation) CreateStaticSegment(ctx context.Context, in gen.CreateStaticSegmentInput) (*gen.CreateStaticSegmentPayload, error) {
	done, err := r.Segments.Create(ctx, workspace(ctx), segment.CreateInput{
		Name: in.Name, Description: value(in.Description), Tags: in.Tags, Kind: segment.Static, IdempotencyKey: value(in.IdempotencyKey),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.CreateStaticSegmentPayload{UserErrors: errs}, err
	}
	return &gen.CreateStaticSegmentPayload{Segment: done.Segment}, nil
}

// AddToList answers Mutation.addToList.
func (r mutation) AddToList(ctx context.Context, in gen.AddToListInput) (*gen.AddToListPayload, error) {
	results, err := r.Segments.AddToList(ctx, workspace(ctx), in.ID, listItems(in.Items))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.AddToListPayload{UserErrors: errs}, err
	}
	list, err := r.Segments.Get(ctx, workspace(ctx), in.ID)
	return &gen.AddToListPayload{Segment: list, Results: pointers(results)}, err
}

// RemoveFromList answers Mutation.removeFromList.
func (r mutation) RemoveFromList(ctx context.Context, in gen.RemoveFromListInput) (*gen.RemoveFromListPayload, error) {
	results, err := r.Segments.RemoveFromList(ctx, workspace(ctx), in.ID, listItems(in.Items))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.RemoveFromListPayload{UserErrors: errs}, err
	}
	list, err := r.Segments.Get(ctx, workspace(ctx), in.ID)
	return &gen.RemoveFromListPayload{Segment: list, Results: pointers(results)}, err
}

func listItems(in []*gen.ListItemInput) []segment.ListItem {
	out := make([]segment.ListItem, len(in))
	for i, item := range in {
		out[i].ProfileID = value(item.ProfileID)
		if item.Identifier != nil {
			out[i].Identifier = *item.Identifier
		}
	}
	return out
}

// UploadList answers Mutation.uploadList.
func (r mutation) UploadList(ctx context.Context, in gen.UploadListInput) (*gen.UploadListPayload, error) {
	ws, u := workspace(ctx), segment.UploadInput{ID: in.ID, Format: in.Format, Namespace: value(in.Namespace), Replace: value(in.Replace)}
	out := &gen.UploadListPayload{}
	var err error
	if in.Separator != nil {
		u.Comma, err = comma(*in.Separator, "separator")
	}
	if err == nil {
		out.Job, err = r.Segments.UploadList(ctx, ws, u, strings.NewReader(in.Text))
	}
	if errs, err := problems(err); err != nil || errs != nil {
		for _, e := range errs {
			if len(e.Path) > 1 && e.Path[1] == "file" {
				e.Path[1] = "text"
			}
		}
		return &gen.UploadListPayload{UserErrors: errs}, err
	}
	out.Segment, err = r.Segments.Get(ctx, ws, in.ID)
	return out, err
}

// ProfileID answers ListResult.profileId.
func (r listFields) ProfileID(_ context.Context, res *segment.ListResult) (*string, error) {
	return text(res.ProfileID), nil
}
