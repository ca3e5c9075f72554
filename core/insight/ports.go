package insight

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Costs tells what was spent on advertising.
type Costs interface {
	// Spent returns what was spent in the days [from, to) of a workspace, in no order. Days
	// are calendar days as those who bill them count them.
	Spent(ctx context.Context, ws string, from, to Date) ([]Spent, error)
	// Watched returns the changes after which it may be something else.
	Watched(ws string) []store.Filter
}

// Spent is an amount of money that was spent on one day.
type Spent struct {
	Day      Date
	Currency string            // ISO 4217
	Amount   condition.Decimal // not negative
	// Dimensions tell amounts apart: channel, campaign, source. What is not there is unknown.
	Dimensions map[string]string
}

// Date is a calendar day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day of an instant in its own time zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// In returns when the day begins in a time zone.
func (d Date) In(zone *time.Location) time.Time {
	return dayBegins(d.Year, d.Month, d.Day, zone)
}

// String returns the day as 2026-11-22.
func (d Date) String() string { return d.In(time.UTC).Format(time.DateOnly) }

// Targets knows what a metric should come to.
type Targets interface {
	// Target returns what a metric should come to in a period for a row's dimensions; false
	// when nobody has said.
	Target(ctx context.Context, ws, metric string, from, to time.Time, dimensions map[string]string) (condition.Decimal, bool, error)
}

// ParseDate reads a day written as 2026-11-22.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, core.Errorf(core.Invalid, "DATE", "a day is written as 2026-11-22")
	}
	return DateOf(t), nil
}
