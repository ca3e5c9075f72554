package journey

import (
	"context"
	"errors"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/work"
)

// SimulateKind is the kind of the job that simulates over more people than a request does.
const SimulateKind = "journey.simulate"

// simulateSlice is how many people the job looks at between two notes of how far it is.
var simulateSlice = 1000

// maxSends bounds the rows of messages by node and day that a job keeps, for a version.
const maxSends = 15_000

// simulateInput is what the job is given.
type simulateInput struct {
	In    RehearseInput     `bson:"in"`
	Map   map[string]string `bson:"map,omitempty"`
	After int64             `bson:"after,omitempty"`
}

// simulatePosition is how far it is, with what it has counted.
type simulatePosition struct {
	At      foot         `bson:"at"`
	Total   int64        `bson:"total"`
	Counted keptCompared `bson:"counted"`
}

// Rehearsed is what a job of SimulateKind has made: one of the two.
type Rehearsed struct {
	Versions   []int64     `bson:"versions"` // that were simulated
	Simulation *Simulation `bson:"simulation,omitempty"`
	Comparison *Comparison `bson:"comparison,omitempty"`
}

// RequestRehearsal has a job simulate a version, or two when after is not 0, over up to
// MaxRehearsedLong people. Whoever is limited to some people cannot have one: a job does not
// know of the limits.
func (s *Service) RequestRehearsal(ctx context.Context, ws string, in RehearseInput, after int64, idempotencyKey string) (*work.Job, error) {
	actor := core.ActorFrom(ctx)
	switch {
	case idempotencyKey == "" || len(idempotencyKey) > 300:
		return nil, core.Errorf(core.Invalid, "KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	case s.View == nil && !actor.IsSystem():
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process runs no such jobs")
	case actor != nil && !actor.Limits.None():
		return nil, core.Errorf(core.Forbidden, "LIMITED", "this key is limited to some people; simulate over as many as a request looks at")
	}
	if _, err := s.rehearsal(ctx, ws, in, after, MaxRehearsedLong); err != nil {
		return nil, err
	}
	job := simulateInput{In: in, Map: flat(in.NodeMap), After: after}
	job.In.NodeMap = nil
	j, err := s.Jobs.Start(ctx, SimulateKind, ws, job, actorID(actor)+" "+idempotencyKey)
	return j, work.Outward(err)
}

func actorID(a *core.Actor) string {
	if a == nil {
		return ""
	}
	return a.ID
}

// simulateJob is the handler of SimulateKind. Where a process ended, another goes on with
// what was counted.
func (s *Service) simulateJob(ctx context.Context, run *work.JobRun) error {
	var in simulateInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ctx, err := access.ForJob(ctx, run.Workspace(), s.View)
	if err != nil {
		return err
	}
	if in.Map != nil {
		in.In.NodeMap = steep(in.Map)
	}
	began := run.Job().StartedAt
	r, err := s.rehearsal(ctx, run.Workspace(), in.In, in.After, MaxRehearsedLong)
	if err != nil {
		return err
	}
	if in.In.From.IsZero() { // those inside, as of the beginning of the job, whoever ends it
		r.o.From = began
	}
	r.people.byJob = true
	c, err := newCourse(r.one, r.other, &r.o)
	if err != nil {
		return work.Permanent(err)
	}
	total := c.fresh()
	var at simulatePosition
	again, err := run.Position(&at)
	if err != nil {
		return err
	}
	if again {
		total.take(&at.Counted)
		r.people.place = at.At
	} else if at.Total, err = r.people.of(ctx); err != nil {
		return err
	}
	r.people.halt = simulateSlice
	for !r.people.place.Over {
		r.people.panel = nil // definitions may have changed
		if err := c.run(ctx, r.people, total); err != nil {
			return err
		}
		if total.long() {
			return work.Permanent(core.Errorf(core.Invalid, "PERIOD", "there are too many messages by node and day to be kept; ask for a shorter time"))
		}
		at.At, at.Counted = r.people.place, total.kept()
		seen := int64(at.At.Seen)
		if at.At.Over || at.Total < seen { // not everybody is shown to everybody
			at.Total = seen
		}
		if err := run.Step(ctx, seen, at.Total, at); err != nil {
			return err
		}
	}
	out := c.result(total)
	out.Versions = r.numbers
	return run.Result(out)
}

// result says what was counted.
func (c *course) result(total *compared) Rehearsed {
	if c.b == nil {
		return Rehearsed{Simulation: total.before.result()}
	}
	return Rehearsed{Comparison: total.comparison()}
}

// steep is the contrary of flat.
func steep(m map[string]string) map[string]*string {
	out := map[string]*string{}
	for from, to := range m {
		if to != "" {
			out[from] = &to
		} else {
			out[from] = nil
		}
	}
	return out
}

// RehearsalOf returns what a job of SimulateKind has made, for whoever asked for it; nil while
// there is nothing, and for others.
func (s *Service) RehearsalOf(ctx context.Context, ws, jobID string) (*Rehearsed, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	if !isID(core.PrefixJob, jobID) {
		return nil, nil
	}
	j, err := s.Jobs.Get(ctx, ws, jobID)
	if err != nil || j == nil {
		return nil, storeError("read the job", err)
	}
	a := core.ActorFrom(ctx)
	if j.Kind != SimulateKind || j.Status != work.Succeeded || a == nil || j.By == nil || j.By.ID != a.ID || j.By.Purpose != a.Purpose {
		return nil, nil
	}
	var in simulateInput
	var out Rehearsed
	if err := errors.Join(j.DecodeInput(&in), j.DecodeResult(&out)); err != nil {
		return nil, work.Outward(err)
	}
	if out.Simulation == nil && out.Comparison == nil { // forgotten together with somebody who was in it
		return nil, nil
	}
	for _, number := range out.Versions { // what may be read may have changed
		if _, err := s.rehearsed(ctx, ws, in.In.Journey, number, &rehearsal{people: &audience{}, o: SimulateOptions{Segments: map[string]*condition.Program{}}}); err != nil {
			return nil, err
		}
	}
	return &out, nil
}
