// Package insight keeps the figures of a workspace: metrics that are declared, and the
// rollups that answer them.
//
// # Metrics and measures
//
// A Metric is data: a numerator, perhaps a denominator, each a Measure: which events
// count, and what of each (one, a number, money, the person). Built-in ones are such data
// too (builtin.go), and a workspace's own of the same name takes their place. What a
// measure keeps follows from what it says: two metrics that say the same share it, and
// one that is changed begins anew.
//
// # Rollups
//
// Derive folds the events of a unit in their commit: increments into a document for each
// measure, week, cell of dimensions and lane, with a field for each hour, so that a period
// of any time zone is a sum of fields. Money is kept by currency in whole units and
// millionths; it is converted when it is asked for, by the rates of each day. A person is
// the profile that an event belonged to when it was committed. The people of a cell and day are a sketch: exact while they are few (MaxExact), then a HyperLogLog.
//
// # The past
//
// Backfill and rebuild are one thing. In a snapshot of the store lie the log and, as of
// the same commit, the rollups: what the log says less what the rollups hold is what is
// missing, and is added. So nothing is counted twice or lost, whatever was folded live
// meanwhile, and a run that was killed is simply run again. A process that does not know a
// new definition yet cannot commit: each unit that touches a measure checks a guard, which
// every change of the definitions rewrites.
//
// # What may be seen
//
// Whoever may not read identifiers in clear sees aggregates only: cells of fewer than
// SmallCell people are suppressed for them, and another with each that stands alone.
package insight
