package object

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

// TypeInput defines a new type.
type TypeInput struct {
	Key, Name, Plural, Description string
	Fields                         []FieldInput
	Relations                      []RelationInput
	DisplayField                   string
}

// FieldInput defines a new field.
type FieldInput struct {
	Key, Label, Description string
	Type                    FieldType
	Many, Required, Unique  bool
	Default                 any // decoded JSON; nil for none
	Category                core.Category
	Constraints             Constraints
	Target                  string
}

// RelationInput defines a new relation; Target "" leads to people.
type RelationInput struct {
	Key, Label, Target string
	Many               bool
}

// TypeUpdate changes a type, all of it or nothing. Nil and empty leave things as
// they are. Renames come first, so that the other parts speak of the new keys.
type TypeUpdate struct {
	Key                       string
	ExpectedVersion           *int64
	Name, Plural, Description *string
	DisplayField              *string
	Rename                    []Rename
	AddFields                 []FieldInput
	ChangeFields              []FieldChange
	RemoveFields              []string // refused while a record holds a value
	AddRelations              []RelationInput
	ChangeRelations           []RelationChange
	RemoveRelations           []string // refused while a record has a link
	DryRun                    bool
}

// Rename gives a field a new key. The old one stays an alias until it is taken.
type Rename struct{ From, To string }

// FieldChange changes a field; nil leaves a member as it is.
type FieldChange struct {
	Key                    string
	Label, Description     *string
	Type                   *FieldType
	Many, Required, Unique *bool
	Deprecated             *bool
	Default                any  // a new default, decoded JSON
	NoDefault              bool // removes the default
	Category               *core.Category
	Constraints            *Constraints // replaces all of them
	Target                 *string
}

// RelationChange changes a relation; nil leaves a member as it is.
type RelationChange struct {
	Key   string
	Label *string
	Many  *bool
}

// TypeResult is what an update did, or with DryRun would do.
type TypeResult struct {
	Type *Type
	// Checked is how many records were compared with the change; 0 when it only
	// widens.
	Checked int64
	Breaks  []Break // what is in the way; only with DryRun, else an update with breaks is an error
}

// Break says which records a change would break.
type Break struct {
	Path        []string // in the update
	Reason      string   // as in an item's error
	Message     string
	Count       int64
	ExternalIDs []string // at most 10 of them
}

// TypeDeletion deletes a type.
type TypeDeletion struct {
	Key             string
	ExpectedVersion *int64
	Records         bool // delete its records too, by a job
	DryRun          bool
}

// TypeDeletionResult is what a deletion did, or with DryRun would do.
type TypeDeletionResult struct {
	Type    *Type
	Records int64     // that it has, deleted ones that could be restored too
	UsedBy  []string  // ids of what uses the type: with any, deleting it is refused
	Job     *work.Job // that deletes the records and then the type; nil when there were none
}

// Item is a record to write.
type Item struct {
	ExternalID string
	// Fields is a JSON object: decoded, as text, or as bson.Raw. A field that it does
	// not name keeps its value, null clears it.
	Fields any
	// Links replaces the links of each relation that it names; none clears them.
	// Namespaces and values are normalised; the Relation of a link may be "".
	Links           map[string][]Link
	ExpectedVersion *int64 // 0: the record does not exist
	// At is when this held, as whoever holds it says. Zero is now in a call; of a row of a
	// file nobody knows. What is no newer than the erasure of a person is not taken.
	At time.Time
}

// Outcome says what became of a record.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "CREATED"
	Updated   Outcome = "UPDATED"
	Unchanged Outcome = "UNCHANGED"
	Deleted   Outcome = "DELETED"
	Restored  Outcome = "RESTORED"
	Failed    Outcome = "FAILED"
)

// Linked is the change that an event tells of when a person was found only after a
// record had named them.
const Linked = "LINKED"

// ItemResult is what became of an item, in the place of the item.
type ItemResult struct {
	ExternalID string
	Outcome    Outcome
	Record     *Record     // nil when it failed
	Err        *core.Error // its path is relative to the item: "fields", "price"
}

// Count is a number of records; when it is not exact there are at least so many.
type Count struct {
	Value int
	Exact bool
}
