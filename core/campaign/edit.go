package campaign

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Edit is how a change is asked for.
type Edit struct {
	ExpectedVersion *int64
	DryRun          bool
}

// Input describes a new campaign.
type Input struct {
	Name           string
	Description    string
	Tags           []string
	Cost           *Cost
	Parts          []string
	Definition     Definition
	Goal           any  // a condition as decoded JSON; nil: none
	Approval       bool // somebody else agrees before it is scheduled
	IdempotencyKey string
	DryRun         bool
}

const (
	maxName  = 200
	maxParts = 50
)

// words are what a campaign says of itself.
func words(name, description string, tags []string, cost *Cost) error {
	line := func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) }
	switch {
	case strings.TrimSpace(name) == "" || len(name) > maxName || line(name):
		return invalid("NAME", "the name of a campaign has 1 to %d bytes, in one line", maxName).At("name")
	case len(description) > 4000:
		return invalid("DESCRIPTION", "a description has at most 4000 bytes").At("description")
	case len(tags) > 50:
		return invalid("TAGS", "a campaign has at most 50 tags").At("tags")
	case cost != nil && (cost.Minor < 0 || len(cost.Currency) != 3 || strings.ToUpper(cost.Currency) != cost.Currency):
		return invalid("COST", "a cost is an amount of a currency such as EUR, and not below zero").At("cost")
	}
	for i, t := range tags {
		if t == "" || len(t) > 100 || line(t) {
			return invalid("TAGS", "a tag has 1 to 100 bytes").At("tags", strconv.Itoa(i))
		}
	}
	return nil
}

func sorted(tags []string) []string {
	out := slices.Clone(tags)
	slices.Sort(out)
	return slices.Compact(out)
}

// partClaim is the kind of claim that a part of a campaign is.
const partClaim = "campaign.part"

// checkParts refuses what cannot be a part of a campaign.
func (s *Service) checkParts(ctx context.Context, ws, id string, parts []string) error {
	if len(parts) > maxParts {
		return invalid("PARTS", "a campaign has at most %d parts", maxParts).At("parts")
	}
	for i, part := range parts {
		at := []string{"parts", strconv.Itoa(i)}
		switch {
		case slices.Contains(parts[:i], part):
			return invalid("DUPLICATE", "each part is named once").At(at...)
		case part == id:
			return invalid("PARTS", "a campaign is no part of itself").At(at...)
		case core.IDPrefix(part) == core.PrefixJourney && len(part) <= 64 && !strings.Contains(part, "/"):
		case isCampaign(part):
			c, err := s.Get(ctx, ws, part)
			if err != nil {
				return err
			}
			if c == nil {
				return core.Errorf(core.NotFound, "CAMPAIGN", "no campaign has this id").At(at...)
			}
			if len(c.Parts) > 0 {
				return invalid("PARTS", "the campaign %s has parts itself; name those", c.Name).At(at...)
			}
		default:
			return invalid("PARTS", "a part is a journey or a campaign").At(at...)
		}
		owner, err := store.Claims.Get(ctx, s.Store, store.Key(ws, partClaim, part))
		if err != nil {
			return storeError("read whose part it is", err)
		}
		if owner != nil && owner.Owner != id {
			return core.Errorf(core.Conflict, "PART_TAKEN", "this is a part of the campaign %s; it would be counted twice", owner.Owner).At(at...)
		}
	}
	if len(parts) > 0 {
		owner, err := store.Claims.Get(ctx, s.Store, store.Key(ws, partClaim, id))
		if err != nil {
			return storeError("read whose part it is", err)
		}
		if owner != nil {
			return invalid("PARTS", "the campaign is itself a part of %s", owner.Owner).At("parts")
		}
	}
	return nil
}

// claimParts returns the operations that make parts a campaign's, and let go of others.
func (s *Service) claimParts(ctx context.Context, ws, id string, before, after []string) ([]store.Op, error) {
	var ops []store.Op
	for _, part := range after {
		if !slices.Contains(before, part) {
			ops = append(ops, store.Claim(ws, partClaim, part, id))
		}
	}
	for _, part := range before {
		if slices.Contains(after, part) {
			continue
		}
		c, err := store.Claims.Get(ctx, s.Store, store.Key(ws, partClaim, part))
		if err != nil {
			return nil, storeError("read whose part it is", err)
		}
		if c != nil && c.Owner == id {
			ops = append(ops, store.Claims.Delete(c))
		}
	}
	return ops, nil
}

