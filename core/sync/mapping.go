package sync

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// mapped is a field of a map, ready to be used.
type mapped struct {
	Field
	pulls, pushes     bool
	authority         Authority
	toLocal, toRemote *vm.Program
	rel               *lookup // of a relation
}

// mapping is a field map, ready to be used.
type mapping struct {
	kind   Kind
	fields []mapped
}

// The forms of Field.Local.
const (
	inTraits      = "traits."
	inIdentifiers = "identifiers."
	inFields      = "fields."
	localID       = "id"
	localExternal = "externalId"
)

// MaxFields is how many fields a map may have.
const MaxFields = 500

// compileMap checks a field map. The errors have the path of the field in the input.
func compileMap(y *Sync) (*mapping, error) {
	m := &mapping{kind: y.Kind}
	var bad Problems
	seen := map[string]bool{}
	if len(y.Fields) > MaxFields {
		return nil, core.Errorf(core.Invalid, "FIELDS", "a field map has at most %d fields", MaxFields).At("fieldMap")
	}
	for i, f := range y.Fields {
		at := func(e error, member string) {
			bad = append(bad, core.AsError(e).At("fieldMap", fmt.Sprint(i), member))
		}
		one := mapped{Field: f, authority: f.Authority}
		direction := f.Direction
		if direction == "" {
			direction = y.Direction
		}
		if !slices.Contains([]Direction{Pull, Push, Both}, direction) {
			at(core.Errorf(core.Invalid, "DIRECTION", "a direction is PULL, PUSH or BOTH"), "direction")
		}
		one.pulls, one.pushes = direction.pulls() && y.Direction.pulls(), direction.pushes() && y.Direction.pushes()
		if one.authority == "" {
			one.authority = y.Conflict
		}
		if !slices.Contains(authorities, one.authority) {
			at(core.Errorf(core.Invalid, "AUTHORITY", "an authority is REMOTE_WINS, LOCAL_WINS or LATEST_WINS"), "authority")
		}
		if f.Remote == "" || seen[f.Remote] {
			at(core.Errorf(core.Invalid, "REMOTE", "name a field of the stream, each once"), "remote")
		}
		seen[f.Remote] = true
		if err := checkLocal(y.Kind, f.Local, one.pulls); err != nil {
			at(err, "local")
		}
		for _, u := range f.Uses {
			if err := checkLocal(y.Kind, u, false); err != nil || strings.HasPrefix(u, inRelations) {
				at(core.Errorf(core.Invalid, "LOCAL", "an expression uses fields of what is carried over, and no relations"), "uses")
			}
		}
		if strings.HasPrefix(f.Local, inRelations) && f.ToLocal+f.ToRemote != "" {
			at(core.Errorf(core.Invalid, "EXPRESSION", "a relation is translated by itself, and takes no expression"), "local")
		}
		var err error
		if f.ToLocal != "" {
			if one.toLocal, err = compileExpression(f.ToLocal, "remote"); err != nil {
				at(err, "toLocal")
			}
		}
		if f.ToRemote != "" {
			if one.toRemote, err = compileExpression(f.ToRemote, "local"); err != nil {
				at(err, "toRemote")
			}
		}
		m.fields = append(m.fields, one)
	}
	return m, bad.orNil()
}

var authorities = []Authority{RemoteWins, LocalWins, LatestWins}

// checkLocal refuses what is no place here.
func checkLocal(k Kind, local string, pulled bool) error {
	if k == Costs {
		return checkCostPlace(local)
	}
	if k == Objects {
		if rest, ok := strings.CutPrefix(local, inFields); local == localExternal || ok && rest != "" {
			return nil
		}
		if rest, ok := strings.CutPrefix(local, inRelations); ok && rest != "" {
			return nil
		}
		return core.Errorf(core.Invalid, "LOCAL", `a field of a record is "fields.KEY", "relations.KEY" or "externalId"`)
	}
	if rest, ok := strings.CutPrefix(local, inTraits); ok && rest != "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(local, inIdentifiers); ok && rest != "" {
		return nil
	}
	if local == localID && !pulled {
		return nil
	}
	return core.Errorf(core.Invalid, "LOCAL", `a field of a person is "traits.PATH", "identifiers.NAMESPACE" or, to the vendor only, "id"`)
}

// localOf reads a place of a person as decoded JSON, and since when it holds.
func localOf(p *profile.Profile, place string) (any, time.Time) {
	if place == localID {
		return p.ProfileID(), time.Time{}
	}
	if namespace, ok := strings.CutPrefix(place, inIdentifiers); ok {
		for _, h := range p.Identifiers {
			if h.Namespace == namespace {
				return h.Value, h.At
			}
		}
		return nil, time.Time{}
	}
	t := p.TraitAt(strings.TrimPrefix(place, inTraits))
	if t == nil {
		return nil, time.Time{}
	}
	return jsonOf(t.Value), t.At
}

func jsonOf(v bson.RawValue) any {
	text, err := event.ValueToJSON(v)
	if err != nil {
		return nil
	}
	var out any
	_ = decodeJSON(text, &out)
	return out
}

// recordOf reads a place of a record.
func recordOf(t *object.Type, r *object.Record, doc bson.Raw, place string) any {
	if place == localExternal {
		return r.ExternalID
	}
	if key, ok := strings.CutPrefix(place, inRelations); ok {
		return tokensOf(r, key)
	}
	v, err := doc.LookupErr(strings.TrimPrefix(place, inFields))
	if err != nil {
		return nil
	}
	_ = t
	return jsonOf(v)
}

// remote returns the vendor's form of a field; get reads a place here.
func (f *mapped) remote(get func(place string) any) (any, error) {
	v := get(f.Local)
	if f.rel != nil {
		return f.rel.remote(v), nil
	}
	if f.toRemote == nil {
		return v, nil
	}
	all := map[string]any{}
	for _, u := range f.Uses {
		all[u] = plain(get(u))
	}
	v, err := run(f.toRemote, v, "local", all)
	if err != nil {
		return nil, errExpression(f.Remote)
	}
	return v, nil
}

// local returns what a field of a record is here.
func (f *mapped) local(r *Record, all map[string]any) (any, error) {
	v := r.Fields[f.Remote]
	if f.rel != nil {
		return f.linked(v)
	}
	if f.toLocal == nil {
		return v, nil
	}
	v, err := run(f.toLocal, v, "remote", all)
	if err != nil {
		return nil, errExpression(f.Remote)
	}
	return v, nil
}

// needs lists the places that are read to make the vendor's form of a field.
func (f *mapped) needs() []string {
	return append([]string{f.Local}, f.Uses...)
}

// remoteNames lists the vendor's fields that are read.
func (m *mapping) remoteNames() []string {
	var out []string
	for i := range m.fields {
		if m.fields[i].toLocal != nil { // it may look at any
			return nil
		}
		out = append(out, m.fields[i].Remote)
	}
	return out
}

// nest writes a value at a dotted path of a document.
func nest(doc map[string]any, path string, v any) {
	keys := event.SplitPath(path)
	for _, k := range keys[:len(keys)-1] {
		sub, ok := doc[k].(map[string]any)
		if !ok {
			sub = map[string]any{}
			doc[k] = sub
		}
		doc = sub
	}
	doc[keys[len(keys)-1]] = v
}

// allOf is the fields of a record for expressions.
func allOf(r *Record) map[string]any {
	out := make(map[string]any, len(r.Fields))
	for k, v := range r.Fields {
		out[k] = plain(v)
	}
	return out
}

// asText returns an identifier's value as text; "" for what can be none.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
