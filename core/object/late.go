package object

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// LateKind is the kind of the task that looks for people who came while records
// that name them were written, when the process that wrote them died right after.
const LateKind = "object.late"

// lateAfter is when such a task runs, unless it is dropped before.
const lateAfter = 30 * time.Second

// late is what a commit of records leaves to be looked after: whom their links name
// and who were not there before the commit. Somebody who comes later looks for the
// records; somebody who came while this was committed may have looked too early.
type late struct {
	s       *Service
	ws      string
	records []*Record
	people  [][]event.Identifier // of each record; those too whom it named before, for they may have seen what is no more
	task    work.Item
}

// latePayload names records by what follows the workspace in their keys: no person.
type latePayload struct {
	Records []string `bson:"records"`
}

// missing returns what the group leaves to be looked after.
func (g *group) missing() *late {
	s := g.b.w.s
	l := &late{s: s, ws: g.b.w.ws}
	var keys []string
	for _, i := range g.indexes {
		d := g.b.drafts[i]
		if d.purge {
			continue
		}
		var ids []event.Identifier
		for _, id := range d.people {
			if g.b.people[id] == "" {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			l.records, l.people, keys = append(l.records, d.after), append(l.people, ids), append(keys, store.Rest(d.after.ID))
		}
	}
	l.task = work.Item{
		Kind: LateKind, Workspace: l.ws, Name: core.NewID(core.PrefixBatch, s.o.Clock.Now()),
		DueAt: s.o.Clock.Now().Add(lateAfter), Payload: latePayload{keys},
	}
	return l
}

// enqueue returns the operations that see to it that somebody looks.
func (l *late) enqueue() []store.Op {
	if len(l.records) == 0 || l.s.o.Jobs == nil {
		return nil
	}
	return []store.Op{work.Enqueue(l.task)}
}

// look looks right after the commit.
func (l *late) look(ctx context.Context) {
	if len(l.records) == 0 {
		return
	}
	err := l.tell(ctx)
	if err == nil && l.s.o.Jobs != nil {
		err = l.drop(ctx)
	}
	if err != nil {
		l.s.o.Logger.Warn("people who came while a record was written are told of it later", "error", core.CodeOf(err))
	}
}

// tell tells those who are there now. Nobody is told twice by one task.
func (l *late) tell(ctx context.Context) error {
	var ids []event.Identifier
	for _, list := range l.people {
		ids = append(ids, list...)
	}
	found, err := l.s.resolve(ctx, l.ws, ids)
	if err != nil {
		return err
	}
	for i, r := range l.records {
		for range l.people[i] {
			p := found[0]
			found = found[1:]
			if p == "" {
				continue
			}
			e := l.s.changed(r, Linked, nil, p)
			e.Input.MessageID = core.HashID(core.PrefixMessageID, l.ws, l.task.Name, r.ID, p)
			if _, err := l.s.o.Committer.CommitAll(ctx, l.ws, []event.SystemEvent{e}); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop takes the task away.
func (l *late) drop(ctx context.Context) error {
	t, err := work.Find(ctx, l.s.o.Store, l.ws, l.task.Kind, l.task.Name)
	if err != nil || t == nil {
		return err
	}
	if _, err = l.s.o.Store.Commit(ctx, l.s.batch([]store.Op{work.Drop(t)})); errors.Is(err, store.ErrConflict) {
		return nil // it runs: it does no harm
	}
	return err
}

// lateHandler handles tasks of LateKind.
func (s *Service) lateHandler() work.Handler {
	return work.HandlerFunc(func(ctx context.Context, lease *work.Lease) error {
		t := lease.Task()
		var p latePayload
		if err := lease.Payload(&p); err != nil {
			return err
		}
		l := &late{s: s, ws: t.Workspace, task: work.Item{Name: t.Name}}
		keys := make([]string, len(p.Records))
		for i, key := range p.Records {
			keys[i] = store.Key(l.ws, key)
		}
		records, err := Records.GetMany(ctx, s.o.Store, keys)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r != nil {
				l.records, l.people = append(l.records, r), append(l.people, peopleOf(r))
			}
		}
		return l.tell(ctx)
	})
}
