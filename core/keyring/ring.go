package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// sealed is one secret as stored: plain ones under "ws/name", signing keys under
// "ws/name/0001" and so on.
type sealed struct {
	store.Meta `bson:",inline"`
	Name       string    `bson:"name"`
	Version    int64     `bson:"version"` // of a signing key, from 1
	Sealed     []byte    `bson:"sealed"`
	Master     string    `bson:"master"`             // fingerprint of the master key that sealed it
	Verifier   string    `bson:"verifier,omitempty"` // of a signing key: its public half
	From       time.Time `bson:"from"`
}

// Secrets holds the sealed secrets. Nothing in it is about a person.
var Secrets = store.Declare[sealed](store.Spec{Name: "secrets", Indexes: []store.Index{store.On("name", "-version")}})

// Specs lists the collections of this package.
func Specs() []*store.Spec { return []*store.Spec{Secrets.Spec, Masters.Spec} }

// Ring gives the secrets of all workspaces. It is safe for concurrent use.
type Ring struct {
	store  store.Store
	clock  core.Clock
	master Master

	mu    sync.RWMutex
	plain map[string][]byte // opened secrets by key; they never change
}

// New makes a ring over a store.
func New(s store.Store, clock core.Clock, master Master) *Ring {
	return &Ring{store: s, clock: clock, master: master, plain: map[string][]byte{}}
}

// secretSize is the length of a plain secret, in bytes.
const secretSize = 32

// secret returns a plain secret, made now when it does not exist.
func (r *Ring) secret(ctx context.Context, ws, name string) ([]byte, error) {
	key := store.Key(ws, name)
	r.mu.RLock()
	s, ok := r.plain[key]
	r.mu.RUnlock()
	if ok {
		return s, nil
	}
	doc, err := r.ensure(ctx, ws, key, func() *sealed {
		return &sealed{Name: name, Sealed: seal(r.master.aead, randomBytes(secretSize), []byte(key))}
	})
	if err != nil {
		return nil, err
	}
	if s, err = r.open(doc); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.plain[key] = s
	r.mu.Unlock()
	return s, nil
}

// known reports whether a secret was ever made.
func (r *Ring) known(ctx context.Context, ws, name string) (bool, error) {
	key := store.Key(ws, name)
	r.mu.RLock()
	_, ok := r.plain[key]
	r.mu.RUnlock()
	if ok {
		return true, nil
	}
	doc, err := Secrets.Get(ctx, r.store, key)
	return doc != nil, unavailable(err)
}

// ensure returns the document with the key; one that does not exist is made. Of
// two processes that make it at once one loses and takes the other's.
func (r *Ring) ensure(ctx context.Context, ws, key string, fresh func() *sealed) (*sealed, error) {
	if ws == "" {
		return nil, errors.New("keyring: a secret belongs to a workspace")
	}
	doc, err := Secrets.Get(ctx, r.store, key)
	if err != nil || doc != nil {
		return doc, unavailable(err)
	}
	doc = fresh()
	now := r.clock.Now()
	doc.ID, doc.Master, doc.From = key, r.master.id, now.UTC().Truncate(time.Millisecond)
	_, err = r.store.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, now), Ops: []store.Op{Secrets.Insert(doc)}})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return nil, unavailable(err)
	}
	// What is on disk counts, whoever wrote it.
	doc, err = Secrets.Get(ctx, r.store, key)
	if err == nil && doc == nil {
		err = errors.New("keyring: a secret that was just written is not there")
	}
	return doc, unavailable(err)
}

func (r *Ring) open(doc *sealed) ([]byte, error) {
	if doc.Master != r.master.id {
		return nil, core.Errorf(core.Unavailable, "WRONG_MASTER_KEY",
			"the secrets of this store were sealed with the master key %s, and this server has %s; give it the one that belongs to the store", doc.Master, r.master.id)
	}
	s, err := open(r.master.aead, doc.Sealed, []byte(doc.ID))
	if err != nil {
		return nil, core.Errorf(core.Unavailable, "SECRET_DAMAGED", "a secret of this store cannot be opened: it was changed").Wrap(err)
	}
	return s, nil
}

// unavailable makes an error of the store the one that leaves the domain.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(fmt.Errorf("keyring: %w", err))
}

// aead returns the cipher of a workspace for one use.
func (r *Ring) aead(ctx context.Context, ws, name string) (cipher.AEAD, error) {
	s, err := r.secret(ctx, ws, name)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(s)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return a, nil
}

// Seal encrypts plain with AES-256-GCM under a secret of the workspace. bound is what
// it belongs to, such as the id of a document, and must be given again to Open.
func (r *Ring) Seal(ctx context.Context, ws string, plain, bound []byte) ([]byte, error) {
	a, err := r.aead(ctx, ws, "seal")
	if err != nil {
		return nil, err
	}
	return seal(a, plain, bound), nil
}

// Open returns what Seal was given. What was changed, cut, or belongs elsewhere is
// INVALID with the reason SEAL_BROKEN.
func (r *Ring) Open(ctx context.Context, ws string, sealed, bound []byte) ([]byte, error) {
	a, err := r.aead(ctx, ws, "seal")
	if err != nil {
		return nil, err
	}
	plain, err := open(a, sealed, bound)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "SEAL_BROKEN", "what was sealed was changed, or belongs elsewhere").Wrap(err)
	}
	return plain, nil
}
