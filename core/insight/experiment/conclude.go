package experiment

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// Conclusion is how an experiment ends.
type Conclusion struct {
	Winner string // the arm that the result names; "" ends it without a decision
	Reason string // why, in somebody's words; required without a winner
}

// Conclude ends an experiment and keeps its result as it is now. A winner must be the one
// that the result names: before there is enough, with a sample ratio mismatch, or without a
// difference there is none. A bandit's may be any arm: it is no test. One that has ended so
// already stays as it is.
func (s *Service) Conclude(ctx context.Context, ws, id string, expected *int64, c Conclusion) (*Experiment, error) {
	if len(c.Reason) > 2000 || c.Winner == "" && badText(c.Reason[:min(len(c.Reason), maxText)]) {
		return nil, invalid("REASON", "say in at most 2000 bytes why it ends without a decision").At("reason")
	}
	if e, err := s.Get(ctx, ws, id); err == nil && e != nil && e.Final != nil && e.Winner == c.Winner && e.Reason == c.Reason {
		return e, nil
	}
	return s.change(ctx, ws, id, expected, func(e *Experiment) error {
		if e.Status != Running {
			return core.Errorf(core.Conflict, "NOT_RUNNING", "only a running experiment ends").At("id")
		}
		r, err := s.result(ctx, e)
		if err != nil {
			return err
		}
		if err := e.refuse(r, c.Winner); err != nil {
			return err.At("winner")
		}
		e.Status = Stopped
		if c.Winner != "" || r.State == Significant || r.State == NotSignificant {
			e.Status = Concluded
		}
		e.Live, e.Final, e.Winner, e.Reason, e.EndedAt, e.EndedBy = false, r, c.Winner, c.Reason, s.now(), actorID(ctx)
		return nil
	})
}

// Few is the fewest people of an arm, and of those in it who converted or did not, whose
// figures are shown to who sees only aggregates.
const Few = 10

// Shield reports whether the figures of a result must not be shown to the actor of ctx:
// for who may not read identifiers in clear, when so few people are behind one of them
// that they could be told apart.
func (s *Service) Shield(ctx context.Context, ws string, r *Result) (bool, error) {
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil || gate.UsableCategory(core.IdentifierID, "identifiers") == nil {
		return false, err
	}
	for _, a := range r.Arms {
		if a.Judged > 0 && a.Judged < Few || a.Hits > 0 && a.Hits < Few {
			return true, nil
		}
	}
	return false, nil
}

// refuse says why an arm cannot be the winner; nil when it can.
func (e *Experiment) refuse(r *Result, winner string) *core.Error {
	no := func(reason, format string, args ...any) *core.Error {
		return core.Errorf(core.Conflict, reason, format, args...)
	}
	known := false
	for _, a := range e.Plan.Arms {
		known = known || a.Name == winner
	}
	switch {
	case winner == "":
		return nil
	case !known:
		return invalid("ARM", "the experiment has no such arm")
	case r.State == NoTest:
		return nil
	case r.State == Insufficient:
		missing := int64(0)
		for _, a := range r.Arms {
			missing = max(missing, a.Missing)
		}
		return no("INSUFFICIENT_DATA", "there is no winner before each arm has the %d people that the plan asks for; up to %d are missing in one", e.Size.PerArm, missing)
	case r.State == RatioMismatch:
		return no("SAMPLE_RATIO_MISMATCH", "the arms do not have the share of people that the plan gives them, so that no result is to be believed; find out why, and end it without a winner")
	case r.Winner == "":
		return no("NO_WINNER", "no arm is better than the others by this test; end it without a winner")
	case r.Winner != winner:
		return no("NO_WINNER", "by this test the winner is %s; name it, or end it without a winner", r.Winner)
	}
	return nil
}
