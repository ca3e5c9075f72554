package event

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ToJSON writes a document as a JSON object. Numbers keep every digit; times are
// RFC 3339 in UTC, binary is base64.
func ToJSON(raw bson.Raw) ([]byte, error) {
	return appendJSON(make([]byte, 0, len(raw)+len(raw)/4), bson.TypeEmbeddedDocument, raw, 0)
}

// ValueToJSON writes any value as JSON, like ToJSON. The zero value is null.
func ValueToJSON(v bson.RawValue) ([]byte, error) {
	return appendJSON(nil, v.Type, v.Value, 0)
}

// maxOutDepth bounds the recursion over documents that other packages made; the
// decoder itself makes nothing deeper than MaxDepth.
const maxOutDepth = 200

func appendJSON(dst []byte, t bson.Type, val []byte, depth int) ([]byte, error) {
	if size := valueSize(t, val); t != 0 && (size < 0 || size > len(val)) {
		return nil, fmt.Errorf("event: malformed BSON value of type %s", t)
	}
	v := bson.RawValue{Type: t, Value: val}
	switch t {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		if depth >= maxOutDepth {
			return nil, fmt.Errorf("event: BSON nests deeper than %d levels", maxOutDepth)
		}
		return appendJSONDoc(dst, t, val, depth)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		if len(val) < 5 {
			return nil, fmt.Errorf("event: malformed BSON string")
		}
		return appendQuoted(dst, val[4:len(val)-1]), nil
	case bson.TypeInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), nil
	case bson.TypeInt32:
		return strconv.AppendInt(dst, int64(v.Int32()), 10), nil
	case bson.TypeDouble:
		return appendFloat(dst, v.Double()), nil
	case bson.TypeDecimal128:
		return appendDecimal(dst, v.Decimal128()), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, val[0] == 1), nil
	case bson.TypeDateTime:
		dst = time.UnixMilli(v.DateTime()).UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano)
		return append(dst, '"'), nil
	case bson.TypeBinary:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), val[5:])
		return append(dst, '"'), nil
	case bson.TypeObjectID:
		dst = hex.AppendEncode(append(dst, '"'), val)
		return append(dst, '"'), nil
	case bson.TypeNull, bson.TypeUndefined, 0:
		return append(dst, "null"...), nil
	}
	return nil, fmt.Errorf("event: BSON type %s has no JSON form", t)
}

func appendJSONDoc(dst []byte, t bson.Type, val []byte, depth int) ([]byte, error) {
	open, shut := byte('{'), byte('}')
	if t == bson.TypeArray {
		open, shut = '[', ']'
	}
	dst = append(dst, open)
	var err error
	for it, first := Elements(val), true; it.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		if t != bson.TypeArray {
			dst = append(appendQuoted(dst, it.key), ':')
		}
		if dst, err = appendJSON(dst, it.t, it.val, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, shut), nil
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
