// Package condition is the language in which Headwater asks who somebody is and what
// they did. Segments, the steps of journeys, triggers, the audiences of experiments
// and blocks of content all hold a condition; there is no other filter language and
// no code written by users.
//
// A condition is a tree of nodes. Each node is an object with exactly one key that
// names its kind:
//
//	{"and": [
//	  {"event": {"name": "Order Completed", "count": {"gte": 2}, "window": {"last": "P30D"}}},
//	  {"not": {"segment": {"id": "seg_…"}}}]}
//
// Both halves of the package share the node types in node.go. The front half reads:
//
//	Parse, Faults  JSON or a GraphQL input → Node; everything wrong at once, each with
//	               its path (read.go and what it calls: a file per kind of input)
//	MarshalJSON    Node → the one canonical form, which Parse takes back (json.go);
//	               Upgrade lifts what older versions wrote (version.go)
//	Words          Node → English (words*.go)
//	Ledgers        Node → what must be kept of a person's events (keys.go, keep.go)
//
// The back half answers: Compile makes a Program of a node, which evaluates it over
// Facts, says when the answer can next change by itself, what it reads, and why it
// is what it is; CompileLedger makes the folds that keep ledgers up to date.
//
// # Rules
//
// A null key counts as not given. A path is relative to what is asked: the traits,
// an event's properties, a record's fields, or, under any, all and none, an element
// (where "" is the element itself). The operators of one predicate, and the
// predicates of one where, are met by one and the same value, event or record.
//
// A comparison with a value that is missing or null is false, that of neq and notIn
// too, unless missing is INCLUDE; only exists sees what is missing. Nothing is
// converted: "5" is not 5. Integers and decimals are one kind of number and exact.
// Money, {amount, currency}, compares within its currency. An array meets an
// operator when an element does, and neq and notIn when no element is equal. Times
// are texts in the form of RFC 3339.
//
// Weeks, days and what is shorter are elapsed time: P1D is 24 hours. Months, years
// and the windows of the calendar follow the condition's time zone. A window that
// looks back ends now, and begins after its own beginning: (now − P30D, now].
//
// Events are matched against where once, when they come, for only their times and
// figures are kept. So operators that look from now (within, olderThan,
// anniversary) are refused there: a window, before and after say it instead. They
// are at home in traits and in records.
//
// An event node with the name of one of Headwater's own events (IsSystemEvent) means
// that one, and never a client's event of the same name. Who entered or left
// segments and lists is asked with segment, list and entered only.
//
// What can never be true is refused, with the reason: empty ranges and windows,
// operators that contradict each other, operators that cannot meet any type that
// was ever seen at a path. What may still come true (an event that nobody sent yet)
// is a warning.
//
// # Limits
//
// MaxDepth, MaxNodes, MaxRegexp and MaxList are in node.go, those of texts and
// numbers in read.go and literal.go. A regular expression is RE2 and bounded also as
// a program, so that no condition can make an event dear.
//
// # Adding a kind of node or an operator
//
// A kind: the type in node.go, its key in kinds and its case in kind (nodes.go), a
// reader beside its like, the writer in json.go, its words, its ledgers in keys.go
// if it reads events, its compilation, the naive evaluation in conditiontest, and a
// case in TestFaults, TestWords and drawNode. An operator: Op in node.go, operators
// and operand, typesFor in fits.go, its words, its comparison, conditiontest. The
// old form stays readable for ever (testdata/v1.json); where it cannot, raise
// Version and add an upgrade.
package condition
