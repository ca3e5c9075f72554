// Package budget knows what was spent on advertising, what figures should come to, and
// says when they do not.
//
// # Costs
//
// A cost is what one account spent on one day, told apart by channel, campaign and
// source. It is kept under these words: told again, by an import that overlaps another,
// it is replaced and not added, and a file that is imported twice changes nothing. Days of
// an account between its first and its last of which nothing was told are its gaps; a gap
// that stands for longer than a day is told by an alert.
//
// # Targets
//
// A target is what a metric should come to, of all or of the cells with some dimensions.
// Each is looked at once a day over the days before. One that is missed by more than its
// tolerance raises an alert; the alert is cleared when no more than half the tolerance is
// missing, so that a figure on the edge does not raise one every day (hysteresis).
//
// # Shifts
//
// With an alert about the return on a channel's cost goes a proposal to shift money from
// the channels that miss their targets to those that exceed them (shift.go). It is a
// proposal: a person, who has not asked for it, agrees or not, and nothing is spent by
// Headwater.
package budget
