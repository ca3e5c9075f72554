package campaign

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
)

// Hours knows at which hours people are likely to take up what they are sent.
// *predict.Service does.
type Hours interface {
	// BestHours returns what is known of people's hours, in their order; nil for nothing.
	BestHours(ctx context.Context, ws string, people []*profile.Profile) ([]*sendhour.Advice, error)
}

// BestTime has each person written to at their best hour within a day.
type BestTime struct {
	LocalTime string `bson:"localTime"` // "HH:MM" where the person is, while nothing is known of hours: its next occurrence
}

// bestWithin is in what time the best of the hours is looked for: by the person's own clock a
// day, so that it has each hour once.
const bestWithin = 24 * time.Hour

func (b *BestTime) shape(d *Definition) error {
	if b == nil {
		return nil
	}
	if d.Local {
		return invalid("BEST_TIME", "a campaign is sent at one local time or at each person's best hour, not both").At("bestTime")
	}
	if _, err := time.Parse(clockLayout, b.LocalTime); err != nil || len(b.LocalTime) != len(clockLayout) {
		return invalid("BEST_TIME", `say at which time of day those get it of whose hours nothing is known, such as "10:00"`).At("bestTime", "localTime")
	}
	return nil
}

// clockLayout is how a time of day is written.
const clockLayout = "15:04"

// due returns when somebody is written to from an instant on.
func (b *BestTime) due(a *sendhour.Advice, zone *time.Location, from time.Time) time.Time {
	if a != nil {
		at, _ := sendhour.Next(from, bestWithin, a.Location(zone), a.Shares, false)
		return ceil(at)
	}
	wall, err := time.Parse(clockLayout, b.LocalTime)
	if err != nil {
		return from
	}
	l := from.In(zone)
	return localDue(time.Date(l.Year(), l.Month(), l.Day(), wall.Hour(), wall.Minute(), 0, 0, time.UTC), zone, PassedNextDay, from)
}

// bestDues returns when each of some people is written to, and by whose clocks.
func (s *Service) bestDues(ctx context.Context, ws string, people []*profile.Profile, b *BestTime, from time.Time) ([]time.Time, []*time.Location, error) {
	zones, err := s.Messages.Zones(ctx, ws, people)
	if err != nil {
		return nil, nil, err
	}
	advice := make([]*sendhour.Advice, len(people))
	if s.Hours != nil {
		if advice, err = s.Hours.BestHours(ctx, ws, people); err != nil {
			return nil, nil, err
		}
	}
	out := make([]time.Time, len(people))
	for i := range people {
		out[i] = b.due(advice[i], zones[i], from)
	}
	return out, zones, nil
}
