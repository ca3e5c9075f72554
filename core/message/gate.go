package message

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// gate says what of a person's data may be used for a purpose: what a template reads
// beside that is missing to it.
type gate struct {
	allowed map[core.Category]bool
	sorts   map[string]core.Category // of traits, by path
	foreign map[string]bool          // sources that collected for other purposes
	of      func(ctx context.Context, owner string) (map[string]core.Category, error)
}

// gate returns what may be used for a purpose.
func (r *round) gate(ctx context.Context, purpose string) (*gate, error) {
	if g, ok := r.gates[purpose]; ok {
		return g, nil
	}
	g, err := r.s.gates.get(ctx, r.ws+"/"+purpose, func(ctx context.Context) (*gate, error) {
		return r.s.newGate(ctx, r.ws, r.register.Chain(purpose), purpose)
	})
	if err != nil {
		return nil, err
	}
	r.gates[purpose] = g
	return g, nil
}

func (s *Service) newGate(ctx context.Context, ws string, chain []string, purpose string) (*gate, error) {
	g := &gate{foreign: map[string]bool{}}
	var err error
	if s.Uses != nil {
		if g.allowed, err = s.Uses(ctx, ws, purpose); err != nil {
			return nil, err
		}
	}
	if g.sorts, err = s.Events.Categories(ctx, ws, event.OwnerTrait); err != nil {
		return nil, err
	}
	limited, err := s.Events.SourcePurposes(ctx, ws)
	if err != nil {
		return nil, err
	}
	for id, purposes := range limited {
		if !slices.ContainsFunc(chain, func(p string) bool { return slices.Contains(purposes, p) }) {
			g.foreign[id] = true
		}
	}
	g.of = func(ctx context.Context, owner string) (map[string]core.Category, error) {
		return s.Events.Categories(ctx, ws, owner)
	}
	return g, nil
}

// uses reports whether data of a category may be used. Without a policy everything may.
func (g *gate) uses(c core.Category) bool {
	if c == "" {
		c = core.Unclassified
	}
	return g.allowed == nil || c == core.None || g.allowed[c]
}

// keeps reports whether a trait may be used.
func (g *gate) keeps(t *profile.Trait) bool {
	return !g.foreign[t.Source] && g.uses(g.sorts[t.Path])
}

// entering makes of the event that a message carries, {name, properties}, what a template
// reads: its properties, without what may not be used.
func (g *gate) entering(ctx context.Context, roots map[string]any) error {
	ev, ok := roots["event"].(map[string]any)
	if !ok {
		return nil
	}
	name, _ := ev["name"].(string)
	props, ok := ev["properties"].(map[string]any)
	if !ok {
		props = map[string]any{}
	}
	roots["event"] = props
	return g.event(ctx, name, props)
}

// event takes out of an event's properties what may not be used.
func (g *gate) event(ctx context.Context, name string, props map[string]any) error {
	sorts, err := g.of(ctx, event.OwnerOf(name))
	if err != nil {
		return err
	}
	g.clear(props, "", sorts)
	return nil
}

func (g *gate) clear(in map[string]any, prefix string, sorts map[string]core.Category) {
	for key, v := range in {
		path := prefix + strings.NewReplacer(`\`, `\\`, ".", `\.`).Replace(key)
		if sub, ok := v.(map[string]any); ok {
			g.clear(sub, path+".", sorts)
			continue
		}
		if !g.uses(sorts[path]) {
			delete(in, key)
		}
	}
}

// plain makes of what the BSON decoder gave what templates read: maps, slices, texts,
// numbers, booleans and times.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = plain(x)
		}
		return v
	case bson.D:
		out := make(map[string]any, len(v))
		for _, e := range v {
			out[e.Key] = plain(e.Value)
		}
		return out
	case bson.A:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	case bson.DateTime:
		return v.Time().UTC()
	case bson.Decimal128:
		return v.String()
	case int32:
		return int64(v)
	case bson.Null:
		return nil
	}
	return v
}
