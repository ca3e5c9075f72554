package condition

import "time"

// Node is one node of a condition. Exactly one field is set; Kind names it.
type Node struct {
	And, Or    []*Node
	Not        *Node
	Trait      *Predicate // path in the traits
	Event      *Event     // happened, count times in the window
	Sequence   *Sequence
	FirstTime  *Event // the first matching event ever lies in the window
	Stopped    *Event // happened count times before the window, and not in it
	Aggregate  *Aggregate
	LastEvent  *Event // the latest event of the name lies in the window and meets where
	Object     *Object
	Segment    *Membership
	List       *Membership
	Consent    *Consent
	Message    *Message
	Prediction *Predicate // path is the prediction's name
	Bucket     *Bucket
	Geo        *Geo
	Field      *Predicate // path in the record; only where records are asked for
}

// Predicate asks something of the value at a path. All operators that are given
// must hold, of one and the same value where the path leads through arrays.
type Predicate struct {
	Path        string // dotted; a dot inside a key is written "\.", a backslash "\\"
	Operators   []Operator
	Any         []*Predicate // one element of the array meets all of them
	All         []*Predicate // each element does; false for an empty array
	None        []*Predicate // no element does; false when there is no array
	Size        *Range       // of the array
	IncludeNull bool         // missing: INCLUDE, a missing or null value passes
}

// Operator is a comparison with its operand.
type Operator struct {
	Op Op
	// Value is the operand as JSON: nil, bool, json.Number, string, []any,
	// map[string]any. For Before and After it is a time.Time, for OlderThan a
	// Period, for Within and Anniversary a Relative, for Exists a bool.
	Value any
}

// Op names an operator as the JSON form does.
type Op string

// The operators.
const (
	Eq          Op = "eq"
	Neq         Op = "neq"
	In          Op = "in"
	NotIn       Op = "notIn"
	Gt          Op = "gt"
	Gte         Op = "gte"
	Lt          Op = "lt"
	Lte         Op = "lte"
	Between     Op = "between" // both ends included
	Contains    Op = "contains"
	StartsWith  Op = "startsWith"
	EndsWith    Op = "endsWith"
	Matches     Op = "matches" // RE2, found anywhere in the text
	Exists      Op = "exists"
	Before      Op = "before"
	After       Op = "after"
	Within      Op = "within"
	OlderThan   Op = "olderThan"
	Anniversary Op = "anniversary"
)

// Relative is a stretch of time next to now: (now − Past, now] or (now, now +
// Next]. Exactly one is set.
type Relative struct{ Past, Next *Period }

// Period is an ISO 8601 duration. Years and months are calendar units, taken in
// the condition's time zone; weeks, days and less are elapsed time (P1D is 24 h).
type Period struct {
	Months  int
	Elapsed time.Duration
}

// Range bounds a number. Each bound is a decimal literal, "" when not given.
type Range struct{ Eq, Gte, Gt, Lte, Lt string }

// Window is the stretch of time that is looked at. A nil window is all time.
type Window struct {
	Last           *Period   // (now − Last, now]
	From, To       time.Time // [From, To); zero when not absolute
	AgoFrom, AgoTo *Period   // (now − AgoFrom, now − AgoTo]
	Calendar       Calendar  // the current calendar unit so far, in the time zone
}

// Calendar is a unit of the calendar; "" is none.
type Calendar string

// The calendar units. A week begins on Monday.
const (
	Day     Calendar = "DAY"
	Week    Calendar = "WEEK"
	Month   Calendar = "MONTH"
	Quarter Calendar = "QUARTER"
	Year    Calendar = "YEAR"
)

// Event asks for events of a name whose properties meet Where. Count is by
// default at least one.
type Event struct {
	Name   string
	Where  []*Predicate // paths in the properties
	Count  *Range
	Window *Window
}

// Sequence asks for events in an order: each step later than the one before (or at
// the same instant, by event id), the last within Within of the first, and none of
// Without between the first and the last.
type Sequence struct {
	Steps   []*Event // 2 to 10; their own Count and Window are not allowed
	Within  *Period
	Without []*Event
	Window  *Window // the whole sequence lies in it
}

// AggregateFn is a function over the matching events.
type AggregateFn string

// The functions. Count counts events that have a value at the path (all of them
// without a path); Sum, Avg, Min, Max read numbers; Distinct counts different
// scalar values. Values of other types are left out. Sum, Count and Distinct of nothing are 0; Avg, Min and Max of nothing
// have no value, and no range holds of that.
const (
	Count    AggregateFn = "COUNT"
	Sum      AggregateFn = "SUM"
	Avg      AggregateFn = "AVG"
	Min      AggregateFn = "MIN"
	Max      AggregateFn = "MAX"
	Distinct AggregateFn = "DISTINCT"
)

// Aggregate asks for a figure over events. With a Currency the values are money,
// {amount, currency}, and others are left out.
type Aggregate struct {
	Event    *Event // without Count
	Fn       AggregateFn
	Path     string // in the properties; through an array each element counts
	Value    *Range
	Currency string
}

// Quantifier says of how many related records the predicates must hold.
type Quantifier string

// The quantifiers. ALL of no record is false; NONE of no record is true.
const (
	MatchAny  Quantifier = "ANY"
	MatchAll  Quantifier = "ALL"
	MatchNone Quantifier = "NONE"
)

// Object asks for records related to the profile. With a Count, the number of
// matching records must lie in it, and Match is not allowed.
type Object struct {
	Type     string
	Relation string // the label of the relation; "" is any
	Match    Quantifier
	Where    []*Predicate // paths in the record's fields
	Count    *Range
}

// Membership asks whether the profile is in a segment or list, and since when.
type Membership struct {
	ID      string // seg_…
	Entered *Window
}

// Consent asks for the status of a purpose on a channel ("" is every channel).
type Consent struct{ Purpose, Channel, Status string }

// Message asks for what became of messages. Status is SENT, DELIVERED, OPENED,
// CLICKED, BOUNCED, COMPLAINED, REPLIED or UNSUBSCRIBED. What becomes of messages
// reaches a profile as system events named MessageEvent(Status), with the
// properties campaignId and nodeId.
type Message struct {
	Status, CampaignID, NodeID string
	Window                     *Window
}

// Bucket asks whether the profile falls into [From, To) of 10,000 equal buckets, by
// a hash of the salt and the profile's id.
type Bucket struct {
	Salt     string
	From, To int
}

// Geo asks whether the point at a trait's path, {lat, lon}, lies in a circle on the
// sphere. Lat, Lon (degrees) and RadiusKm are decimal literals.
type Geo struct {
	Path               string
	Lat, Lon, RadiusKm string
}

// The limits of a condition.
const (
	MaxDepth  = 12   // nodes above each other
	MaxNodes  = 200  // nodes and predicates
	MaxRegexp = 256  // bytes
	MaxList   = 1000 // values in one "in"
)
