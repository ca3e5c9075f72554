package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
)

// shape is the schema of a stream, ready to be asked.
type shape struct {
	Stream
	properties map[string]property
	closed     bool // it has no fields but those that are named
	patterns   []*regexp.Regexp
	compiled   map[string]*jsonschema.Schema // of fields; nil: anything goes
}

// property is what matters here of a field's schema.
type property struct {
	Type     any  `json:"type"` // a word or several
	ReadOnly bool `json:"readOnly"`
}

// types lists the JSON types that a field takes; none for any.
func (p property) types() []string {
	switch t := p.Type.(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, one := range t {
			if word, ok := one.(string); ok && word != "null" {
				out = append(out, word)
			}
		}
		return out
	}
	return nil
}

func shapeOf(s Stream) *shape {
	out := &shape{Stream: s, compiled: map[string]*jsonschema.Schema{}}
	var doc struct {
		Properties map[string]property        `json:"properties"`
		Patterns   map[string]json.RawMessage `json:"patternProperties"`
		More       json.RawMessage            `json:"additionalProperties"`
	}
	if json.Unmarshal(s.Schema, &doc) != nil {
		return out // whoever wrote it: nothing is refused for it
	}
	out.properties, out.closed = doc.Properties, string(doc.More) == "false"
	for p := range doc.Patterns {
		if re, err := regexp.Compile(p); err == nil {
			out.patterns = append(out.patterns, re)
		} else {
			out.closed = false
		}
	}
	return out
}

// has reports whether the stream may have a field.
func (s *shape) has(field string) bool {
	if _, named := s.properties[field]; named || !s.closed {
		return true
	}
	return slices.ContainsFunc(s.patterns, func(re *regexp.Regexp) bool { return re.MatchString(field) })
}

// wrong says why a value does not fit a field; "" when it does. Nothing clears a field.
// Formats are left to the vendor.
func (s *shape) wrong(field string, v any) string {
	if _, named := s.properties[field]; v == nil || !named {
		return ""
	}
	schema, known := s.compiled[field]
	if !known {
		schema = compileField(s.Schema, field)
		s.compiled[field] = schema
	}
	if schema == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "it is no JSON value"
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return "it is no JSON value"
	}
	if schema.Validate(doc) == nil {
		return ""
	}
	if want := s.properties[field].types(); len(want) > 0 && !slices.Contains(want, jsonType(v)) {
		return "it is a " + jsonType(v) + " and must be a " + strings.Join(want, " or ")
	}
	return "it does not fit the field's schema"
}

// compileField compiles the schema of one field within that of its stream.
func compileField(schema []byte, field string) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		return nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	const url = "headwater://connector/stream.json"
	if c.AddResource(url, doc) != nil {
		return nil
	}
	out, err := c.Compile(url + "#/properties/" + strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "#", "%23", " ", "%20").Replace(field))
	if err != nil {
		return nil
	}
	return out
}

// jsonType is the name of a value's type in JSON Schema.
func jsonType(v any) string {
	switch v := v.(type) {
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "string"
}

// discovered is what a connection discovered last.
type discovered struct {
	revision int64
	version  string
	at       time.Time
	streams  []Stream
}

// shapesFor is how long a run takes what was discovered for true.
const shapesFor = 10 * time.Minute

// shape returns the schema of a stream of a connection, as discovered lately where old is
// allowed; nil when there is none, or the connector lists no streams.
func (s *Service) shape(ctx context.Context, c *Connection, stream string, old bool) (*shape, error) {
	s.mu.Lock()
	have := s.shapes[c.ID]
	s.mu.Unlock()
	if !old || have.revision != c.Revision || have.version != c.ConnectorVersion || s.now().Sub(have.at) > shapesFor {
		in, _, err := s.dial(ctx, c)
		if err != nil {
			return nil, err
		}
		list, err := in.Discover(ctx)
		if err != nil {
			return nil, err
		}
		have = discovered{c.Revision, c.ConnectorVersion, s.now(), list}
		s.mu.Lock()
		s.shapes[c.ID] = have
		s.mu.Unlock()
	}
	for _, one := range have.streams {
		if one.Name == stream {
			return shapeOf(one), nil
		}
	}
	return nil, nil
}

// forgetShapes has a connection discovered again.
func (s *Service) forgetShapes(c *Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shapes, c.ID)
}

// discover reads the stream's schema when an expression makes what goes there, and where
// relations are carried over.
func (j *job) discover(ctx context.Context) error {
	if j.sync.Kind != Profiles && j.sync.Kind != Objects {
		return nil
	}
	related := slices.ContainsFunc(j.m.fields, func(f mapped) bool { return strings.HasPrefix(f.Local, inRelations) })
	if !related && !slices.ContainsFunc(j.m.fields, func(f mapped) bool { return f.pushes && f.toRemote != nil }) {
		return nil
	}
	done, err := j.lim.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	call, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	j.shape, err = j.Service.shape(call, j.conn, j.sync.Stream, true)
	switch f := AsFault(err); {
	case f == nil || f.Kind == FaultUnsupported: // a connector that does not tell
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return f
	}
	if !related {
		return nil
	}
	t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
	if err != nil || t == nil {
		return err
	}
	return j.relate(t)
}

