package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/headwater-cdp/headwater/core/audit/journal"
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
	h := harvest{bytes: bytes}
	if err := h.gather(ctx, s.log.o.Store, s.ws); err != nil {
		return 0, false, err
	}
	marks, err := s.read(ctx, &h)
	if err != nil || len(h.items) == 0 {
		return 0, false, err
	}
	if err := s.append(ctx, h.items, h.ops, marks); err != nil {
		return 0, false, err
	}
	return len(h.items), h.full, nil
}

// read takes entries out of the journal while the batch is not full, and returns how far
// it was read then; nil when there is nothing to read.
func (s *sequencer) read(ctx context.Context, h *harvest) (journal.Marks, error) {
	if s.log.o.Journal == nil || h.full {
		return nil, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if ok, err := s.log.stands(ctx, s.ws, s.head); err != nil || !ok {
		return nil, err
	}
	return s.log.o.Journal.Read(s.ws, s.head.Marks, func(body []byte, sets [][]byte) (bool, error) {
		h.full = !h.take([]item{{Body: body, Sets: sets}})
		return !h.full, nil
	})
}

// harvest is what goes into the log in one batch.
type harvest struct {
	bytes int // the bound
	items []item
	ops   []store.Op
	sum   load
	full  bool // others wait
}

// take takes entries that belong together, unless they are too much.
func (h *harvest) take(items []item) bool {
	next := h.sum.plus(loadOf(items))
	if len(h.items) > 0 && (h.sum.entries >= stepEntries || next.bytes > h.bytes || next.ops > stepOps) {
		return false
	}
	h.items, h.sum = append(h.items, items...), next
	return true
}

// gather takes pending documents by their age until the batch is full.
func (h *harvest) gather(ctx context.Context, db store.Reader, ws string) error {
	for after := ""; ; {
		q := store.Query{Workspace: ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		docs, err := pendings.Find(ctx, db, q, stepRead)
		if err != nil {
			return err
		}
		for _, d := range docs {
			list, err := d.items()
			if err != nil {
				return fmt.Errorf("audit: a pending document is damaged: %w", err)
			}
			if !h.take(list) {
				h.full = true
				return nil
			}
			h.ops, after = append(h.ops, pendings.Delete(d)), d.ID
		}
		if len(docs) < stepRead {
			return nil
		}
	}
}
