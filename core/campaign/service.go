package campaign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Options are what a Service works with. Audit may be nil.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Profiles *profile.Service
	Segments *segment.Service
	Consent  *consent.Service
	Messages *message.Service
	Access   *access.Service
	Audit    access.Record
	Hours    Hours // nil: nothing is known of people's hours
	Runner   *work.Runner
	Logger   *slog.Logger
}

// Service keeps campaigns and runs them. It is safe for concurrent use.
type Service struct {
	Options
	known sync.Map // key of a campaign → known
}

// known is a campaign as it was read a moment ago.
type known struct {
	c  *Campaign
	at time.Time // of the process's own clock
}

// runKind is the kind of the task that runs a campaign.
const runKind = "campaign.run"

// New returns a service over a store whose collections (Specs) are declared. It guards the
// messages of campaigns and registers its work: make it before the first request.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{Options: o}
	s.Messages.OnHandOff(s.Stand)
	s.Messages.OnExpiry(s.needs)
	s.Segments.OnUses(s.uses)
	if s.Access != nil {
		s.Access.OnDecision(core.PrefixCampaign, s.decided)
		s.Access.DecideWith(core.PrefixCampaign, access.Send)
	}
	s.Runner.Handle(runKind, work.Kind{
		Handler: work.HandlerFunc(s.run), Concurrency: 16, Attempts: -1, Backoff: work.Backoff{Base: 200 * time.Millisecond, Max: 30 * time.Second},
	})
	return s
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// Get returns the campaign with an id, or nil.
func (s *Service) Get(ctx context.Context, ws, id string) (*Campaign, error) {
	if !isCampaign(id) {
		return nil, nil
	}
	c, err := Campaigns.Get(ctx, s.Store, store.Key(ws, id))
	return c, storeError("read the campaign", err)
}

// RunOf returns how far a campaign has come, or nil before its start.
func (s *Service) RunOf(ctx context.Context, ws, id string) (*Run, error) {
	if !isCampaign(id) {
		return nil, nil
	}
	r, err := Runs.Get(ctx, s.Store, store.Key(ws, id))
	return r, storeError("read the run", err)
}

func isCampaign(id string) bool {
	return core.IDPrefix(id) == core.PrefixCampaign && len(id) <= 64 && !strings.ContainsAny(id, "/\x00")
}

// must returns a campaign or NOT_FOUND.
func (s *Service) must(ctx context.Context, ws, id string) (*Campaign, error) {
	c, err := s.Get(ctx, ws, id)
	if err == nil && c == nil {
		err = core.Errorf(core.NotFound, "CAMPAIGN", "no campaign has this id").At("id")
	}
	return c, err
}

// List returns a window of the campaigns with a status ("" is any), the latest first, and
// how many there are.
func (s *Service) List(ctx context.Context, ws string, status Status, w core.Window) (store.Page[Campaign], error) {
	page, err := Campaigns.Page(ctx, s.Store, listed(ws, status), w)
	return page, storeError("read the campaigns", err)
}

// Count returns how many campaigns List lists.
func (s *Service) Count(ctx context.Context, ws string, status Status) (int64, error) {
	n, err := Campaigns.Count(ctx, s.Store, listed(ws, status))
	return n, storeError("count the campaigns", err)
}

func listed(ws string, status Status) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-createdAt"}}
	if status != "" {
		q.Where = []store.Cond{store.Eq("status", string(status))}
	}
	return q
}

// uses tells which campaigns that are not over name a segment: a segment.Uses.
func (s *Service) uses(ctx context.Context, ws, id string) ([]segment.User, error) {
	list, err := s.naming(ctx, ws, func(d *Definition) bool {
		return slices.Contains(d.Include, id) || slices.Contains(d.Exclude, id) || strings.Contains(d.Goal, `"`+id+`"`)
	})
	var out []segment.User
	for _, c := range list {
		out = append(out, segment.User{ID: c.CampaignID(), Kind: "campaign", Name: c.Name})
	}
	return out, err
}

// Users lists the campaigns that are not over and send a template: for library.Register.
func (s *Service) Users(ctx context.Context, ws, template string) ([]*Campaign, error) {
	return s.naming(ctx, ws, func(d *Definition) bool {
		return slices.ContainsFunc(d.Arms, func(a Arm) bool { return a.Template == template })
	})
}

func (s *Service) naming(ctx context.Context, ws string, names func(*Definition) bool) ([]*Campaign, error) {
	var out []*Campaign
	for _, status := range []Status{Draft, Scheduled, Running, Paused} {
		err := Campaigns.Each(ctx, s.Store, listed(ws, status), func(c *Campaign) error {
			if names(&c.Definition) {
				out = append(out, c)
			}
			return nil
		})
		if err != nil {
			return nil, storeError("read the campaigns", err)
		}
	}
	return out, nil
}

// storeError makes an error of the store the one that leaves the domain.
func storeError(what string, err error) error {
	var own *core.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "VERSION", "somebody else changed this meanwhile; read it again").Wrap(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(fmt.Errorf("%s: %w", what, err))
}

func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}
