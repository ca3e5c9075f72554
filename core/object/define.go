package object

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// maxType bounds the document of a type.
const maxType = 512 << 10

// validKey reports whether s is lower_snake: a letter, then letters, digits and
// underscores.
func validKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= MaxKey
}

func checkKey(what, key string) *core.Error {
	if !validKey(key) {
		return invalid("KEY", "the key of a %s has 1 to %d small letters, digits and underscores, a letter first, like store_visit", what, MaxKey).At("key")
	}
	return nil
}

func checkLabel(member, s string, required bool) *core.Error {
	if required && strings.TrimSpace(s) == "" || length(s) > MaxLabel || !plain(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return invalid("LABEL", "%s has at most %d characters, in one line without control characters", member, MaxLabel).At(member)
	}
	return nil
}

const maxDescription = 2000

func checkDescription(s string) *core.Error {
	if len(s) > maxDescription || !plain(s) {
		return invalid("DESCRIPTION", "a description has at most %d bytes", maxDescription).At("description")
	}
	return nil
}

// CreateType defines a type. An existing key is CONFLICT, reason TYPE_EXISTS.
func (s *Service) CreateType(ctx context.Context, ws string, in TypeInput) (*Type, error) {
	now := s.o.Clock.Now().UTC().Truncate(time.Millisecond)
	// A key may be used again after its type was deleted. Versions then go on above
	// all earlier ones, so that nobody takes the new type for the old one.
	era := time.Now().UnixMicro()
	t := &Type{
		Meta: store.Meta{ID: store.Key(ws, in.Key), V: era}, Key: in.Key, Name: strings.TrimSpace(in.Name), Plural: strings.TrimSpace(in.Plural),
		Description: in.Description, Version: 1, CreatedAt: now, UpdatedAt: now, NextField: 1,
	}
	if t.Plural == "" {
		t.Plural = t.Name
	}
	if err := checkKey("type", in.Key); err != nil {
		return nil, err
	}
	err := s.retry(ctx, func() error {
		all, err := s.schema(ctx, ws)
		if err != nil {
			return err
		}
		if all.byKey[in.Key] != nil {
			return core.Errorf(core.Conflict, "TYPE_EXISTS", "an object type has this key already").At("key")
		}
		if len(all.all) >= MaxTypes {
			return invalid("TOO_MANY_TYPES", "a workspace has at most %d object types", MaxTypes)
		}
		next := *t
		if err := next.define(in, all); err != nil {
			return err
		}
		if err := s.commitType(ctx, &next, string(Created), next.put(true)...); err != nil {
			return err
		}
		next.V++
		*t = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// define fills in the fields and relations of a new type.
func (t *Type) define(in TypeInput, all *types) *core.Error {
	if err := t.names(); err != nil {
		return err
	}
	for i, f := range in.Fields {
		if err := t.addField(f, all, false); err != nil {
			return err.At("fields", strconv.Itoa(i))
		}
	}
	for i, r := range in.Relations {
		if err := t.addRelation(r, all); err != nil {
			return err.At("relations", strconv.Itoa(i))
		}
	}
	t.DisplayField = in.DisplayField
	return t.whole()
}

func (t *Type) names() *core.Error {
	if err := checkLabel("name", t.Name, true); err != nil {
		return err
	}
	if err := checkLabel("plural", t.Plural, true); err != nil {
		return err
	}
	return checkDescription(t.Description)
}

// whole checks what concerns the definition as a whole.
func (t *Type) whole() *core.Error {
	if t.DisplayField != "" {
		f := t.Field(t.DisplayField)
		if f == nil || f.Many || slices.Contains([]FieldType{JSON, Geo, Money}, f.Type) {
			return invalid("DISPLAY_FIELD", "the display field is a field with a single text, number or date").At("displayField")
		}
		t.DisplayField = f.Key
	}
	b, err := Types.Encode(t)
	if err != nil || len(b) > maxType {
		return invalid("TYPE_TOO_LARGE", "the definition of a type has at most %d bytes; shorten its lists of values", maxType)
	}
	return nil
}

// addField adds a field. later says that records may have been written without it.
func (t *Type) addField(in FieldInput, all *types, later bool) *core.Error {
	if len(t.Fields) >= MaxFields || t.NextField >= maxFieldID {
		return invalid("TOO_MANY_FIELDS", "an object type has at most %d fields, deprecated ones too", MaxFields)
	}
	if err := t.freeKey("field", in.Key); err != nil {
		return err
	}
	f := Field{
		ID: t.nextID(), Key: in.Key, Label: in.Label, Description: in.Description, Type: in.Type, Many: in.Many,
		Required: in.Required, Unique: in.Unique, Category: in.Category, Constraints: in.Constraints, Target: in.Target,
	}
	if later {
		f.Since = t.Version
	}
	if f.Category == "" {
		f.Category = core.Unclassified
	}
	if err := f.setDefault(in.Default); err != nil {
		return err
	}
	if err := f.check(all, t.Key); err != nil {
		return err
	}
	f.claim()
	for i := range t.Fields { // the key may have been an alias
		t.Fields[i].Aliases = slices.DeleteFunc(slices.Clone(t.Fields[i].Aliases), func(a string) bool { return a == in.Key })
	}
	t.Fields = append(slices.Clip(t.Fields), f)
	return nil
}

// claim begins a new time of being unique, under a name that no claim has that an
// earlier attempt may have left behind.
func (f *Field) claim() {
	f.Claim = ""
	if f.Unique {
		f.Claim = f.ID + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
}

func (t *Type) nextID() string {
	id := strconv.Itoa(t.NextField)
	t.NextField++
	return id
}

// freeKey refuses a key that a field or relation of the type has.
func (t *Type) freeKey(what, key string) *core.Error {
	if err := checkKey(what, key); err != nil {
		return err
	}
	taken := t.Relation(key) != nil
	for i := range t.Fields {
		taken = taken || t.Fields[i].Key == key
	}
	if taken {
		return core.Errorf(core.Conflict, "FIELD_EXISTS", "a field or relation of the type has the key %q already", key).At("key")
	}
	return nil
}

func (f *Field) setDefault(v any) *core.Error {
	f.Default = bson.RawValue{}
	if v == nil {
		return nil
	}
	given, err := event.ValueFromJSON(v)
	if err == nil && f.Type.valid() {
		given, err = f.value(given)
	}
	if err != nil {
		return err.At("default")
	}
	f.Default = given
	return nil
}

func (t *Type) addRelation(in RelationInput, all *types) *core.Error {
	if len(t.Relations) >= MaxRelations {
		return invalid("TOO_MANY_RELATIONS", "an object type has at most %d relations", MaxRelations)
	}
	if err := t.freeKey("relation", in.Key); err != nil {
		return err
	}
	if t.Field(in.Key) != nil {
		return core.Errorf(core.Conflict, "FIELD_EXISTS", "the key %q is a former key of a field", in.Key).At("key")
	}
	if err := checkLabel("label", in.Label, false); err != nil {
		return err
	}
	if in.Target != "" && in.Target != t.Key && all.byKey[in.Target] == nil {
		return unknownType(all, in.Target).At("target")
	}
	t.Relations = append(slices.Clip(t.Relations), Relation{ID: t.nextID(), Key: in.Key, Label: in.Label, Many: in.Many, Target: in.Target})
	return nil
}
