package access

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// GlassUse is one request by which the glass was broken. It is open until somebody else
// who may govern has looked at it.
type GlassUse struct {
	store.Meta `bson:",inline"`
	UseID      string    `bson:"use"` // gls_…
	Actor      string    `bson:"actor"`
	Purpose    string    `bson:"purpose"`
	Reason     string    `bson:"reason"` // as it was given
	At         time.Time `bson:"at"`
	Open       bool      `bson:"open"`
	ReviewedBy string    `bson:"reviewedBy,omitempty"`
	ReviewedAt time.Time `bson:"reviewedAt,omitempty"`
	Note       string    `bson:"note,omitempty"` // of who reviewed it
}

// GlassUses is the collection of such requests.
var GlassUses = store.Declare[GlassUse](store.Spec{
	Name: "glass_uses", Indexes: []store.Index{store.On("-at"), store.On("open", "-at")},
})

// breakGlass writes down that an actor breaks the glass: for those who govern, and in
// the audit log, together.
func (s *Service) breakGlass(ctx context.Context, a *core.Actor) error {
	now := s.stamp()
	op, err := s.audit.Op(ctx, audit.Entry{
		Workspace: a.Workspace, Actor: a.ID, Action: "access.breakGlass", Resource: a.ID, Purpose: a.Purpose, Reason: a.Reason, Decision: core.Allow,
	})
	if err != nil {
		return err
	}
	id := core.NewID(core.PrefixGlass, now)
	use := &GlassUse{
		Meta: store.Meta{ID: store.Key(a.Workspace, id)}, UseID: id, Actor: a.ID, Purpose: a.Purpose, Reason: a.Reason, At: now, Open: true,
	}
	if err := s.write(ctx, op, GlassUses.Insert(use)); err != nil {
		return core.Errorf(core.Unavailable, audit.ReasonUnavailable, "the glass cannot be broken while nothing is written down; try again").After(time.Second).Wrap(err)
	}
	return nil
}

func glassQuery(ws string, open *bool) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-at"}}
	if open != nil {
		q.Where = []store.Cond{store.Eq("open", *open)}
	}
	return q
}

// GlassUses returns a page of the requests by which the glass was broken, the latest
// first: those that nobody looked at yet, the others, or (nil) all. The actor must be
// allowed to govern.
func (s *Service) GlassUses(ctx context.Context, open *bool, page core.PageArgs) (store.Page[GlassUse], error) {
	ws, _, err := in(ctx, "", Govern)
	if err != nil {
		return store.Page[GlassUse]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[GlassUse]{}, err
	}
	return GlassUses.Page(ctx, s.store, glassQuery(ws, open), w)
}

// CountGlassUses returns how many GlassUses lists.
func (s *Service) CountGlassUses(ctx context.Context, open *bool) (int64, error) {
	ws, _, err := in(ctx, "", Govern)
	if err != nil {
		return 0, err
	}
	return GlassUses.Count(ctx, s.store, glassQuery(ws, open))
}

// ReviewGlass notes that the actor, who must be allowed to govern, looked at a use of the
// broken glass. Nobody reviews their own: FORBIDDEN (reason OWN_REQUEST). Reviewing it
// again changes nothing; what another reviewed is CONFLICT (reason NOT_PENDING).
func (s *Service) ReviewGlass(ctx context.Context, id, note string) (*GlassUse, error) {
	ws, a, err := in(ctx, "", Govern)
	if err != nil {
		return nil, err
	}
	if len([]rune(note)) > MaxNote {
		return nil, core.Errorf(core.Invalid, "NOTE", "a note has at most %d characters", MaxNote).At("note")
	}
	var use *GlassUse
	err = again(func() error {
		if use, err = GlassUses.Get(ctx, s.store, store.Key(ws, id)); err != nil {
			return err
		}
		switch {
		case use == nil:
			return core.Errorf(core.NotFound, "GLASS_USE", "the glass was not broken by that id").At("id")
		case !use.Open && use.ReviewedBy == a.ID:
			return nil
		case !use.Open:
			return core.Errorf(core.Conflict, "NOT_PENDING", "%s has reviewed this", use.ReviewedBy).At("id")
		}
		f, err := s.Family(ctx, ws)
		if err != nil {
			return err
		}
		if f.Same(a.ID, use.Actor) {
			return core.Errorf(core.Forbidden, "OWN_REQUEST", "nobody reviews what they did themselves; ask somebody else who may govern")
		}
		use.Open, use.ReviewedBy, use.ReviewedAt, use.Note = false, a.ID, s.stamp(), note
		ops, err := s.audited(ctx, ws, "access.reviewGlass", use.UseID, nil, map[string]string{"actor": use.Actor})
		if err != nil {
			return err
		}
		if err = s.write(ctx, append(ops, GlassUses.Replace(use))...); err == nil {
			use.V++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return use, nil
}
