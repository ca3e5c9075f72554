package install

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
)

// NewKey makes a pair of Ed25519 keys in the text form of signed notes
// (golang.org/x/mod/sumdb/note). The name stands in both and says whose they are.
func NewKey(name string) (private, public string, err error) {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") || len(name) > 100 {
		return "", "", core.Errorf(core.Invalid, "KEY_NAME", "a key's name is 1 to 100 characters without spaces and \"+\", such as acme-connectors")
	}
	private, public, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", "", core.Errorf(core.Invalid, "KEY_NAME", "a key cannot have that name").Wrap(err)
	}
	return private, public, nil
}

// parseKey reads a public key.
func parseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, core.Errorf(core.Invalid, "KEY", "a public key is NAME+HASH+BASE64, as headwater connector keygen prints it").Wrap(err)
	}
	return v, nil
}

// verify returns the name of the trusted key under which the checksums are signed.
func verify(checksums, signature []byte, trusted []note.Verifier) (string, error) {
	if signature == nil {
		return "", core.Errorf(core.Forbidden, "UNSIGNED",
			"the connector is not signed; get a signed one from whoever made it, or sign it with headwater connector pack --key; --allow-unsigned is for development")
	}
	n, err := note.Open(signature, note.VerifierList(trusted...))
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		names := make([]string, 0, len(unknown.Note.UnverifiedSigs))
		for _, s := range unknown.Note.UnverifiedSigs {
			names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
		return "", core.Errorf(core.Forbidden, "UNTRUSTED",
			"the connector is signed by %s, whom nobody here trusts; when the key is what its maker published elsewhere, add it with --trust KEY", strings.Join(names, ", "))
	case err != nil:
		return "", core.Errorf(core.Forbidden, "SIGNATURE", "the connector's signature is false: it was changed after it was signed; get it again").Wrap(err)
	case n.Text != string(checksums):
		return "", core.Errorf(core.Forbidden, "SIGNATURE", "the connector's signature is of another package; get it again")
	}
	return n.Sigs[0].Name, nil
}

// Signers names the keys under which a package says that it is signed; nothing is proved.
func (c *Contents) Signers() []string {
	var out []string
	_, err := note.Open(c.signature, note.VerifierList())
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) {
		for _, s := range unknown.Note.UnverifiedSigs {
			out = append(out, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
	}
	return out
}
