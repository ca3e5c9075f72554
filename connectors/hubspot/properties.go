package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// standard are the objects that everybody has, with the property of their last change.
var standard = []objectType{
	{Stream: "contacts", Title: "Contacts", Changed: "lastmodifieddate"},
	{Stream: "companies", Title: "Companies", Changed: "hs_lastmodifieddate"},
	{Stream: "deals", Title: "Deals", Changed: "hs_lastmodifieddate"},
}

// linked is the field of a record with the ids of the records of a stream that it is
// associated with: "associations.companies".
const linked = "associations."

// objectType is an object with its properties. The stream of a custom one has its
// fully qualified name.
type objectType struct {
	ID                     string // of a custom one: "2-1001"
	Stream, Title, Changed string
	properties             map[string]*property
	names                  []string // in the vendor's order
}

// property is a property as the API tells of it.
type property struct {
	Name      string `json:"name"`
	Label     string `json:"label"`
	Type      string `json:"type"`
	FieldType string `json:"fieldType"`
	Unique    bool   `json:"hasUniqueValue"`
	Hidden    bool   `json:"hidden"`
	Options   []struct {
		Value  string `json:"value"`
		Hidden bool   `json:"hidden"`
	} `json:"options"`
	Modification struct {
		ReadOnly bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// path is the beginning of the API's paths for the object.
func (o *objectType) path() string { return "/crm/v3/objects/" + o.Stream }

// custom says that a stream is that of a custom object, by its form.
func custom(stream string) bool {
	return strings.HasPrefix(stream, "p") && strings.Contains(stream, "_")
}

// objectType describes the object of a stream. It is asked for once, and again after
// the vendor said that something changed.
func (c *connection) objectType(ctx context.Context, stream string) (*objectType, error) {
	c.typesMu.Lock()
	o := c.types[stream]
	c.typesMu.Unlock()
	if o != nil {
		return o, nil
	}
	o = &objectType{Stream: stream, Title: stream, Changed: "hs_lastmodifieddate"}
	if i := slices.IndexFunc(standard, func(s objectType) bool { return s.Stream == stream }); i >= 0 {
		*o = standard[i]
	} else if !custom(stream) || !propertyName.MatchString(stream) {
		return nil, sdk.SchemaChanged("", "there is no such stream: discover again").Because("UNKNOWN_STREAM")
	}
	var answer struct {
		Results []property `json:"results"`
	}
	if err := c.call(ctx, http.MethodGet, "/crm/v3/properties/"+stream, false, nil, &answer); err != nil {
		return nil, err
	}
	o.properties = map[string]*property{}
	for i := range answer.Results {
		if p := &answer.Results[i]; propertyName.MatchString(p.Name) {
			o.properties[p.Name] = p
			o.names = append(o.names, p.Name)
		}
	}
	c.typesMu.Lock()
	defer c.typesMu.Unlock()
	c.types[stream] = o
	return o, nil
}

// again forgets an object when a fault says that it changed.
func (c *connection) again(stream string, err error) error {
	if err != nil && sdk.AsFault(err).Kind == sdk.FaultSchemaChanged {
		c.typesMu.Lock()
		defer c.typesMu.Unlock()
		delete(c.types, stream)
	}
	return err
}

// Discover implements sdk.Discoverer. Accounts whose edition has no custom objects
// have none of them.
func (c *connection) Discover(ctx context.Context) ([]sdk.Stream, error) {
	c.typesMu.Lock()
	clear(c.types)
	c.typesMu.Unlock()
	customs, err := c.customTypes(ctx, true)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(standard), customs...)
	var out []sdk.Stream
	for _, one := range all {
		o, err := c.objectType(ctx, one.Stream)
		if err != nil {
			return nil, err
		}
		stream, err := o.stream(one.Title, all)
		if err != nil {
			return nil, err
		}
		out = append(out, stream)
	}
	return out, nil
}

// customTypes are the account's own objects. An edition without them has none.
func (c *connection) customTypes(ctx context.Context, afresh bool) ([]objectType, error) {
	c.typesMu.Lock()
	had := c.customs
	c.typesMu.Unlock()
	if had != nil && !afresh {
		return had, nil
	}
	var answer struct {
		Results []struct {
			ID       string `json:"objectTypeId"`
			FullName string `json:"fullyQualifiedName"`
			Archived bool   `json:"archived"`
			Labels   struct {
				Plural string `json:"plural"`
			} `json:"labels"`
		} `json:"results"`
	}
	err := c.call(ctx, http.MethodGet, "/crm-object-schemas/v3/schemas", false, nil, &answer)
	if err != nil && sdk.AsFault(err).Reason != "MISSING_SCOPE" {
		return nil, err
	}
	found := []objectType{}
	for _, s := range answer.Results {
		if !s.Archived && custom(s.FullName) && propertyName.MatchString(s.FullName) {
			found = append(found, objectType{ID: s.ID, Stream: s.FullName, Title: s.Labels.Plural})
		}
	}
	c.typesMu.Lock()
	defer c.typesMu.Unlock()
	c.customs = found
	return found, nil
}

func (o *objectType) stream(title string, all []objectType) (sdk.Stream, error) {
	out := sdk.Stream{
		Name: o.Stream, Title: title, Person: o.Stream == "contacts", Relations: map[string]string{},
		Modes: []sdk.Mode{sdk.PullFull, sdk.PullChanges, sdk.PushUpsert, sdk.PushDelete},
	}
	properties := map[string]any{}
	for _, name := range o.names {
		p := o.properties[name]
		properties[name] = p.schema()
		if p.Unique && !p.Modification.ReadOnly {
			out.Keys = append(out.Keys, name)
		}
	}
	for _, other := range all {
		if other.Stream != o.Stream {
			properties[linked+other.Stream] = map[string]any{"title": "Associated: " + other.Title, "type": "array", "items": map[string]string{"type": "string"}}
			out.Relations[linked+other.Stream] = other.Stream
		}
	}
	var err error
	out.Schema, err = json.Marshal(map[string]any{"type": "object", "properties": properties, "additionalProperties": false})
	return out, err
}

// schema is a property as JSON Schema. Any of them may be empty.
func (p *property) schema() map[string]any {
	kind, format := "string", ""
	switch p.Type {
	case "number":
		kind = "number"
	case "bool":
		kind = "boolean"
	case "date":
		format = "date"
	case "datetime":
		format = "date-time"
	}
	if p.Name == "email" {
		format = "email"
	}
	out := map[string]any{"title": p.Label, "type": []string{kind, "null"}}
	if format != "" {
		out["format"] = format
	}
	if p.Modification.ReadOnly {
		out["readOnly"] = true
	}
	// A property with several choices has them in one text, with semicolons.
	if p.Type == "enumeration" && p.FieldType != "checkbox" && !p.Modification.ReadOnly && len(p.Options) > 0 {
		values := []any{nil}
		for _, o := range p.Options {
			values = append(values, o.Value)
		}
		out["enum"] = values
	}
	return out
}

// value is a property's value as records here have it; the API has text only.
func (p *property) value(text *string) any {
	if text == nil || *text == "" {
		return nil
	}
	switch p.Type {
	case "number":
		if json.Valid([]byte(*text)) {
			return json.Number(*text)
		}
	case "bool":
		return *text == "true"
	case "datetime":
		if t, ok := parseTime(*text); ok {
			return t.Format(time.RFC3339Nano)
		}
	}
	return *text
}

// text is a value for the API. Empty clears the property.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int:
		return strconv.Itoa(v), true
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			s, ok := one.(string)
			if !ok {
				return "", false
			}
			parts[i] = s
		}
		return strings.Join(parts, ";"), true
	}
	return "", false
}

