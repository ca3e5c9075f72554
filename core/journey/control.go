package journey

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Edit is how a change is asked for.
type Edit struct {
	ExpectedVersion *int64
	DryRun          bool
}

// Journey returns the journey with an id, or nil.
func (s *Service) Journey(ctx context.Context, ws, id string) (*Journey, error) {
	if !isID(core.PrefixJourney, id) {
		return nil, nil
	}
	j, err := Journeys.Get(ctx, s.Store, store.Key(ws, id))
	return j, storeError("read the journey", err)
}

// IDFor returns the id of the journey that an idempotency key makes.
func IDFor(ws, idempotencyKey string) string {
	return core.HashID(core.PrefixJourney, ws, "idem", idempotencyKey)
}

func isID(prefix, id string) bool {
	return core.IDPrefix(id) == prefix && len(id) <= 64 && !strings.ContainsAny(id, "/\x00")
}

var (
	errNoJourney   = core.Errorf(core.NotFound, "JOURNEY", "no journey has this id").At("id")
	errThisJourney = core.Errorf(core.NotFound, "JOURNEY", "no journey has this id").At("journeyId")
)

// mayDesign refuses who may not make journeys.
func mayDesign(ctx context.Context) error { return access.Allow(ctx, access.Design) }

// published returns the versions of a journey that were published, by number.
func (s *Service) published(ctx context.Context, ws, id string) (map[int64]*Version, error) {
	list, err := s.Versions(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	out := map[int64]*Version{}
	for _, v := range list {
		if !v.PublishedAt.IsZero() {
			out[v.Number] = v
		}
	}
	return out, nil
}

// Versions lists the versions of a journey, the oldest first.
func (s *Service) Versions(ctx context.Context, ws, id string) ([]*Version, error) {
	list, err := Versions.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}}, 0)
	if err != nil {
		return nil, storeError("read the versions", err)
	}
	slices.SortFunc(list, func(a, b *Version) int { return int(a.Number - b.Number) })
	return list, nil
}

// Version returns one version, or nil.
func (s *Service) Version(ctx context.Context, ws, id string, number int64) (*Version, error) {
	if !isID(core.PrefixJourney, id) || number < 1 {
		return nil, nil
	}
	v, err := Versions.Get(ctx, s.Store, versionKey(ws, id, number))
	return v, storeError("read the version", err)
}

// maxChanges bounds how often a change that lost a race is made anew.
const maxChanges = 50

// change commits a change of a journey with a new revision of what is followed: once it is
// acknowledged, nothing commits any more that was decided before it. apply says what
// becomes of the journey, and what else to commit.
func (s *Service) change(ctx context.Context, ws, id string, edit Edit, action string, apply func(j *Journey) ([]store.Op, error)) (*Journey, error) {
	for try := 0; ; try++ {
		j, err := s.Journey(ctx, ws, id)
		switch {
		case err != nil:
			return nil, err
		case j == nil:
			return nil, errNoJourney
		case edit.ExpectedVersion != nil && *edit.ExpectedVersion != j.V:
			return nil, core.Errorf(core.Conflict, "VERSION", "the journey is at version %d now; read it again and change that", j.V).At("expectedVersion")
		}
		before := *j
		more, err := apply(j)
		if err != nil {
			return nil, err
		}
		j.UpdatedAt = s.now()
		if edit.DryRun {
			return j, nil
		}
		keep, err := s.kept(ctx, ws, j)
		if err != nil {
			return nil, err
		}
		_, err = s.Segments.Publish(ctx, ws, id, keep, func(int64) ([]store.Op, error) {
			return s.recorded(ctx, ws, action, id, before.details(j), append([]store.Op{Journeys.Replace(j)}, more...)...)
		})
		if errors.Is(err, store.ErrConflict) && try < maxChanges {
			continue
		}
		if err != nil {
			return nil, storeError("write the journey", err)
		}
		if j.Mode == Live || j.Mode == Draining {
			if err := s.ensureLanes(ctx, ws); err != nil {
				return nil, storeError("start the lanes", err)
			}
		}
		s.Runner.Wake()
		return s.Journey(ctx, ws, id)
	}
}

// details tells the audit log what a change was about.
func (j *Journey) details(next *Journey) map[string]string {
	out := map[string]string{"mode": string(next.Mode)}
	if j.Entry != next.Entry {
		out["version"] = trailNumber(next.Entry)
	}
	return out
}

// recorded adds an entry of the audit log.
func (s *Service) recorded(ctx context.Context, ws, action, resource string, details map[string]string, ops ...store.Op) ([]store.Op, error) {
	if s.Audit == nil {
		return ops, nil
	}
	op, err := s.Audit(ctx, ws, action, resource, details)
	if err != nil {
		return nil, err
	}
	return append([]store.Op{op}, ops...), nil
}

