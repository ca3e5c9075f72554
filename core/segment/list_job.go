package segment

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// handleJobs registers the jobs on lists.
func (s *Service) handleJobs() {
	s.jobs.Handle(JobList, work.JobHandlerFunc(s.runList), 0)
	s.jobs.Handle(JobSnapshot, work.JobHandlerFunc(s.runSnapshot), 0)
	s.runner.Handle(SweepList, work.Kind{Handler: work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		return s.unstage(ctx, l.Task().Workspace, l.Task().Name)
	})})
}

// listPosition is where the job of an upload goes on: at a row of a chunk, then,
// when all are done, behind a member that may have to go.
type listPosition struct {
	Chunk  int64        `bson:"chunk"`
	Row    int64        `bson:"row"`
	Member string       `bson:"member,omitempty"`
	Counts UploadCounts `bson:"counts"`
}

// runList puts an uploaded file's people on their list.
func (s *Service) runList(ctx context.Context, run *work.JobRun) error {
	var in listInput
	var pos listPosition
	if err := run.Input(&in); err != nil {
		return err
	}
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	ws := run.Workspace()
	if _, err := s.list(ctx, ws, in.List); err != nil {
		return err
	}
	step := func(ops ...store.Op) error {
		return run.Step(ctx, pos.Counts.Lines, in.Rows, pos, ops...)
	}
	for ; pos.Chunk < in.Chunks; pos.Chunk, pos.Row = pos.Chunk+1, 0 {
		c, err := Chunks.Get(ctx, s.db, rowsKey(ws, in.File, pos.Chunk))
		if err != nil {
			return err
		}
		if c == nil {
			return work.Permanent(invalid("FILE_GONE", "the uploaded file is no longer kept; upload it again"))
		}
		for pos.Row < int64(len(c.Rows)) {
			slice := c.Rows[pos.Row:min(pos.Row+listSlice, int64(len(c.Rows)))]
			results, err := s.addRows(ctx, ws, &in, slice)
			if err != nil {
				return err
			}
			pos.Counts.add(results, slice)
			pos.Row += int64(len(slice))
			if err := step(); err != nil {
				return err
			}
		}
	}
	if in.Replace && in.Rows > 0 && pos.Counts.Added+pos.Counts.Already == 0 {
		// A mistaken header looks like this; taken at its word it empties the list.
		if err := s.unstage(ctx, ws, in.File); err != nil {
			return err
		}
		return work.Permanent(invalid("NOBODY_KNOWN", "no line of the file names anybody who is known, so that nobody was removed; name the identifiers' namespace in the header or with namespace, or upload a file without lines to empty the list"))
	}
	if in.Replace {
		if err := s.removeUnmarked(ctx, ws, &in, &pos, step); err != nil {
			return err
		}
	}
	if err := run.Result(pos.Counts); err != nil {
		return err
	}
	return s.unstage(ctx, ws, in.File)
}

// addRows adds the people of some rows to the list, and marks them when the file
// replaces it.
func (s *Service) addRows(ctx context.Context, ws string, in *listInput, slice []row) ([]ListResult, error) {
	people, err := s.whoAre(ctx, ws, slice)
	if err != nil {
		return nil, err
	}
	if in.Replace {
		if err := s.mark(ctx, ws, in.File, people); err != nil {
			return nil, err
		}
	}
	return s.moveOnList(ctx, ws, in.List, people, true)
}

// whoAre returns the profile that each row names: by id, or by the first of its
// identifiers that somebody has.
func (s *Service) whoAre(ctx context.Context, ws string, slice []row) ([]string, error) {
	var items []ListItem
	var at []int
	for i, r := range slice {
		if r.ProfileID != "" {
			items, at = append(items, ListItem{ProfileID: r.ProfileID}), append(at, i)
		}
		for _, id := range r.Identifier {
			items, at = append(items, ListItem{Identifier: id}), append(at, i)
		}
	}
	out := make([]string, len(slice))
	for len(items) > 0 {
		n := min(len(items), MaxListItems)
		found, err := s.whoIs(ctx, ws, items[:n])
		if err != nil {
			return nil, err
		}
		for i, p := range found {
			if out[at[i]] == "" {
				out[at[i]] = p
			}
		}
		items, at = items[n:], at[n:]
	}
	return out, nil
}

// mark notes that a file names people.
func (s *Service) mark(ctx context.Context, ws, file string, people []string) error {
	people = slices.Clone(people)
	slices.Sort(people)
	people = slices.DeleteFunc(slices.Compact(people), func(p string) bool { return p == "" })
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = markKey(ws, file, p)
	}
	have, err := Chunks.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	var ops []store.Op
	for i, c := range have {
		if c == nil {
			ops = append(ops, Chunks.Insert(&Chunk{Meta: store.Meta{ID: keys[i]}}))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return s.commit(ctx, ops)
}

// removeUnmarked removes the members whom the file does not name, walking the list
// from where the job came to.
func (s *Service) removeUnmarked(ctx context.Context, ws string, in *listInput, pos *listPosition, step func(...store.Op) error) error {
	for {
		st := openMembers(ctx, s.db, ws, in.List, keyRange{from: pos.Member})
		var ids []string
		for len(ids) < listSlice {
			id, err := st.peek()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if st.next(); id != pos.Member {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		gone, err := s.unmarked(ctx, ws, in.File, ids)
		if err != nil {
			return err
		}
		results, err := s.moveOnList(ctx, ws, in.List, gone, false)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Status == ListRemoved {
				pos.Counts.Removed++
			}
		}
		pos.Member = ids[len(ids)-1]
		if err := step(); err != nil {
			return err
		}
	}
}

// unmarked returns those of some people whom a file does not name, under none of the
// ids that were merged into them.
func (s *Service) unmarked(ctx context.Context, ws, file string, ids []string) ([]string, error) {
	people, err := s.profiles.GetMany(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, p := range people {
		parts := []string{ids[i]}
		if p != nil {
			parts = p.Parts
		}
		keys := make([]string, len(parts))
		for j, part := range parts {
			keys[j] = markKey(ws, file, part)
		}
		marks, err := Chunks.GetMany(ctx, s.db, keys)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(marks, func(c *Chunk) bool { return c != nil }) {
			out = append(out, ids[i])
		}
	}
	return out, nil
}
