// Package object holds the workspace's own kinds of things: subscriptions, store
// visits, pets. A type is defined at run time, with typed fields and relations to
// people and to other types; records are written by external id.
//
// # Fields have names and numbers
//
// A record stores its values under the short id of each field, which never
// changes and is never used again, and the index of values is made of these ids
// too. So renaming a field rewrites nothing: its old key stays an alias for
// conditions and writers until another field takes it. Type.Document writes a
// record's values under the keys that hold now.
//
// # One schema at a time
//
// Each write of a record checks one of the type's guards, documents whose version
// rises with every change of the type, so that no record is written under a schema
// that no longer holds. A change that existing records might break is first put on
// trial: from then on writers keep both the old rules and the new ones, the
// records are walked, and only then is the change published, or dropped with the
// names of those in its way.
//
// # Finding
//
// Scalar values are also kept as tokens: texts of type, field and value whose
// order is the order of the values. A condition over records walks the tokens of
// its most selective predicate and asks the evaluator of core/condition about each
// record it meets: the index proposes, the evaluator decides.
//
// # Changes are events
//
// A change of a record commits, in the same batch, a system event for each person
// whom the record concerns or concerned.
package object
