package object

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// The reasons for which a value is refused.
const (
	ReasonFieldUnknown  = "FIELD_UNKNOWN"
	ReasonFieldType     = "FIELD_TYPE"
	ReasonFieldFormat   = "FIELD_FORMAT"
	ReasonFieldRange    = "FIELD_RANGE"
	ReasonFieldLength   = "FIELD_LENGTH"
	ReasonFieldPattern  = "FIELD_PATTERN"
	ReasonFieldValues   = "FIELD_VALUES"
	ReasonFieldScale    = "FIELD_SCALE"
	ReasonFieldItems    = "FIELD_ITEMS"
	ReasonFieldRequired = "FIELD_REQUIRED"
	ReasonFieldUnique   = "FIELD_NOT_UNIQUE"
	ReasonReference     = "REFERENCE_UNKNOWN"
	ReasonRecordSize    = "RECORD_TOO_LARGE"
)

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

// value returns v as the field stores it, or why it cannot. Messages never repeat
// the value.
func (f *Field) value(v bson.RawValue) (bson.RawValue, *core.Error) {
	if !f.Many {
		out, err := f.one(v)
		if err != nil {
			return out, err
		}
		return out, f.meets(out)
	}
	arr, ok := v.ArrayOK()
	if !ok {
		return v, invalid(ReasonFieldType, "the field %s holds several values: an array is expected", f.Key)
	}
	idx, b := bc.AppendArrayStart(nil)
	n := 0
	for it := event.Elements(arr); it.Next(); n++ {
		item, err := f.one(it.Value())
		if err == nil {
			err = f.meets(item)
		}
		if err != nil {
			return v, err.At(string(it.Key()))
		}
		b = bc.AppendHeader(b, bc.Type(item.Type), string(it.Key()))
		b = append(b, item.Value...)
	}
	if most := orElse(f.Constraints.MaxItems, MaxItems); n > most {
		return v, invalid(ReasonFieldItems, "the field %s holds at most %d values, not %d", f.Key, most, n)
	}
	b, _ = bc.AppendArrayEnd(b, idx)
	return bson.RawValue{Type: bson.TypeArray, Value: b}, nil
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// wants says what a value of the type looks like.
var wants = map[FieldType]string{
	String: "text", Text: "text", Integer: "a whole number of 64 bits", Decimal: "a number of at most 34 digits",
	Money: `an object {"amount": number, "currency": "EUR"} with three capital letters`, Boolean: "true or false",
	Date: "a date like 2026-11-21", DateTime: "a time of RFC 3339 like 2026-11-21T10:00:00Z", Enum: "one of the values of the field",
	Email: "an e-mail address", Phone: "an international phone number like +40721234567", URL: "an absolute address like https://example.com",
	Geo: `an object {"lat": -90 to 90, "lon": -180 to 180}`, JSON: "JSON", Reference: "the external id of a record",
}

func (f *Field) wrong(reason string) *core.Error {
	return invalid(reason, "the field %s holds %s", f.Key, wants[f.Type])
}

// one normalises a single value; constraints are not looked at.
func (f *Field) one(v bson.RawValue) (bson.RawValue, *core.Error) {
	switch f.Type {
	case Boolean:
		if v.Type != bson.TypeBoolean {
			return v, f.wrong(ReasonFieldType)
		}
		return v, nil
	case Integer, Decimal:
		n, ok := numOf(v)
		if !ok || f.Type == Integer && !n.integer() {
			return v, f.wrong(ReasonFieldType)
		}
		if v, ok = n.value(); !ok {
			return v, f.wrong(ReasonFieldType)
		}
		return v, nil
	case Money:
		return f.money(v)
	case Geo:
		return f.geo(v)
	case JSON:
		return canonical(v), nil
	}
	s, ok := v.StringValueOK()
	if !ok {
		return v, f.wrong(ReasonFieldType)
	}
	switch f.Type {
	case String, Text:
		ok = plain(s)
	case Email:
		s, ok = normaliseEmail(s)
	case Phone:
		s, ok = normalisePhone(s)
	case URL:
		s, ok = normaliseURL(s)
	case Date:
		s, ok = normaliseDate(s)
	case DateTime:
		s, ok = normaliseStamp(s)
	case Reference:
		s = strings.TrimSpace(s)
		ok = printable(s)
	}
	if !ok {
		return v, f.wrong(ReasonFieldFormat)
	}
	return text(s), nil
}

func text(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bc.AppendString(nil, s)}
}

func number(n int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: bc.AppendInt64(nil, n)}
}

func (f *Field) money(v bson.RawValue) (bson.RawValue, *core.Error) {
	amount, cur, ok := moneyOf(v)
	if !ok {
		return v, f.wrong(ReasonFieldType)
	}
	a, ok := amount.value()
	if !ok {
		return v, f.wrong(ReasonFieldType)
	}
	return document(pair{"amount", a}, pair{"currency", text(cur)}), nil
}

// moneyOf reads {amount, currency}; anything beside the two is refused.
func moneyOf(v bson.RawValue) (amount num, currency string, ok bool) {
	doc, isDoc := v.DocumentOK()
	if !isDoc {
		return amount, "", false
	}
	seen := 0
	for it := event.Elements(doc); it.Next(); seen++ {
		switch string(it.Key()) {
		case "amount":
			amount, ok = numOf(it.Value())
		case "currency":
			currency, _ = it.Value().StringValueOK()
		}
	}
	_, good := normaliseCurrency(currency)
	return amount, currency, ok && good && seen == 2
}

func (f *Field) geo(v bson.RawValue) (bson.RawValue, *core.Error) {
	doc, ok := v.DocumentOK()
	if !ok {
		return v, f.wrong(ReasonFieldType)
	}
	lat, okLat := numOf(lookup(doc, "lat"))
	lon, okLon := numOf(lookup(doc, "lon"))
	if !okLat || !okLon || !(lat.float() >= -90 && lat.float() <= 90 && lon.float() >= -180 && lon.float() <= 180) {
		return v, f.wrong(ReasonFieldFormat)
	}
	a, _ := lat.value()
	o, _ := lon.value()
	return document(pair{"lat", a}, pair{"lon", o}), nil
}

func lookup(doc bson.Raw, key string) bson.RawValue {
	v, _ := event.Lookup(doc, key)
	return v
}

// length counts characters.
func length(s string) int { return utf8.RuneCountInString(s) }

type pair struct {
	key string
	val bson.RawValue
}

// document makes a document of pairs.
func document(pairs ...pair) bson.RawValue {
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw(pairs)}
}

func raw(pairs []pair) bson.Raw {
	idx, b := bc.AppendDocumentStart(nil)
	for _, p := range pairs {
		b = bc.AppendHeader(b, bc.Type(p.val.Type), p.key)
		b = append(b, p.val.Value...)
	}
	b, _ = bc.AppendDocumentEnd(b, idx)
	return b
}

func indexKey(i int) string { return strconv.Itoa(i) }

// canonical sorts the keys of objects, so that the same content is the same bytes.
func canonical(v bson.RawValue) bson.RawValue {
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		if n, ok := numOf(v); ok {
			if out, ok := n.value(); ok {
				return out
			}
		}
		return v
	}
	var pairs []pair
	for it := event.Elements(v.Value); it.Next(); {
		pairs = append(pairs, pair{string(it.Key()), canonical(it.Value())})
	}
	if v.Type == bson.TypeEmbeddedDocument {
		slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	}
	return bson.RawValue{Type: v.Type, Value: raw(pairs)}
}
