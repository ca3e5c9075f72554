// Package segment says who is in which segment, and keeps it so while things happen
// and time passes.
//
// A segment is a definition: a condition (dynamic, or predictive when it asks for a
// prediction) or a list (static). What follows from definitions and events is
// derived: the memberships, their history, and for each person a behaviour, which
// holds what the conditions still need to know of past events. It is written in the
// commit of its cause and by nothing else, so that it can be thrown away and folded
// anew.
//
// Derive is that fold. A change of a person touches few segments, which an index of
// the compiled definitions (Set) finds; only those are asked again. Answers say when
// they can next change by themselves, and the sweep asks them again then. A new
// definition is BUILDING, beside the members as they were, until its backfill has
// looked at everybody; it is stalled when that failed or was cancelled, and Restore
// begins another.
//
// Definitions have a revision. A unit of work checks that it is still the one that it
// derived from, and publish, the one way to change what a definition says, moves it:
// nothing is derived from what no longer holds.
//
// People come on lists and leave them by events. Set operations, previews and exports
// walk memberships, profiles and behaviours by key, side by side in ranges, without
// holding them in memory; what is too much to be counted is estimated from a sample
// of people by their buckets, and says so.
package segment
