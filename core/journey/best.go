package journey

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
)

// Hours knows at which hours people are likely to take up what they are sent.
// *predict.Service does.
type Hours interface {
	// BestHours returns what is known of people's hours, in their order; nil for nothing.
	BestHours(ctx context.Context, ws string, people []*profile.Profile) ([]*sendhour.Advice, error)
	// UsualHours returns what holds of everybody in the workspace; nil for nothing.
	UsualHours(ctx context.Context, ws string) (*sendhour.Advice, error)
}

// The bounds of a wait for the best hour.
const (
	minBest = time.Hour
	maxBest = 7 * 24 * time.Hour
)

// bestTime reads a wait for the best hour.
func (r *reader) bestTime(v any) *BestTime {
	m := r.fields(v, "a wait for the best time", "within", "localTime")
	b := &BestTime{Within: r.period(m, "within", true), LocalTime: r.text(m, "localTime", 5, true)}
	r.at("localTime", func() { r.timeOfDay(b.LocalTime) })
	if w := b.Within; w != nil && (w.Months > 0 || w.Elapsed < minBest || w.Elapsed > maxBest) {
		r.at("within", func() {
			r.fault(condition.ReasonDuration, "the best hour is looked for within 1 hour to 7 days; P1D has each hour of the day once")
		})
	}
	return b
}

// timeOfDay refuses what is no time of day.
func (r *reader) timeOfDay(s string) {
	if _, err := time.Parse("15:04", s); s != "" && (err != nil || len(s) != 5) {
		r.fault(ReasonLocalTime, `a time of day is expected, such as "09:00"`)
	}
}

// WantsHours tells whether steps ask for the best hour: Input.Hours should be given then.
func (p *Program) WantsHours() bool { return p.wantsHours }

// bestTime returns when the person's best hour comes, and in words which it is and why.
// later leaves the present one out: it has had its turn. Where nothing is known it is the
// time of day that the node names.
func (r *run) bestTime(b *BestTime, later bool) (time.Time, string) {
	from := r.base
	if later {
		from = r.in.Now
	}
	a := r.in.Hours
	if a == nil {
		return nextLocal(from, b.LocalTime, r.location(), later), "INSUFFICIENT_DATA " + b.LocalTime
	}
	at, hour := sendhour.Next(from, b.Within.Elapsed, a.Location(r.location()), a.Shares, later)
	why := fmt.Sprintf("HOUR %02d OF ", hour)
	if a.Signals > 0 {
		return at.UTC(), why + strconv.FormatInt(a.Signals, 10) + " ENGAGEMENTS"
	}
	return at.UTC(), why + "WORKSPACE"
}

// hours reads what is known of the hours of those whose journeys ask for it.
func (b *batch) hours(ctx context.Context, items []*item) error {
	if b.s.Hours == nil {
		return nil
	}
	var people []*profile.Profile
	var asking []*item
	for _, it := range items {
		if it.program.WantsHours() {
			people, asking = append(people, it.person), append(asking, it)
		}
	}
	if len(asking) == 0 {
		return nil
	}
	list, err := b.s.Hours.BestHours(ctx, b.ws, people)
	if err != nil {
		return err
	}
	for i, it := range asking {
		it.hours = list[i]
	}
	return nil
}

// hear takes in what an event says of the person's hours.
func (l *life) hear(e *event.Event) {
	if a, ok := predict.Advise(e); ok {
		l.hours = a
	}
}

// advice is what is known of the person's hours now.
func (l *life) advice() *sendhour.Advice {
	if l.hours != nil {
		return l.hours
	}
	return l.pl.o.Hours
}
