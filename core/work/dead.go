package work

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// DeadTask is a task that ran out of attempts. Its key is workspace/dead_….
type DeadTask struct {
	store.Meta `bson:",inline"`
	Kind       string    `bson:"kind"`
	Name       string    `bson:"name"`
	Attempts   int       `bson:"attempts"`
	Payload    bson.Raw  `bson:"payload,omitempty"`
	LastError  string    `bson:"lastError"` // code and reason
	At         time.Time `bson:"at"`        // when it died
}

// Dead is the collection of dead tasks.
var Dead = store.Declare[DeadTask](store.Spec{
	Name:    "work_dead",
	Reach:   store.ReachSearch,
	Data:    map[string]core.Category{"payload": core.Unclassified},
	Indexes: []store.Index{store.On("-at"), store.On("kind", "-at")},
})

// bury moves the task to the dead ones.
func (l *Lease) bury(ctx context.Context, lastError string) error {
	now := l.clock.Now()
	t := l.Task()
	d := DeadTask{
		Meta: store.Meta{ID: store.Key(t.Workspace, core.NewID(core.PrefixDeadTask, now))},
		Kind: t.Kind, Name: t.Name, Attempts: t.Attempts, Payload: t.Payload, LastError: lastError, At: now,
	}
	return l.Complete(ctx, Dead.Insert(&d))
}

// DeadTasks returns a page of a workspace's dead tasks, the latest first; of one
// kind unless kind is "".
func DeadTasks(ctx context.Context, r store.Reader, workspace, kind string, page core.PageArgs) (store.Page[DeadTask], error) {
	w, err := page.Resolve()
	if err != nil {
		return store.Page[DeadTask]{}, err
	}
	q := store.Query{Workspace: orSystem(workspace), Order: []string{"-at"}}
	if kind != "" {
		q.Where = []store.Cond{store.Eq("kind", kind)}
	}
	return Dead.Page(ctx, r, q, w)
}

// Replay makes a dead task due at once, with all its attempts before it. It is
// NOT_FOUND when there is none with that id, CONFLICT when a task of the same
// kind and name is pending.
func Replay(ctx context.Context, s Store, workspace, id string, now time.Time) error {
	d, err := deadTask(ctx, s, workspace, id)
	if err != nil {
		return err
	}
	it := Item{Kind: d.Kind, Workspace: workspace, Name: d.Name, DueAt: now}
	if d.Payload != nil {
		it.Payload = d.Payload
	}
	err = Commit(ctx, s, Dead.Delete(d), Enqueue(it))
	if conflictOn(err, Tasks.Spec, it.Key()) {
		return core.Errorf(core.Conflict, "TASK_PENDING", "a task of kind %s with this name is pending; discard the dead one, or wait", d.Kind)
	}
	return gone(err)
}

// Discard forgets a dead task. It is NOT_FOUND when there is none with that id.
func Discard(ctx context.Context, s Store, workspace, id string) error {
	d, err := deadTask(ctx, s, workspace, id)
	if err != nil {
		return err
	}
	return gone(Commit(ctx, s, Dead.Delete(d)))
}

func deadTask(ctx context.Context, r store.Reader, workspace, id string) (*DeadTask, error) {
	d, err := Dead.Get(ctx, r, store.Key(orSystem(workspace), id))
	if err == nil && d == nil {
		err = errNoDeadTask
	}
	return d, err
}

var errNoDeadTask = core.Errorf(core.NotFound, "DEAD_TASK", "there is no such dead task; it was replayed or discarded")

func gone(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return errNoDeadTask
	}
	return err
}

// Purge removes every task of a workspace, slice by slice, and returns how many.
// Whoever holds one loses it.
func Purge(ctx context.Context, s Store, workspace string) (int, error) {
	n := 0
	for shard := range Shards {
		q := store.Query{Where: []store.Cond{store.Prefix("_id", shardPrefix(shard)+workspace+"/")}}
		for {
			tasks, err := Tasks.Find(ctx, s, q, 500)
			if err != nil || len(tasks) == 0 {
				if err != nil {
					return n, err
				}
				break
			}
			ops := make([]store.Op, len(tasks))
			for i, t := range tasks {
				ops[i] = Tasks.Delete(t)
			}
			switch err := Commit(ctx, s, ops...); {
			case err == nil:
				n += len(tasks)
			case !errors.Is(err, store.ErrConflict): // else a holder renewed one: read again
				return n, err
			}
			if err := ctx.Err(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
