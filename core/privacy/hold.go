package privacy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Hold forbids to erase a person, for a reason, until it is lifted.
type Hold struct {
	store.Meta `bson:",inline"` // key: workspace/hold_…
	Subjects   []string         `bson:"subjects"`          // prof_… and psn_… of whom it protects
	Profile    string           `bson:"profile,omitempty"` // prof_…, when the person was known
	Reason     string           `bson:"reason"`
	PlacedBy   string           `bson:"placedBy"`
	PlacedAt   time.Time        `bson:"placedAt"`
	LiftedBy   string           `bson:"liftedBy,omitempty"`
	LiftedAt   *time.Time       `bson:"liftedAt,omitempty"`
	LiftReason string           `bson:"liftReason,omitempty"`
}

// HoldID returns the hold's id, hold_….
func (h *Hold) HoldID() string { return store.Rest(h.ID) }

// Holds keeps the holds, the lifted ones too.
var Holds = store.Declare[Hold](store.Spec{
	Name: "legal_holds", Reach: store.ReachNobody, // pseudonyms, and what an officer wrote
	Data:    map[string]core.Category{"reason": core.FreeText, "liftReason": core.FreeText},
	Indexes: []store.Index{store.On("subjects[]"), store.On("-placedAt")},
})

// maxReason is how long a reason may be, in bytes.
const maxReason = 1000

func reasonOf(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxReason {
		return "", core.Errorf(core.Invalid, "REASON", "say why, in 1 to %d bytes", maxReason).At("reason")
	}
	return text, nil
}

// HoldInput names whom to protect, by an id or by an identifier.
type HoldInput struct {
	ProfileID  string
	Identifier *event.Identifier
	Reason     string
}

// PlaceHold protects a person from erasure until LiftHold. An erasure that has begun is
// not stopped.
func (s *Service) PlaceHold(ctx context.Context, ws string, in HoldInput) (*Hold, error) {
	if err := s.allow(ctx); err != nil {
		return nil, err
	}
	reason, err := reasonOf(in.Reason)
	if err != nil {
		return nil, err
	}
	var h *Hold
	err = s.retry(ctx, func() error {
		t, err := s.target(ctx, ws, in.ProfileID, in.Identifier)
		if err != nil {
			return err
		}
		now := millis(s.o.Clock.Now())
		h = &Hold{
			Meta:   store.Meta{ID: store.Key(ws, core.NewID(core.PrefixHold, now))},
			Reason: reason, PlacedBy: actorID(ctx), PlacedAt: now,
		}
		if h.Subjects, err = s.names(ctx, ws, t.parts(), t.identifiers()); err != nil {
			return err
		}
		var ops []store.Op // by which an erasure that has not seen the hold loses
		if t.profile != nil {
			h.Profile = t.profile.ProfileID()
			ops = append(ops, profile.Touch(t.profile))
		} else {
			touch, err := s.touchLatest(ctx, ws)
			if err != nil {
				return err
			}
			ops = append(ops, touch, profile.Identifiers.Absent(profile.IdentifierKeys(ws, t.named)[0]))
		}
		ops = append(ops, Holds.Insert(h))
		return s.commit(ctx, ws, "legal_hold.place", h.HoldID(), reason, t.parts(), ops...)
	})
	if err != nil {
		return nil, err
	}
	h.V = 1
	return h, nil
}

// LiftHold ends a hold. Requests that waited for it begin, unless another hold stands.
func (s *Service) LiftHold(ctx context.Context, ws, id, why string) (*Hold, error) {
	if err := s.allow(ctx); err != nil {
		return nil, err
	}
	reason, err := reasonOf(why)
	if err != nil {
		return nil, err
	}
	var h *Hold
	err = s.retry(ctx, func() error {
		if h, err = Holds.Get(ctx, s.o.Store, store.Key(ws, id)); err != nil {
			return err
		}
		if h == nil {
			return core.Errorf(core.NotFound, "HOLD", "there is no legal hold with this id").At("id")
		}
		if h.LiftedAt != nil {
			return nil
		}
		now := millis(s.o.Clock.Now())
		h.LiftedAt, h.LiftedBy, h.LiftReason = &now, actorID(ctx), reason
		return s.commit(ctx, ws, "legal_hold.lift", id, reason, nil, Holds.Replace(h))
	})
	if err != nil {
		return nil, err
	}
	return h, s.resume(ctx, ws, h)
}

