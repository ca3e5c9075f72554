// Package library keeps what messages are made of: templates for each channel and
// language, blocks that templates share, and assets, such as pictures.
//
// A template has a draft and versions. The draft is edited; Submit asks somebody else
// to agree to it as it is, bound to the hash of everything that it will say; Publish
// makes of what was agreed to a version, which never changes again: it holds its own
// copy of each block that it names. Editing the draft, or a block that it names, makes
// what was agreed to void, and no published version different.
//
// Published gives a version, compiled and cached; it renders itself with data that the
// caller gathered (Gather), in the language of the person or the nearest one that it
// has. Who uses templates, blocks and assets registers (Register) and is asked before
// one is archived or deleted, so that nothing in use disappears.
//
// Each template keeps a score of how often those to whom it was sent did what was hoped
// for: counts, from which follows the posterior of its goal rate.
package library
