package sync

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/shopspring/decimal"
)

// decodeJSON reads JSON text; numbers keep every digit.
func decodeJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// canonical returns the value with equal numbers written alike, and what is nothing as nil.
func canonical(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case json.Number:
		if d, err := decimal.NewFromString(v.String()); err == nil && d.Exponent() > -1000 && d.Exponent() < 1000 {
			return json.Number(d.String())
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = canonical(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = canonical(e)
		}
		return out
	}
	return v
}

// hasher makes the keyed hashes of values in links: equal values of one field have equal
// ones, and nothing leads back.
type hasher []byte

// of returns the hash of a value; "" of nothing.
func (h hasher) of(field string, v any) string {
	v = canonical(v)
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	m := hmac.New(sha256.New, h)
	m.Write([]byte(field))
	m.Write([]byte{0})
	m.Write(text)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:12])
}

// of all, for keys of items and message ids.
func (h hasher) all(parts ...string) string {
	m := hmac.New(sha256.New, h)
	for _, p := range parts {
		m.Write([]byte(p))
		m.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}
