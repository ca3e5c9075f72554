package loyalty

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Program says what points are worth. A workspace has one; until it is set, points do
// not expire and there are no tiers.
type Program struct {
	store.Meta `bson:",inline"` // key: workspace/program; its version is the program's
	ExpireDays int              `bson:"expireDays,omitempty"` // points expire so many days of 24 hours after they are earned; 0: never
	Period     Period           `bson:"period"`
	PeriodDays int              `bson:"periodDays,omitempty"` // of Rolling: 1 to 731
	KeepTiers  bool             `bson:"keepTiers,omitempty"`  // a tier is never lost, whatever the period
	Tiers      []Tier           `bson:"tiers,omitempty"`      // ascending
	// What an invitation that was followed earns; 0 is nothing.
	InviterPoints int64     `bson:"inviterPoints,omitempty"`
	InvitedPoints int64     `bson:"invitedPoints,omitempty"`
	At            time.Time `bson:"at"`
}

// Version returns the program's version, 0 while none was set.
func (p *Program) Version() int64 { return p.V }

func programKey(ws string) string { return store.Key(ws, "program") }

// programAge is how long a process may go on with a program that another has changed.
const programAge = 500 * time.Millisecond

type programCache struct {
	mu   sync.Mutex
	kept map[string]keptProgram // by workspace
}

type keptProgram struct {
	*Program
	at time.Time // by the process's own clock
}

// maxKept bounds what is kept: beyond it everything is read again.
const maxKept = 1000

// Program returns a workspace's program, at most half a second old.
func (s *Service) Program(ctx context.Context, ws string) (*Program, error) {
	s.programs.mu.Lock()
	k, ok := s.programs.kept[ws]
	s.programs.mu.Unlock()
	if ok && time.Since(k.at) < programAge {
		return k.Program, nil
	}
	return s.readProgram(ctx, ws)
}

func (s *Service) readProgram(ctx context.Context, ws string) (*Program, error) {
	at := time.Now()
	p, err := programs.Get(ctx, s.Store, programKey(ws))
	if err != nil {
		return nil, fmt.Errorf("loyalty: read the program: %w", err)
	}
	if p == nil {
		p = &Program{Meta: store.Meta{ID: programKey(ws)}, Period: Lifetime}
	}
	s.programs.mu.Lock()
	defer s.programs.mu.Unlock()
	if s.programs.kept == nil || len(s.programs.kept) >= maxKept {
		s.programs.kept = map[string]keptProgram{}
	}
	if k, ok := s.programs.kept[ws]; !ok || k.V <= p.V {
		s.programs.kept[ws] = keptProgram{p, at}
	}
	return p, nil
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.programs.mu.Lock()
	defer s.programs.mu.Unlock()
	delete(s.programs.kept, ws)
}

// SetProgram changes the program that has the version expected; 0 is before the first.
// Everybody's tier is looked at again. Points that were earned keep their ends.
func (s *Service) SetProgram(ctx context.Context, ws string, expected int64, change func(*Program)) (*Program, error) {
	var out *Program
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.readProgram(ctx, ws)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the loyalty program has version %d, not %d; read it and try again", old.V, expected).At("expectedVersion")
		}
		p := *old
		change(&p)
		p.At = s.now()
		if err := p.check(); err != nil {
			return err
		}
		ops, err := s.review(ctx, ws)
		if err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, append(ops, programs.Put(&p))...); err != nil {
			return err
		}
		out, err = s.readProgram(ctx, ws)
		return err
	})
	if err == nil && s.Runner != nil {
		s.Runner.Wake()
	}
	return out, err
}

// The bounds of a program.
const (
	maxTiers  = 20
	maxPerks  = 50
	maxText   = 1000
	maxPoints = 1_000_000_000
)

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func (p *Program) check() *core.Error {
	switch {
	case p.ExpireDays < 0 || p.ExpireDays > 3660:
		return core.Errorf(core.Invalid, "EXPIRE_DAYS", "points expire after 1 to 3660 days, or never: 0").At("expireDays")
	case p.Period != Lifetime && p.Period != CalendarYear && p.Period != Rolling:
		return core.Errorf(core.Invalid, "PERIOD", "the period is LIFETIME, CALENDAR_YEAR or ROLLING").At("period")
	case p.Period == Rolling && (p.PeriodDays < 1 || p.PeriodDays > 731):
		return core.Errorf(core.Invalid, "PERIOD_DAYS", "a rolling period has 1 to 731 days").At("periodDays")
	case p.Period != Rolling && p.PeriodDays != 0:
		return core.Errorf(core.Invalid, "PERIOD_DAYS", "only a rolling period has a number of days").At("periodDays")
	case len(p.Tiers) > maxTiers:
		return core.Errorf(core.Invalid, "TOO_MANY_TIERS", "a program has at most %d tiers", maxTiers).At("tiers")
	case p.InviterPoints < 0 || p.InviterPoints > maxPoints || p.InvitedPoints < 0 || p.InvitedPoints > maxPoints:
		return core.Errorf(core.Invalid, "POINTS", "an invitation earns 0 to %d points", int64(maxPoints)).At("inviterPoints")
	}
	for i := range p.Tiers {
		t := &p.Tiers[i]
		at := func(e *core.Error) *core.Error { return e.At("tiers", strconv.Itoa(i)) }
		switch {
		case !keyForm.MatchString(t.Key) || p.rank(t.Key) != i:
			return at(core.Errorf(core.Invalid, "TIER_KEY", "a tier has a key of its own: a letter and up to 63 letters, digits, _ and -").At("key"))
		case strings.TrimSpace(t.Name) == "" || len(t.Name) > 200:
			return at(core.Errorf(core.Invalid, "NAME", "give the tier a name of at most 200 bytes").At("name"))
		case t.From < 0 || t.From > maxPoints || i > 0 && t.From <= p.Tiers[i-1].From:
			return at(core.Errorf(core.Invalid, "TIER_ORDER", "tiers stand in order, each with more points than the one before").At("from"))
		case len(t.Perks) > maxPerks:
			return at(core.Errorf(core.Invalid, "TOO_MANY_PERKS", "a tier has at most %d perks", maxPerks).At("perks"))
		}
		for j, k := range t.Perks {
			if !keyForm.MatchString(k.Key) || strings.TrimSpace(k.Name) == "" || len(k.Name) > 200 || len(k.Description) > maxText || len(k.Value) > maxText {
				return at(core.Errorf(core.Invalid, "PERK", "a perk has a key (letters, digits, _ and -), a name, and texts of at most %d bytes", maxText).At("perks", strconv.Itoa(j)))
			}
		}
	}
	return nil
}
