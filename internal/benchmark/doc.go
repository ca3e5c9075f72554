// Package benchmark measures what the product promises about speed and memory:
// how fast events are taken in, beside a bare loop that writes the same rows to
// SQLite; how that changes with the number of people stored; how long a profile
// takes to read while events come in; how long an unmerge takes; and how fast a
// hostile query is refused.
//
// Each measure is a function that writes one JSON object a line to a Report. The
// generator, the server and the store share the machine that the bench runs on, and
// ratios compare two numbers of the same run, because the speed of a disk differs
// more between machines than anything measured here.
package benchmark
