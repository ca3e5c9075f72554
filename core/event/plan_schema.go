package event

import (
	"errors"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headwater-cdp/headwater/core"
)

// noLoader refuses every reference that leaves the schema: a plan must not make
// the server read files or call hosts.
type noLoader struct{}

var errOutside = errors.New("event: a schema refers outside itself")

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) { return nil, errOutside }

// compileSchema compiles a JSON Schema. Patterns are RE2: no input makes them
// slow. Formats are asserted.
func compileSchema(text string) (*jsonschema.Schema, *core.Error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, invalid("SCHEMA", "a schema is JSON text").Wrap(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	const url = "headwater://plan/rule.json" // a path, so that relative references leave it
	if err := c.AddResource(url, doc); err != nil {
		return nil, invalid("SCHEMA", "the schema cannot be read").Wrap(err)
	}
	schema, err := c.Compile(url)
	var outside *jsonschema.LoadURLError
	switch {
	case err == nil:
		return schema, nil
	case errors.As(err, &outside):
		return nil, invalid("SCHEMA_REF", "a schema may refer only to itself: use #/$defs/…").Wrap(err)
	}
	return nil, invalid("SCHEMA", "not a JSON Schema: %s", schemaFault(err)).Wrap(err)
}

// schemaFault says what is wrong with a schema. Its author wrote it: it may be
// quoted to them, though not at length.
func schemaFault(err error) string {
	text := err.Error()
	var bad *jsonschema.SchemaValidationError
	if errors.As(err, &bad) {
		text = bad.Err.Error()
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

func ratText(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	n, exact := r.FloatPrec()
	if !exact {
		n = 6
	}
	return r.FloatString(min(n, 20))
}
