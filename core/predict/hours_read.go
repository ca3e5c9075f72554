package predict

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// BestHours returns what is known of people's hours, in their order: what was told of each,
// else what holds of everybody in the workspace; nil where nothing is known of that either. A
// person may be nil. Of whoever objects only the workspace's is returned.
func (s *Service) BestHours(ctx context.Context, ws string, people []*profile.Profile) ([]*sendhour.Advice, error) {
	usual, err := s.UsualHours(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := make([]*sendhour.Advice, len(people))
	var keys []string
	var places []int
	for i, p := range people {
		if out[i] = usual; p != nil {
			keys, places = append(keys, p.ID), append(places, i)
		}
	}
	for from := 0; from < len(keys); from += 500 {
		to := min(from+500, len(keys))
		found, err := Outlooks.GetMany(ctx, s.Store, keys[from:to])
		if err != nil {
			return nil, work.Outward(err)
		}
		for i, o := range found {
			if o == nil {
				continue
			}
			for _, t := range o.told() {
				if a := t.advice(); t.Name == BestHour && !t.Gone && a != nil {
					out[places[from+i]] = a
				}
			}
		}
	}
	return out, nil
}

// UsualHours returns what is known of the hours of everybody in a workspace; nil while there
// is no active model of them.
func (s *Service) UsualHours(ctx context.Context, ws string) (*sendhour.Advice, error) {
	m, err := s.active(ctx, ws, Hours)
	if err != nil || m == nil {
		return nil, work.Outward(err)
	}
	return &sendhour.Advice{Shares: m.Hours.Shares}, nil
}

// hourPredictions puts in what is predicted of somebody's hours where nothing was told of
// them: what holds of everybody, as far as they have not told otherwise.
func (s *Service) hourPredictions(ctx context.Context, ws string, p *profile.Profile, o *Outlook, out []Prediction, now time.Time) error {
	untold := func(f Prediction) bool { return (f.Name == BestHour || f.Name == BestHourChance) && f.State != OK }
	if !slices.ContainsFunc(out, untold) {
		return nil
	}
	m, err := s.active(ctx, ws, Hours)
	if err != nil {
		return err
	}
	if o == nil {
		o = newOutlook(store.Key(ws, p.ProfileID()))
	}
	zones, err := s.zones(ctx, ws, []*profile.Profile{p})
	if err != nil {
		return err
	}
	if m == nil {
		missing, err := s.missing(ctx, ws, Hours)
		if err != nil {
			return err
		}
		held, _ := o.hourly(nil, zones[0], now)
		missing = append(slices.Clone(missing), fmt.Sprintf("this person has opened, clicked or answered in %d hours of days; without a model %d are needed", held.Engagements, minOwn))
		if held.Engagements >= minOwn {
			missing = []string{"this has not been worked out yet"}
		}
		for i := range out {
			if untold(out[i]) {
				out[i].Missing = missing
			}
		}
		return nil
	}
	for _, f := range hourFigures(o, m, zones[0], now) {
		for i := range out {
			if out[i].Name == f.Name && untold(out[i]) {
				reasons := f.reasons()
				out[i] = Prediction{Name: f.Name, State: OK, Value: f.Value, Low: f.Low, High: f.High, Reasons: &reasons, Model: f.model, At: now}
			}
		}
	}
	return nil
}

// shares returns the shares of hours as they are told.
func shares(means sendhour.Shares) bson.A {
	out := make(bson.A, len(means))
	for h, v := range means {
		out[h] = int32(v*shareUnit + 0.5)
	}
	return out
}
