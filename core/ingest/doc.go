// Package ingest is the hot path: events in, one commit a unit of work, and only
// then an answer.
//
// A Pipeline has a few lanes. Each is a goroutine that takes what is queued, a few
// hundred events at most, resolves and folds it in memory, and writes one batch:
// the events, the people they changed, what the registry learnt, what had to be
// put aside. The lane of an event follows from who it is about, so that one
// person's events keep their order and rarely race; but lanes only make conflicts
// rare, it is the versions of the documents that decide. A unit that lost a race
// is read and computed again. One that keeps failing is cut in halves until the
// culprit is alone, so that no event can hold up its neighbours.
//
// Acknowledged means on disk: a result is given after the commit returned, never
// before. Message ids make it harmless to send again whatever got no result.
//
// Imports and the replay of the quarantine are jobs that feed the same pipeline.
package ingest
