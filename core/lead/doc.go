// Package lead says how ripe people are for a sale: a score made of rules, and the stage
// at which each person stands.
//
// # Scores
//
// A workspace has one Model. Its rules are of two kinds: fit (a condition on traits and
// records; points while it holds) and engagement (an event; points each time, which may
// decay). What a rule contributes is a whole number, and the score is the sum of the
// contributions, so that the reasons of a score add up to it.
//
// What is known of a person is folded from events in their commit (Derive): by the rules
// that the event touches and no others. The counts of a rule are kept by a hash of what
// the rule says, so that a rule that was changed begins anew; a job then folds
// everybody's past by it.
//
// Adjust gives points by hand, or a journey does: once more those of a rule about
// engagement, which fade and are bounded as that rule says, or a number of them with a
// reason, which do not fade. Each is an event, "Lead Score Adjusted", that is never taken
// back but by another.
//
// A person qualifies when the score reaches the model's threshold and cools when it
// falls below a lower one, and can only then qualify again. A crossing is latched in the
// commit of its cause and told by the sweep with one event, "Lead Qualified" or "Lead
// Cooled". The sweep also finds what decay does: each person's document says when the
// score next matters, and an index finds those whose time has come.
//
// The score is published as the prediction "lead.score" ("Prediction Computed"), by which
// conditions ask for it; when it changes, but not more often than the model says.
//
// # Stages
//
// A workspace declares its stages and which may follow which. MoveStage refuses any other
// step and names those that are allowed. The history is the events "Lead Stage Changed".
// A step supersedes by name what other parts of the person said before; so a merge keeps
// the furthest stage, and parting gives each side its own back.
package lead
