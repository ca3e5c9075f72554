// Package profile turns events into people.
//
// An identifier (a namespace and a normalised value) belongs to a part, the profile id
// that it was first seen under, and a part points at its profile. A release, which can be
// undone, takes it away: it is free then, and rules know that the two differ.
// An event is stored under the part of its highest-priority identifier, after
// merges too. A merge adds an edge between two parts; taking the edge away again
// regroups the parts and refolds both sides, so that unmerge is exact.
//
// A profile is the fold of the events of its parts. The fold does not depend on
// the order in which events arrive: each trait is a register that keeps the
// greatest stamp (priority, event time, event id) written to it, so that merging
// two profiles is joining their registers, and refolding gives the same bytes.
// Consent alone looks at the order of commits: a word on consent covers the parts
// that its profile had then, which the numbers of events and merges tell for ever.
//
// Rules join profiles that one event names together. They do not where the two are
// known to differ (an exclusive namespace), where a limit stands, or where a person
// has parted them or been asked: the first commit wins, and the other link becomes
// a proposal that waits for a person. Without such conflicts every order of arrival
// ends in the same people.
//
// Numbers are a Lamport clock over parts: an event's Seq is its profile's plus one,
// a merge's the greater of both plus one. So the ledger of merges can be replayed
// to any instant (AsOf), and a refold knows what an event's profile was.
//
// The way of an event: Begin reads a Unit of work, Apply resolves and folds in
// memory, Ops is what to commit; see core/ingest. Changes by hand (Merge, Unmerge,
// DecideProposal) are units too, committed here. What else is derived from people is
// a Fold: every unit asks it what to commit along with it.
package profile
