package scalar

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"github.com/headwater-cdp/headwater/core"
)

// badValue is the error of a value that is not of its scalar.
func badValue(message string) *core.Error {
	return core.Errorf(core.Invalid, "BAD_VALUE", "%s", message)
}

// MarshalCursor writes a cursor.
func MarshalCursor(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalCursor reads a cursor.
func UnmarshalCursor(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", badValue("a Cursor is a string that the server gave")
	}
	return s, nil
}

// MarshalInt64 writes a count as an Int, which has 32 bits; what is beyond is the
// greatest Int.
func MarshalInt64(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.FormatInt(max(min(n, math.MaxInt32), math.MinInt32), 10))
	})
}

// UnmarshalInt64 reads an Int.
func UnmarshalInt64(v any) (int64, error) { return graphql.UnmarshalInt64(v) }

// LooseTime is a time as it was sent, right or wrong, as JSON text: what takes it
// tells what is wrong with it for that one item.
type LooseTime json.RawMessage

// MarshalGQL implements graphql.Marshaler.
func (t LooseTime) MarshalGQL(w io.Writer) { _, _ = w.Write(t) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (t *LooseTime) UnmarshalGQL(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return errDateTime
	}
	*t = text
	return nil
}
