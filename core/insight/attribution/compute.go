package attribution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Query asks who is to be credited for conversions.
type Query struct {
	Model      Model         `bson:"model"`
	With       Parameters    `bson:"with"`
	Conversion string        `bson:"conversion"` // key of a Goal
	From       time.Time     `bson:"from"`       // of the conversions; To is after them
	To         time.Time     `bson:"to"`
	Window     time.Duration `bson:"window"` // no touchpoint counts for longer; 0: as its rule says
	By         []Dimension   `bson:"by"`
}

// check refuses a query that cannot be answered.
func (q *Query) check(r *Rules) *core.Error {
	if e := Check(q.Model, q.With); e != nil {
		return e
	}
	goals := make([]string, len(r.Conversions))
	for i, g := range r.Conversions {
		goals[i] = g.Key
	}
	switch {
	case r.goal(q.Conversion) == nil:
		return invalid("CONVERSION", "there is no such conversion; the rules have %s", strings.Join(goals, ", ")).At("conversion")
	case !q.From.Before(q.To):
		return invalid("RANGE", "from is before to").At("to")
	case q.Window < 0 || q.Window > MaxDays*24*time.Hour:
		return invalid("WINDOW", "the window is at most %d days; without one each kind of touchpoint has its own", MaxDays).At("window")
	case len(q.By) == 0 || len(q.By) > len(Dimensions):
		return invalid("DIMENSIONS", "ask by one dimension or several").At("by")
	}
	for i, d := range q.By {
		if !slices.Contains(Dimensions, d) || slices.Contains(q.By[:i], d) {
			return invalid("DIMENSIONS", "each dimension is named once, and is CHANNEL, CAMPAIGN, JOURNEY, NODE or SOURCE").At("by", strconv.Itoa(i))
		}
	}
	return nil
}

// Withheld stands for the value of a dimension that the caller may not read.
const Withheld = "(withheld)"

const between = "\x1f" // the values of a key

// Values returns the values of a row's key, in the order of the query's dimensions; ""
// where the touchpoint has none.
func (r Row) Values() []string { return strings.Split(r.Key, between) }

// Report is an answered query.
type Report struct {
	Query      Query
	Result     `bson:",inline"`
	AsOf       time.Time
	Points     int64 // that were read
	ValuesHide bool  // the caller may not read what conversions are worth
}

// maxPoints is how many points a request reads; beyond it a job does.
const maxPoints = 100_000

// maxKeys is how many rows a report may have.
const maxKeys = 10_000

var errTooMany = core.Errorf(core.TooComplex, "TOO_MANY_POINTS",
	"a request reads at most %d touchpoints and conversions; ask for a shorter time, or have a job make the report (requestAttribution)", maxPoints).At("from")

// Compute answers a query for the actor of ctx, at once. People whom the actor may not see
// are left out.
func (s *Service) Compute(ctx context.Context, ws string, q Query) (*Report, error) {
	r, err := s.compute(ctx, ws, q, maxPoints, func(int) error { return nil })
	return r, work.Outward(err)
}

// run is one computing.
type run struct {
	s       *Service
	ws      string
	q       Query
	rules   *Rules
	gate    *profile.Gate
	all     bool // nobody needs to be asked whether they are admitted
	hidden  map[string][]bool
	names   bool // the caller may read identifiers in clear
	tally   *Tally
	report  *Report
	since   time.Time // of the points that can matter
	most    int64
	windows map[string]time.Duration // by rule
}

func (s *Service) compute(ctx context.Context, ws string, q Query, most int64, step func(shard int) error) (*Report, error) {
	rules, err := s.rules(ctx, ws)
	if err != nil {
		return nil, err
	}
	if e := q.check(rules); e != nil {
		return nil, e
	}
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := gate.UsableCategory(core.Behaviour, "what people did"); err != nil {
		return nil, err
	}
	x := &run{s: s, ws: ws, q: q, rules: rules, gate: gate, most: most, tally: NewTally(q.Model, q.With), report: &Report{Query: q, AsOf: s.Clock.Now().UTC()}}
	if x.all, err = gate.Everyone(ctx); err != nil {
		return nil, err
	}
	x.names = gate.UsableCategory(core.IdentifierID, "identifiers") == nil
	x.limits()
	for shard := range shards {
		if err := x.shard(ctx, shard); err != nil {
			return nil, err
		}
		if err := step(shard); err != nil {
			return nil, err
		}
	}
	if x.report.Result, err = x.tally.Result(); err != nil {
		return nil, err
	}
	if x.report.ValuesHide {
		x.report.Minor = nil
		for i := range x.report.Rows {
			x.report.Rows[i].Minor = nil
		}
	}
	return x.report, nil
}

// limits works out how far back touchpoints matter, and what of them is hidden.
func (x *run) limits() {
	x.windows, x.hidden = map[string]time.Duration{}, map[string][]bool{}
	longest := time.Duration(0)
	for _, t := range x.rules.Touches {
		w := time.Duration(t.Days) * 24 * time.Hour
		if x.q.Window > 0 {
			w = min(w, x.q.Window)
		}
		x.windows[t.Key] = w
		longest = max(longest, w)
		hide := make([]bool, len(Dimensions))
		for i, d := range Dimensions {
			hide[i] = slices.ContainsFunc(t.Find[string(d)], func(l Lookup) bool { return !x.readable(t.Event, l.Path) })
		}
		x.hidden[t.Key] = hide
	}
	x.since = x.q.From.Add(-longest)
	g := x.rules.goal(x.q.Conversion)
	x.report.ValuesHide = !x.readable(g.Event, g.ValuePath) || !x.readable(g.Event, g.CurrencyPath)
}

