package loyalty

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Points is a change of somebody's points.
type Points struct {
	ProfileID string
	Points    int64  // 1 to 1,000,000,000
	Key       string // makes a repetition harmless: an order's id, an enrollment with node and visit
	Reason    string // for people, no personal value: "order", "birthday"
	Reference string // an order's number
	ExpiresAt *time.Time
}

func (in *Points) check(now time.Time) *core.Error {
	if err := checkKey(in.Key, "idempotencyKey"); err != nil {
		return err
	}
	switch {
	case in.Points < 1 || in.Points > maxPoints:
		return core.Errorf(core.Invalid, "POINTS", "give a whole number of points from 1 to %d", int64(maxPoints)).At("points")
	case len(in.Reason) > 200:
		return core.Errorf(core.Invalid, "REASON", "a reason has at most 200 bytes").At("reason")
	case len(in.Reference) > 200:
		return core.Errorf(core.Invalid, "REFERENCE", "a reference has at most 200 bytes").At("reference")
	case in.ExpiresAt != nil && !in.ExpiresAt.After(now):
		return core.Errorf(core.Invalid, "EXPIRES_PAST", "points expire later than now").At("expiresAt")
	}
	return nil
}

// event makes the event of the change; a repetition has the same message id and sum.
func (in *Points) event(name string, ends time.Time) event.Input {
	d := bson.D{{Key: "points", Value: in.Points}}
	if in.Reason != "" {
		d = append(d, bson.E{Key: "reason", Value: in.Reason})
	}
	if in.Reference != "" {
		d = append(d, bson.E{Key: "reference", Value: in.Reference})
	}
	said := append(slices.Clone(d), bson.E{Key: "profile", Value: in.ProfileID}, bson.E{Key: "expiresAt", Value: in.ExpiresAt})
	if !ends.IsZero() {
		d = append(d, bson.E{Key: "expiresAt", Value: ends})
	}
	return saying(name, "loyalty:"+core.HashID("points", in.Key), d, said)
}

// Earn gives somebody points, once for each key: the same call again changes nothing.
func (s *Service) Earn(ctx context.Context, ws string, in Points) (*Entry, error) {
	if err := in.check(s.now()); err != nil {
		return nil, err
	}
	var out *Entry
	err := work.Retry(ctx, attempts, func() error {
		if _, err := s.person(ctx, ws, in.ProfileID); err != nil {
			return err
		}
		e, ops, err := s.earning(ctx, ws, &in)
		if err != nil {
			return err
		}
		out, err = s.record(ctx, ws, in.ProfileID, e, ops...)
		return err
	})
	return out, err
}

// earning makes the event of points that are earned now, and what must be committed with
// it.
func (s *Service) earning(ctx context.Context, ws string, in *Points) (event.Input, []store.Op, error) {
	p, err := s.Program(ctx, ws)
	if err != nil {
		return event.Input{}, nil, err
	}
	var ends time.Time
	switch {
	case in.ExpiresAt != nil:
		ends = in.ExpiresAt.UTC().Truncate(time.Millisecond)
	case p.ExpireDays > 0:
		ends = s.now().Add(time.Duration(p.ExpireDays) * dayLength)
	}
	var ops []store.Op
	if !ends.IsZero() && p.V == 0 { // no program has begun the sweep
		if ops, err = s.sweep().Begin(ctx, s.Store, ws); err != nil {
			return event.Input{}, nil, err
		}
	}
	return in.event(NamePointsEarned, ends), ops, nil
}

// record commits one event of the ledger and returns its entry. A lost race about ops is
// store.ErrConflict.
func (s *Service) record(ctx context.Context, ws, profileID string, e event.Input, ops ...store.Op) (*Entry, error) {
	out, err := s.Committer.Commit(ctx, ws, e, profileID, ops...)
	switch {
	case err != nil:
		return nil, err
	case out.Status == event.Rejected:
		return nil, errKeyUsed
	}
	entry, err := Entries.Get(ctx, s.Store, store.Key(ws, out.EventID))
	if err == nil && entry == nil {
		err = fmt.Errorf("loyalty: an event of the ledger has no entry: is the service the fold of profiles?")
	}
	return entry, work.Outward(err)
}

// Spend takes points from somebody, once for each key, those first that expire first. The
// error is CONFLICT, reason POINTS_TOO_FEW, when there are fewer: the balance never falls
// below 0 by spending.
func (s *Service) Spend(ctx context.Context, ws string, in Points) (*Entry, error) {
	in.ExpiresAt = nil
	if err := in.check(s.now()); err != nil {
		return nil, err
	}
	e := in.event(NamePointsSpent, time.Time{})
	var out *Entry
	err := work.Retry(ctx, attempts, func() error {
		had, err := event.Events.Get(ctx, s.Store, event.SystemKey(ws, e.MessageID))
		if err != nil {
			return err
		}
		if had != nil { // the balance is what it left
			out, err = s.record(ctx, ws, in.ProfileID, e)
			return err
		}
		p, err := s.person(ctx, ws, in.ProfileID)
		if err != nil {
			return err
		}
		held, err := s.guard(ctx, p.ID) // before the account: what changes it later is found out
		if err != nil {
			return err
		}
		a, err := Accounts.Get(ctx, s.Store, p.ID)
		if err != nil {
			return err
		}
		if a.Balance(s.now()) < in.Points {
			if q, err := s.person(ctx, ws, in.ProfileID); err != nil || q.ID != p.ID { // merged a moment ago
				return cmp.Or(err, store.ErrConflict)
			}
			return core.Errorf(core.Conflict, "POINTS_TOO_FEW", "the balance is less than the points to be spent").At("points")
		}
		out, err = s.record(ctx, ws, in.ProfileID, e, bump(held))
		return err
	})
	return out, err
}

// guard returns the guard of an account.
func (s *Service) guard(ctx context.Context, key string) (*guard, error) {
	g, err := guards.Get(ctx, s.Store, key)
	if err == nil && g == nil {
		g = &guard{Meta: store.Meta{ID: key}}
	}
	return g, err
}

// Account returns somebody's account; nil when they have none.
func (s *Service) Account(ctx context.Context, ws, profileID string) (*Account, error) {
	a, err := Accounts.Get(ctx, s.Store, store.Key(ws, profileID))
	return a, work.Outward(err)
}

// Ledger returns the entries of a person's parts, the latest first; at most limit.
func (s *Service) Ledger(ctx context.Context, ws string, parts []string, limit int) ([]*Entry, error) {
	var all []*Entry
	for _, part := range parts {
		found, err := Entries.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-seq"}}, limit)
		if err != nil {
			return nil, work.Outward(err)
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b *Entry) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Seq, a.Seq)) })
	return all[:min(len(all), limit)], nil
}
