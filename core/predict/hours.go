package predict

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
)

// Engagements and what people do of their own accord are kept as moments: the quarter of an
// hour since 1970, times four, plus the kind. Zones differ by quarters, so that the hour on
// anybody's clock can be told from it, wherever they turn out to be.

// The bounds of a part: earlier moments are dropped.
const (
	maxEngaged = 100
	maxActive  = 60
)

// viewDays is on one of how many days the pages are noted that somebody looks at, drawn by a
// hash of person and day: they are many, and say little.
const viewDays = 4

func momentOf(at time.Time, kind sendhour.Kind) int32 {
	return int32(at.Unix()/900)*4 + int32(kind)
}

func signalOf(m int32) sendhour.Signal {
	return sendhour.Signal{At: time.Unix(int64(m>>2)*900, 0).UTC(), Kind: sendhour.Kind(m & 3)}
}

// momentIn returns what an event says of somebody's hours; ok is false for nothing. Opens and
// clicks of machines are no events of a person in the first place.
func (s *Settings) momentIn(e *event.Event) (m int32, ok bool) {
	kind := sendhour.Active
	switch {
	case e.Type == event.System:
		if e.Source != profile.SystemSource {
			return 0, false
		}
		switch e.Name {
		case opened:
			kind = sendhour.Opened
		case clicked, replied:
			kind = sendhour.Clicked
		default:
			return 0, false
		}
	case e.Type == event.Track && e.Name == s.Event:
	case e.Type == event.Page || e.Type == event.Screen:
		if !viewed(e) {
			return 0, false
		}
	default:
		return 0, false
	}
	at := e.Timestamp
	if at.After(e.CommittedAt) {
		at = e.CommittedAt
	}
	return momentOf(at, kind), at.Unix() > 0
}

var opened, clicked, replied = condition.MessageEvent("OPENED"), condition.MessageEvent("CLICKED"), condition.MessageEvent("REPLIED")

// viewed draws the days on which views are noted.
func viewed(e *event.Event) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.Part))
	return (int64(h.Sum32())+e.Timestamp.Unix()/86400)%viewDays == 0
}

