// Package access says who may come in and what for: workspaces, keys, roles.
//
// A request carries a secret, "hw_w_3fK9…". Authenticate turns it into a
// core.Actor for one purpose, with a Decider that asks the policy anew each time;
// services then ask Require or Allow whether that actor may do what it wants, and
// ViewOf what it may read. The policy itself is behind a port: what roles mean is
// written in rules that a workspace may change.
//
// # Secrets
//
// A secret has 160 random bits and more, and ends in a checksum, so that a typing
// mistake is told from a key that is unknown, and costs the store nothing. Only
// its SHA-256 is stored, as the key's _id; a fast hash is enough because nobody
// can try 2^160 secrets. The first characters are kept in the clear, for people to
// recognise it by.
//
// # Freshness
//
// What Authenticate reads is kept for at most a second. A change made in this
// process counts from the moment it returns; one made in another as soon as the
// store's watch tells of it (Run), after a second at the latest. Live gives long
// streams a context that ends when their key does.
//
// # The end of a workspace
//
// DeleteWorkspace marks it, so that nobody can come in, and starts a job that
// removes every document of every collection, its keys, and at last frees its
// name. A tombstone stays: an id is never used again.
package access
