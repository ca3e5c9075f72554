package lead

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Adjustment gives somebody points, or takes them. Exactly one of Rule and Points is set.
type Adjustment struct {
	ProfileID string
	Rule      string // key of a rule about engagement: its points, as if its event had happened
	Points    int64  // -1,000,000 to 1,000,000
	Reason    string // with Points: for people, no personal value
	By        string // who gives them: a journey and its node, say; no personal value
	Key       string // makes a repetition harmless
}

// The bounds of adjustments.
const (
	maxAdjusted = 1_000_000
	maxGiven    = 1_000_000_000 // of one giver to one part, in either direction
	maxGivers   = 50            // of one part; those after them are counted as one
)

// otherGivers is who gave what is not counted by giver any more.
const otherGivers = "~others"

func (in *Adjustment) check() *core.Error {
	switch {
	case in.Key == "" || len(in.Key) > 300:
		return core.Errorf(core.Invalid, "KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	case (in.Rule == "") == (in.Points == 0):
		return core.Errorf(core.Invalid, "POINTS", "name a rule, or give a number of points that is not 0").At("points")
	case in.Points < -maxAdjusted || in.Points > maxAdjusted:
		return core.Errorf(core.Invalid, "POINTS", "give at most %d points, or take as many", maxAdjusted).At("points")
	case in.Points != 0 && (strings.TrimSpace(in.Reason) == "" || len(in.Reason) > 500):
		return core.Errorf(core.Invalid, "REASON", "say why, in at most 500 bytes").At("reason")
	case len(in.By) > 200:
		return core.Errorf(core.Invalid, "BY", "who gives points is named in at most 200 bytes").At("by")
	}
	return nil
}

// errRuleUnknown says that there is no rule by which points could be given.
var errRuleUnknown = core.Errorf(core.Invalid, "RULE_UNKNOWN", "the score model has no rule about engagement with this key").At("rule")

// Adjust changes somebody's score, once for each key, and reports whether this call did: the
// same call again changes nothing. Another one with a used key is a CONFLICT.
func (s *Service) Adjust(ctx context.Context, ws string, in Adjustment) (changed bool, err error) {
	if err := in.check(); err != nil {
		return false, err
	}
	said := bson.D{{Key: "profile", Value: in.ProfileID}}
	props := bson.D{}
	for _, e := range []struct{ key, value string }{{"rule", in.Rule}, {"reason", in.Reason}, {"by", in.By}} {
		if e.value != "" {
			props = append(props, bson.E{Key: e.key, Value: e.value})
		}
	}
	if in.Points != 0 {
		props = append(props, bson.E{Key: "points", Value: in.Points})
	}
	e := saying(NameAdjusted, "lead:"+core.HashID("adjust", in.Key), props, append(said, props...))
	err = work.Retry(ctx, attempts, func() error {
		// What was given stays given, though the model has changed since.
		had, err := event.Events.Get(ctx, s.Store, event.SystemKey(ws, e.MessageID))
		if err != nil {
			return err
		}
		if had != nil {
			if string(had.Sum) != string(e.Sum) {
				return core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this key was used for something else; take another").At("idempotencyKey")
			}
			return nil
		}
		c, err := s.readModel(ctx, ws)
		if err != nil {
			return err
		}
		if in.Rule != "" && c.byKey(in.Rule) == nil {
			return errRuleUnknown
		}
		var ops []store.Op
		if c.V == 0 { // no model has begun the sweep, which publishes the score
			if ops, err = s.sweep().Begin(ctx, s.Store, ws); err != nil {
				return err
			}
		}
		out, err := s.Committer.Commit(ctx, ws, e, in.ProfileID, ops...)
		if err == nil && out.Status == event.Rejected { // another was faster with the key
			return store.ErrConflict
		}
		changed = err == nil && out.Status == event.Accepted
		return err
	})
	return changed, work.Outward(err)
}

// Rules returns the keys of the rules by which points can be given: those about engagement.
func (s *Service) Rules(ctx context.Context, ws string) ([]string, error) {
	m, err := s.Model(ctx, ws)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range m.Rules {
		if r.Kind == Engagement {
			out = append(out, r.Key)
		}
	}
	return out, nil
}

// byKey returns the rule about engagement with a key; nil when there is none.
func (c *compiled) byKey(key string) *rule {
	for _, r := range c.rules {
		if r.Key == key && r.Kind == Engagement {
			return r
		}
	}
	return nil
}

// adjust folds an adjustment. One by a rule that there is no more gives nothing, until a
// model has it again.
func (l *Lead) adjust(c *compiled, e *event.Event) {
	p := l.part(e.Part)
	if key, _ := e.Properties.Lookup("rule").StringValueOK(); key != "" {
		if r := c.byKey(key); r != nil {
			p.state(r.id).add(r, e.CommittedAt)
		}
		return
	}
	by, _ := e.Properties.Lookup("by").StringValueOK()
	points, _ := e.Properties.Lookup("points").AsInt64OK()
	reason, _ := e.Properties.Lookup("reason").StringValueOK()
	p.giver(by).give(points, 1, reason)
}

// giver returns what somebody gave to a part, made when there is nothing.
func (p *Part) giver(by string) *Given {
	find := func(by string) (int, bool) {
		return slices.BinarySearchFunc(p.Given, by, func(g Given, by string) int { return cmp.Compare(g.By, by) })
	}
	i, ok := find(by)
	if !ok && len(p.Given) >= maxGivers {
		by = otherGivers
		i, ok = find(by)
	}
	if !ok {
		p.Given = slices.Insert(p.Given, i, Given{By: by})
	}
	return &p.Given[i]
}

func (g *Given) give(points, count int64, reason string) {
	g.Points = min(max(g.Points+points, -maxGiven), maxGiven)
	g.Count += count
	g.Reason = reason
}

// given adds up what was given beside the rules over all parts, by giver.
func (l *Lead) given() []Given {
	var sum Part
	for i := range l.Parts {
		for _, g := range l.Parts[i].Given {
			sum.giver(g.By).give(g.Points, g.Count, g.Reason)
		}
	}
	return sum.Given
}
