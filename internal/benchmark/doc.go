// Package benchmark measures what the product promises about speed and memory:
// how fast events are taken in, beside a bare loop that writes the same rows to
// SQLite; how that changes with the number of people stored; how long a profile
// takes to read while events come in; how long an unmerge takes; how fast a hostile
// query is refused; and what segments cost: events beside many of them, how soon a
// subscriber hears of a change and how late a window ends, previews and backfills; and what
// a call to a connector costs, and others notice of one that misbehaves; and how fast and
// how late journeys step, campaigns are sent, people are simulated and templates rendered;
// and what models of orders take to fit and to predict by.
//
// Each measure is a function that writes one JSON object a line to a Report. The
// generator, the server and the store share the machine that the bench runs on, and
// ratios compare two numbers of the same run, because the speed of a disk differs
// more between machines than anything measured here. Servers that are compared take
// turns, and beside their rates stands the processor time that an event costs, which
// other work on the machine changes less.
package benchmark
