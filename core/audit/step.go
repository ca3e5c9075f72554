package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/headwater-cdp/headwater/core/store"
)

// The bounds of what goes into the log in one batch: few enough entries that it does not
// hold up those who write, and no more bytes and operations than a batch may have beside
// the tiles and the head.
const (
	stepEntries = 512
	stepBytes   = 2 << 20
	stepOps     = 800
	stepRead    = 32       // pending documents that are read at once
	leastBytes  = 16 << 10 // below it one document is tried alone
)

// load is how much of a batch some entries take up.
type load struct{ entries, bytes, ops int }

// loadOf returns what a pending document takes up, and how much its entries do in a
// block, at the most: bodies need not get smaller there, and each of their subjects, 33
// bytes of a body, is stored a second time as an element of 41.
func loadOf(items []item) load {
	l := load{entries: len(items), ops: 1}
	for _, it := range items {
		l.bytes += len(it.Body)*9/4 + 64
		for _, data := range it.Sets {
			l.bytes += len(data) + 128
			l.ops++
		}
	}
	return l
}

func (l load) plus(o load) load {
	return load{l.entries + o.entries, l.bytes + o.bytes, l.ops + o.ops}
}

// step takes some pending entries and returns how many; more tells that others wait.
// What is more than a batch holds is taken in smaller parts.
func (s *sequencer) step(ctx context.Context) (n int, more bool, err error) {
	for bytes := stepBytes; ; bytes /= 2 {
		n, more, err = s.take(ctx, bytes)
		if err == nil {
			return n, more, nil
		}
		s.head, s.tree = nil, nil
		if !errors.Is(err, store.ErrTooLarge) || bytes < leastBytes {
			return 0, false, err
		}
	}
}

// take is step with a bound on the bytes. One document it takes in any case.
func (s *sequencer) take(ctx context.Context, bytes int) (n int, more bool, err error) {
	var items []item
	var ops []store.Op
	var sum load
	for after := ""; ; {
		q := store.Query{Workspace: s.ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		docs, err := pendings.Find(ctx, s.log.o.Store, q, stepRead)
		if err != nil {
			return 0, false, err
		}
		for i, d := range docs {
			list, err := d.items()
			if err != nil {
				return 0, false, fmt.Errorf("audit: a pending document is damaged: %w", err)
			}
			next := sum.plus(loadOf(list))
			if len(items) > 0 && (next.bytes > bytes || next.ops > stepOps) {
				return len(items), true, s.append(ctx, items, ops)
			}
			items, ops, sum, after = append(items, list...), append(ops, pendings.Delete(d)), next, d.ID
			if sum.entries >= stepEntries {
				return len(items), i+1 < len(docs) || len(docs) == stepRead, s.append(ctx, items, ops)
			}
		}
		if len(docs) < stepRead {
			break
		}
	}
	if len(items) == 0 {
		return 0, false, nil
	}
	return len(items), false, s.append(ctx, items, ops)
}
