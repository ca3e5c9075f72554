package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
)

// Checkpoint says how long the log was and what its root was, under a signature.
type Checkpoint struct {
	Workspace  string
	Size       int64
	RootHash   string // base64
	SignedNote string
	KeyID      string // eight hexadecimal digits
	At         time.Time
}

// errSize is the error of a size or an index that the log has not.
func errSize(name string, n, size int64) *core.Error {
	return core.Errorf(core.Invalid, "LOG_SIZE", "%s must be between 0 and the log's size, %d, not %d", name, size, n).At(name)
}

// head returns the newest state of a log, empty when nothing was ever put in.
func (l *Log) head(ctx context.Context, ws string) (*headDoc, error) {
	h, err := heads.Get(ctx, l.o.Store, headKey(ws))
	if err == nil && h == nil {
		h = &headDoc{Meta: store.Meta{ID: headKey(ws)}}
	}
	return h, storeFault(err)
}

// Checkpoint returns the checkpoint of a size that the log has had; nil means now. What
// an earlier log was is signed by the key that signed last: what the log says of its keys
// is enough to trust it.
func (l *Log) Checkpoint(ctx context.Context, ws string, size *int64) (*Checkpoint, error) {
	h, err := l.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	if size != nil && (*size < 0 || *size > h.Size) {
		return nil, errSize("size", *size, h.Size)
	}
	c := &Checkpoint{Workspace: ws, Size: h.Size, At: h.At}
	if h.Size > 0 && (size == nil || *size == h.Size) {
		root := tlog.Hash(h.Root)
		c.RootHash, c.SignedNote, c.KeyID = root.String(), string(h.Note), fmt.Sprintf("%08x", uint32(h.KeyHash))
		return c, nil
	}
	if size != nil {
		c.Size = *size
	}
	signer, err := l.lastSigner(ctx, ws, h)
	if err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(c.Size, hashReader(ctx, l.o.Store, ws))
	if err != nil {
		return nil, storeFault(err)
	}
	signed, err := signNote(signer, ws, tlog.Tree{N: c.Size, Hash: root})
	c.RootHash, c.SignedNote, c.KeyID, c.At = root.String(), string(signed), fmt.Sprintf("%08x", signer.KeyHash()), l.o.Clock.Now().UTC().Truncate(time.Millisecond)
	return c, err
}

// lastSigner returns the key that signed the newest checkpoint.
func (l *Log) lastSigner(ctx context.Context, ws string, h *headDoc) (note.Signer, error) {
	now, err := l.o.Keys.Signer(ctx, ws, keyName)
	if err != nil || h.Size == 0 || int64(now.KeyHash()) == h.KeyHash {
		return now, err
	}
	all, err := l.o.Keys.Signers(ctx, ws, keyName)
	for _, k := range all {
		if int64(k.KeyHash()) == h.KeyHash {
			return k, nil
		}
	}
	return now, err
}

// Proof returns the hashes that prove that the entry with an index is in the log of a
// size: RFC 6962's audit path, in base64.
func (l *Log) Proof(ctx context.Context, ws string, index, size int64) ([]string, error) {
	h, err := l.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	if size < 1 || size > h.Size {
		return nil, errSize("size", size, h.Size)
	}
	if index < 0 || index >= size {
		return nil, core.Errorf(core.Invalid, "LOG_INDEX", "the entry came into the log after it had %d entries; give a size above its index, %d", size, index).At("size")
	}
	p, err := tlog.ProveRecord(size, index, hashReader(ctx, l.o.Store, ws))
	if err != nil {
		return nil, storeFault(err)
	}
	return hashTexts(p), nil
}

// Consistency returns the hashes that prove that the log of the size from is the
// beginning of that of the size to: RFC 6962's consistency proof, in base64.
func (l *Log) Consistency(ctx context.Context, ws string, from, to int64) ([]string, error) {
	h, err := l.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	if to < 0 || to > h.Size {
		return nil, errSize("size", to, h.Size)
	}
	if from < 0 || from > to {
		return nil, errSize("from", from, to)
	}
	if from == 0 {
		return []string{}, nil // the empty log is the beginning of every log
	}
	p, err := tlog.ProveTree(to, from, hashReader(ctx, l.o.Store, ws))
	if err != nil {
		return nil, storeFault(err)
	}
	return hashTexts(p), nil
}

func hashTexts(hashes []tlog.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out
}

// VerifierKeys lists the public keys of a workspace's log, the newest first.
func (l *Log) VerifierKeys(ctx context.Context, ws string) ([]keyring.VerifierKey, error) {
	if _, err := l.o.Keys.Signer(ctx, ws, keyName); err != nil {
		return nil, err
	}
	return l.o.Keys.VerifierKeys(ctx, ws, keyName)
}

// RotateKey makes a new signing key, and in the same batch the entry that tells who did.
// The sequencer puts another before the first checkpoint under the new key, in which the
// keys before have signed it: who trusts an old key can trust the new one.
func (l *Log) RotateKey(ctx context.Context, ws string) (keyring.VerifierKey, error) {
	old, err := l.o.Keys.Signer(ctx, ws, keyName)
	if err != nil {
		return keyring.VerifierKey{}, err
	}
	fresh, err := l.o.Keys.Rotate(ctx, ws, keyName, func(k keyring.VerifierKey) ([]store.Op, error) {
		op, err := l.Op(ctx, Entry{Workspace: ws, Action: "audit.rotateKey", Resource: "audit", Details: map[string]string{
			"before": fmt.Sprintf("%08x", old.KeyHash()), "keyId": k.ID, "key": k.Key,
		}})
		return []store.Op{op}, err
	})
	if err == nil {
		l.kick(ws)
	}
	return fresh, err
}

// Link returns the operation that connects the pseudonyms of a person's identifiers with
// those of their profiles, for the batch in which the person is erased: afterwards
// entries can still be found by an identifier that somebody comes with. It holds
// nothing that leads back without the workspace's secret.
func (l *Log) Link(ctx context.Context, ws string, identifiers []Subject, profiles []string) ([]store.Op, error) {
	psn, err := l.pseudonyms(ctx, ws)
	if err != nil {
		return nil, err
	}
	marked := make([]string, len(profiles))
	for i, id := range profiles {
		marked[i] = psn(KindProfile, id)
	}
	var ops []store.Op
	seen := map[string]bool{}
	for _, s := range identifiers {
		mark, err := l.identifier(ctx, ws, s, psn)
		if err != nil {
			return nil, err
		}
		key := store.Key(ws, mark)
		if seen[key] {
			continue
		}
		seen[key] = true
		d, err := links.Get(ctx, l.o.Store, key)
		if err != nil {
			return nil, storeFault(err)
		}
		if d == nil {
			d = &linkDoc{Meta: store.Meta{ID: key}}
		}
		for _, p := range marked {
			once(&d.Profiles, p)
		}
		ops = append(ops, links.Put(d))
	}
	return ops, nil
}

// MarshalJSON writes the checkpoint as the exports do.
func (c *Checkpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"workspace": c.Workspace, "size": c.Size, "rootHash": c.RootHash, "signedNote": c.SignedNote, "keyId": c.KeyID, "at": c.At,
	})
}
