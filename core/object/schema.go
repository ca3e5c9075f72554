package object

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// revision is raised by each change of a workspace's types: who keeps them in
// memory compares it.
type revision struct {
	store.Meta `bson:",inline"` // key: workspace/types
}

var revisions = store.Declare[revision](store.Spec{Name: "object_revisions"})

// guard is one of the documents that writes of records check. Its version is that
// of the type's document. There are several, so that writers do not queue up on a
// store where a check is a write.
type guard struct {
	store.Meta `bson:",inline"` // key: workspace/type/00
}

var guardDocs = store.Declare[guard](store.Spec{Name: "object_guards"})

func guardKey(ws, typeKey string, n int) string {
	return store.Key(ws, typeKey, fmt.Sprintf("%02d", n))
}

// check returns the operation that fails once the type has changed.
func (t *Type) check() store.Op {
	return guardDocs.Check(&guard{store.Meta{ID: guardKey(t.Workspace(), t.Key, rand.IntN(guards)), V: t.V}})
}

// put returns the operations that store the type over the version that it was read
// with, and that stop all who write records under that version.
func (t *Type) put(insert bool) []store.Op {
	write := Types.Replace
	if insert {
		write = Types.Insert
	}
	ops := []store.Op{write(t)}
	for n := range guards {
		g := &guard{store.Meta{ID: guardKey(t.Workspace(), t.Key, n), V: t.V}}
		if insert {
			ops = append(ops, guardDocs.Insert(g))
		} else {
			ops = append(ops, guardDocs.Replace(g))
		}
	}
	return ops
}

// remove returns the operations that delete the type.
func (t *Type) remove() []store.Op {
	ops := []store.Op{Types.Delete(t)}
	for n := range guards {
		ops = append(ops, guardDocs.Delete(&guard{store.Meta{ID: guardKey(t.Workspace(), t.Key, n), V: t.V}}))
	}
	return ops
}

// types are a workspace's types at a revision.
type types struct {
	revision int64
	all      []*Type
	byKey    map[string]*Type
}

// typeCache keeps types by workspace.
type typeCache struct {
	mu      sync.Mutex
	entries map[string]*types
}

// maxCached bounds the cache: beyond it everything is read again.
const maxCached = 1000

// schema returns the workspace's types as they are now, for one small read when
// they have not changed.
func (s *Service) schema(ctx context.Context, ws string) (*types, error) {
	head, err := revisions.Get(ctx, s.o.Store, store.Key(ws, "types"))
	if err != nil {
		return nil, outward(err)
	}
	now := int64(0)
	if head != nil {
		now = head.V
	}
	s.cache.mu.Lock()
	held := s.cache.entries[ws]
	s.cache.mu.Unlock()
	if held != nil && held.revision == now {
		return held, nil
	}
	all, err := Types.Find(ctx, s.o.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, outward(err)
	}
	slices.SortFunc(all, func(a, b *Type) int { return strings.Compare(a.Key, b.Key) })
	fresh := &types{revision: now, all: all, byKey: make(map[string]*Type, len(all))}
	for _, t := range all {
		fresh.byKey[t.Key] = t
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.entries == nil || len(s.cache.entries) >= maxCached {
		s.cache.entries = map[string]*types{}
	}
	s.cache.entries[ws] = fresh
	return fresh, nil
}

// bump returns the operation that raises the workspace's revision.
func (s *Service) bump(ctx context.Context, ws string) (store.Op, error) {
	head, err := revisions.Get(ctx, s.o.Store, store.Key(ws, "types"))
	if err != nil {
		return store.Op{}, err
	}
	if head == nil {
		head = &revision{store.Meta{ID: store.Key(ws, "types")}}
	}
	return revisions.Put(head), nil
}

// Types returns the workspace's types, ordered by key. They must not be changed.
func (s *Service) Types(ctx context.Context, ws string) ([]*Type, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	return all.all, nil
}

// Type returns the type with the key, which must not be changed; NOT_FOUND, reason
// OBJECT_TYPE, when there is none.
func (s *Service) Type(ctx context.Context, ws, key string) (*Type, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	if t := all.byKey[key]; t != nil {
		return t, nil
	}
	return nil, unknownType(all, key)
}

func unknownType(all *types, key string) *core.Error {
	if len(all.all) == 0 || len(key) > MaxKey {
		return core.Errorf(core.NotFound, "OBJECT_TYPE", "no object type has this key; define it first")
	}
	var keys []string
	for _, t := range all.all[:min(20, len(all.all))] {
		keys = append(keys, t.Key)
	}
	return core.Errorf(core.NotFound, "OBJECT_TYPE", "no object type has the key %q; there are %s", key, strings.Join(keys, ", "))
}
