// Package journal keeps records durable in plain files until a reader has put them
// where they belong.
//
// # Writing
//
// A process appends to a file of its own, which it holds locked: Append writes its
// records one after the other and returns when they are on disk, one write and one sync
// for all of them. After 4 MiB the next file begins. A file whose write or sync failed
// is never written again, as nobody knows what of it is on disk; what Append returned
// an error for may be found by readers or not.
//
// A record is a frame: the length of what follows the frame's head, CRC-32C of that
// length and of what follows, then the workspace and the record's parts, each with its
// length before it. Zeros, which are written in advance so that most syncs find the
// file's length unchanged, are where the records end, and so is whatever else is no
// whole frame: a write that a crash cut off.
//
// # Reading
//
// Any process reads the files of all. How far a reader has come in a workspace are
// Marks, which it commits together with what it makes of the records: so each is read
// once, whatever dies when. A file goes with Prune when nobody writes to it any more and
// every workspace's reader is through with it; until the disk has forgotten it too, its
// marks are kept.
package journal
