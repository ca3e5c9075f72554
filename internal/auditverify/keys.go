package auditverify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpoint is what a signed note says of a log.
type checkpoint struct {
	origin string
	tree   tlog.Tree
	signed []byte
}

// parseCheckpoint reads a note's text; its signature is checked later, when all keys are
// known.
func parseCheckpoint(signed []byte) (*checkpoint, error) {
	bad := errors.New("the checkpoint is no signed note of a log")
	text, _, ok := strings.Cut(string(signed), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 3 {
		return nil, bad
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 {
		return nil, bad
	}
	h, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, bad
	}
	return &checkpoint{origin: lines[0], tree: tlog.Tree{N: n, Hash: h}, signed: signed}, nil
}

// verify returns the id of the key that signed.
func (c *checkpoint) verify(keys map[string]note.Verifier) (string, error) {
	var list []note.Verifier
	for _, k := range keys {
		list = append(list, k)
	}
	n, err := note.Open(c.signed, note.VerifierList(list...))
	if err != nil {
		return "", errors.New("no key that is trusted has signed the checkpoint")
	}
	return fmt.Sprintf("%08x", n.Sigs[0].Hash), nil
}

func (v *verifier) trust(key string) error {
	k, err := note.NewVerifier(key)
	if err == nil {
		v.keys[key] = k
	}
	return err
}

// follow trusts a new key that a trusted one has signed, as the entry of a rotation
// tells. What does not hold is no fault: then the new key is not trusted.
func (v *verifier) follow(l *line) {
	var body struct {
		Workspace string
		Details   struct{ Key, Endorsement string }
	}
	if json.Unmarshal(l.entry, &body) != nil {
		return
	}
	var list []note.Verifier
	for _, k := range v.keys {
		list = append(list, k)
	}
	n, err := note.Open([]byte(body.Details.Endorsement), note.VerifierList(list...))
	if err != nil || n.Text != "headwater audit "+v.head.Workspace+"\nkey "+body.Details.Key+"\n" {
		return
	}
	_ = v.trust(body.Details.Key)
}
