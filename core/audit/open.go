package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// open is an operation of which something is written down before its end.
type open struct {
	doc   *openDoc
	since time.Time
	count int
}

// abandoned is after how long without a sign of life the entry of an operation whose
// process died is put into the log.
const abandoned = 10 * time.Minute

// Intend makes durable that an operation is about to begin: whatever becomes of its
// process, the log tells of it. One that changes something calls it before it does, and
// does nothing when it fails.
func (t *Trail) Intend(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != nil || core.ActorFrom(ctx) == nil && t.entry.Workspace == "" {
		return nil
	}
	return t.flush(ctx)
}

// Flush makes what was noted so far durable: a stream calls it before each of its
// parts goes out, and has one entry in the end, whatever becomes of it. A person who is
// noted again after a Flush is counted again.
func (t *Trail) Flush(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != nil && len(t.list)+len(t.people)+t.count == 0 && t.log.o.Clock.Now().Sub(t.open.since) < abandoned/10 {
		return nil
	}
	return t.flush(ctx)
}

func (t *Trail) flush(ctx context.Context) error {
	l := t.log
	now := l.o.Clock.Now()
	people := t.subjects()
	next := openDoc{}
	if t.open != nil {
		next = *t.open.doc
		next.Sets = append([]string{}, next.Sets...)
	} else {
		e := t.entry
		if err := e.fill(ctx, now); err != nil {
			return err
		}
		t.entry.ID, t.entry.At, t.entry.Workspace = e.ID, e.At, e.Workspace
		next = openDoc{Meta: store.Meta{ID: store.Key(e.Workspace, e.ID)}, Entry: e}
	}
	// What is known by now; actor and purpose are as they were in the beginning.
	e := &next.Entry
	e.Resource, e.Fields, e.Details = t.entry.Resource, slices.Concat(t.base, t.entry.Fields), t.entry.Details
	e.Decision = t.decision(false)
	e.Identifiers, e.Subjects = nil, nil // the store keeps none in clear
	e.SubjectCount += len(people) + t.count
	next.Touched = now
	psn, err := l.pseudonyms(ctx, t.entry.Workspace)
	if err != nil {
		return unavailable(err)
	}
	if next.Asked, err = l.asked(ctx, t.entry.Workspace, t.entry.Identifiers, psn); err != nil {
		return unavailable(err)
	}
	marked := make([]string, len(people))
	for i, id := range people {
		marked[i] = psn(KindProfile, id)
	}
	var ops []store.Op
	for from := 0; from < len(marked); from += chunkSize {
		data := chunk(marked[from:min(from+chunkSize, len(marked))])
		ops = append(ops, l.setOp(t.entry.Workspace, t.entry.ID, len(next.Sets), data))
		next.Sets = append(next.Sets, chunkHash(data))
	}
	if err := work.Commit(ctx, l.o.Store, append(ops, opens.Put(&next))...); err != nil {
		return unavailable(err)
	}
	next.V++
	t.open = &open{doc: &next, since: now, count: e.SubjectCount}
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
	if len(e.Subjects) > 0 && len(hashes) > 0 {
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

// buryAtOnce is how many open entries are looked at together.
const buryAtOnce = 100

// bury writes the entries of operations whose processes died.
func (l *Log) bury(ctx context.Context, ws string) error {
	for after := ""; ; {
		q := store.Query{Workspace: ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		docs, err := opens.Find(ctx, l.o.Store, q, buryAtOnce)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if after = d.ID; l.o.Clock.Now().Sub(d.Touched) < abandoned {
				continue
			}
			if err := l.buryOne(ctx, ws, d); err != nil {
				return err
			}
		}
		if len(docs) < buryAtOnce {
			return nil
		}
	}
}

func (l *Log) buryOne(ctx context.Context, ws string, d *openDoc) error {
	e := d.Entry
	e.Details = maps.Clone(e.Details)
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	e.Details["failed"] = "ABANDONED"
	it := item{Body: appendBody(nil, &e, nil, d.Sets, d.Asked)}
	err := work.Commit(ctx, l.o.Store, opens.Delete(d), l.pendingOp(ws, []item{it}))
	if conflict(err) {
		return nil // it lives, or another process was faster
	}
	if err == nil {
		l.kick(ws)
	}
	return err
}
