package quality

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RunResult is the result of a job of RunKind.
type RunResult struct {
	Day    time.Time `bson:"day"`
	Passed int64     `bson:"passed"`
	Failed int64     `bson:"failed"`
	NoData int64     `bson:"noData"`
}

// history is how many days before the one that is judged are tallied: eight of each
// weekday.
const history = 56

// stepEvery is after how many documents a job says how far it is.
const stepEvery = 2000

// run is the handler of RunKind. What was judged when it stopped half way is judged
// again: a day's counts do not depend on how often they are made.
func (s *Service) run(ctx context.Context, run *work.JobRun) error {
	var in runInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ws := run.Workspace()
	rules, err := s.Rules(ctx, ws)
	if err != nil {
		return err
	}
	j := newJudgement(rules, in.Day, s.now())
	people, err := profile.Profiles.Count(ctx, s.Store, store.Query{Workspace: ws})
	if err != nil {
		return err
	}
	shares := j.shares(people)
	total, done := people*int64(shares)+history+1, int64(0)
	step := func(n int64) error {
		done += n
		return run.Step(ctx, done, max(total, done), nil)
	}
	for d := in.Day.AddDate(0, 0, -history); d.Before(in.Day); d = d.AddDate(0, 0, 1) {
		if err := s.tally(ctx, ws, d, nil); err != nil {
			return err
		}
		if err := step(1); err != nil {
			return err
		}
	}
	if err := s.tally(ctx, ws, in.Day, j.takeEvent); err != nil {
		return err
	}
	if err := step(1); err != nil {
		return err
	}
	for share := range shares {
		n := int64(0)
		err := profile.Profiles.Each(ctx, s.Store, store.Query{Workspace: ws}, func(p *profile.Profile) error {
			j.takePerson(p, uint64(share), uint64(shares))
			if n++; n%stepEvery == 0 {
				return step(stepEvery)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := step(n % stepEvery); err != nil {
			return err
		}
		j.closeShare()
	}
	if err := s.flows(ctx, ws, j); err != nil {
		return err
	}
	out := RunResult{Day: in.Day}
	var docs []*Result
	for _, r := range j.rules {
		res := r.result(j)
		docs = append(docs, res)
		switch res.Verdict {
		case Pass:
			out.Passed++
		case NoData:
			out.NoData++
		default:
			out.Failed++
			s.Logger.Warn("quality: a rule does not hold", "workspace", ws, "rule", res.Rule, "day", dayText(res.Day), "share", res.Share)
		}
	}
	if err := s.keep(ctx, run, docs, j.origins(ws)); err != nil {
		return err
	}
	return run.Result(out)
}

// keep stores results and origins over what stands there; what changes meanwhile was
// judged by another run of the same day, and is put right by the next try.
func (s *Service) keep(ctx context.Context, run *work.JobRun, results []*Result, origins []*Origin) error {
	for chunk := range slices.Chunk(results, 100) {
		var ops []store.Op
		keys := make([]string, len(chunk))
		for i, r := range chunk {
			keys[i] = r.ID
		}
		old, err := Results.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		for i, r := range chunk {
			if old[i] != nil {
				r.V = old[i].V
			}
			ops = append(ops, Results.Put(r))
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(origins, 200) {
		var ops []store.Op
		keys := make([]string, len(chunk))
		for i, o := range chunk {
			keys[i] = o.ID
		}
		old, err := Origins.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		for i, o := range chunk {
			if old[i] != nil {
				o.V = old[i].V
			}
			ops = append(ops, Origins.Put(o))
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
	}
	return s.forget(ctx, run.Workspace(), results)
}

// keepDays is how long results and tallies are kept.
const keepDays = 400

// forget takes away the oldest results, some of them in each run.
func (s *Service) forget(ctx context.Context, ws string, results []*Result) error {
	if len(results) == 0 {
		return nil
	}
	old, err := Results.Find(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Lt("day", results[0].Day.AddDate(0, 0, -keepDays))}, Order: []string{"-day"},
	}, 500)
	if err != nil || len(old) == 0 {
		return err
	}
	ops := make([]store.Op, len(old))
	for i, r := range old {
		ops[i] = Results.Delete(r)
	}
	return work.Commit(ctx, s.Store, ops...)
}

// origins is what the walk over everybody found of who wrote their traits.
func (j *judgement) origins(ws string) []*Origin {
	var out []*Origin
	for _, path := range slices.Sorted(maps.Keys(j.written)) {
		o := &Origin{Meta: store.Meta{ID: store.Key(ws, core.HashID("trait", path))}, Path: path, At: j.at}
		for source, share := range j.written[path] {
			o.Sources = append(o.Sources, Share{source, share.People, share.Latest})
		}
		slices.SortFunc(o.Sources, func(a, b Share) int { return cmp.Or(-cmp.Compare(a.People, b.People), cmp.Compare(a.Source, b.Source)) })
		o.Sources = o.Sources[:min(len(o.Sources), maxOrigins)]
		out = append(out, o)
	}
	return out
}
