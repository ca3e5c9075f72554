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
	o, err := Outlooks.Get(ctx, s.Store, store.Key(ws, p.ProfileID()))
	if err != nil {
		return nil, work.Outward(err)
	}
	m, err := s.activeOnes(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	known := o
	if known == nil {
		known = newOutlook(store.Key(ws, p.ProfileID()))
	}
	out := all(Few, nil)
	for i := range out {
		if out[i].Missing, err = s.lacks(ctx, set, m, known, out[i].Name, dayOf(now)); err != nil {
			return nil, work.Outward(err)
		}
		if len(out[i].Missing) > 0 {
			continue // and what was told of it before is withdrawn by the sweep
		}
		out[i].Missing = []string{"this has not been worked out yet"}
		for _, t := range known.told() {
			if t.Name == out[i].Name && !t.Gone {
				out[i] = Prediction{Name: t.Name, State: OK, Value: t.Value, Low: t.Low, High: t.High, Reasons: reasonsOf(t.Why), Model: t.Model, At: t.At}
			}
		}
	}
	return out, work.Outward(s.hourPredictions(ctx, ws, p, o, out, now))
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

// lacks says why there can be no prediction of somebody; nil when there can be, and of
// hours, which hourPredictions knows of.
func (s *Service) lacks(ctx context.Context, set *Settings, m models, o *Outlook, name string, today int32) ([]string, error) {
	ws := store.WorkspaceOf(o.ID)
	switch {
	case name == BestHour || name == BestHourChance:
		return nil, nil
	case name == LeadConversion && len(set.Signals) == 0:
		return said(noSignals), nil
	case name == LeadConversion && m.conversions == nil:
		return s.missing(ctx, ws, Conversions)
	case name == LeadConversion:
		_, lacks := m.conversions.Conversion.row(set, o, today)
		return said(lacks), nil
	case m.orders == nil:
		return s.missing(ctx, ws, Orders)
	}
	h, ordered := historyUntil(o.days(), today)
	switch {
	case !ordered:
		return said("this person has not ordered"), nil
	case h.x == 0 && name != ExpectedOrders && name != CLV:
		return said("this person has ordered on one day only, which says nothing of coming back"), nil
	case m.orders.Params.Spend == nil && name == CLV:
		return said("what orders are worth could not be fitted"), nil
	}
	return nil, nil
}

func said(lacks string) []string {
	if lacks == "" {
		return nil
	}
	return []string{lacks}
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
