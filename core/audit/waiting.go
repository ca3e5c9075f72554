package audit

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
)

// waiting reports whether a workspace has pending entries.
func (l *Log) waiting(ctx context.Context, ws string) (bool, error) {
	return l.waitingOf(ctx, ws, store.Query{Workspace: ws}, nil)
}

// waitingOf reports whether a workspace has pending entries among the documents of a
// query, or in the journal before the ends; nil means its ends.
func (l *Log) waitingOf(ctx context.Context, ws string, q store.Query, ends journal.Marks) (bool, error) {
	if found, err := pendings.Find(ctx, l.o.Store, q, 1); err != nil || len(found) > 0 || l.o.Journal == nil {
		return len(found) > 0, err
	}
	now, err := l.o.Journal.Ends(ws)
	if err != nil || len(now) == 0 {
		return false, err
	}
	if ends != nil {
		maps.DeleteFunc(now, func(file string, _ int64) bool { return ends[file] == 0 })
		for file := range now {
			now[file] = ends[file]
		}
	}
	head, err := heads.Get(ctx, l.o.Store, headKey(ws))
	if err != nil {
		return false, err
	}
	var marks journal.Marks
	if head != nil {
		marks = head.Marks
	}
	if !marks.Before(now) {
		return false, nil
	}
	return l.stands(ctx, ws, head)
}

// stands reports whether a log goes on: it has begun, or its workspace is there. One that
// was deleted has forgotten how far it had read the journal, and must not begin again.
func (l *Log) stands(ctx context.Context, ws string, head *headDoc) (bool, error) {
	if head != nil && head.Size > 0 || l.o.Workspaces == nil {
		return true, nil
	}
	all, err := l.o.Workspaces(ctx)
	return slices.Contains(all, ws), err
}

// Prune removes the files of the journal whose entries are in the logs, or of workspaces
// that are not there any more.
func (l *Log) Prune(ctx context.Context) error {
	if l.o.Journal == nil {
		return nil
	}
	var there map[string]bool
	return l.o.Journal.Prune(func(ws, file string, end int64) (bool, error) {
		if there == nil { // after the entries were seen: whose they are was there before
			all, err := l.o.Workspaces(ctx)
			if err != nil {
				return false, err
			}
			there = map[string]bool{}
			for _, ws := range all {
				there[ws] = true
			}
		}
		if !there[ws] {
			return true, nil
		}
		head, err := heads.Get(ctx, l.o.Store, headKey(ws))
		return err == nil && head != nil && head.Marks[file] >= end, err
	})
}

// TakeOver moves what waits in the journal of an earlier version, a store of its own, to
// where the sequencers find it. It may be done by several processes, and again.
func (l *Log) TakeOver(ctx context.Context, earlier store.Store) error {
	all, err := l.o.Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, ws := range all {
		// The log's newest batch may have taken some without having removed them. Whoever
		// forgets which has removed them before: the head is read first.
		head, err := heads.Get(ctx, l.o.Store, headKey(ws))
		if err != nil {
			return err
		}
		docs, err := pendings.Find(ctx, earlier, store.Query{Workspace: ws}, 0)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if head == nil || !slices.Contains(head.Taken, d.ID) {
				// Once, whoever does it: the batch is known by its id.
				_, err = l.o.Store.Commit(ctx, store.Batch{ID: "earlier/" + d.ID, Ops: []store.Op{pendings.Insert(newCopy(d))}})
			}
			if err == nil {
				_, err = earlier.Commit(ctx, store.Batch{ID: "taken/" + d.ID, Ops: []store.Op{pendings.Delete(d)}})
			}
			if err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
	return nil
}

// newCopy returns a document as one that is to be inserted.
func newCopy(d *pendingDoc) *pendingDoc {
	fresh := *d
	fresh.V = 0
	return &fresh
}
