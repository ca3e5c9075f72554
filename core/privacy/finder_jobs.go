package privacy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// nobodysJobs are kinds of jobs which are given and make no personal values, but ids
// that mean nothing once a person is erased. There are many of some, and an erasure
// adds one: a sweep does not read them.
var nobodysJobs = []string{EraseKind, JobAnswer, JobRetention, profile.JobRebuild, segment.BackfillKind, segment.RebuildKind}

// jobsWait is for how long after its mark an erasure waits for jobs that began before
// it and do not name the person: they may have read of the person by then.
const jobsWait = 24 * time.Hour

// eachJob visits the jobs of a workspace that may hold personal values.
func (s *Service) eachJob(ctx context.Context, ws string, visit func(*work.Job) error) error {
	for kind := ""; ; {
		next, err := work.JobDocs.Find(ctx, s.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Gt("kind", kind)}}, 1)
		if err != nil || len(next) == 0 {
			return err
		}
		if kind = next[0].Kind; slices.Contains(nobodysJobs, kind) {
			continue
		}
		q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("kind", kind)}, Order: []string{"-createdAt"}}
		if err := work.JobDocs.Each(ctx, s.o.Store, q, visit); err != nil {
			return err
		}
	}
}

func (n *names) inJob(j *work.Job) bool {
	return n.in(j.Input) || n.in(j.Position) || n.in(j.Result) || j.Error != nil && n.inText(j.Error.Message)
}

// jobs takes out of jobs that have ended what they were given and made.
func (s *Service) jobs(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	n, hits := namesOf(sub), 0
	err := s.eachJob(ctx, sub.Workspace, func(j *work.Job) error {
		if !j.Status.Final() || !n.inJob(j) {
			return nil
		}
		j.Input, j.Position, j.Result = nil, nil, nil
		if j.Error != nil {
			j.Error.Message = "taken out with the data of a person who was erased"
		}
		take([]store.Op{work.JobDocs.Replace(j)})
		if hits++; limit > 0 && hits == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// openJobs counts the jobs that an erasure must wait for: those that name the person,
// and those that were at work when the person was marked.
func (s *Service) openJobs(ctx context.Context, sub *Subject, erasedAt time.Time) (int, error) {
	n, open := namesOf(sub), 0
	waits := s.o.Clock.Now().Before(erasedAt.Add(jobsWait))
	err := s.eachJob(ctx, sub.Workspace, func(j *work.Job) error {
		if n.inJob(j) || waits && j.Status == work.Running && !j.StartedAt.After(erasedAt) {
			open++
		}
		return nil
	})
	return open, err
}
