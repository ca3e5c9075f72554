package predict

import (
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// order is what an event says was bought.
type order struct {
	day   int32 // since 1970-01-01, UTC
	worth int64 // in ten-thousandths of the currency; 0: not known
	lines []line
}

type line struct{ sku, family string }

// The bounds of what is taken of one event.
const (
	maxLines = 200
	maxWorth = 1e12
)

func dayOf(t time.Time) int32 { return int32(t.Unix() / 86400) }

func dayTime(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

// orderOf returns the order that an event is; ok is false when it is none.
func (s *Settings) orderOf(e *event.Event) (o order, ok bool) {
	if e.Type != event.Track || e.Name != s.Event {
		return order{}, false
	}
	at := e.Timestamp
	if at.After(e.CommittedAt) {
		at = e.CommittedAt // a client's clock makes no orders of the future
	}
	o.day = dayOf(at)
	if s.counts(e.Properties) {
		for _, path := range s.Value {
			if v, ok := lookup(e.Properties, path); ok {
				if f, ok := number(v); ok {
					if f > 0 && f < maxWorth {
						o.worth = int64(math.Round(f * 1e4))
					}
					break
				}
			}
		}
	}
	o.lines = s.lines(e.Properties)
	return o, true
}

// counts reports whether an order's value is in the currency that counts.
func (s *Settings) counts(props bson.Raw) bool {
	if s.Money == "" || s.Currency == "" {
		return true
	}
	v, ok := lookup(props, s.Currency)
	if !ok {
		return true // where it is left out it is the shop's own
	}
	text, _ := v.StringValueOK()
	return strings.EqualFold(text, s.Money)
}

func (s *Settings) lines(props bson.Raw) []line {
	if s.Items == "" {
		return nil
	}
	v, ok := lookup(props, s.Items)
	if !ok {
		return nil
	}
	list, ok := v.ArrayOK()
	if !ok {
		return nil
	}
	var out []line
	for it := event.Elements(list); it.Next() && len(out) < maxLines; {
		product, ok := it.Value().DocumentOK()
		if !ok {
			continue
		}
		if sku := first(product, s.SKU); sku != "" {
			out = append(out, line{sku: sku, family: first(product, s.Family)})
		}
	}
	return out
}

// first returns the first text or whole number at some paths, at most maxText bytes of it.
func first(doc bson.Raw, paths []string) string {
	for _, path := range paths {
		v, ok := lookup(doc, path)
		if !ok {
			continue
		}
		if text, ok := v.StringValueOK(); ok && text != "" {
			return text[:min(len(text), maxText)]
		}
		if n, ok := v.AsInt64OK(); ok {
			return strconv.FormatInt(n, 10)
		}
	}
	return ""
}

func lookup(doc bson.Raw, path string) (bson.RawValue, bool) {
	if len(doc) == 0 {
		return bson.RawValue{}, false
	}
	return event.Lookup(doc, strings.Split(path, ".")...)
}

// number reads a number, or text that is one.
func number(v bson.RawValue) (float64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return float64(v.Int32()), true
	case bson.TypeInt64:
		return float64(v.Int64()), true
	case bson.TypeDouble:
		f := v.Double()
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	case bson.TypeDecimal128:
		f, err := strconv.ParseFloat(v.Decimal128().String(), 64)
		return f, err == nil
	case bson.TypeString:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.StringValue()), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}
