package journey

import (
	"encoding/json"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// lookup returns the value at a path of a document; false for none and for null. It
// does not lead into arrays.
func lookup(doc bson.Raw, path string) (bson.RawValue, bool) {
	v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	if len(doc) == 0 {
		return v, false
	}
	for _, key := range condition.SplitPath(path) {
		if v.Type != bson.TypeEmbeddedDocument {
			return bson.RawValue{}, false
		}
		var err error
		if v, err = bson.Raw(v.Value).LookupErr(key); err != nil {
			return bson.RawValue{}, false
		}
	}
	return v, v.Type != bson.TypeNull
}

// plain returns a value as JSON: nil, bool, string, json.Number, []any,
// map[string]any. Times are texts in the form of RFC 3339.
func plain(v bson.RawValue) any {
	switch v.Type {
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeBoolean:
		return v.Boolean()
	case bson.TypeInt32:
		return json.Number(strconv.Itoa(int(v.Int32())))
	case bson.TypeInt64:
		return json.Number(strconv.FormatInt(v.Int64(), 10))
	case bson.TypeDouble, bson.TypeDecimal128:
		if d, ok := condition.ParseNumber(v); ok {
			return json.Number(d.String())
		}
	case bson.TypeDateTime:
		return v.Time().UTC().Format("2006-01-02T15:04:05.999Z07:00")
	case bson.TypeEmbeddedDocument:
		out := map[string]any{}
		elements, err := v.Document().Elements()
		if err != nil {
			return nil
		}
		for _, e := range elements {
			out[e.Key()] = plain(e.Value())
		}
		return out
	case bson.TypeArray:
		values, err := v.Array().Values()
		if err != nil {
			return nil
		}
		out := make([]any, len(values))
		for i := range values {
			out[i] = plain(values[i])
		}
		return out
	}
	return nil
}

// number returns a number of any Go type as JSON writes it.
func number(v any) (json.Number, bool) {
	switch v := v.(type) {
	case json.Number:
		return v, true
	case int:
		return json.Number(strconv.Itoa(v)), true
	case int32:
		return json.Number(strconv.Itoa(int(v))), true
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), true
	case float64:
		text, err := json.Marshal(v) // neither infinite nor undefined numbers are JSON
		return json.Number(text), err == nil
	}
	return "", false
}

// text writes a value as a placeholder inside a text shows it: texts as they are,
// nothing for nothing, anything else as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	out, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(out)
}
