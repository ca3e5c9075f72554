package sync

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headwater-cdp/headwater/core"
)

// Masked stands for a secret that is set, in what is given out and in what comes back.
const Masked = "••••••"

// noLoader refuses every reference that leaves the schema.
type noLoader struct{}

var errOutside = errors.New("sync: a schema refers outside itself")

// Load implements jsonschema.URLLoader.
func (noLoader) Load(string) (any, error) { return nil, errOutside }

func compile(schema []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	const url = "headwater://connector/config.json"
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// Problems is everything that is wrong with an input.
type Problems []*core.Error

// Error implements error.
func (p Problems) Error() string { return p[0].Error() }

// Unwrap gives them all.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i, e := range p {
		out[i] = e
	}
	return out
}

func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// properties are what matters here of a configuration's schema.
type properties map[string]struct {
	WriteOnly bool   `json:"writeOnly"`
	Format    string `json:"format"`
	Default   any    `json:"default"`
}

func propertiesOf(c *Connector) properties {
	var doc struct {
		Properties properties `json:"properties"`
	}
	_ = json.Unmarshal(c.ConfigSchema, &doc)
	return doc.Properties
}

// checkConfig validates a whole configuration, secrets in clear, against the connector's
// schema. The errors have the path of the property; none quotes a value.
func checkConfig(c *Connector, config map[string]any) error {
	schema, err := compile(c.ConfigSchema)
	if err != nil {
		return core.Errorf(core.Invalid, "CONNECTOR_SCHEMA", "the connector's own schema cannot be read; install another version of it").Wrap(err)
	}
	// Through JSON, so that numbers are what the validator takes.
	text, err := json.Marshal(config)
	if err != nil {
		return core.Errorf(core.Invalid, "CONFIG", "a configuration is a JSON object").At("config")
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return core.Errorf(core.Invalid, "CONFIG", "a configuration is a JSON object").At("config")
	}
	err = schema.Validate(doc)
	if err == nil {
		return nil
	}
	var bad *jsonschema.ValidationError
	if !errors.As(err, &bad) {
		return core.Errorf(core.Invalid, "CONFIG", "the configuration does not fit the connector's schema").At("config")
	}
	var out Problems
	leaves(bad, func(e *jsonschema.ValidationError) {
		at := append([]string{"config"}, e.InstanceLocation...)
		word := "SCHEMA"
		if p := e.ErrorKind.KeywordPath(); len(p) > 0 {
			word = p[len(p)-1]
		}
		out = append(out, core.Errorf(core.Invalid, "CONFIG", "the value does not fit the connector's schema (%s)%s", word, missing(e)).At(at...))
	})
	slices.SortFunc(out, func(a, b *core.Error) int { return slices.Compare(a.Path, b.Path) })
	return out.orNil()
}

func leaves(e *jsonschema.ValidationError, f func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		f(e)
	}
	for _, c := range e.Causes {
		leaves(c, f)
	}
}
