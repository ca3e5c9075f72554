package attribution

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Options are what a Service is made of. Store, Clock and Profiles are required; without
// Jobs rules are not applied to what was before, and there are no long reports.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Profiles *profile.Service
	Jobs     *work.Jobs
	// View returns what roles may see for a purpose: by it a job makes a report for whoever
	// asked for it. Nil: there are no long reports.
	View func(ctx context.Context, ws string, roles []string, purpose string) (*core.View, error)
}

// Service keeps points and makes figures of them. It is safe for concurrent use; several
// processes may run one on the same store.
type Service struct {
	Options
	mu   sync.Mutex
	kept map[string]kept // by workspace
}

type kept struct {
	*Rules
	at time.Time // by the process's own clock
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its jobs.
func NewService(o Options) *Service {
	s := &Service{Options: o, kept: map[string]kept{}}
	s.handle()
	return s
}

// rulesAge is how long a process may go on with rules that another has changed.
const rulesAge = 500 * time.Millisecond

// maxKept bounds what is kept: beyond it everything is read again.
const maxKept = 1000

func rulesKey(ws string) string { return store.Key(ws, "rules") }

// rules returns a workspace's rules, at most half a second old.
func (s *Service) rules(ctx context.Context, ws string) (*Rules, error) {
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	if ok && time.Since(k.at) < rulesAge {
		return k.Rules, nil
	}
	return s.readRules(ctx, ws)
}

func (s *Service) readRules(ctx context.Context, ws string) (*Rules, error) {
	at := time.Now()
	r, err := rulesDocs.Get(ctx, s.Store, rulesKey(ws))
	if err != nil {
		return nil, fmt.Errorf("attribution: read the rules: %w", err)
	}
	if r == nil {
		r = UsualRules()
		r.ID = rulesKey(ws)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	if k, ok := s.kept[ws]; !ok || k.V <= r.V {
		s.kept[ws] = kept{r, at}
	}
	return r, nil
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ws)
}

// Rules returns what a workspace counts as touchpoints and conversions.
func (s *Service) Rules(ctx context.Context, ws string) (*Rules, error) {
	r, err := s.readRules(ctx, ws)
	return r, work.Outward(err)
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

// SetRules changes the rules that have the version expected; 0 is before the first. A job
// then makes the points of everybody's past by them; it is nil without Jobs. Until it has
// ended, figures of the past are of the former rules in part.
func (s *Service) SetRules(ctx context.Context, ws string, expected int64, touches []Touch, conversions []Goal) (*Rules, *work.Job, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, nil, err
	}
	var out *Rules
	var job *work.Job
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.readRules(ctx, ws)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the rules of attribution have version %d, not %d; read them and try again", old.V, expected).At("expectedVersion")
		}
		r := &Rules{Meta: old.Meta, Touches: touches, Conversions: conversions, At: s.Clock.Now().UTC().Truncate(time.Millisecond)}
		if err := r.Check(); err != nil {
			return err
		}
		ops := []store.Op{rulesDocs.Put(r)}
		if s.Jobs != nil {
			var more []store.Op
			if job, more, err = s.Jobs.Prepare(ctx, RebuildKind, ws, profile.RebuildInput{Mode: profile.ModeRebuild}, ""); err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		out, err = s.readRules(ctx, ws)
		return err
	})
	return out, job, err
}

// Derive implements profile.Fold: it writes the points of the unit's events. A unit
// without such events costs nothing.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	var out profile.Derived
	var rules *Rules
	for _, c := range u.Changes() {
		for _, e := range c.Events {
			if rules == nil {
				var err error
				if rules, err = s.rules(ctx, u.Workspace()); err != nil {
					return out, err
				}
			}
			if p := rules.pointOf(e); p != nil {
				out.Ops = append(out.Ops, Points.Insert(p))
			}
		}
	}
	return out, nil
}

var _ profile.Fold = (*Service)(nil)
