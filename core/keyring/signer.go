package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// VerifierKey is the public half of a signing key.
type VerifierKey struct {
	Key     string // as golang.org/x/mod/sumdb/note writes it: name+hash+key
	ID      string // eight hexadecimal digits: the hash in Key and in signatures
	Version int64
	From    time.Time
	Until   time.Time // zero: it signs now
}

// Signer returns the newest signing key of that name, Ed25519 in the form of
// golang.org/x/mod/sumdb/note; the first is made when it is asked for. What it signs
// names the key "headwater-NAME-WORKSPACE".
func (r *Ring) Signer(ctx context.Context, ws, name string) (note.Signer, error) {
	docs, err := r.versions(ctx, ws, name, 1)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		if _, err = r.issue(ctx, ws, name, 1); err != nil {
			return nil, err
		}
		if docs, err = r.versions(ctx, ws, name, 1); err != nil || len(docs) == 0 {
			return nil, err
		}
	}
	return r.signer(docs[0])
}

// signer opens a signing key; opened ones are kept.
func (r *Ring) signer(doc *sealed) (note.Signer, error) {
	r.mu.RLock()
	skey, ok := r.plain[doc.ID]
	r.mu.RUnlock()
	if !ok {
		var err error
		if skey, err = r.open(doc); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.plain[doc.ID] = skey
		r.mu.Unlock()
	}
	s, err := note.NewSigner(string(skey))
	if err != nil {
		return nil, fmt.Errorf("keyring: signing key: %w", err)
	}
	return s, nil
}

// VerifierKeys lists the public keys of that name, the newest first. There is none
// before the first Signer.
func (r *Ring) VerifierKeys(ctx context.Context, ws, name string) ([]VerifierKey, error) {
	docs, err := r.versions(ctx, ws, name, 0)
	if err != nil {
		return nil, err
	}
	out := make([]VerifierKey, len(docs))
	for i, d := range docs {
		// The name has no "+"; what stands between the two is the hash.
		parts := strings.SplitN(d.Verifier, "+", 3)
		if len(parts) != 3 {
			return nil, core.Errorf(core.Unavailable, "SECRET_DAMAGED", "a verifier key of this store is damaged")
		}
		out[i] = VerifierKey{Key: d.Verifier, ID: parts[1], Version: d.Version, From: d.From}
		if i > 0 {
			out[i].Until = docs[i-1].From
		}
	}
	return out, nil
}

// Signers returns all signing keys of that name, the newest first. There is none before
// the first Signer.
func (r *Ring) Signers(ctx context.Context, ws, name string) ([]note.Signer, error) {
	docs, err := r.versions(ctx, ws, name, 0)
	if err != nil {
		return nil, err
	}
	out := make([]note.Signer, len(docs))
	for i, d := range docs {
		if out[i], err = r.signer(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Rotate makes the next signing key of that name. Signer returns it from now on. What
// with returns is committed in the batch that stores the key; it may be nil. When
// another has rotated meanwhile, the error is CONFLICT (KEY_ROTATED).
func (r *Ring) Rotate(ctx context.Context, ws, name string, with func(VerifierKey) ([]store.Op, error)) (VerifierKey, error) {
	docs, err := r.versions(ctx, ws, name, 1)
	if err != nil {
		return VerifierKey{}, err
	}
	next := int64(1)
	if len(docs) > 0 {
		next = docs[0].Version + 1
	}
	doc, err := r.draft(ws, name, next)
	if err != nil {
		return VerifierKey{}, err
	}
	now := r.clock.Now()
	doc.Master, doc.From = r.master.id, now.UTC().Truncate(time.Millisecond)
	made := VerifierKey{Key: doc.Verifier, ID: strings.SplitN(doc.Verifier, "+", 3)[1], Version: next, From: doc.From}
	ops := []store.Op{Secrets.Insert(doc)}
	if with != nil {
		also, err := with(made)
		if err != nil {
			return VerifierKey{}, err
		}
		ops = append(ops, also...)
	}
	batch := store.Batch{ID: core.NewID(core.PrefixBatch, now), Ops: ops}
	for try := 0; ; try++ {
		switch _, err := r.store.Commit(ctx, batch); {
		case err == nil:
			return made, nil
		case errors.Is(err, store.ErrConflict):
			return VerifierKey{}, core.Errorf(core.Conflict, "KEY_ROTATED", "another has made a new key meanwhile; look at the keys, and try again if there must be one more")
		case !errors.Is(err, store.ErrUnavailable) || try == 4 || (core.SystemClock{}).Sleep(ctx, 50*time.Millisecond<<try) != nil:
			return VerifierKey{}, unavailable(err)
		}
	}
}

func (r *Ring) versions(ctx context.Context, ws, name string, limit int) ([]*sealed, error) {
	docs, err := Secrets.Find(ctx, r.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("name", "sign/"+name)}, Order: []string{"-version"}}, limit)
	return docs, unavailable(err)
}

// issue stores a version of a signing key, unless another process has.
func (r *Ring) issue(ctx context.Context, ws, name string, version int64) (*sealed, error) {
	fresh, err := r.draft(ws, name, version)
	if err != nil {
		return nil, err
	}
	return r.ensure(ctx, ws, fresh.ID, func() *sealed { return fresh })
}

// draft makes a version of a signing key.
func (r *Ring) draft(ws, name string, version int64) (*sealed, error) {
	if strings.ContainsAny(name, "+ \n/") {
		return nil, core.Errorf(core.Invalid, "KEY_NAME", "the name of a signing key is one word")
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "headwater-"+name+"-"+ws)
	if err != nil {
		return nil, fmt.Errorf("keyring: signing key: %w", err)
	}
	key := store.Key(ws, "sign", name, fmt.Sprintf("%04d", version))
	return &sealed{
		Meta: store.Meta{ID: key}, Name: "sign/" + name, Version: version, Verifier: vkey, Sealed: seal(r.master.aead, []byte(skey), []byte(key)),
	}, nil
}
