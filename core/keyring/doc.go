// Package keyring keeps the secrets of each workspace: what pseudonyms, tokens,
// tombstones and seals are computed with, and the keys that sign.
//
// A secret is made when it is first asked for, by whichever process comes first,
// and stored sealed: AES-256-GCM under the master key, which is in a file beside the
// store or wherever the operator says (StoredMaster is for those who say nothing and
// have no such place). So whoever has only the store, or a backup
// of it, can neither turn a pseudonym back nor sign anything; and whoever loses the
// master key has lost the secrets.
//
// # Two kinds
//
// A plain secret (Secret, MAC, Pseudonym, Seal, Sign) stays the same for ever:
// pseudonyms that change would lose whom an entry of the audit log is about. A
// signing key (Signer) has versions: Rotate makes the next one, and what earlier
// ones signed is still verified with the keys that VerifierKeys lists.
//
// # Tokens
//
// Sign returns a token for a link in a mail: sealed, so that a URL says nothing of
// whom it is about, bound to its workspace and to one use, so that a token for one
// thing opens no other, and expiring.
package keyring
