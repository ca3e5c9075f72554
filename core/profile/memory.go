package profile

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// generation is how many identifiers each of the two halves of a memory holds.
const generation = 500_000

// memory remembers which part an identifier belongs to. Looking that up is a large
// share of what an event costs, and it never changes, so that as many as possible
// are kept: an identifier takes 32 bytes, a hash and the bits of the part, and
// nothing that the garbage collector must follow. A million take about 50 MB.
//
// There are two halves. What is used is in the young one; when that is full the
// old one is dropped and the young one becomes the old.
type memory struct {
	mu         sync.Mutex
	young, old map[[16]byte][16]byte
}

func newMemory() *memory { return &memory{young: map[[16]byte][16]byte{}} }

// fingerprint stands for a key. Two keys with the same one would be one person, so
// it is cut from a hash in which nobody can make that happen.
func fingerprint(key string) (f [16]byte) {
	h := sha256.Sum256([]byte(key))
	copy(f[:], h[:])
	return f
}

// Get returns the part of an identifier's key, if it is remembered.
func (m *memory) Get(key string) (part string, ok bool) {
	f := fingerprint(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	bits, ok := m.young[f]
	if !ok {
		if bits, ok = m.old[f]; !ok {
			return "", false
		}
		m.put(f, bits)
	}
	return core.Unpack(core.PrefixProfile, bits), true
}

// Add remembers the part of an identifier's key.
func (m *memory) Add(key, part string) {
	prefix, bits, ok := core.Pack(part)
	if !ok || prefix != core.PrefixProfile {
		return // not an id of ours: it is looked up each time
	}
	f := fingerprint(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(f, bits)
}

func (m *memory) put(f, bits [16]byte) {
	if len(m.young) >= generation {
		m.young, m.old = map[[16]byte][16]byte{}, m.young
	}
	m.young[f] = bits
}

// Remove forgets an identifier.
func (m *memory) Remove(key string) {
	f := fingerprint(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, f)
	delete(m.old, f)
}

// full reports whether more would push out what is remembered.
func (m *memory) full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.old) > 0 && len(m.young) >= generation-maxGet
}

// Warm reads a workspace's identifiers into memory until that is full, so that a
// process that has just started need not look each up when its first event comes.
// It is a help and nothing depends on it.
func (s *Service) Warm(ctx context.Context, ws string) error {
	last := ""
	for !s.ids.full() {
		q := store.Query{Workspace: ws}
		if last != "" {
			q.Where = []store.Cond{store.Gt("_id", last)}
		}
		docs, err := Identifiers.Find(ctx, s.db, q, maxGet)
		if err != nil || len(docs) == 0 {
			return storeError("read identifiers", err)
		}
		for _, d := range docs {
			s.ids.Add(d.ID, d.Part)
		}
		last = docs[len(docs)-1].ID
	}
	return nil
}
