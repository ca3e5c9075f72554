// Package attribution says what conversions are owed to: it shares the credit of each
// among the touchpoints before it.
//
// # Models
//
// Weights, Chain and Tally are the models, pure functions: first, last, linear,
// position, time decay, Markov removal and Shapley. Whatever the model, the credit adds
// up to the conversions, and to their value to the cent.
//
// # Points
//
// A workspace's Rules say which events are touchpoints, of which channel, campaign,
// journey, node and source, and which are conversions, of what value. A Point is written
// in the commit of such an event (Derive), under the event's own id: what comes twice
// counts once. It stands under the part that the event stands under, and is never changed.
//
// Whose a point is, is asked when figures are made: the parts of a person are put
// together then, so that merges and their undoing, and events that come late, are right
// at once and cost nothing before. Erasure deletes the points of a person like all that
// stands under a part.
//
// # Figures
//
// Compute walks the points of a range of time in 64 shards of people, so that one shard
// at a time is in memory, and gives each way to a Tally. A person whom the caller may not
// see, and a source that did not collect for the caller's purpose, are left out. For who
// may not read identifiers in clear, rows of few people are withheld (Shield).
// More than a request can read is for a job of kind ReportKind.
package attribution
