package segment

import (
	"context"
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// handleJobs registers the jobs on lists.
func (s *Service) handleJobs() {
	s.jobs.Handle(JobList, work.JobHandlerFunc(s.runList), 0)
	s.jobs.Handle(JobSnapshot, work.JobHandlerFunc(s.runSnapshot), 0)
	s.runner.Handle(SweepList, work.Kind{Handler: s.files().Sweeper(s.unmark)})
}

// listPosition is where the job of an upload goes on: at a row of its file, then,
// when all are done, behind a member that may have to go.
type listPosition struct {
	At     int64        `bson:"at"` // the offset of the row
	Member string       `bson:"member,omitempty"`
	Ended  bool         `bson:"ended,omitempty"` // all is on disk; the file and its marks may be gone
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
	if pos.Ended {
		return s.endList(ctx, run, &in, &pos)
	}
	for rows := s.openStaged(ctx, ws, &in, pos.At); ; {
		slice, err := rows.take(listSlice)
		if err != nil {
			return err
		}
		if len(slice) == 0 {
			break
		}
		results, err := s.addRows(ctx, ws, &in, slice)
		if err != nil {
			return err
		}
		pos.Counts.add(results, slice)
		pos.At = rows.at
		if err := step(); err != nil {
			return err
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
	// In one commit with the note that all is done, the file becomes unreadable: a run
	// that found the marks gone would take everybody for unnamed.
	pos.Ended = true
	ops, err := s.files().Ending(ctx, ws, in.File)
	if err != nil {
		return err
	}
	if err := step(ops...); err != nil {
		return err
	}
	return s.endList(ctx, run, &in, &pos)
}

// endList tells the result of an upload and deletes what it staged.
func (s *Service) endList(ctx context.Context, run *work.JobRun, in *listInput, pos *listPosition) error {
	if err := run.Result(pos.Counts); err != nil {
		return err
	}
	return s.unstage(ctx, run.Workspace(), in.File)
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
		found, err := s.whoIs(ctx, ws, items[:n], nil)
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
