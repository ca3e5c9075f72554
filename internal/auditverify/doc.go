// Package auditverify proves that an exported audit log is whole and was not changed,
// with nothing but the file, the public keys, and perhaps a checkpoint that was saved
// before. It shares no code with what writes the log (core/audit): docs/audit-format.md
// is all that they have in common, besides the Merkle trees and signed notes of
// golang.org/x/mod/sumdb, whose forms are public.
//
// What is wrong is told by a Fault, with the index of the first entry that is concerned:
// a body that is not what its hash says (CHANGED), a body that is missing though
// no retention has dropped it (DELETED), an entry that is not where it belongs
// (ORDER), hashes that do not add up to what was signed (ROOT), a file that ends early
// (TRUNCATED), a log that is shorter than the saved checkpoint (ROLLED_BACK) or another
// one (FORK), a signature that nobody trusted has made (SIGNATURE).
package auditverify
