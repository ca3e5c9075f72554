package attribution

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/work"
)

// ReportKind is the kind of the job that answers a query over more than a request reads.
const ReportKind = "attribution.report"

// Few is of how many people at least a row's conversions are that is shown to who sees
// only aggregates.
const Few = 10

func ownEvent(name string) bool { return condition.IsSystemEvent(name) }

// Request has a job answer a query. Whoever is limited to some people cannot have one: a
// job does not know of the limits.
func (s *Service) Request(ctx context.Context, ws string, q Query, idempotencyKey string) (*work.Job, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	actor := core.ActorFrom(ctx)
	switch {
	case s.Jobs == nil || s.View == nil:
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process runs no jobs")
	case idempotencyKey == "" || len(idempotencyKey) > 300:
		return nil, invalid("KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	case actor != nil && !actor.Limits.None():
		return nil, core.Errorf(core.Forbidden, "LIMITED", "this key is limited to some people; ask for a range that a request can read")
	}
	rules, err := s.readRules(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	if e := q.check(rules); e != nil {
		return nil, e
	}
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := gate.UsableCategory(core.Behaviour, "what people did"); err != nil {
		return nil, err
	}
	by := ""
	if actor != nil {
		by = actor.ID
	}
	j, err := s.Jobs.Start(ctx, ReportKind, ws, q, by+" "+idempotencyKey)
	return j, work.Outward(err)
}

// report is the handler of ReportKind. It begins anew where a process ended: what it has
// counted is in memory.
func (s *Service) report(ctx context.Context, run *work.JobRun) error {
	var q Query
	if err := run.Input(&q); err != nil {
		return err
	}
	ctx, err := access.ForJob(ctx, run.Workspace(), s.View)
	if err != nil {
		return err
	}
	r, err := s.compute(ctx, run.Workspace(), q, math.MaxInt64, func(shard int) error {
		return run.Step(ctx, int64(shard+1), shards, nil)
	})
	if err != nil {
		if core.CodeOf(err) == core.TooComplex {
			return work.Permanent(err)
		}
		return err
	}
	return run.Result(r)
}

// Of returns the report that a job of ReportKind has made, for whoever asked for it; nil
// while there is none.
func (s *Service) Of(ctx context.Context, ws, jobID string) (*Report, error) {
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := gate.UsableCategory(core.Behaviour, "what people did"); err != nil {
		return nil, err
	}
	if s.Jobs == nil {
		return nil, nil
	}
	j, err := s.Jobs.Get(ctx, ws, jobID)
	if err != nil || j == nil {
		return nil, err
	}
	a := core.ActorFrom(ctx)
	if j.Kind != ReportKind || j.Status != work.Succeeded || a == nil || j.By == nil || j.By.ID != a.ID || j.By.Purpose != a.Purpose {
		return nil, nil
	}
	var r Report
	if err := j.DecodeResult(&r); err != nil {
		return nil, work.Outward(err)
	}
	return &r, nil
}

// Shield reports which rows of a report must not be shown to the actor of ctx: for who may
// not read identifiers in clear, those whose conversions are of fewer than Few people.
// Where what is withheld is one row alone, or of fewer people than that together, it would
// follow from the totals: the next smallest are withheld too. whole reports that the totals must not be shown either, nor any row: they are of so few.
func (s *Service) Shield(ctx context.Context, ws string, r *Report) (hide []bool, whole bool, err error) {
	hide = make([]bool, len(r.Rows))
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil || gate.UsableCategory(core.IdentifierID, "identifiers") == nil {
		return hide, false, err
	}
	whole = r.Conversions > 0 && r.People < Few
	order := make([]int, len(r.Rows))
	hidden, people := 0, int64(0)
	for i := range r.Rows {
		order[i] = i
		if r.Rows[i].Touched > 0 && (r.Rows[i].People < Few || whole) {
			hide[i], hidden, people = true, hidden+1, people+r.Rows[i].People
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Rows[a].People, r.Rows[b].People) })
	for _, i := range order {
		if hidden > 0 && (hidden == 1 || people < Few) && !hide[i] && r.Rows[i].Touched > 0 {
			hide[i], hidden, people = true, hidden+1, people+r.Rows[i].People
		}
	}
	return hide, whole, nil
}
