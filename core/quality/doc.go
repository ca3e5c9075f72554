// Package quality says whether the data can be relied on, and where it comes from and
// goes to.
//
// # Rules
//
// A Rule is about one field or about the flow of events: COMPLETENESS (how many lack a
// value), VALIDITY (how many values do not meet predicates), UNIQUENESS (how many share a
// value that should be one person's), FRESHNESS (how long ago the latest event came) and
// VOLUME (how many events came in a day, against the same weekday of the weeks before).
//
// A job judges a day, UTC, when it is over: it walks the events of the day and everybody
// once, whatever the number of rules, and keeps a Result for each rule and day, and a
// Tally of the day's events, from which VOLUME knows the weeks before. The tallies of days
// that were missed, because nothing ran, are made up for. What it holds in memory is bounded:
// UNIQUENESS and duplicates are looked for in shares of the hashes of values, one walk
// for each.
//
// A result holds numbers and no person. Whom a rule about people found is asked live, by
// the condition that Rule.Condition returns, and so is what the asker may see.
//
// # Duplicates
//
// People who may be one are found by what they agree on (see score.go, after Fellegi and
// Sunter 1969), and become proposals of core/profile, which a person accepts or rejects
// and which can be undone. Nothing is merged here.
//
// # Lineage
//
// Lineage traces a field: from the sources and connections that write it, over what reads
// it, such as segments and templates, to the journeys, campaigns and connections by which
// it leaves. The packages that know tell it (Knower).
package quality