// Create makes a campaign, a draft.
func (s *Service) Create(ctx context.Context, ws string, in Input) (*Campaign, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	at, sum := s.now(), ""
	id := core.NewID(core.PrefixCampaign, at)
	if in.IdempotencyKey != "" {
		if len(in.IdempotencyKey) > 200 {
			return nil, invalid("IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
		}
		id = core.HashID(core.PrefixCampaign, ws, "idem", in.IdempotencyKey)
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, invalid("GOAL", "the goal is not JSON").At("goal").Wrap(err)
		}
		h := sha256.Sum256(raw)
		sum = hex.EncodeToString(h[:16])
		old, err := s.Get(ctx, ws, id)
		switch {
		case err != nil:
			return nil, err
		case old != nil && old.Sum != sum:
			return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another campaign; use a new one").At("idempotencyKey")
		case old != nil:
			return old, nil
		}
	}
	if err := words(in.Name, in.Description, in.Tags, in.Cost); err != nil {
		return nil, err
	}
	if err := s.check(ctx, ws, &in.Definition, in.Goal); err != nil {
		return nil, err
	}
	if err := s.checkParts(ctx, ws, id, in.Parts); err != nil {
		return nil, err
	}
	c := &Campaign{
		Meta: store.Meta{ID: store.Key(ws, id)}, Name: strings.TrimSpace(in.Name), Description: in.Description, Tags: sorted(in.Tags), Cost: in.Cost,
		Parts: in.Parts, Definition: in.Definition, Author: actor(ctx), Risky: in.Approval, Status: Draft, CreatedAt: at, UpdatedAt: at,
		CreatedBy: actor(ctx), Sum: sum,
	}
	var err error
	if c.Hash, err = c.Definition.hash(); err != nil || in.DryRun {
		return c, err
	}
	ops, err := s.claimParts(ctx, ws, id, nil, c.Parts)
	if err != nil {
		return nil, err
	}
	ops, err = s.recorded(ctx, ws, "campaign.create", id, c, append(ops, Campaigns.Insert(c))...)
	if err != nil {
		return nil, err
	}
	err = work.Commit(ctx, s.Store, ops...)
	if errors.Is(err, store.ErrConflict) && in.IdempotencyKey != "" {
		if have, gerr := s.Get(ctx, ws, id); gerr != nil || have != nil {
			return have, gerr
		}
	}
	if err != nil {
		return nil, storeError("write the campaign", err)
	}
	return s.Get(ctx, ws, id)
}

// recorded adds an entry of the audit log.
func (s *Service) recorded(ctx context.Context, ws, action, id string, c *Campaign, ops ...store.Op) ([]store.Op, error) {
	if s.Audit == nil {
		return ops, nil
	}
	op, err := s.Audit(ctx, ws, action, id, map[string]string{"status": string(c.Status), "hash": c.Hash})
	return append(ops, op), err
}

// Update is a change of a campaign; nil leaves as it is.
type Update struct {
	ID          string
	Name        *string
	Description *string
	Tags        *[]string
	Cost        *Cost
	Parts       *[]string
	Definition  *Definition
	Goal        any // with Definition
	Approval    *bool
	Edit
}

// Update changes a campaign. What is sent, and to whom, changes only before it starts; then
// what somebody agreed to is void, and one that was scheduled is a draft again.
func (s *Service) Update(ctx context.Context, ws string, in Update) (*Campaign, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, in.ID, in.Edit, "campaign.update", func(c *Campaign) ([]store.Op, error) {
		set(&c.Name, in.Name)
		set(&c.Description, in.Description)
		if in.Tags != nil {
			c.Tags = sorted(*in.Tags)
		}
		if in.Cost != nil {
			c.Cost = in.Cost
		}
		if err := words(c.Name, c.Description, c.Tags, c.Cost); err != nil {
			return nil, err
		}
		var ops []store.Op
		if in.Parts != nil {
			if err := s.checkParts(ctx, ws, in.ID, *in.Parts); err != nil {
				return nil, err
			}
			more, err := s.claimParts(ctx, ws, in.ID, c.Parts, *in.Parts)
			if err != nil {
				return nil, err
			}
			ops, c.Parts = append(ops, more...), *in.Parts
		}
		if in.Definition == nil && in.Approval == nil {
			return ops, nil
		}
		if c.Status != Draft && c.Status != Scheduled {
			return nil, errStatus(c, "changed")
		}
		set(&c.Risky, in.Approval)
		if in.Definition != nil {
			d := *in.Definition
			if err := s.check(ctx, ws, &d, in.Goal); err != nil {
				return nil, err
			}
			hash, err := d.hash()
			if err != nil {
				return nil, err
			}
			if hash != c.Hash {
				void, err := s.Access.VoidOps(ctx, ws, in.ID)
				if err != nil {
					return nil, err
				}
				ops = append(ops, void...)
			}
			c.Definition, c.Hash, c.Author = d, hash, actor(ctx)
		}
		if c.Status == Scheduled {
			drop, err := s.dropTask(ctx, ws, in.ID)
			if err != nil {
				return nil, err
			}
			ops = append(ops, drop...)
			c.Status = Draft
		}
		return ops, nil
	})
}

func set[T any](at *T, to *T) {
	if to != nil {
		*at = *to
	}
}

func errStatus(c *Campaign, what string) *core.Error {
	return core.Errorf(core.Conflict, "CAMPAIGN_STATUS", "the campaign is %s; it cannot be %s now", c.Status, what).At("id")
}

// change commits a change of a campaign, as often as it loses a race.
func (s *Service) change(ctx context.Context, ws, id string, edit Edit, action string, apply func(*Campaign) ([]store.Op, error)) (*Campaign, error) {
	for try := 0; ; try++ {
		c, err := s.must(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if edit.ExpectedVersion != nil && *edit.ExpectedVersion != c.V {
			return nil, core.Errorf(core.Conflict, "VERSION", "the campaign is at version %d now; read it again and change that", c.V).At("expectedVersion")
		}
		ops, err := apply(c)
		if err != nil || edit.DryRun {
			return c, err
		}
		c.UpdatedAt = s.now()
		ops, err = s.recorded(ctx, ws, action, id, c, append(ops, Campaigns.Replace(c))...)
		if err != nil {
			return nil, err
		}
		err = work.Commit(ctx, s.Store, ops...)
		if errors.Is(err, store.ErrConflict) && try < 50 {
			continue
		}
		if err != nil {
			return nil, storeError("write the campaign", err)
		}
		s.known.Delete(c.ID)
		s.Runner.Wake()
		return s.Get(ctx, ws, id)
	}
}
