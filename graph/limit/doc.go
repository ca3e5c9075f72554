// Package limit refuses GraphQL requests that would cost too much, before they
// cost anything.
//
// It works in three steps, each cheap whatever it is given. The text is measured
// and parsed under a token limit. The shape of the document is checked next:
// GraphQL's own validation compares fields pairwise and follows every spread, so
// that a short text can keep it busy for minutes; Shape counts what validation
// would have to do, with saturating numbers and one visit per fragment. Last, on
// the validated document, Cost multiplies every list by how much of it was asked
// for. JSON that comes as variables is measured before it is decoded.
package limit
