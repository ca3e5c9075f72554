package objecttest

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// Gate decides by a table; what is not in it is allowed. Of masked text the length is
// shown in dots.
type Gate map[core.Category]core.Decision

var _ object.Gate = Gate{}

// Everything is the gate of tests that are not about who may read what.
func Everything(context.Context, string) (object.Gate, error) { return Gate(nil), nil }

// Open implements object.Gate.
func (g Gate) Open() bool { return g == nil }

// Category implements object.Gate.
func (g Gate) Category(c core.Category) core.Decision {
	if d, ok := g[c]; ok {
		return d
	}
	return core.Decision{Effect: core.Allow}
}

// MaskValue implements object.Gate.
func (g Gate) MaskValue(d core.Decision, kind string, v bson.RawValue) bson.RawValue {
	if d.Allowed() {
		return v
	}
	text, ok := v.StringValueOK()
	if text = g.MaskText(d, kind, text); !ok || text == "" {
		return bson.RawValue{Type: bson.TypeNull}
	}
	t, value, _ := bson.MarshalValue(text)
	return bson.RawValue{Type: t, Value: value}
}

// MaskText implements object.Gate.
func (g Gate) MaskText(d core.Decision, kind, s string) string {
	switch {
	case d.Allowed():
		return s
	case d.Effect == core.Mask:
		return "masked " + kind
	}
	return ""
}

// Everyone implements object.Gate.
func (g Gate) Everyone(context.Context) (bool, error) { return true, nil }

// Whose implements object.Gate: nobody is known, and nobody hidden.
func (g Gate) Whose(_ context.Context, ids []event.Identifier) ([]core.Whose, error) {
	out := make([]core.Whose, len(ids))
	for i := range out {
		out[i].Seen = true
	}
	return out, nil
}

// Note implements object.Gate.
func (g Gate) Note(context.Context, string, ...string) error { return nil }
