// Package privacy answers the rights of data subjects.
//
// # Erasure
//
// An erasure begins with a mark, in one commit: the profile goes, every id that it
// ever had is marked as erased, a keyed hash of each of its identifiers becomes a
// tombstone, it leaves its segments with the cause ERASURE, and the job that sweeps
// is stored. From then on nobody reads the person, as of any instant, and nothing
// brings the person back: whoever worked on the profile meanwhile loses the race for
// it, begins again, and meets the tombstones (see core/profile). Acknowledged means
// marked.
//
// Then the job sweeps, slice by slice, through every collection that says it holds
// data of people (Spec.Data), found by what it says of where (Spec.Subject,
// Spec.Reach), until a pass finds nothing. What was counted stays counted: the batch
// that deletes events adds them to anonymous residuals. Then the engine overwrites
// what lies about in its files, every destination is asked, and the receipt is
// signed: what was deleted, who was asked and what time still holds.
//
// What finds the person is kept sealed while it is needed and deleted before the
// files are overwritten. A legal hold parks the request.
package privacy
