package journey

import (
	"context"
	"errors"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

// ToDoFilter chooses to-dos.
type ToDoFilter struct {
	Journey string // "" is all
	State   string // "" is OPEN
}

func (f ToDoFilter) query(ws string) store.Query {
	if f.State == "" {
		f.State = ToDoOpen
	}
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("state", f.State)}, Order: []string{"-at"}}
	if f.Journey != "" {
		q.Where = append([]store.Cond{store.Eq("j", f.Journey)}, q.Where...)
	}
	return q
}

// ListToDos returns a page of what journeys ask of people in the company, the latest first.
func (s *Service) ListToDos(ctx context.Context, ws string, f ToDoFilter, w core.Window) (store.Page[ToDo], error) {
	page, err := ToDos.Page(ctx, s.Store, f.query(ws), w)
	return page, storeError("list the to-dos", err)
}

// CountToDos returns how many ListToDos lists.
func (s *Service) CountToDos(ctx context.Context, ws string, f ToDoFilter) (int64, error) {
	n, err := ToDos.Count(ctx, s.Store, f.query(ws))
	return n, storeError("count the to-dos", err)
}

// ToDo returns the to-do with an id, or nil.
func (s *Service) ToDo(ctx context.Context, ws, id string) (*ToDo, error) {
	if !isID("todo", id) {
		return nil, nil
	}
	t, err := ToDos.Get(ctx, s.Store, store.Key(ws, id))
	return t, storeError("read the to-do", err)
}

// ToDoID returns its id, todo_….
func (t *ToDo) ToDoID() string { return store.Rest(t.ID) }

// Decide answers a to-do: a task is done, an approval given or refused, what is overdue
// sent or not. Answering one that is answered changes nothing. reason holds no personal
// value.
func (s *Service) Decide(ctx context.Context, ws, id string, yes bool, reason string) (*ToDo, error) {
	for range maxChanges {
		t, err := s.ToDo(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, core.Errorf(core.NotFound, "TODO", "there is no to-do with this id").At("id")
		}
		if err := mayDecide(ctx, t); err != nil {
			return nil, err
		}
		if t.State != ToDoOpen {
			return t, nil
		}
		ops, err := s.decideOps(ctx, ws, t, yes, reason)
		if err != nil {
			return nil, err
		}
		err = s.commit(ctx, ops)
		if isConflict(err) {
			continue
		}
		if err != nil {
			return nil, storeError("write the to-do", err)
		}
		s.poke(ws, map[string]bool{laneOf(t.Part): true})
		return s.ToDo(ctx, ws, id)
	}
	return nil, core.Errorf(core.Conflict, "VERSION", "somebody else answers it just now; read it again")
}

// mayDecide lets those answer whom the to-do is for: whoever has the role, or may manage.
func mayDecide(ctx context.Context, t *ToDo) error {
	a := core.ActorFrom(ctx)
	if a != nil && t.Assignee != "" && (a.ID == t.Assignee || slices.Contains(a.Roles, t.Assignee)) {
		return access.Allow(ctx, access.Read)
	}
	if t.Kind == ToDoApproval && t.Assignee != "" {
		if err := access.Allow(ctx, access.Manage); err != nil {
			return core.Errorf(core.Forbidden, "ASSIGNEE", "this is for %s to decide", t.Assignee).At("id")
		}
		return nil
	}
	return mayDesign(ctx)
}

func (s *Service) decideOps(ctx context.Context, ws string, t *ToDo, yes bool, reason string) ([]store.Op, error) {
	t.State, t.DecidedBy, t.DecidedAt, t.Reason = ToDoRefused, actor(ctx), s.now(), reason
	if yes {
		t.State = ToDoDone
	}
	ops := []store.Op{ToDos.Replace(t)}
	if t.Kind != ToDoTask {
		what := ForApproval
		if t.Kind == ToDoOverdue {
			what = ForOverdue
		}
		ops = append(ops, s.trigger(ws, &Trigger{
			Part: t.Part, Journey: t.Journey, Enrollment: t.Enrollment, Cause: CauseAnswer, At: s.now(),
			Answer: &Answer{For: what, Visit: t.Visit, OK: yes, Decision: actor(ctx)},
		}, t.ID, "decided"))
	}
	return s.recorded(ctx, ws, "journey.decide", t.ToDoID(), map[string]string{"journey": t.Journey, "kind": t.Kind, "state": t.State}, ops...)
}

// DecideOverdue answers, at most 500 at a time, the overdue messages of a journey that
// wait for a word, and returns how many it answered; call it until that is 0.
func (s *Service) DecideOverdue(ctx context.Context, ws, journeyID string, send bool) (int, error) {
	if err := mayDesign(ctx); err != nil {
		return 0, err
	}
	n := 0
	for w := (core.Window{Limit: 500}); ; { // what else is asked of the journey may come before
		page, err := s.ListToDos(ctx, ws, ToDoFilter{Journey: journeyID}, w)
		if err != nil {
			return n, err
		}
		for _, t := range page.Items {
			if t.Kind != ToDoOverdue || n >= maxDecided {
				continue
			}
			if _, err := s.Decide(ctx, ws, t.ToDoID(), send, ""); err != nil {
				return n, err
			}
			n++
		}
		if n >= maxDecided || !page.HasNext || len(page.Cursors) == 0 {
			return n, nil
		}
		w.After = page.Cursors[len(page.Cursors)-1]
	}
}

// maxDecided is how many to-dos one call of DecideOverdue answers.
const maxDecided = 500