// resume begins the erasures that a hold kept waiting: those that name it, whoever the
// person is by now.
func (s *Service) resume(ctx context.Context, ws string, h *Hold) error {
	var waiting []*Request
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("status", string(Received))}, Order: []string{"dueAt"}}
	err := Requests.Each(ctx, s.o.Store, q, func(r *Request) error {
		if r.Type == Erasure && slices.ContainsFunc(r.Tasks, func(t Task) bool { return t.Target == targetHold && t.Evidence == h.HoldID() }) {
			waiting = append(waiting, r)
		}
		return nil
	})
	if err != nil {
		return outward(err)
	}
	for _, r := range waiting {
		if _, err := s.begin(ctx, r); err != nil && core.CodeOf(err) != core.NotFound {
			return err
		}
	}
	return nil
}

// LegalHolds lists the holds, the latest first.
func (s *Service) LegalHolds(ctx context.Context, ws string, w core.Window) (store.Page[Hold], error) {
	if err := s.allow(ctx); err != nil {
		return store.Page[Hold]{}, err
	}
	page, err := Holds.Page(ctx, s.o.Store, store.Query{Workspace: ws, Order: []string{"-placedAt"}}, w)
	return page, outward(err)
}

// CountHolds returns how many holds LegalHolds lists.
func (s *Service) CountHolds(ctx context.Context, ws string) (int64, error) {
	n, err := Holds.Count(ctx, s.o.Store, store.Query{Workspace: ws})
	return n, outward(err)
}

// Hold returns a hold, or nil.
func (s *Service) Hold(ctx context.Context, ws, id string) (*Hold, error) {
	if err := s.allow(ctx); err != nil {
		return nil, err
	}
	h, err := Holds.Get(ctx, s.o.Store, store.Key(ws, id))
	return h, outward(err)
}

// holdsOn returns the holds that protect a person.
func (s *Service) holdsOn(ctx context.Context, ws string, parts []string, ids []event.Identifier) ([]*Hold, error) {
	names, err := s.names(ctx, ws, parts, ids)
	if err != nil {
		return nil, err
	}
	var out []*Hold
	seen := map[string]bool{}
	for _, name := range names {
		found, err := Holds.Find(ctx, s.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("subjects", name)}}, 0)
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			if h.LiftedAt == nil && !seen[h.ID] {
				seen[h.ID] = true
				out = append(out, h)
			}
		}
	}
	return out, nil
}

// names returns what stands for a person in a hold: the ids of profiles, and the
// pseudonyms of identifiers.
func (s *Service) names(ctx context.Context, ws string, parts []string, ids []event.Identifier) ([]string, error) {
	out := slices.Clone(parts)
	for _, id := range ids {
		psn, err := s.o.Keys.Pseudonym(ctx, ws, id.Namespace, id.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, psn)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// retry runs f until it loses no race.
func (s *Service) retry(ctx context.Context, f func() error) error {
	var err error
	for try := range 60 {
		if err = f(); !errors.Is(err, store.ErrConflict) {
			break
		}
		if stop := (core.SystemClock{}).Sleep(ctx, time.Duration(try)*time.Millisecond); stop != nil {
			return core.AsError(stop)
		}
	}
	return outward(err)
}

// outward turns an error into the one that leaves the domain.
func outward(err error) error {
	var e *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Unavailable, "BUSY", "the person changes too often just now; try again").Wrap(err).After(time.Second)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").Wrap(err).After(time.Second)
	}
	return core.AsError(err)
}

// commit writes operations together with the entry of the audit log that tells of
// them.
func (s *Service) commit(ctx context.Context, ws, action, resource, reason string, parts []string, ops ...store.Op) error {
	more, err := s.audited(ctx, ws, action, resource, reason, parts)
	if err != nil {
		return err
	}
	return work.Commit(ctx, s.o.Store, append(ops, more...)...)
}