// kept returns the conditions that a journey needs kept as it is to be.
func (s *Service) kept(ctx context.Context, ws string, j *Journey) ([]segment.Checked, error) {
	if j.Mode != Live && j.Mode != Paused && j.Mode != Draining {
		return nil, nil
	}
	versions, err := s.published(ctx, ws, j.JourneyID())
	if err != nil {
		return nil, err
	}
	if versions[j.Entry] == nil { // which is about to be published
		v, err := s.Version(ctx, ws, j.JourneyID(), j.Entry)
		if err != nil {
			return nil, err
		}
		versions[j.Entry] = v
	}
	var out []segment.Checked
	seen := map[string]bool{}
	for _, number := range sortedKeys(versions) {
		v := versions[number]
		if v == nil || j.drains(number) {
			continue
		}
		p, err := s.compiled(v)
		if err != nil {
			return nil, err
		}
		list, err := p.Kept()
		if err != nil {
			return nil, err
		}
		for _, where := range list {
			if seen[where] {
				continue
			}
			seen[where] = true
			n, err := condition.ParseJSON([]byte(where))
			if err != nil {
				return nil, err
			}
			c := segment.Checked{JSON: where, Node: n}
			if c.Program, err = condition.Compile(n, condition.Zone{}); err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		if number != j.Entry || j.Mode != Live {
			continue
		}
		for _, e := range p.Entrances() {
			if e.Date != nil {
				out = append(out, *p.watched(e))
			}
		}
	}
	return out, nil
}

// Pause stops a journey: nobody enters, nobody steps, and what it has queued is held. When
// it returns, nothing more is handed to any channel.
func (s *Service) Pause(ctx context.Context, ws, id string, edit Edit) (*Journey, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "journey.pause", func(j *Journey) ([]store.Op, error) {
		switch j.Mode {
		case Live, Draining:
			j.Mode, j.PausedAt = Paused, s.now()
			return nil, nil
		case Paused:
			return nil, nil
		}
		return nil, errMode(j, "paused")
	})
}

func errMode(j *Journey, what string) *core.Error {
	return core.Errorf(core.Conflict, "JOURNEY_MODE", "a journey that is %s cannot be %s", j.Mode, what).At("id")
}

// Resume lets a paused journey go on. overdue says what becomes of messages that fell due
// meanwhile, for those who stood in it then: SKIP or SEND; "" is what their version says.
func (s *Service) Resume(ctx context.Context, ws, id string, overdue Overdue, edit Edit) (*Journey, string, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, "", err
	}
	if overdue != "" && overdue != OverdueSkip && overdue != OverdueSend && overdue != OverdueAsk {
		return nil, "", core.Errorf(core.Invalid, "OVERDUE", "what is overdue is SKIP, SEND or ASK").At("onOverdue")
	}
	var job *work.Job
	j, err := s.change(ctx, ws, id, edit, "journey.resume", func(j *Journey) ([]store.Op, error) {
		if j.Mode != Paused {
			return nil, errMode(j, "resumed")
		}
		if j.Mode = Live; j.Entry == 0 {
			j.Mode = Draining
		}
		j.Late, j.LateUntil, j.PausedAt = string(overdue), s.now(), time.Time{}
		var ops []store.Op
		var err error
		job, ops, err = s.Jobs.Prepare(ctx, unparkKind, ws, journeyInput{Journey: id}, "")
		return ops, err
	})
	if err != nil || edit.DryRun {
		return j, "", err
	}
	return j, job.JobID(), nil
}

// Close lets nobody in any more; who is inside is led to the end.
func (s *Service) Close(ctx context.Context, ws, id string, edit Edit) (*Journey, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "journey.close", func(j *Journey) ([]store.Op, error) {
		if j.Mode != Live && j.Mode != Draining {
			return nil, errMode(j, "closed")
		}
		j.Mode = Draining
		return nil, nil
	})
}

// Stop ends a journey: everybody inside leaves, and what it has queued is cancelled. The
// job leads them out.
func (s *Service) Stop(ctx context.Context, ws, id string, edit Edit) (*Journey, string, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, "", err
	}
	var job *work.Job
	j, err := s.change(ctx, ws, id, edit, "journey.stop", func(j *Journey) ([]store.Op, error) {
		if j.Mode == Draft || j.Mode == Archived {
			return nil, errMode(j, "stopped")
		}
		j.Mode, j.Entry, j.PausedAt = Stopped, 0, time.Time{}
		var ops []store.Op
		var err error
		job, ops, err = s.Jobs.Prepare(ctx, clearKind, ws, journeyInput{Journey: id, At: s.now()}, "")
		return ops, err
	})
	if err != nil || edit.DryRun {
		return j, "", err
	}
	return j, job.JobID(), nil
}

// Archive puts a journey that was stopped, or never began, out of the lists.
func (s *Service) Archive(ctx context.Context, ws, id string, edit Edit) (*Journey, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "journey.archive", func(j *Journey) ([]store.Op, error) {
		if j.Mode != Stopped && j.Mode != Draft && j.Mode != Archived {
			return nil, errMode(j, "archived; stop it first")
		}
		j.Mode = Archived
		return nil, nil
	})
}

// SetPilot lets only a part of people in, in percent. Those who were among fewer stay among
// more.
func (s *Service) SetPilot(ctx context.Context, ws, id string, percent int64, edit Edit) (*Journey, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	if percent < 0 || percent > 100 {
		return nil, core.Errorf(core.Invalid, "PILOT", "a pilot is 0 to 100 percent of people").At("percent")
	}
	return s.change(ctx, ws, id, edit, "journey.pilot", func(j *Journey) ([]store.Op, error) {
		j.Pilot = percent
		return nil, nil
	})
}
