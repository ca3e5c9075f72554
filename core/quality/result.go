package quality

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Verdict is what a rule says of a day.
type Verdict string

// The verdicts.
const (
	Pass   Verdict = "PASS"
	Fail   Verdict = "FAIL"
	NoData Verdict = "NO_DATA" // nothing to look at, or not yet enough days to know what is usual
)

// Result is what one rule said of one day.
type Result struct {
	store.Meta `bson:",inline"` // key: workspace/KEY/2026-11-21
	Rule       string           `bson:"rule"`
	Revision   int64            `bson:"revision"` // of the rule
	Day        time.Time        `bson:"day"`      // its beginning, UTC
	Verdict    Verdict          `bson:"verdict"`
	Checked    int64            `bson:"checked"`            // people, values or events that were looked at
	Faulty     int64            `bson:"faulty"`             // of these at fault; of VOLUME what came, of FRESHNESS 0 or 1
	Share      int64            `bson:"share"`              // at fault, in hundredths of a percent; of VOLUME the distance from the usual
	Usual      int64            `bson:"usual,omitempty"`    // of VOLUME: the median of that weekday
	LatestAt   time.Time        `bson:"latestAt,omitempty"` // of FRESHNESS: when the latest event came; zero: none that is known
	At         time.Time        `bson:"at"`
}

// Tally counts the events that came on one day, UTC.
type Tally struct {
	store.Meta `bson:",inline"` // key: workspace/2026-11-21
	Day        time.Time        `bson:"day"`
	Total      int64            `bson:"total"`
	From       []Flow           `bson:"from,omitempty"` // sorted by name, source; at most maxFlows, of the others only Total tells
}

// Flow counts the events of one name from one source.
type Flow struct {
	Name   string    `bson:"n"`
	Source string    `bson:"s"` // src_…
	Count  int64     `bson:"c"`
	Latest time.Time `bson:"t"` // when the latest came
}

// maxFlows bounds a tally.
const maxFlows = 3000

// Origin says who wrote a trait that people have now.
type Origin struct {
	store.Meta `bson:",inline"` // key: workspace/PATH
	Path       string           `bson:"path"`
	Sources    []Share          `bson:"sources"` // by people, the most first; at most maxOrigins
	At         time.Time        `bson:"at"`      // when everybody was last walked
}

// Share is how many people have a trait from a source.
type Share struct {
	Source string    `bson:"s"` // src_…
	People int64     `bson:"n"`
	Latest time.Time `bson:"t"` // event time of the latest
}

// maxOrigins bounds the sources of an origin.
const maxOrigins = 50

// The collections. None holds anything about one person.
var (
	Rules   = store.Declare[Rule](store.Spec{Name: "quality_rules", Reach: store.ReachNobody, Data: map[string]core.Category{"where": core.Unclassified}})
	Results = store.Declare[Result](store.Spec{Name: "quality_results", Indexes: []store.Index{store.On("rule", "-day"), store.On("-day"), store.On("verdict", "-day")}})
	Tallies = store.Declare[Tally](store.Spec{Name: "quality_tallies"})
	Origins = store.Declare[Origin](store.Spec{Name: "quality_origins"})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Rules.Spec, Results.Spec, Tallies.Spec, Origins.Spec}
}

// ResultID returns the result's id without its workspace.
func (r *Result) ResultID() string { return store.Rest(r.ID) }

// day returns the beginning of the day of t, UTC.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func dayText(t time.Time) string { return t.Format(time.DateOnly) }
