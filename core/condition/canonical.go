package condition

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// scalar writes a text, number, boolean or date as JSON, equal ones alike, so that
// "5" and 5 differ and 5 and 5.0 do not; false for everything else.
func scalar(v bson.RawValue) (string, bool) {
	switch v.Type {
	case bson.TypeString:
		t, ok := textOf(v)
		return quoted(t), ok
	case bson.TypeBoolean:
		b, ok := v.BooleanOK()
		return strconv.FormatBool(b), ok
	case bson.TypeInt32, bson.TypeInt64:
		i, ok := intOf(v)
		return strconv.FormatInt(i, 10), ok
	case bson.TypeDouble, bson.TypeDecimal128:
		d, ok := ParseNumber(v)
		return d.String(), ok
	case bson.TypeDateTime:
		m, ok := momentOf(v)
		return quoted([]byte(m.at.Format(time.RFC3339Nano))), ok
	}
	return "", false
}

// quoted writes a text as JSON.
func quoted(text []byte) string {
	plain := true
	for _, c := range text {
		plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	}
	if plain {
		return `"` + string(text) + `"`
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // a string cannot fail
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// noNumber stands for NaN and the infinities, which JSON does not know: a number
// that is none to conditions, as they are.
const noNumber = "1e6000"

// canonical writes any value as JSON. Numbers beyond MaxExponent are written as they
// are, so that they stay what they are.
func canonical(v bson.RawValue) string { return string(appendJSON(nil, v)) }

func appendJSON(to []byte, v bson.RawValue) []byte {
	if text, ok := scalar(v); ok {
		return append(to, text...)
	}
	first := true
	separate := func() {
		if !first {
			to = append(to, ',')
		}
		first = false
	}
	switch v.Type {
	case bson.TypeArray:
		to = append(to, '[')
		for s := scanOf(v.Value); s.next(); {
			separate()
			to = appendJSON(to, s.value)
		}
		return append(to, ']')
	case bson.TypeEmbeddedDocument:
		to = append(to, '{')
		for s := scanOf(v.Value); s.next(); {
			separate()
			to = append(append(to, quoted(s.key)...), ':')
			to = appendJSON(to, s.value)
		}
		return append(to, '}')
	case bson.TypeDouble:
		if f, ok := v.DoubleOK(); ok && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(to, f, 'e', -1, 64)
		}
		return append(to, noNumber...)
	case bson.TypeDecimal128:
		if d, ok := v.Decimal128OK(); ok && !d.IsNaN() && d.IsInf() == 0 {
			return append(to, d.String()...)
		}
		return append(to, noNumber...)
	case bson.TypeNull, bson.TypeUndefined:
		return append(to, "null"...)
	}
	return append(to, "{}"...) // there is something, of which nothing can be asked
}

// valueOf reads what canonical wrote; null when it is no JSON.
func valueOf(text string) bson.RawValue {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		v = nil
	}
	return rawOf(v)
}

func rawOf(v any) bson.RawValue {
	t, data := bsonOf(v)
	return bson.RawValue{Type: bson.Type(t), Value: data}
}

func bsonOf(v any) (bsoncore.Type, []byte) {
	switch v := v.(type) {
	case bool:
		return bsoncore.TypeBoolean, bsoncore.AppendBoolean(nil, v)
	case string:
		return bsoncore.TypeString, bsoncore.AppendString(nil, v)
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return bsoncore.TypeInt64, bsoncore.AppendInt64(nil, i)
		}
		if d, err := bson.ParseDecimal128(v.String()); err == nil {
			hi, lo := d.GetBytes()
			return bsoncore.TypeDecimal128, bsoncore.AppendDecimal128(nil, hi, lo)
		}
	case []any:
		items := make([]bsoncore.Value, len(v))
		for i := range v {
			items[i].Type, items[i].Data = bsonOf(v[i])
		}
		return bsoncore.TypeArray, bsoncore.BuildArray(nil, items...)
	case map[string]any:
		i, doc := bsoncore.AppendDocumentStart(nil)
		for key, e := range v {
			t, data := bsonOf(e)
			doc = bsoncore.AppendValueElement(doc, key, bsoncore.Value{Type: t, Data: data})
		}
		doc, _ = bsoncore.AppendDocumentEnd(doc, i)
		return bsoncore.TypeEmbeddedDocument, doc
	}
	return bsoncore.TypeNull, nil
}