// note folds a moment, and reports whether it was not known.
func (p *Part) note(m int32) bool {
	i, ok := slices.BinarySearch(p.Moments, m)
	if ok {
		return false
	}
	p.Moments = slices.Insert(p.Moments, i, m)
	engaged, limit := m&3 != int32(sendhour.Active), maxActive
	if engaged {
		limit = maxEngaged
	}
	n, first := 0, -1
	for i, other := range p.Moments {
		if (other&3 != int32(sendhour.Active)) == engaged {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n > limit {
		gone := p.Moments[first]
		p.Moments = slices.Delete(p.Moments, first, first+1)
		return gone != m
	}
	return true
}

// signals returns what is known of somebody's hours.
func (o *Outlook) signals() []sendhour.Signal {
	var out []sendhour.Signal
	for i := range o.Parts {
		for _, m := range o.Parts[i].Moments {
			out = append(out, signalOf(m))
		}
	}
	slices.SortFunc(out, func(a, b sendhour.Signal) int { return a.At.Compare(b.At) })
	return out
}

// What is needed for somebody's hours to be told of.
const (
	minOwn      = 5 // of their own engagements, where the workspace has no model
	minActivity = 5 // of what they did of their own accord, where they have no engagement
)

// telling reports whether there may be something to tell of somebody: of most of those who
// only look at pages there is not, and there are many of them.
func (o *Outlook) telling() bool {
	active := 0
	for i := range o.Parts {
		p := &o.Parts[i]
		if len(p.Days) > 0 || len(p.Told) > 0 || len(p.Acts) > 0 {
			return true
		}
		for _, m := range p.Moments {
			if m&3 != int32(sendhour.Active) {
				return true
			}
			active++
		}
	}
	return active >= minActivity
}

// hourly returns what is held of somebody's hours, by a model or without one. ok is false
// where that is not enough to tell of.
func (o *Outlook) hourly(m *Model, zone *time.Location, now time.Time) (p sendhour.Posterior, ok bool) {
	prior := sendhour.Uniform()
	if m != nil {
		prior = *m.Hours
	}
	p = prior.With(sendhour.Count(o.signals(), zone, now))
	if m == nil {
		return p, p.Engagements >= minOwn
	}
	return p, p.Engagements > 0 || p.Activities >= minActivity
}

// zones returns by whose clocks the hours of people are counted: their own, else the
// workspace's.
func (s *Service) zones(ctx context.Context, ws string, people []*profile.Profile) ([]*time.Location, error) {
	if s.Zones != nil {
		return s.Zones(ctx, ws, people)
	}
	out := make([]*time.Location, len(people))
	for i, p := range people {
		out[i] = time.UTC
		if name := zoneName(p); name != "" && name != "Local" {
			if zone, err := time.LoadLocation(name); err == nil {
				out[i] = zone
			}
		}
	}
	return out, nil
}

// clocks returns the people of a page, nil for who is gone, and their zones.
func (s *Service) clocks(ctx context.Context, ws string, page []*Outlook) ([]*profile.Profile, []*time.Location, error) {
	keys := make([]string, len(page))
	for i, o := range page {
		keys[i] = o.ID
	}
	people, err := profile.Profiles.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, nil, err
	}
	zones, err := s.zones(ctx, ws, people)
	return people, zones, err
}

// zoneName is the name of the zone that somebody says they are in.
func zoneName(p *profile.Profile) string {
	if p == nil {
		return ""
	}
	t := p.TraitAt("timezone")
	if t == nil {
		return ""
	}
	name, _ := t.Value.StringValueOK()
	return name
}

// hourFigures returns what is predicted of somebody's hours, whether it is enough to tell of
// or not.
func hourFigures(o *Outlook, m *Model, zone *time.Location, now time.Time) []figured {
	p, _ := o.hourly(m, zone, now)
	means := p.Means()
	best := means.Best()
	low, high := p.Interval(best, tail)
	reasons := hourReasons(p, best)
	model := ""
	if m != nil {
		model = m.ModelID()
	}
	chance := reasons
	chance.Scale = "VALUE"
	return []figured{
		{Figure: Figure{Name: BestHour, Value: float64(best)}, model: model, reasons: func() Reasons { return reasons }, more: bson.D{
			{Key: "hours", Value: shares(means)}, {Key: "zone", Value: zone.String()}, {Key: "signals", Value: p.Engagements},
		}},
		{Figure: Figure{Name: BestHourChance, Value: means[best], Low: &low, High: &high}, model: model, reasons: func() Reasons { return chance }},
	}
}

// shareUnit is in what shares are told.
const shareUnit = 10_000

func hourReasons(p sendhour.Posterior, hour int) Reasons {
	engaged, active := p.Moved(hour)
	return Reasons{Scale: "CHANCE", Baseline: p.Shares[hour], Contributions: []Contribution{
		{Key: "own_engagements", Is: float64(p.Engagements), By: engaged},
		{Key: "own_activity", Is: float64(p.Activities), By: active},
	}}
}

// Advise reads what an event says of its person's hours: nil for nothing any more. ok is false
// for any other event.
func Advise(e *event.Event) (a *sendhour.Advice, ok bool) {
	if !ours(e) {
		return nil, false
	}
	if name, _ := e.Properties.Lookup("name").StringValueOK(); name != BestHour {
		return nil, false
	}
	var t Told
	t.hearHours(e.Properties)
	return t.advice(), true
}

// hearHours reads what is told of hours beside the best one.
func (t *Told) hearHours(props bson.Raw) {
	t.Zone, _ = props.Lookup("zone").StringValueOK()
	t.Signals, _ = props.Lookup("signals").AsInt64OK()
	list, ok := props.Lookup("hours").ArrayOK()
	if !ok {
		return
	}
	for it := event.Elements(list); it.Next() && len(t.Shares) < 24; {
		n, _ := it.Value().AsInt64OK()
		t.Shares = append(t.Shares, int32(n))
	}
}

func (t *Told) advice() *sendhour.Advice {
	if len(t.Shares) != 24 {
		return nil
	}
	a := &sendhour.Advice{Zone: t.Zone, Signals: t.Signals}
	for h, n := range t.Shares {
		a.Shares[h] = float64(n) / shareUnit
	}
	return a
}