// parseTime reads a time as the API writes it: RFC 3339, or milliseconds.
func parseTime(s string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil
}

// columns are the properties to ask for and the streams whose associations to read.
func (o *objectType) columns(mapped []string, all []string) (names, links []string, keep map[string]bool, err error) {
	keep = map[string]bool{}
	if mapped == nil {
		names, links = slices.Clone(o.names), all
		for _, name := range names {
			keep[name] = true
		}
	}
	for _, name := range mapped {
		if stream, ok := strings.CutPrefix(name, linked); ok && (custom(stream) || slices.ContainsFunc(standard, func(s objectType) bool { return s.Stream == stream })) {
			links = append(links, stream)
			continue
		}
		if o.properties[name] == nil {
			path := name
			if !propertyName.MatchString(path) {
				path = ""
			}
			return nil, nil, nil, sdk.SchemaChanged(path, "HubSpot has no such property on this object: discover again, or make the property")
		}
		names, keep[name] = append(names, name), true
	}
	for _, name := range []string{o.Changed, "hs_object_id", "hs_merged_object_ids"} {
		if o.properties[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, links, keep, nil
}

// object is a record as the API has it.
type object struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	UpdatedAt  string             `json:"updatedAt"`
	ArchivedAt string             `json:"archivedAt"`
	Archived   bool               `json:"archived"`
	New        bool               `json:"new"`
	Trace      string             `json:"objectWriteTraceId"`
}

// numeric says that something looks like an id, before it becomes part of a path.
func numeric(s string) bool {
	return s != "" && len(s) < 20 && strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' }) < 0
}

// changed is the time of an object's last change.
func (o *objectType) changed(one *object) time.Time {
	if text := one.Properties[o.Changed]; text != nil {
		if t, ok := parseTime(*text); ok {
			return t
		}
	}
	t, _ := parseTime(one.UpdatedAt)
	return t
}

// records are an object and what was merged into it.
func (o *objectType) records(one *object, keep map[string]bool) []sdk.Record {
	r := sdk.Record{ID: one.ID, UpdatedAt: o.changed(one), Fields: make(map[string]any, len(keep))}
	for name := range keep {
		if p := o.properties[name]; p != nil {
			r.Fields[name] = p.value(one.Properties[name])
		}
	}
	out := []sdk.Record{r}
	if merged := one.Properties["hs_merged_object_ids"]; merged != nil {
		for id := range strings.SplitSeq(*merged, ";") {
			if numeric(id) {
				out = append(out, sdk.Record{ID: id, Deleted: true, Merged: one.ID, UpdatedAt: r.UpdatedAt})
			}
		}
	}
	return out
}
