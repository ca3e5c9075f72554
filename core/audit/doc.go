// Package audit keeps the log of who saw or changed what, whose, when and why, in a
// form in which nothing can be altered later without being found out.
//
// # An entry
//
// An Entry tells of one operation. It never holds a value, nor who a person is: its
// subjects are keyed pseudonyms, which only the workspace's secret can connect with
// an id or an address. More than 200 of them are kept as a compressed set beside the
// entry, by which one can still ask whether somebody is among them.
//
// # Durable first
//
// Write returns when the entry is on disk, as a pending one: concurrent callers share
// one batch. With the embedded store they wait in files, of which package journal tells;
// else they are documents of the store. Whoever shows data writes before it answers, and
// answers nothing when writing fails. An entry about a change belongs into the batch of
// the change: Op. For reads there is a Trail, which services deep down tell what they
// showed (Note), and which the edge closes before its answer goes out. What is not
// audited is not shown: Note without a trail is an error.
//
// # The log
//
// One sequencer in each workspace, whoever holds its lease, takes what is pending, and
// in one batch removes it there, or says how far it has read the files, and appends it to
// a Merkle tree (RFC 6962, as in golang.org/x/mod/sumdb/tlog): blocks of entries, tiles of
// 256 hashes, and a head with a signed checkpoint. So an entry is in the log once,
// whatever died when, and within a second where all is well. With a checkpoint kept
// elsewhere anybody can prove that a log was not rewritten; docs/audit-format.md says how,
// and internal/auditverify does, without sharing code with this package.
//
// # Finding
//
// Blocks are found by rows of the store for what few differ in: actor, action, purpose,
// decision. Whom entries are about and which request they are of differs in each, and rows
// for these cost more than all the rest; they stand in sorted runs that are merged as the
// log grows, see index.go. What an earlier version wrote has rows for these, too.
//
// # How long
//
// A workspace may state a retention of so many months. The bodies of older entries are
// then removed, while their hashes stay, so that proofs go on; the removal is an entry.
// There is no way to write none.
package audit
