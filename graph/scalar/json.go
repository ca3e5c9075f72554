package scalar

import (
	"bytes"
	"encoding/json"
	"io"
)

// JSON is any JSON value as text. Numbers stay exactly as they were written, in
// both directions, whatever their size.
type JSON []byte

// MarshalGQL implements graphql.Marshaler. No text is null.
func (j JSON) MarshalGQL(w io.Writer) {
	if len(j) == 0 {
		_, _ = io.WriteString(w, "null")
		return
	}
	_, _ = w.Write(j)
}

// UnmarshalGQL implements graphql.Unmarshaler. v is what a decoder that uses
// json.Number makes, so that encoding it again gives the same numbers.
func (j *JSON) UnmarshalGQL(v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return badValue("not a JSON value")
	}
	*j = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return nil
}

// IsNull reports whether j is null or no value at all.
func (j JSON) IsNull() bool { return len(j) == 0 || string(j) == "null" }
