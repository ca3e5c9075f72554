package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// open is a long operation whose people are written down while it goes on.
type open struct {
	doc   *openDoc
	since time.Time
	count int
}

// abandoned is after how long without a sign of life the entry of an operation whose
// process died is put into the log.
const abandoned = 10 * time.Minute

// Flush makes what was noted so far durable: a stream calls it before each of its
// parts goes out, and has one entry in the end, whatever becomes of it. A person who is
// noted again after a Flush is counted again.
func (t *Trail) Flush(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.log
	now := l.o.Clock.Now()
	people := t.subjects()
	if t.open == nil {
		e := t.entry
		e.Fields = append(append([]string{}, t.base...), e.Fields...)
		if err := e.fill(ctx, now); err != nil {
			return err
		}
		t.entry.ID, t.entry.At, t.entry.Workspace = e.ID, e.At, e.Workspace
		// What the store keeps until the end holds no identifier in clear.
		e.Identifiers, e.Subjects = nil, nil
		t.open = &open{doc: &openDoc{Meta: store.Meta{ID: store.Key(e.Workspace, e.ID)}, Entry: e}}
	} else if len(people) == 0 && t.count == 0 && now.Sub(t.open.since) < abandoned/10 {
		return nil
	}
	psn, err := l.pseudonyms(ctx, t.entry.Workspace)
	if err != nil {
		return unavailable(err)
	}
	marked := make([]string, len(people))
	for i, id := range people {
		marked[i] = psn(KindProfile, id)
	}
	next := *t.open.doc
	next.Touched = now
	next.Sets = append([]string{}, next.Sets...)
	var ops []store.Op
	for from := 0; from < len(marked); from += chunkSize {
		data := chunk(marked[from:min(from+chunkSize, len(marked))])
		ops = append(ops, l.setOp(t.entry.Workspace, t.entry.ID, len(next.Sets), data))
		next.Sets = append(next.Sets, chunkHash(data))
	}
	next.Entry.SubjectCount += len(people) + t.count
	if err := work.Commit(ctx, l.o.Store, append(ops, opens.Put(&next))...); err != nil {
		return unavailable(err)
	}
	next.V++
	t.open.doc, t.open.since = &next, now
	t.open.count = next.Entry.SubjectCount
	t.people, t.list, t.count = nil, nil, 0
	return nil
}

func (l *Log) setOp(ws, entry string, n int, data []byte) store.Op {
	return sets.Insert(&setDoc{Meta: store.Meta{ID: setKey(ws, entry, n)}, Data: data})
}

func setKey(ws, entry string, n int) string {
	return store.Key(ws, entry, fmt.Sprintf("%06d", n))
}

// finish turns the open entry into a pending one, in one batch.
func (t *Trail) finish(ctx context.Context) error {
	l, doc := t.log, t.open.doc
	e := t.entry
	e.SubjectCount += t.open.count
	var ops []store.Op
	hashes := doc.Sets
	if len(e.Subjects) > 0 {
		psn, err := l.pseudonyms(ctx, e.Workspace)
		if err != nil {
			return unavailable(err)
		}
		last := make([]string, len(e.Subjects))
		for i, id := range e.Subjects {
			last[i] = psn(KindProfile, id)
		}
		for from := 0; from < len(last); from += chunkSize {
			data := chunk(last[from:min(from+chunkSize, len(last))])
			ops = append(ops, l.setOp(e.Workspace, e.ID, len(hashes), data))
			hashes = append(hashes, chunkHash(data))
		}
		e.Subjects = nil
	}
	if err := e.fill(ctx, l.o.Clock.Now()); err != nil {
		return err
	}
	it, err := l.encode(ctx, &e, hashes)
	if err != nil {
		return unavailable(err)
	}
	ops = append(ops, opens.Delete(doc), l.pendingOp(e.Workspace, []item{it}))
	if err := work.Commit(ctx, l.o.Store, ops...); err != nil {
		return unavailable(err)
	}
	l.kick(e.Workspace)
	return nil
}

// bury writes the entries of operations whose processes died.
func (l *Log) bury(ctx context.Context, ws string) error {
	docs, err := opens.Find(ctx, l.o.Store, store.Query{Workspace: ws}, 100)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if l.o.Clock.Now().Sub(d.Touched) < abandoned {
			continue
		}
		e := d.Entry
		e.Details = map[string]string{"failed": "ABANDONED"}
		e.Decision = core.Allow
		it, err := l.encode(ctx, &e, d.Sets)
		if err != nil {
			return err
		}
		err = work.Commit(ctx, l.o.Store, opens.Delete(d), l.pendingOp(ws, []item{it}))
		if err != nil && !conflict(err) {
			return err
		}
		l.kick(ws)
	}
	return nil
}
