package predict

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Prediction is what is predicted of somebody, or why nothing is.
type Prediction struct {
	Name      string
	State     State
	Value     float64 // of OK
	Low, High *float64
	Reasons   *Reasons // of OK
	Missing   []string // of INSUFFICIENT_DATA
	Model     string   // its id
	At        time.Time
}

// Predictions returns what is predicted of somebody, as it was last told of: each name
// once, in their order.
func (s *Service) Predictions(ctx context.Context, ws, profileID string) ([]Prediction, error) {
	p, err := s.person(ctx, ws, profileID)
	if err != nil {
		return nil, err
	}
	set, err := s.settings(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	now := s.now()
	all := func(state State, missing []string) []Prediction {
		out := make([]Prediction, len(names))
		for i, name := range names {
			out[i] = Prediction{Name: name, State: state, Missing: missing, At: now}
		}
		return out
	}
	barred, err := s.barred(ctx, ws, set, p)
	if err != nil {
		return nil, work.Outward(err)
	}
	if barred {
		return all(Suppressed, nil), nil
	}
	m, err := s.active(ctx, ws, Orders)
	if err != nil {
		return nil, work.Outward(err)
	}
	if m == nil {
		missing, err := s.missing(ctx, ws, Orders)
		return all(Few, missing), work.Outward(err)
	}
	o, err := Outlooks.Get(ctx, s.Store, store.Key(ws, p.ProfileID()))
	if err != nil {
		return nil, work.Outward(err)
	}
	if o == nil {
		return all(Few, []string{"this person has not ordered"}), nil
	}
	h, ordered := historyUntil(o.days(), dayOf(now))
	out := all(Few, []string{lacks(m, h, ordered)})
	for _, t := range o.told() {
		for i := range out {
			if out[i].Name == t.Name && !t.Gone {
				out[i] = Prediction{Name: t.Name, State: OK, Value: t.Value, Low: t.Low, High: t.High, Reasons: reasonsOf(t.Why), Model: t.Model, At: t.At}
			}
		}
	}
	return out, nil
}

// person returns somebody as they are, with all that they said of consent: not what the
// caller may see of them.
func (s *Service) person(ctx context.Context, ws, id string) (*profile.Profile, error) {
	p, err := s.Profiles.Get(ctx, ws, id)
	if err == nil && p == nil {
		err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	return p, work.Outward(err)
}

// lacks says why there is no prediction of somebody although there is a model.
func lacks(m *Model, h history, ordered bool) string {
	switch {
	case !ordered:
		return "this person has not ordered"
	case h.x == 0:
		return "this person has ordered on one day only, which says nothing of coming back"
	case m.Params.Spend == nil:
		return "what orders are worth could not be fitted"
	}
	return "this has not been worked out yet"
}

func reasonsOf(raw bson.Raw) *Reasons {
	if len(raw) == 0 {
		return nil
	}
	out := new(Reasons)
	if bson.Unmarshal(raw, out) != nil {
		return nil
	}
	return out
}

// missing says why there is no active model of a kind.
func (s *Service) missing(ctx context.Context, ws string, kind Kind) ([]string, error) {
	m, err := s.latest(ctx, ws, kind)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return []string{"no model was trained yet"}, nil
	case len(m.Missing) > 0 && (m.Status == Insufficient || m.Status == Unfit):
		return m.Missing, nil
	}
	return []string{"no model is active; activate one"}, nil
}
