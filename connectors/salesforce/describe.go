package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// streams are the objects that everybody has, by the name of their stream. A custom
// object's stream has its API name.
var streams = map[string]string{"contacts": "Contact", "leads": "Lead", "accounts": "Account", "opportunities": "Opportunity"}

// objectOf is the object of a stream.
func objectOf(stream string) (string, error) {
	if name, ok := streams[stream]; ok {
		return name, nil
	}
	if strings.HasSuffix(stream, "__c") && fieldName.MatchString(stream) {
		return stream, nil
	}
	return "", sdk.SchemaChanged("", "there is no such stream: discover again").Because("UNKNOWN_STREAM")
}

func streamOf(object string) string {
	for stream, name := range streams {
		if name == object {
			return stream
		}
	}
	return object
}

// field is a field as describe tells of it.
type field struct {
	Name       string   `json:"name"`
	Label      string   `json:"label"`
	Type       string   `json:"type"`
	Length     int      `json:"length"`
	Nillable   bool     `json:"nillable"`
	Createable bool     `json:"createable"`
	Updateable bool     `json:"updateable"`
	ExternalID bool     `json:"externalId"`
	Unique     bool     `json:"unique"`
	Custom     bool     `json:"custom"`
	Defaulted  bool     `json:"defaultedOnCreate"`
	Restricted bool     `json:"restrictedPicklist"`
	Reference  []string `json:"referenceTo"`
	Picklist   []struct {
		Value  string `json:"value"`
		Active bool   `json:"active"`
	} `json:"picklistValues"`
}

// shape is an object with its fields.
type shape struct {
	Name   string  `json:"name"`
	Label  string  `json:"labelPlural"`
	Fields []field `json:"fields"`
	byName map[string]*field
}

// readable says that a field has one value that a query returns.
func (f *field) readable() bool {
	return !slices.Contains([]string{"base64", "address", "location", "complexvalue", "anyType"}, f.Type)
}

// shape describes an object. It is asked for once, and again after the vendor said
// that something changed.
func (c *connection) shape(ctx context.Context, object string) (*shape, error) {
	c.shapesMu.Lock()
	s := c.shapes[object]
	c.shapesMu.Unlock()
	if s != nil {
		return s, nil
	}
	s = &shape{byName: map[string]*field{}}
	if err := c.call(ctx, http.MethodGet, "/sobjects/"+object+"/describe", false, nil, s); err != nil {
		if f := sdk.AsFault(err); f.Reason == "REFUSED" { // 404
			return nil, sdk.SchemaChanged("", "Salesforce has no such object, or it is hidden from the user as whom we work: discover again, or give access to it")
		}
		return nil, err
	}
	for i := range s.Fields {
		if fieldName.MatchString(s.Fields[i].Name) {
			s.byName[s.Fields[i].Name] = &s.Fields[i]
		}
	}
	c.shapesMu.Lock()
	defer c.shapesMu.Unlock()
	c.shapes[object] = s
	return s, nil
}

// again forgets an object's shape when a fault says that it changed.
func (c *connection) again(object string, err error) error {
	if err != nil && sdk.AsFault(err).Kind == sdk.FaultSchemaChanged {
		c.shapesMu.Lock()
		defer c.shapesMu.Unlock()
		delete(c.shapes, object)
	}
	return err
}

// Discover implements sdk.Discoverer.
func (c *connection) Discover(ctx context.Context) ([]sdk.Stream, error) {
	var all struct {
		Objects []struct {
			Name       string `json:"name"`
			Custom     bool   `json:"custom"`
			Setting    bool   `json:"customSetting"`
			Queryable  bool   `json:"queryable"`
			Replicable bool   `json:"replicateable"`
		} `json:"sobjects"`
	}
	if err := c.call(ctx, http.MethodGet, "/sobjects", false, nil, &all); err != nil {
		return nil, err
	}
	c.shapesMu.Lock()
	clear(c.shapes)
	c.shapesMu.Unlock()
	var out []sdk.Stream
	for _, o := range all.Objects {
		name := streamOf(o.Name)
		// Objects of the vendor's that are no stream here, and what only looks like records.
		custom := o.Custom && !o.Setting && strings.HasSuffix(o.Name, "__c")
		if !o.Queryable || !o.Replicable || name == o.Name && !custom {
			continue
		}
		s, err := c.shape(ctx, o.Name)
		if err != nil {
			return nil, err
		}
		stream, err := s.stream(name)
		if err != nil {
			return nil, err
		}
		out = append(out, stream)
	}
	slices.SortFunc(out, func(a, b sdk.Stream) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *shape) stream(name string) (sdk.Stream, error) {
	out := sdk.Stream{
		Name: name, Title: s.Label, Person: s.Name == "Contact" || s.Name == "Lead", Relations: map[string]string{},
		Modes: []sdk.Mode{sdk.PullFull, sdk.PullChanges, sdk.PushUpsert, sdk.PushDelete},
	}
	properties := map[string]any{}
	var required []string
	for i := range s.Fields {
		f := &s.Fields[i]
		if s.byName[f.Name] == nil || !f.readable() {
			continue
		}
		properties[f.Name] = f.schema()
		if f.Createable && !f.Nillable && !f.Defaulted {
			required = append(required, f.Name)
		}
		if f.ExternalID && f.Unique {
			out.Keys = append(out.Keys, f.Name)
		}
		if len(f.Reference) == 1 && (streamOf(f.Reference[0]) != f.Reference[0] || strings.HasSuffix(f.Reference[0], "__c")) {
			out.Relations[f.Name] = streamOf(f.Reference[0])
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		schema["required"] = required
	}
	var err error
	out.Schema, err = json.Marshal(schema)
	return out, err
}

// schema is a field as JSON Schema.
func (f *field) schema() map[string]any {
	kind, format := f.form()
	out := map[string]any{"title": f.Label, "type": kind}
	if f.Nillable {
		out["type"] = []string{kind, "null"}
	}
	if format != "" {
		out["format"] = format
	}
	if kind == "string" && f.Length > 0 && f.Type != "picklist" {
		out["maxLength"] = f.Length
	}
	if !f.Createable && !f.Updateable {
		out["readOnly"] = true
	}
	if f.Type == "picklist" && f.Restricted {
		values := []any{}
		for _, p := range f.Picklist {
			if p.Active {
				values = append(values, p.Value)
			}
		}
		if f.Nillable {
			values = append(values, nil)
		}
		out["enum"] = values
	}
	return out
}

// form is a field's type and format in JSON Schema.
func (f *field) form() (kind, format string) {
	switch f.Type {
	case "boolean":
		return "boolean", ""
	case "int", "long":
		return "integer", ""
	case "double", "currency", "percent":
		return "number", ""
	case "date":
		return "string", "date"
	case "datetime":
		return "string", "date-time"
	case "email":
		return "string", "email"
	}
	return "string", ""
}
