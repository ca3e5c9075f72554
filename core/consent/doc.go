// Package consent says what people's data may be used for.
//
// A Purpose is a reason to use data: operations, marketing. The register of a
// workspace's purposes, their legal bases and the rules of its jurisdictions is one
// document with a revision; every revision is kept, so that a decision can be made
// again as it was made then. A Register is a snapshot of it that does not change.
//
// A person's words are what they said about purposes. Each is a system event
// "Consent Recorded" in the log (the ledger, which only grows), or a preference of a
// banner that came with any other event; core/profile folds them, the strictest over
// the parts of a person. Register.Decide makes of words, a purpose, a channel and an
// instant one verdict: it is pure, and everything that reads, segments, exports or
// sends asks it.
//
// # Which word holds
//
//   - Of what was recorded here, with evidence, the latest holds; of preferences, which
//     a banner repeats with every page, the latest too. What was recorded refuses for
//     good: no preference takes a recorded withdrawal back. A preference may refuse
//     what was recorded before it.
//   - A word for one channel is about that channel. A no for all channels covers every
//     word that is not later than it; a yes for all channels covers no earlier no for
//     one channel.
//   - A no to a purpose is a no to its children. A yes is for the purpose that it
//     names: consent is specific.
//
// # Defaults
//
// Where opt-in applies, which is everywhere until the workspace says otherwise,
// somebody who said nothing has not agreed. Rules of countries are set by the
// workspace: none are built in, for what the law of a country asks depends on who
// asks whom. A workspace that may mail its American customers until they object sets
// {"US", "marketing", OPT_OUT}.
package consent
