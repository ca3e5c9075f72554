// Package experiment plans tests and says what came of them.
//
// # Statistics
//
// They are pure functions: how many people a test needs (SampleSize), whether the arms
// have the share of people that they should (SampleRatio), how arms differ (Proportions,
// Means, AlwaysValid), and how a bandit spreads people (Best).
//
// # Experiments
//
// An Experiment is a Plan that is frozen when it starts, with its hash. Who is in which
// arm is told by events as they come (an exposure that names its arm, a message of a
// campaign's arm, an event from which on a bucket of people is drawn), or by a journey's
// splits and holdouts through the port Journeys. A Fact is written in the commit of an
// exposure or of a conversion (Derive). Whose it is, is asked when figures are made, so
// that merges and late events are right at once; erasure deletes it.
//
// A person counts in the arm of the first exposure, with what they did within the plan's
// window after it, once that is over. A FIXED test is judged on the first n people of each
// arm, as the plan says, however many come after: so looking again changes nothing, and
// before n there is no winner. A SEQUENTIAL one may be looked at at any time. A BANDIT is
// not a test. With a sample ratio mismatch there is no verdict at all.
package experiment
