package event

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// The limits of the catalogue. Field names are chosen by clients, so that without
// limits one client could fill the store with random ones; what is beyond is
// counted, not kept.
const (
	MaxOwners       = 1000   // of a workspace, give or take those that arrive in one instant
	MaxOwnerPaths   = 2000   // of an owner
	MaxPaths        = 50_000 // of a workspace, likewise
	MaxPath         = 128    // bytes of a path
	MaxSamples      = 20     // of a field
	MaxOwnerSamples = 1000   // of an owner
	MaxSample       = 64     // bytes of a sample
)

// OwnerTrait owns the traits of people. Other owners are named as their event.
const OwnerTrait = "TRAIT"

// OwnerOf returns the owner of an event's properties.
func OwnerOf(name string) string {
	if name == OwnerTrait {
		return "TRAIT (event)" // an event of that name must not speak for the traits
	}
	return name
}

// FieldSet is what is known of one owner's fields.
type FieldSet struct {
	store.Meta `bson:",inline"` // key: workspace/owner
	Owner      string           `bson:"owner"`
	Fields     []Field          `bson:"fields,omitempty"` // sorted by path
}

// Field is one field. Its path is dotted, a dot inside a key written "\."; an
// array adds nothing to it, so that "products.sku" is the sku of each product.
type Field struct {
	Path        string          `bson:"path"`
	Types       Types           `bson:"types"`
	Category    core.Category   `bson:"category"`
	By          string          `bson:"by"` // who chose the category: "DEFAULT" or an actor's id
	Description string          `bson:"description,omitempty"`
	FirstSeenAt time.Time       `bson:"firstSeenAt,omitempty"` // zero: described, never seen
	LastSeenAt  time.Time       `bson:"lastSeenAt,omitempty"`  // to the day
	Samples     []bson.RawValue `bson:"samples,omitempty"`
	Version     int64           `bson:"version"` // of category and description
}

// ByDefault is who chose a category that nobody has looked at.
const ByDefault = "DEFAULT"

// Fields is the catalogue of everything that events have held. It keeps samples
// only of fields whose category holds nothing personal.
var Fields = store.Declare[FieldSet](store.Spec{
	Name: "fields", Reach: store.ReachFinder, // a sample may turn out to be somebody's
	Data: map[string]core.Category{"fields.samples": core.Unclassified},
})

// FieldDefinition is a field with its owner.
type FieldDefinition struct {
	Owner string
	Field
}

// Types is a set of the types that a field was seen with.
type Types int64

// The types. Text that is an RFC 3339 time is a DateTime.
const (
	TypeString Types = 1 << iota
	TypeInteger
	TypeDecimal
	TypeBoolean
	TypeDateTime
	TypeObject
	TypeArray
	TypeNull
)

var typeNames = []string{"STRING", "INTEGER", "DECIMAL", "BOOLEAN", "DATETIME", "OBJECT", "ARRAY", "NULL"}

