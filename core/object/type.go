package object

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// The limits of types and records.
const (
	MaxTypes        = 100      // of a workspace
	MaxFields       = 200      // of a type, deprecated ones too
	MaxRelations    = 20       // of a type
	MaxLinks        = 100      // of a record, over all of its relations
	MaxPeople       = 50       // of those, links to people: a change is an event for each, in one commit
	MaxRecord       = 64 << 10 // bytes of a record's values
	MaxJSON         = 16 << 10 // bytes of one json value
	MaxItems        = 100      // values of a field with many
	MaxString       = 1024     // characters of a string, unless its constraints say less
	MaxText         = 32 << 10 // characters of a text, likewise
	MaxKey          = 40       // bytes of the key of a type, a field or a relation
	MaxLabel        = 200      // characters of a name or a label
	MaxExternalID   = 256      // bytes
	MaxUpsert       = 1000     // records in one call
	MaxEnum         = 500      // values of an enum
	maxAliases      = 20       // former keys of a field
	maxFieldID      = 1 << 20  // fields that a type ever had
	guards          = 16       // documents that record writes check
	examplesOfBreak = 10
)

// FieldType is what a field holds.
type FieldType string

// The types of fields.
const (
	String    FieldType = "STRING"    // one line
	Text      FieldType = "TEXT"      // any length up to MaxText
	Integer   FieldType = "INTEGER"   // 64 bits
	Decimal   FieldType = "DECIMAL"   // exact, up to 34 digits
	Money     FieldType = "MONEY"     // {amount, currency}: exact, ISO 4217 letters
	Boolean   FieldType = "BOOLEAN"   //
	Date      FieldType = "DATE"      // 2026-11-21
	DateTime  FieldType = "DATETIME"  // RFC 3339, kept in UTC to the millisecond
	Enum      FieldType = "ENUM"      // one of the constraint's values
	Email     FieldType = "EMAIL"     // trimmed, lower case
	Phone     FieldType = "PHONE"     // E.164
	URL       FieldType = "URL"       // absolute
	Geo       FieldType = "GEO"       // {lat, lon} in degrees
	JSON      FieldType = "JSON"      // anything up to MaxJSON
	Reference FieldType = "REFERENCE" // the external id of a record of the target type
)

// FieldTypes lists them all.
var FieldTypes = []FieldType{
	String, Text, Integer, Decimal, Money, Boolean, Date, DateTime, Enum, Email, Phone, URL, Geo, JSON, Reference,
}

// Type is a kind of records. Its key is workspace/key.
type Type struct {
	store.Meta   `bson:",inline"`
	Key          string     `bson:"key"` // lower_snake, for ever
	Name         string     `bson:"name"`
	Plural       string     `bson:"plural"`
	Description  string     `bson:"description,omitempty"`
	Fields       []Field    `bson:"fields"`
	Relations    []Relation `bson:"relations,omitempty"`
	DisplayField string     `bson:"displayField,omitempty"` // a field's key; "" for the external id
	Version      int64      `bson:"version"`                // of the definition, from 1
	CreatedAt    time.Time  `bson:"createdAt"`
	UpdatedAt    time.Time  `bson:"updatedAt"`
	Deleting     string     `bson:"deleting,omitempty"` // "now" or "job" while it is being deleted
	NextField    int        `bson:"nextField"`          // the id of the next field or relation
	Trial        *Trial     `bson:"trial,omitempty"`
}

// Trial is a change that is being compared with the records: writers keep its
// rules beside those in force.
type Trial struct {
	Fields    []Field    `bson:"fields"`
	Relations []Relation `bson:"relations,omitempty"`
	Until     time.Time  `bson:"until"` // then it was left behind, and anybody drops it
}

// Field is a field of a type.
type Field struct {
	ID          string        `bson:"id"` // for ever; values are stored under it
	Key         string        `bson:"key"`
	Label       string        `bson:"label,omitempty"`
	Description string        `bson:"description,omitempty"`
	Type        FieldType     `bson:"type"`
	Many        bool          `bson:"many,omitempty"` // an array of values
	Required    bool          `bson:"required,omitempty"`
	Unique      bool          `bson:"unique,omitempty"`
	Default     bson.RawValue `bson:"default,omitempty"` // of records that say nothing; the zero value is none
	Category    core.Category `bson:"category"`
	Constraints Constraints   `bson:"constraints,omitempty"`
	Target      string        `bson:"target,omitempty"` // of a REFERENCE: a type's key
	Deprecated  bool          `bson:"deprecated,omitempty"`
	Aliases     []string      `bson:"aliases,omitempty"` // former keys that no field has taken
	// Since is the version of the type that brought the field: a record written
	// under an earlier one has the default.
	Since int64 `bson:"since"`
	// Claim tells this time of being unique from earlier ones; "" when not unique.
	Claim string `bson:"claim,omitempty"`
}

// Constraints narrow what a field may hold. The zero value narrows nothing.
type Constraints struct {
	Min       string   `bson:"min,omitempty"`       // numbers, amounts: a decimal literal; dates: a date or time
	Max       string   `bson:"max,omitempty"`       //
	MinLength int      `bson:"minLength,omitempty"` // characters
	MaxLength int      `bson:"maxLength,omitempty"` // characters; 0: the type's own limit
	MaxItems  int      `bson:"maxItems,omitempty"`  // of an array; 0: MaxItems
	Pattern   string   `bson:"pattern,omitempty"`   // RE2, found anywhere in the text
	Values    []string `bson:"values,omitempty"`    // of an enum
	Scale     *int     `bson:"scale,omitempty"`     // digits after the point, of DECIMAL and MONEY
}

// Relation says how records of a type relate to people or to records.
type Relation struct {
	ID    string `bson:"id"`
	Key   string `bson:"key"` // lower_snake, for ever
	Label string `bson:"label,omitempty"`
	Many  bool   `bson:"many,omitempty"`
	// Target is the key of the type that it leads to; "" for people.
	Target string `bson:"target,omitempty"`
}

// Types are the definitions of types.
var Types = store.Declare[Type](store.Spec{Name: "object_types"})

// TypeID returns the type's id in the API: "oty_" and its key.
func (t *Type) TypeID() string { return core.PrefixObjectType + "_" + t.Key }

// Workspace returns the type's workspace.
func (t *Type) Workspace() string { return store.WorkspaceOf(t.ID) }

// Field returns the field with the key, or with the key as an alias; nil when
// there is none.
func (t *Type) Field(key string) *Field { return fieldOf(t.Fields, key) }

// Relation returns the relation with the key, or nil.
func (t *Type) Relation(key string) *Relation { return relationOf(t.Relations, key) }

func fieldOf(fields []Field, key string) *Field {
	for i := range fields {
		if fields[i].Key == key {
			return &fields[i]
		}
	}
	for i := range fields {
		if slices.Contains(fields[i].Aliases, key) {
			return &fields[i]
		}
	}
	return nil
}

func fieldByID(fields []Field, id string) *Field {
	for i := range fields {
		if fields[i].ID == id {
			return &fields[i]
		}
	}
	return nil
}

func relationOf(relations []Relation, key string) *Relation {
	for i := range relations {
		if relations[i].Key == key {
			return &relations[i]
		}
	}
	return nil
}