// checkResult refuses what an expression made and the vendor's field does not take.
func (j *job) checkResult(f *mapped, v any) error {
	if f.toRemote == nil || j.shape == nil {
		return nil
	}
	why := j.shape.wrong(f.Remote, v)
	switch {
	case !j.shape.has(f.Remote):
		why = "the stream has no such field any more"
	case why == "":
		return nil
	}
	return &Fault{
		Kind: FaultInvalidRecord, Origin: FromConfig, Reason: "RESULT_TYPE", Path: f.Remote,
		Message: "what the expression of this field makes is not sent: " + why + "; change the field map and replay",
	}
}

// checkFields compares a sync with what its stream really has. A vendor that cannot be
// asked now hinders nobody: what does not fit shows in the runs.
func (s *Service) checkFields(ctx context.Context, c *Connection, y *Sync) error {
	if y.Stream == "" || y.Kind == List || y.Kind == Events && y.Direction.pushes() {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	f, err := s.shape(call, c, y.Stream, false)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.Logger.Info("sync: the field map is not compared with the vendor's fields", "connection", c.ConnectionID(), "fault", AsFault(err).Word())
		return nil
	}
	if f == nil {
		return Problems{core.Errorf(core.Invalid, "STREAM", "the connection has no stream of this name; its streams list them").At("stream")}
	}
	var bad Problems
	fail := func(reason, message string, at ...string) {
		bad = append(bad, core.Errorf(core.Invalid, reason, "%s", message).At(at...))
	}
	can := func(mode string) bool { return len(f.Modes) == 0 || slices.Contains(f.Modes, mode) }
	if y.Direction.pulls() && !can(PullFull) && !can(PullChanges) {
		fail("DIRECTION", "this stream cannot be pulled", "direction")
	}
	if y.Direction.pushes() && !can(PushUpsert) {
		fail("DIRECTION", "this stream cannot be written", "direction")
	}
	if y.Direction.pushes() && y.Match != "" && !f.has(y.Match) {
		fail("MATCH", "the stream has no field of this name", "match")
	}
	kinds, err := s.kindsOf(ctx, y)
	if err != nil {
		return err
	}
	m, err := compileMap(y)
	if err != nil {
		return err
	}
	for i := range m.fields {
		one := &m.fields[i]
		at := []string{"fieldMap", fmt.Sprint(i), "remote"}
		p := f.properties[one.Remote]
		want, is := p.types(), kinds(one.Local)
		switch {
		case !f.has(one.Remote):
			fail("REMOTE_UNKNOWN", "the stream has no field of this name; the connection's streams list them", at...)
		case one.pushes && p.ReadOnly:
			fail("REMOTE_READ_ONLY", "the vendor does not let anybody write this field: give it the direction PULL", at...)
		case strings.HasPrefix(one.Local, inRelations):
			if f.Relations[one.Remote] == "" {
				fail("REMOTE_RELATION", "this field of the vendor's does not point at records of a stream; the connection's streams say which do", at...)
			}
		case is == "" || len(want) == 0:
		case one.pushes && one.toRemote == nil && !fits(is, want):
			fail("REMOTE_TYPE", "the field takes a "+strings.Join(want, " or ")+", and what is here is a "+is+": make one of the other with toRemote", at...)
		case one.pulls && one.toLocal == nil && !slices.ContainsFunc(want, func(w string) bool { return fits(w, []string{is}) }):
			fail("REMOTE_TYPE", "the field holds a "+strings.Join(want, " or ")+", and here belongs a "+is+": make one of the other with toLocal", at...)
		}
	}
	return bad.orNil()
}

// fits reports whether a value of a JSON type can be one of others.
func fits(is string, want []string) bool {
	return slices.Contains(want, is) || is == "integer" && slices.Contains(want, "number") ||
		is == "number" && slices.Contains(want, "integer") // whole ones can
}

// kindsOf returns the JSON type of what stands in a place here; "" where anything can.
func (s *Service) kindsOf(ctx context.Context, y *Sync) (func(place string) string, error) {
	var t *object.Type
	if y.Kind == Objects {
		var err error
		if t, err = s.Objects.Type(ctx, y.Workspace(), y.Type); err != nil {
			return nil, err
		}
	}
	return func(place string) string {
		if place == localID || place == localExternal || strings.HasPrefix(place, inIdentifiers) {
			return "string"
		}
		key, ok := strings.CutPrefix(place, inFields)
		if !ok || t == nil || t.Field(key) == nil {
			return ""
		}
		f := t.Field(key)
		if f.Many {
			return "array"
		}
		switch f.Type {
		case object.Integer:
			return "integer"
		case object.Decimal:
			return "number"
		case object.Boolean:
			return "boolean"
		case object.Money, object.Geo:
			return "object"
		case object.JSON:
			return ""
		}
		return "string"
	}, nil
}