// Names lists the types of the set.
func (t Types) Names() []string {
	var out []string
	for i, name := range typeNames {
		if t&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// String joins the names with "|": "STRING|NULL".
func (t Types) String() string { return strings.Join(t.Names(), "|") }

// typeOf returns the type of a value.
func typeOf(t bson.Type, val []byte) Types {
	switch t {
	case bson.TypeString:
		if n := len(val); n >= 25 && n <= 40 && val[8] == '-' && val[11] == '-' && (val[14] == 'T' || val[14] == 't') {
			if _, err := time.Parse(time.RFC3339, string(val[4:n-1])); err == nil {
				return TypeDateTime
			}
		}
		return TypeString
	case bson.TypeInt64, bson.TypeInt32:
		return TypeInteger
	case bson.TypeDouble, bson.TypeDecimal128:
		return TypeDecimal
	case bson.TypeBoolean:
		return TypeBoolean
	case bson.TypeDateTime:
		return TypeDateTime
	case bson.TypeEmbeddedDocument:
		return TypeObject
	case bson.TypeArray:
		return TypeArray
	}
	return TypeNull
}

// FieldDefinitions lists the fields of an owner ("" for all of them) whose path
// begins with prefix, ordered by owner and path. It reads the store: what another
// process committed is seen.
func (s *Service) FieldDefinitions(ctx context.Context, ws, owner, prefix string) ([]FieldDefinition, error) {
	_ = s.Flush(ctx, ws) // a store that cannot be written can still be read
	var sets []*FieldSet
	var err error
	if owner == "" {
		sets, err = Fields.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
	} else if storable(owner) {
		sets, err = Fields.GetMany(ctx, s.db, []string{store.Key(ws, owner)})
	}
	if err != nil {
		return nil, outward(err)
	}
	var out []FieldDefinition
	for _, set := range sets {
		if set == nil {
			continue
		}
		for _, f := range set.Fields {
			if strings.HasPrefix(f.Path, prefix) {
				out = append(out, FieldDefinition{set.Owner, f})
			}
		}
	}
	return out, nil
}

// storable reports whether an owner's name can be a key.
func storable(owner string) bool {
	return owner != "" && len(owner) <= MaxName+16 && strings.IndexByte(owner, 0) < 0
}

// Categories returns the category of each registered path of an owner. A change
// by another process shows within CacheTTL; the map must not be changed.
func (s *Service) Categories(ctx context.Context, ws, owner string) (map[string]core.Category, error) {
	if !storable(owner) {
		return nil, nil
	}
	key := store.Key(ws, owner)
	out, err := s.categories.get(key, s.clock.Now(), func(map[string]core.Category) (map[string]core.Category, error) {
		set, err := Fields.Get(ctx, s.db, key)
		if set == nil || err != nil {
			return nil, err
		}
		m := make(map[string]core.Category, len(set.Fields))
		for _, f := range set.Fields {
			m[f.Path] = f.Category
		}
		return m, nil
	})
	return out, outward(err)
}

// FieldUpdate changes what people say about a field; nil leaves it as it is.
type FieldUpdate struct {
	Owner, Path     string
	ExpectedVersion *int64 // 0: the field is not known yet
	Category        *core.Category
	Description     *string
	// May is asked before the category of a field becomes another; nil allows all.
	May func(from, to core.Category) error
}

// MaxDescription is the length of a field's description, in bytes.
const MaxDescription = 2000

// SetField changes the category or description of a field. A field that was never
// seen can be described beforehand. A category that may not be sampled drops the
// samples. An update that changes nothing keeps the version.
func (s *Service) SetField(ctx context.Context, ws string, u FieldUpdate) (*FieldDefinition, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	var out FieldDefinition
	err := retry(func() error {
		set, err := Fields.Get(ctx, s.db, store.Key(ws, u.Owner))
		if err != nil {
			return err
		}
		if set == nil {
			set = &FieldSet{Meta: store.Meta{ID: store.Key(ws, u.Owner)}, Owner: u.Owner}
		}
		f, changed, err := set.describe(u, actorID(ctx))
		if err != nil {
			return err
		}
		if out = (FieldDefinition{u.Owner, *f}); !changed {
			return nil
		}
		return s.commit(ctx, Fields.Put(set))
	})
	if err != nil {
		return nil, err
	}
	s.staleOwner(ws, u.Owner)
	s.categories.drop(store.Key(ws, u.Owner))
	return &out, nil
}

func (u FieldUpdate) check() error {
	switch {
	case !storable(u.Owner):
		return invalid("OWNER", "the owner of a field is %s or an event's name", OwnerTrait).At("owner")
	case u.Path == "" || len(u.Path) > MaxPath || strings.IndexByte(u.Path, 0) >= 0:
		return invalid("PATH", "a field's path has 1 to %d bytes", MaxPath).At("path")
	case u.Category != nil && !u.Category.Valid():
		return invalid("CATEGORY", "the category is one of %s", joined(core.Categories)).At("category")
	case u.Description != nil && len(*u.Description) > MaxDescription:
		return invalid("DESCRIPTION", "a description has at most %d bytes", MaxDescription).At("description")
	}
	return nil
}

func (set *FieldSet) find(path string) (int, bool) {
	return slices.BinarySearchFunc(set.Fields, path, func(f Field, p string) int { return strings.Compare(f.Path, p) })
}

// describe makes a change of a field, and reports whether it changed anything.
func (set *FieldSet) describe(u FieldUpdate, actor string) (f *Field, changed bool, err error) {
	i, found := set.find(u.Path)
	if !found {
		if len(set.Fields) >= MaxOwnerPaths {
			return nil, false, invalid("TOO_MANY_FIELDS", "an owner has at most %d fields", MaxOwnerPaths).At("path")
		}
		set.Fields = slices.Insert(set.Fields, i, Field{Path: u.Path, Category: DefaultCategory(u.Owner, u.Path), By: ByDefault})
	}
	f = &set.Fields[i]
	if u.ExpectedVersion != nil && *u.ExpectedVersion != f.Version {
		return nil, false, staleVersion("the field", f.Version, *u.ExpectedVersion)
	}
	changed = !found
	if u.Category != nil && (*u.Category != f.Category || f.By == ByDefault) { // to confirm a default is a change
		if u.May != nil && *u.Category != f.Category {
			if err := u.May(f.Category, *u.Category); err != nil {
				return nil, false, err
			}
		}
		changed = true
		f.Category, f.By = *u.Category, actor
		if !sampled(f.Category) {
			f.Samples = nil
		}
	}
	if u.Description != nil && *u.Description != f.Description {
		changed = true
		f.Description = *u.Description
	}
	if changed {
		f.Version++
	}
	return f, changed, nil
}
