package sync

import (
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// missing names the properties that are wanting or too many: they are names of the
// schema or the caller's own, never values.
func missing(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return ": give " + strings.Join(k.Missing, ", ")
	case *kind.AdditionalProperties:
		return ": it does not know " + strings.Join(k.Properties, ", ")
	case *kind.Type:
		return ": it must be " + strings.Join(k.Want, " or ")
	}
	return ""
}
