package insight

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

//go:embed builtin.json
var builtInText []byte

// builtIn is a metric as builtin.json writes it.
type builtIn struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Unit        Unit            `json:"unit"`
	Calc        Calc            `json:"calc"`
	Numerator   said            `json:"numerator"`
	Minus       *said           `json:"minus"`
	Denominator *said           `json:"denominator"`
	Dimensions  []string        `json:"dimensions"` // of usualDimensions
	Data        []core.Category `json:"data"`
}

// said is a measure whose predicates are written plainly.
type said struct {
	Measure
	Where   json.RawMessage `json:"where"`
	Context json.RawMessage `json:"context"`
}

func (s *said) measure() *Measure {
	if s == nil {
		return nil
	}
	m := s.Measure
	m.Where, m.Context = string(s.Where), string(s.Context)
	return &m
}

// usualDimensions are those that built-in metrics may name.
var usualDimensions = map[string][]string{
	"source":   {"source"},
	"channel":  {"properties.channel", "properties.utm_medium", "context.campaign.medium"},
	"campaign": {"properties.campaignId", "properties.utm_campaign", "context.campaign.name"},
	"journey":  {"properties.journeyId"},
	"purpose":  {"properties.purpose", "context.consent.recorded.purpose"},
	"type":     {"properties.type"},
}

var builtInList = func() []builtIn {
	var list []builtIn
	if err := json.Unmarshal(builtInText, &list); err != nil {
		panic(fmt.Sprintf("insight: builtin.json: %v", err)) // a programmer's mistake, seen at the first start
	}
	return list
}()

// builtIns returns the metrics that every workspace has.
func builtIns(ws string) []*Metric {
	out := make([]*Metric, len(builtInList))
	for i := range builtInList {
		b := &builtInList[i]
		m := &Metric{
			Meta: store.Meta{ID: store.Key(ws, b.Name)}, Title: b.Title, Description: b.Description, Unit: b.Unit, Calc: b.Calc,
			Numerator: *b.Numerator.measure(), Minus: b.Minus.measure(), Denominator: b.Denominator.measure(), Data: b.Data,
			TimeZone: "UTC", BuiltIn: true,
		}
		if m.Calc == "" {
			m.Calc = Plain
		}
		for _, key := range b.Dimensions {
			m.Dimensions = append(m.Dimensions, Dimension{Key: key, Paths: usualDimensions[key]})
		}
		out[i] = m
	}
	return out
}
