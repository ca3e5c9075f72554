package insight

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
)

// admit refuses who may not ask for a metric, and reports whether cells of few people are
// to be suppressed. It tells the audit.
func (s *Service) admit(ctx context.Context, ws string, c *set, m *metric, by []string, segmentID string) (few bool, err error) {
	g, few, err := s.gate(ctx, ws)
	if err != nil {
		return false, err
	}
	if err := s.readable(ctx, ws, g, c, m, 0); err != nil {
		return false, err
	}
	if segmentID != "" {
		if err := s.readableSegment(ctx, ws, g, segmentID); err != nil {
			return false, err
		}
	}
	return few, audit.Note(ctx, audit.Seen{Resource: "metric", Fields: append([]string{m.Name()}, by...), Decision: decided(few)})
}

// Admit refuses who may not ask for a metric, as Ask does, and reports whether they see
// aggregates only. NOT_FOUND where there is no such metric.
func (s *Service) Admit(ctx context.Context, ws, name string) (few bool, err error) {
	c, err := s.set(ctx, ws)
	if err != nil {
		return false, work.Outward(err)
	}
	m := c.metrics[name]
	if m == nil {
		return false, core.Errorf(core.NotFound, "METRIC", "there is no metric with this name; metrics lists those that there are")
	}
	few, err = s.admit(ctx, ws, c, m, nil, "")
	return few, work.Outward(err)
}

// small reports whether one of these numbers is of few people.
func (s *Service) small(people []int64) bool {
	return slices.ContainsFunc(people, func(n int64) bool { return n > 0 && n < int64(s.SmallCell) })
}

func decided(few bool) core.Effect {
	if few {
		return core.Mask
	}
	return core.Allow
}

// gate returns what the actor may see, and whether that is aggregates only: who may not
// read identifiers in clear, or not those of everybody.
func (s *Service) gate(ctx context.Context, ws string) (*profile.Gate, bool, error) {
	if _, err := access.Require(ctx, access.Read); err != nil {
		return nil, false, err
	}
	actor := core.ActorFrom(ctx)
	if !actor.Limits.None() && !actor.BreakGlass {
		return nil, false, core.Errorf(core.Forbidden, "LIMITED", "figures are about everybody, and this key may see some people only")
	}
	g, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, false, err
	}
	return g, !g.Open() && (!g.Category(core.IdentifierID).Allowed() || !g.Everybody()), nil
}

// readable refuses a metric that is made of what may not be read in clear.
func (s *Service) readable(ctx context.Context, ws string, g *profile.Gate, c *set, m *metric, level int) error {
	if g.Open() || level > maxDepth {
		return nil
	}
	for _, category := range m.Data {
		if err := g.UsableCategory(category, "this metric"); err != nil {
			return err
		}
	}
	for _, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		if t == nil {
			continue
		}
		if t.Value == Other && c.metrics[t.Metric] != nil {
			if err := s.readable(ctx, ws, g, c, c.metrics[t.Metric], level+1); err != nil {
				return err
			}
		}
		if t.Event == "" || len(m.Data) > 0 {
			continue
		}
		if err := s.readableMeasure(ctx, ws, g, m, t); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) readableMeasure(ctx context.Context, ws string, g *profile.Gate, m *metric, t *Measure) error {
	if err := g.UsableCategory(core.Behaviour, "events"); err != nil {
		return err
	}
	owner := event.OwnerOf(t.Event)
	paths := []string{t.Path, t.Currency}
	for _, d := range m.Dimensions {
		for _, path := range d.Paths {
			if rest, ok := strings.CutPrefix(path, "properties."); ok {
				paths = append(paths, rest)
			} else if rest, ok := strings.CutPrefix(path, "context."); ok {
				if err := g.UsableContext(rest); err != nil {
					return err
				}
			}
		}
	}
	known, err := s.knownPaths(ctx, ws, owner)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if path == "" || !slices.Contains(known, path) {
			continue // no event has held anything there: there is nothing to be seen of it
		}
		if err := g.Usable(owner, path); err != nil {
			return err
		}
	}
	asked, err := contextPaths(t)
	if err != nil {
		return err
	}
	for _, path := range asked {
		if err := g.UsableContext(path); err != nil {
			return err
		}
	}
	return s.may(ctx, ws, &Metric{Meta: m.Meta, Numerator: *t})
}

// contextPaths returns the paths of events' contexts that a measure's conditions ask.
// What is said of the elements of an array stands at the array's path.
func contextPaths(t *Measure) ([]string, error) {
	if t.Context == "" || t.Context == "[]" {
		return nil, nil
	}
	n, err := condition.ParseJSON([]byte(`{"event":{"name":` + quote(t.Event) + `,"where":` + t.Context + `}}`))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range n.Event.Where {
		out = append(out, p.Path)
	}
	return out, nil
}

func (s *Service) knownPaths(ctx context.Context, ws, owner string) ([]string, error) {
	if s.Events == nil {
		return nil, nil
	}
	known, err := s.Events.Categories(ctx, ws, owner)
	if err != nil {
		return nil, err
	}
	return sortedKeys(known), nil
}

// readableSegment refuses a segment whose members the actor may not know.
func (s *Service) readableSegment(ctx context.Context, ws string, g *profile.Gate, id string) error {
	if s.Segments == nil {
		return core.Errorf(core.NotFound, "SEGMENT", "there is no segment with this id").At("segmentId")
	}
	seg, err := s.Segments.Get(ctx, ws, id)
	if err != nil {
		return err
	}
	if seg == nil {
		return core.Errorf(core.NotFound, "SEGMENT", "there is no segment with this id").At("segmentId")
	}
	if g.Open() {
		return nil
	}
	if err := g.UsableCategory(core.Behaviour, "memberships"); err != nil {
		return err
	}
	if err := s.Segments.Readable(ctx, ws, g, seg); err != nil {
		return core.AsError(err).At("segmentId")
	}
	return nil
}
