package access

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// DeleteKind is the job kind of the deletion of a workspace. Its jobs belong to
// work.System: they outlive the workspace.
const DeleteKind = "workspace.delete"

// Deletion asks for the deletion of a workspace.
type Deletion struct {
	Workspace    string // "" means the actor's own
	ExpectedName string // the workspace's name, typed by whoever means it
	DryRun       bool   // only count
}

// CollectionCount is how many documents a collection holds for a workspace.
type CollectionCount struct {
	Collection string `bson:"collection"`
	Documents  int64  `bson:"documents"`
}

// DeletionPlan is what a deletion removes, or would.
type DeletionPlan struct {
	Counts []CollectionCount // of collections that hold something
	Job    *work.Job         // nil after a dry run
}

type deletionInput struct {
	Workspace string `bson:"workspace"`
}

// DeleteWorkspace marks a workspace as being deleted, which shuts out all its keys
// at once, and starts the job that removes everything of it. A name that is not
// the workspace's is INVALID (reason NAME_MISMATCH). Calling it again returns the
// same job, or a new one when that failed.
func (s *Service) DeleteWorkspace(ctx context.Context, d Deletion) (*DeletionPlan, error) {
	id, _, err := in(ctx, d.Workspace, Manage)
	if err != nil {
		return nil, err
	}
	var plan *DeletionPlan
	err = again(func() error {
		w, err := Workspaces.Get(ctx, s.store, id)
		if err != nil {
			return err
		}
		if w == nil || w.Gone {
			return core.Errorf(core.NotFound, "WORKSPACE", "there is no such workspace").At("workspace")
		}
		if d.ExpectedName != w.Name {
			return core.Errorf(core.Invalid, "NAME_MISMATCH", "give the workspace's name exactly as it is, to confirm").At("expectedName")
		}
		plan = &DeletionPlan{}
		if plan.Counts, err = s.count(ctx, id); err != nil || d.DryRun {
			return err
		}
		plan.Job, err = s.startDeletion(ctx, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !d.DryRun {
		s.changed(ctx)
	}
	return plan, nil
}

func (s *Service) startDeletion(ctx context.Context, w *Workspace) (*work.Job, error) {
	start := func(version int64, ops ...store.Op) (*work.Job, error) {
		return s.jobs.Start(ctx, DeleteKind, work.System, deletionInput{w.ID}, fmt.Sprintf("%s/%d", w.ID, version), ops...)
	}
	if w.Status == Deleting {
		j, err := start(w.V - 1) // that which marked it
		if err != nil || j.Status != work.Failed && j.Status != work.Cancelled {
			return j, err
		}
	} else {
		w.Status, w.DeletingAt = Deleting, s.clock.Now()
		if a := core.ActorFrom(ctx); a != nil {
			w.DeletedBy = a.ID // it outlives the workspace's own log
		}
	}
	ops, err := s.recorded(ctx, []store.Op{Workspaces.Replace(w)}, w.ID, "workspace.delete", w.ID, nil)
	if err != nil {
		return nil, err
	}
	return start(w.V, ops...)
}

// count returns how many documents each collection holds for the workspace.
func (s *Service) count(ctx context.Context, workspace string) ([]CollectionCount, error) {
	var counts []CollectionCount
	for _, spec := range s.specs {
		if spec.Global {
			continue
		}
		plan, err := store.PlanQuery(spec, store.Query{Workspace: workspace})
		if err != nil {
			return nil, err
		}
		n, err := s.store.Count(ctx, plan)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			counts = append(counts, CollectionCount{spec.Name, n})
		}
	}
	return counts, nil
}

// deletion is a run of the job.
type deletion struct {
	*Service
	run         *work.JobRun
	workspace   string
	done, total int64
}

type deletionPosition struct {
	Done  int64 `bson:"done"`
	Total int64 `bson:"total"`
}

func (s *Service) runDeletion(ctx context.Context, run *work.JobRun) error {
	var input deletionInput
	if err := run.Input(&input); err != nil {
		return err
	}
	w, err := Workspaces.Get(ctx, s.store, input.Workspace)
	if err != nil || w == nil || w.Gone {
		return err
	}
	if w.Status != Deleting {
		return core.Errorf(core.Invalid, "NOT_DELETING", "the workspace is not marked for deletion")
	}
	d := &deletion{Service: s, run: run, workspace: w.ID}
	var pos deletionPosition
	if ok, err := run.Position(&pos); err != nil {
		return err
	} else if ok {
		d.done, d.total = pos.Done, pos.Total
	} else {
		counts, err := s.count(ctx, w.ID)
		if err != nil {
			return err
		}
		for _, c := range counts {
			d.total += c.Documents
		}
	}
	if err := d.empty(ctx, w.DeletingAt); err != nil {
		return err
	}
	if err := d.keys(ctx); err != nil {
		return err
	}
	if err := d.logins(ctx); err != nil {
		return err
	}
	release, err := s.releaseName(ctx, w.Name)
	if err != nil {
		return err
	}
	w.Name, w.Status, w.Gone, w.DeletedAt = "", Deleted, true, s.clock.Now()
	return d.step(ctx, append(release, Workspaces.Replace(w))...)
}

// empty removes the documents, until a pass finds none and no request that came in
// before the mark can still be writing.
func (d *deletion) empty(ctx context.Context, marked time.Time) error {
	for {
		settled := d.clock.Now().Sub(marked) >= d.settle
		n, err := work.Purge(ctx, d.store, d.workspace)
		if err != nil {
			return err
		}
		for _, spec := range d.specs {
			if spec.Global {
				continue
			}
			m, err := d.collection(ctx, spec)
			if err != nil {
				return fmt.Errorf("delete from %s: %w", spec.Name, err)
			}
			n += m
		}
		if n > 0 {
			continue
		}
		if settled {
			return nil
		}
		// Progress again: it notices that the process stops or the lease is lost.
		if err := d.step(ctx); err != nil {
			return err
		}
		if err := d.clock.Sleep(ctx, min(time.Second, d.settle)); err != nil {
			return context.Cause(ctx)
		}
	}
}

// collection removes the workspace's documents of one collection and returns how
// many there were.
func (d *deletion) collection(ctx context.Context, spec *store.Spec) (int, error) {
	plan, err := store.PlanQuery(spec, store.Query{Workspace: d.workspace})
	if err != nil {
		return 0, err
	}
	plan.Limit = 100
	n := 0
	for {
		raws, err := d.store.Scan(ctx, plan)
		if err != nil || len(raws) == 0 {
			return n, err
		}
		ops := make([]store.Op, len(raws))
		for i, raw := range raws {
			id, _ := raw.Lookup("_id").StringValueOK()
			v, _ := raw.Lookup("_v").AsInt64OK()
			ops[i] = store.Op{Kind: store.OpDelete, Spec: spec, ID: id, V: v}
		}
		if err := d.remove(ctx, ops); err != nil {
			return n, err
		}
		n += len(raws)
	}
}

// remove deletes a slice. When one of its documents changed meanwhile, it goes one
// by one, and what cannot be deleted now is found again by the next scan.
func (d *deletion) remove(ctx context.Context, ops []store.Op) error {
	d.done += int64(len(ops))
	err := d.step(ctx, ops...)
	if !conflict(err) {
		return err
	}
	d.done -= int64(len(ops))
	for _, op := range ops {
		d.done++
		switch err := d.step(ctx, op); {
		case conflict(err):
			d.done--
		case err != nil:
			return err
		}
	}
	return nil
}

// keys removes the keys of the workspace.
func (d *deletion) keys(ctx context.Context) error {
	for {
		keys, err := Keys.Find(ctx, d.store, store.Query{Where: []store.Cond{store.Eq("ws", d.workspace)}}, 100)
		if err != nil || len(keys) == 0 {
			return err
		}
		ops := make([]store.Op, len(keys))
		for i, k := range keys {
			ops[i] = Keys.Delete(k)
		}
		if err := d.step(ctx, ops...); err != nil && !conflict(err) {
			return err
		}
	}
}

// logins removes the logins of the members that the workspace had.
func (d *deletion) logins(ctx context.Context) error {
	for {
		found, err := Logins.Find(ctx, d.store, store.Query{Where: []store.Cond{store.Eq("ws", d.workspace)}}, 100)
		if err != nil || len(found) == 0 {
			return err
		}
		ops := make([]store.Op, len(found))
		for i, l := range found {
			ops[i] = Logins.Delete(l)
		}
		if err := d.step(ctx, ops...); err != nil && !conflict(err) {
			return err
		}
	}
}

func (d *deletion) step(ctx context.Context, ops ...store.Op) error {
	d.total = max(d.total, d.done)
	return d.run.Step(ctx, d.done, d.total, deletionPosition{d.done, d.total}, ops...)
}