// readable reports whether the caller may read what an event has at a path. What is not
// a property is behaviour, and so is what Headwater's own events tell.
func (x *run) readable(name, path string) bool {
	rest, ok := strings.CutPrefix(path, "properties.")
	return !ok || ownEvent(name) || x.gate.Usable(event.OwnerOf(name), rest) == nil
}

// shard adds the people whose points begin in one shard.
func (x *run) shard(ctx context.Context, shard int) error {
	byPart := map[string][]*Point{}
	q := store.Query{Workspace: x.ws, Where: []store.Cond{store.Eq("shard", int64(shard)), store.Gte("at", x.since), store.Lt("at", x.q.To)}}
	err := Points.Each(ctx, x.s.Store, q, func(p *Point) error {
		if x.report.Points++; x.report.Points > x.most {
			return errTooMany
		}
		byPart[p.Part] = append(byPart[p.Part], p)
		return nil
	})
	if err != nil {
		return x.failed(err)
	}
	for parts := range slices.Chunk(slices.Sorted(maps.Keys(byPart)), 500) {
		people, err := x.s.Profiles.GetMany(ctx, x.ws, parts)
		if err != nil {
			return err
		}
		for i, part := range parts {
			p := people[i]
			if p == nil { // gone, or about to be
				continue
			}
			if !x.all {
				if ok, _ := x.gate.Admits(ctx, p); !ok {
					continue
				}
			}
			points := byPart[part]
			if len(p.Parts) > 1 {
				if points, err = x.together(ctx, part, points, p.Parts); err != nil {
					return err
				}
			}
			if err := x.person(points); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *run) failed(err error) error {
	if errors.Is(err, errTooMany) {
		return errTooMany
	}
	return fmt.Errorf("attribution: read points: %w", err)
}

// together returns the points of all parts of a person, for the one that is asked at the
// least of those that have points; nil for the others.
func (x *run) together(ctx context.Context, part string, points []*Point, parts []string) ([]*Point, error) {
	least := part
	for _, other := range parts {
		if other == part {
			continue
		}
		q := store.Query{Workspace: x.ws, Where: []store.Cond{store.Eq("part", other), store.Gte("at", x.since), store.Lt("at", x.q.To)}}
		more, err := Points.Find(ctx, x.s.Store, q, 0)
		if err != nil {
			return nil, x.failed(err)
		}
		if len(more) > 0 {
			least = min(least, other)
			points = append(points, more...)
		}
	}
	if least != part {
		return nil, nil
	}
	return points, nil
}

// person adds the ways of one person: to each conversion of the range the touchpoints
// within their windows before it, and, from those of the range after the last conversion,
// a way that led to nothing.
func (x *run) person(points []*Point) error {
	if x.gate.Limited() {
		points = slices.DeleteFunc(points, func(p *Point) bool { return x.gate.Foreign(p.Source) })
	}
	slices.SortFunc(points, func(a, b *Point) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	var steps []Step
	way := newTrail(x.q.Model, x.q.With)
	x.tally.Person()
	after := 0 // steps[after:] came after the last conversion
	for _, p := range points {
		if w, ok := x.windows[p.Touch]; ok && p.Touch != "" {
			step := Step{Key: x.key(p), At: p.At}
			steps = append(steps, step)
			way.add(step, w)
		}
		for _, g := range p.Gains {
			if g.Goal != x.q.Conversion || p.At.Before(x.q.From) {
				continue
			}
			way.until(p.At)
			x.tally.followed(way, Gain{At: p.At, Minor: g.Minor, Currency: g.Currency})
			after = len(steps)
		}
	}
	lost := steps[after:]
	for len(lost) > 0 && lost[0].At.Before(x.q.From) {
		lost = lost[1:]
	}
	x.tally.Lost(lost)
	if x.tally.Keys() > maxKeys {
		return core.Errorf(core.TooComplex, "TOO_MANY_ROWS", "a report has at most %d rows; ask by fewer dimensions", maxKeys).At("by")
	}
	return nil
}

// ours reports whether a text is an id of a campaign or a journey, whose digits are no
// telephone number.
func ours(text string) bool {
	prefix := core.IDPrefix(text)
	return len(text) == len(prefix)+27 && (prefix == core.PrefixCampaign || prefix == core.PrefixJourney)
}

// key returns what a touchpoint counts under.
func (x *run) key(p *Point) string {
	values := make([]string, len(x.q.By))
	for i, d := range x.q.By {
		at := slices.Index(Dimensions, d)
		switch {
		case at >= len(p.Is):
		case x.hidden[p.Touch][at] && p.Is[at] != "":
			values[i] = Withheld
		case !x.names && event.Personal(p.Is[at]) && !ours(p.Is[at]):
			values[i] = Withheld // an address or a telephone number in a link names a person
		default:
			values[i] = p.Is[at]
		}
	}
	return strings.Join(values, between)
}
