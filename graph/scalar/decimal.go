package scalar

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// Decimal is a decimal number as text, "12.50". It goes out as a string and comes
// in as a string or a number; its digits are never rounded.
type Decimal string

// decimalForm is a number of JSON with at most 40 characters of digits.
var decimalForm = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?$`)

var errDecimal = badValue(`a Decimal is a number or a string such as "12.50"`)

// MarshalGQL implements graphql.Marshaler.
func (d Decimal) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(d))) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (d *Decimal) UnmarshalGQL(v any) error {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int64, int:
		text = fmt.Sprint(v)
	default:
		return errDecimal
	}
	if !decimalForm.MatchString(text) {
		return errDecimal
	}
	*d = Decimal(text)
	return nil
}
