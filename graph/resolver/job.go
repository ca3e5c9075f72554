package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Job answers Query.job.
func (r query) Job(ctx context.Context, id string) (*work.Job, error) {
	if core.IDPrefix(id) != core.PrefixJob {
		return nil, nil
	}
	j, err := r.Resolver.Jobs.Get(ctx, workspace(ctx), id)
	return r.toldJob(ctx, j, err)
}

// toldJob reads a job as far as the caller may know what came of it.
func (r *Resolver) toldJob(ctx context.Context, j *work.Job, err error) (*work.Job, error) {
	if j == nil || err != nil {
		return nil, err
	}
	tells, err := r.Segments.Tells(ctx, workspace(ctx), j)
	if tells || err != nil {
		return j, err
	}
	own := *j
	own.Result = nil
	if own.Kind == segment.JobSnapshot {
		own.Done, own.Total = 0, 0 // of members
	}
	return &own, nil
}

// Jobs answers Query.jobs.
func (r query) Jobs(ctx context.Context, kind *string, status *work.Status, first *int, after *string, last *int, before *string) (*view.JobConnection, error) {
	ws, f := workspace(ctx), work.Filter{Kind: value(kind), Status: value(status)}
	page, err := r.Resolver.Jobs.List(ctx, ws, f, core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	for i, j := range page.Items {
		if page.Items[i], err = r.toldJob(ctx, j, nil); err != nil {
			return nil, err
		}
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Resolver.Jobs.Count(ctx, ws, f) }), nil
}

// CancelJob answers Mutation.cancelJob.
func (r mutation) CancelJob(ctx context.Context, in gen.CancelJobInput) (*gen.CancelJobPayload, error) {
	j, err := r.Jobs.Cancel(ctx, workspace(ctx), in.ID)
	out := &gen.CancelJobPayload{}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	out.Job, err = r.toldJob(ctx, j, nil)
	return out, err
}

// Total answers Job.total.
func (r jobFields) Total(_ context.Context, j *work.Job) (*int, error) {
	if j.Total == 0 {
		return nil, nil
	}
	n := int(j.Total)
	return &n, nil
}

// Error answers Job.error.
func (r jobFields) Error(_ context.Context, j *work.Job) (*string, error) {
	if j.Error == nil {
		return nil, nil
	}
	return text(j.Error.Reason + ": " + j.Error.Message), nil
}

// Download answers Job.download.
func (r jobFields) Download(ctx context.Context, j *work.Job) (*gen.Download, error) {
	if !access.Can(ctx, access.Govern) {
		return nil, nil // nobody else hears that there is one
	}
	q, err := r.Desk.RequestOf(ctx, j)
	if q == nil || err != nil {
		return nil, err
	}
	return privacyFields(r).Download(ctx, q)
}

// Result answers Job.result. Reports that name people, or show figures of few, are read
// where that is looked at.
func (r jobFields) Result(_ context.Context, j *work.Job) (scalar.JSON, error) {
	if j.Kind == journey.SimulateKind || j.Kind == attribution.ReportKind {
		return nil, nil
	}
	return document(j.Result)
}
