package object

import (
	"context"
	"errors"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// DeleteTypeKind is the kind of the job that deletes a type with its records.
const DeleteTypeKind = "object.delete_type"

// What Type.Deleting says.
const (
	deletingNow = "now" // for an instant, by whoever deletes a type without records
	deletingJob = "job"
)

// DeleteType deletes a type. One that something uses is CONFLICT, reason IN_USE,
// naming the users. One that has records is CONFLICT, reason TYPE_HAS_RECORDS, with
// their number, unless Records says that they shall go too: then the type takes no
// more records, and a job deletes them and it.
func (s *Service) DeleteType(ctx context.Context, ws string, d TypeDeletion) (*TypeDeletionResult, error) {
	var out *TypeDeletionResult
	err := s.retry(ctx, func() (err error) {
		out, err = s.deleteType(ctx, ws, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) deleteType(ctx context.Context, ws string, d TypeDeletion) (*TypeDeletionResult, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	t := all.byKey[d.Key]
	if t == nil {
		return nil, unknownType(all, d.Key).At("key")
	}
	if t.Deleting != deletingJob { // a job that was cancelled may be followed by another
		if t, err = s.settled(ctx, t); err != nil {
			return nil, err
		}
	}
	if d.ExpectedVersion != nil && *d.ExpectedVersion != t.Version {
		return nil, stale("the object type", t.Version, *d.ExpectedVersion)
	}
	out := &TypeDeletionResult{Type: t}
	if out.UsedBy, err = s.usersOf(ctx, all, t); err != nil {
		return nil, err
	}
	if out.Records, err = Records.Count(ctx, s.o.Store, recordsOf(t)); err != nil || d.DryRun {
		return out, err
	}
	switch {
	case len(out.UsedBy) > 0:
		return nil, core.Errorf(core.Conflict, "IN_USE", "the object type %s is used by %s", t.Key, someOf(out.UsedBy)).At("key")
	case out.Records == 0:
		return out, s.dropType(ctx, t)
	case !d.Records:
		return nil, core.Errorf(core.Conflict, "TYPE_HAS_RECORDS", "the object type has %d records; say that they shall be deleted with it, which cannot be undone", out.Records).At("key")
	case s.o.Jobs == nil:
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process starts no jobs")
	}
	return out, s.startDeletion(ctx, t, out)
}

// usersOf names the segments, journeys and types that use a type.
func (s *Service) usersOf(ctx context.Context, all *types, t *Type) ([]string, error) {
	var out []string
	for _, other := range all.all {
		if other.Key != t.Key && other.leadsTo(t.Key) {
			out = append(out, other.TypeID())
		}
	}
	if s.o.Uses == nil {
		return out, nil
	}
	by, err := s.o.Uses(ctx, t.Workspace(), t.Key, "")
	return append(out, by...), err
}

func (t *Type) leadsTo(key string) bool {
	for i := range t.Fields {
		if t.Fields[i].Target == key {
			return true
		}
	}
	for i := range t.Relations {
		if t.Relations[i].Target == key {
			return true
		}
	}
	return false
}

func recordsOf(t *Type) store.Query {
	return store.Query{Workspace: t.Workspace(), Where: []store.Cond{store.Prefix("_id", t.Key+"/")}}
}

// dropType deletes a type that has no records. A record that is written meanwhile
// makes it lose the race: it is counted again by whoever tries again.
func (s *Service) dropType(ctx context.Context, t *Type) error {
	next := *t
	if t.Deleting == "" { // nobody may write while it is looked at
		next.Deleting = deletingNow
		if err := s.commitQuietly(ctx, t.Workspace(), next.put(false)...); err != nil {
			return err
		}
		next.V++
	}
	n, err := Records.Find(ctx, s.o.Store, recordsOf(t), 1)
	if err != nil {
		return err
	}
	if len(n) > 0 && t.Deleting == "" {
		next.Deleting = ""
		if err := s.commitQuietly(ctx, t.Workspace(), next.put(false)...); err != nil {
			return err
		}
		return store.ErrConflict
	}
	if err := s.commitType(ctx, &next, string(Deleted), next.remove()...); err != nil {
		return err
	}
	for i := range t.Fields {
		if c := t.Fields[i].Claim; c != "" {
			s.dropClaims(ctx, t.Workspace(), t.Key, c)
		}
	}
	return nil
}

// deletion is the input of the job.
type deletion struct {
	Type string `bson:"type"`
	Era  int64  `bson:"era"` // its CreatedAt: another type may have the key by then
}

func (s *Service) startDeletion(ctx context.Context, t *Type, out *TypeDeletionResult) error {
	next := *t
	next.Deleting = deletingJob
	head, err := s.bump(ctx, t.Workspace())
	if err != nil {
		return err
	}
	out.Job, err = s.o.Jobs.Start(ctx, DeleteTypeKind, t.Workspace(), deletion{t.Key, t.CreatedAt.UnixMilli()}, "", append(next.put(false), head)...)
	next.V++
	out.Type = &next
	return err
}

// deleteSlice is how many records are deleted in one commit.
const deleteSlice = 50

// deleteHandler runs DeleteTypeKind. The records go for good, each telling those
// whom it concerned; a run that goes on after another finds what is left.
func (s *Service) deleteHandler() work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in deletion
		if err := run.Input(&in); err != nil {
			return err
		}
		t, err := s.Type(ctx, run.Workspace(), in.Type)
		if core.CodeOf(err) == core.NotFound || err == nil && t.CreatedAt.UnixMilli() != in.Era {
			return nil // an earlier run deleted it
		}
		if err != nil {
			return err
		}
		done := run.Job().Done
		for {
			records, err := Records.Find(ctx, s.o.Store, recordsOf(t), deleteSlice)
			if err != nil {
				return err
			}
			if len(records) == 0 {
				break
			}
			if err := s.purge(ctx, t, records); err != nil {
				if errors.Is(err, store.ErrConflict) {
					continue // an erasure was quicker
				}
				return err
			}
			done += int64(len(records))
			if err := run.Step(ctx, done, 0, nil); err != nil {
				return err
			}
		}
		return s.retry(ctx, func() error {
			t, err := s.Type(ctx, run.Workspace(), in.Type)
			if core.CodeOf(err) == core.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			return s.dropType(ctx, t)
		})
	})
}

// purge deletes records for good, in one commit for those that concern few.
func (s *Service) purge(ctx context.Context, t *Type, records []*Record) error {
	b := &bundle{w: &writing{s: s, ws: t.Workspace(), typeKey: t.Key, results: make([]ItemResult, len(records))}, t: t, drafts: map[int]*draft{}, byKey: map[string]int{}, committed: map[string]*Record{}}
	for i, r := range records {
		d := &draft{t: t, before: r, after: r, outcome: Deleted, purge: true}
		b.drafts[i], b.byKey[r.ID] = d, i
		b.order = append(b.order, i)
	}
	if err := b.findPeople(ctx); err != nil {
		return err
	}
	for len(b.order) > 0 {
		g := b.group()
		if err := g.commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Register registers the handlers of the package's jobs and tasks with Options.Jobs
// and a runner.
func (s *Service) Register(jobs *work.Jobs, runner *work.Runner) {
	jobs.Handle(ImportKind, s.importHandler(), 2)
	jobs.Handle(DeleteTypeKind, s.deleteHandler(), 1)
	runner.Handle(SweepKind, work.Kind{Handler: s.files().Sweeper(nil)})
	runner.Handle(LateKind, work.Kind{Handler: s.lateHandler()})
}
