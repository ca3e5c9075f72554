// Package experiment plans tests and says what came of them.
//
// The statistics are pure functions: how many people a test needs (SampleSize), whether
// the arms have the share of people that they should (SampleRatio), how arms differ
// (Proportions, Means, AlwaysValid), and how a bandit spreads people (Best).
package experiment
