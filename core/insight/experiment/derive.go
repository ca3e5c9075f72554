package experiment

import (
	"context"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold: it writes the facts of the unit's events. Where nothing
// runs it costs nothing.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	var out profile.Derived
	var live []*Experiment
	read := false
	for _, c := range u.Changes() {
		for _, e := range c.Events {
			if !read {
				var err error
				if live, err = s.live(ctx, u.Workspace()); err != nil {
					return out, err
				}
				read = true
			}
			for _, x := range live {
				if f := x.factOf(e, c.ID); f != nil {
					out.Ops = append(out.Ops, Facts.Insert(f))
				}
			}
		}
	}
	return out, nil
}

// factOf returns what an event is to the experiment; nil for nothing. Of the names of
// Headwater's own events only Headwater's count. An event before the start is nothing.
func (x *Experiment) factOf(e *event.Event, profileID string) *Fact {
	own := e.Type == event.System && e.Source == profile.SystemSource
	if own != condition.IsSystemEvent(e.Name) || e.Timestamp.Before(x.StartedAt) {
		return nil
	}
	f := &Fact{
		Meta: store.Meta{ID: store.Key(x.workspace(), x.ExperimentID(), store.Rest(e.ID))}, Experiment: x.ExperimentID(), Part: e.Part, At: e.Timestamp, Source: e.Source,
	}
	f.Arm, f.Exposed = x.Plan.armOf(e, profileID)
	if e.Name == x.Plan.Event {
		f.Hit = true
		if x.Plan.Kind == OfValue {
			f.Value = number(at(e, x.Plan.ValuePath))
		}
	}
	if !f.Exposed && !f.Hit {
		return nil
	}
	return f
}

func (x *Experiment) workspace() string { return store.WorkspaceOf(x.ID) }

// sent is the event by which people come to the arm of a campaign.
var sent = condition.MessageEvent("SENT")

// armOf returns the arm that an event puts somebody in; false when it puts them in none.
func (p *Plan) armOf(e *event.Event, profileID string) (string, bool) {
	a := &p.Assignment
	switch {
	case a.Via == ViaEvent && e.Name == a.Event:
		arm := text(at(e, a.ArmPath))
		return arm, arm != "" && (a.KeyPath == "" || text(at(e, a.KeyPath)) == a.Key)
	case a.Via == ViaBucket && e.Name == a.Event:
		return ArmOf(p.Arms, a.Salt, profileID), true
	case a.Via == ViaCampaign && e.Name == sent && text(at(e, "properties.campaignId")) == a.Campaign:
		arm := text(at(e, "properties.arm"))
		return arm, arm != ""
	}
	return "", false
}

func at(e *event.Event, path string) bson.RawValue {
	rest, ok := strings.CutPrefix(path, "properties.")
	if !ok || len(e.Properties) == 0 {
		return bson.RawValue{}
	}
	v, err := e.Properties.LookupErr(strings.Split(rest, ".")...)
	if err != nil {
		return bson.RawValue{}
	}
	return v
}

// text returns a text or a whole number, of at most 100 bytes: what an arm can be called.
func text(v bson.RawValue) string {
	s := ""
	switch v.Type {
	case bson.TypeString:
		s = v.StringValue()
	case bson.TypeInt32, bson.TypeInt64:
		s = strconv.FormatInt(v.AsInt64(), 10)
	}
	if len(s) > 100 {
		return ""
	}
	return s
}

// number returns a number, or 0.
func number(v bson.RawValue) float64 {
	out := 0.0
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		out = float64(v.AsInt64())
	case bson.TypeDouble:
		out = v.Double()
	case bson.TypeDecimal128:
		out, _ = strconv.ParseFloat(v.Decimal128().String(), 64)
	}
	if math.IsNaN(out) || math.Abs(out) > 1e12 {
		return 0
	}
	return out
}
