package condition

import "github.com/headwater-cdp/headwater/core"

// Vocabulary is what a workspace knows of the things that conditions name.
// Types are "string", "integer", "decimal", "boolean", "datetime", "object" and
// "array", in any letter case; others are passed over. An implementation answers
// from memory.
type Vocabulary interface {
	// TraitTypes returns the types that were seen at a path of the traits.
	TraitTypes(path string) (types []string, known bool)
	// EventKnown tells whether events of the name were seen or are planned.
	EventKnown(name string) bool
	// PropertyTypes returns the types that were seen at a path of an event's properties.
	PropertyTypes(event, path string) (types []string, known bool)
	// ObjectType describes a type of records.
	ObjectType(key string) (ObjectVocabulary, bool)
	// Segment describes a segment or list.
	Segment(id string) (SegmentInfo, bool)
	// ObjectTypes and Events list names for suggestions.
	ObjectTypes() []string
	Events() []string
}

// Purposes is what a Vocabulary may implement as well, to have consent nodes'
// purposes looked up.
type Purposes interface {
	// PurposeKeys lists the purposes of the workspace.
	PurposeKeys() []string
}

// ObjectVocabulary is what a condition may say of a type's records.
type ObjectVocabulary struct {
	// Fields holds the types of each field's values by its path. Below a field of
	// type "object" any path may be asked for.
	Fields map[string][]string
	// Categories holds the category of each field by its key; one that is not in it is
	// UNCLASSIFIED.
	Categories map[string]core.Category
	// Relations are the labels of the type's relations to people.
	Relations []string
}

// SegmentInfo is what a condition must know of a segment or list that it names.
type SegmentInfo struct {
	Static   bool     // a list
	Archived bool     // it can no longer be referred to
	Refers   []string // seg_… that its own condition names
}

// Options say what a condition is for.
type Options struct {
	// Fields: the condition asks for records; only and, or, not and field are allowed.
	Fields bool
	// Type is the type of those records; "" leaves their fields unchecked.
	Type string
	// Self is the segment that is being saved, for cycles; "" for none.
	Self string
}

// Warning is something that may be a mistake but need not be: a trait that nobody
// has yet, an event that may come later.
type Warning struct {
	Reason  string // stable, UPPER_SNAKE
	Message string
	Path    []string // of the culprit in the condition
}

// The reasons of warnings.
const (
	WarnUnknownTrait    = "UNKNOWN_TRAIT"
	WarnUnknownEvent    = "UNKNOWN_EVENT"
	WarnUnknownProperty = "UNKNOWN_PROPERTY"
	WarnUnknownPurpose  = "UNKNOWN_PURPOSE"
	WarnUnseenType      = "UNSEEN_TYPE" // text was seen there, but never an RFC 3339 time
)
