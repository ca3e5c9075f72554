package privacy

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// What was answered to a person is the person's data: the files go, though nobody can
// find a value in them, and with them what their requests keep sealed. The requests
// stay, as the proof of how they were handled.

// sealedSlice is how many pieces of files one slice takes: they are read, and have a
// megabyte each.
const sealedSlice = 6

// answers is the finder of the files that were made for the person.
func (s *Service) answers() found {
	return found{spec: exports.Chunks.Spec,
		find: func(ctx context.Context, sub *Subject) (finding, error) {
			var out finding
			err := s.eachAnswered(ctx, sub, func(r *Request) (bool, error) {
				chunks, err := s.chunksOf(ctx, r, sealedSlice-len(out.ops))
				if err != nil {
					return false, err
				}
				for _, c := range chunks {
					out.ops = append(out.ops, exports.Chunks.Delete(c))
				}
				if len(chunks) == 0 { // only then is nothing needed any more that finds them
					s.forget(r)
					out.ops = append(out.ops, Requests.Replace(r))
				}
				return len(out.ops) < sealedSlice, nil
			})
			out.count = int64(len(out.ops))
			return out, err
		},
		count: func(ctx context.Context, sub *Subject) (int64, error) {
			var n int64
			err := s.eachAnswered(ctx, sub, func(r *Request) (bool, error) {
				for _, f := range r.Handling.Files {
					n += (f.Stored + staging.ChunkBytes - 1) / staging.ChunkBytes
				}
				n++
				return true, nil
			})
			return n, err
		},
	}
}

// eachAnswered visits the person's requests that still hold something, once each,
// until visit says no.
func (s *Service) eachAnswered(ctx context.Context, sub *Subject, visit func(*Request) (bool, error)) error {
	var where []store.Cond
	for _, part := range sub.Parts {
		psn, err := s.o.Keys.Pseudonym(ctx, sub.Workspace, audit.KindProfile, part)
		if err != nil {
			return err
		}
		where = append(where, store.Eq("profile", part), store.Eq("subject", psn))
	}
	for _, id := range sub.Identifiers {
		psn, err := s.o.Keys.Pseudonym(ctx, sub.Workspace, id.Namespace, id.Value)
		if err != nil {
			return err
		}
		where = append(where, store.Eq("subject", psn))
	}
	seen := map[string]bool{}
	for _, cond := range where {
		some, err := Requests.Find(ctx, s.o.Store, store.Query{
			Workspace: sub.Workspace, Where: []store.Cond{cond}, Order: []string{"-receivedAt"},
		}, 0)
		if err != nil {
			return err
		}
		for _, r := range some {
			if seen[r.ID] || !holdsAnswers(r) {
				continue
			}
			seen[r.ID] = true
			if more, err := visit(r); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// holdsAnswers reports whether a request holds something of the person, or may yet
// come to.
func holdsAnswers(r *Request) bool {
	h := r.Handling
	return r.Type != Erasure && h != nil && (!r.Status.Final() || len(h.Files) > 0 || h.FilesUntil != nil || len(h.Sealed) > 0)
}

// chunksOf returns at most limit pieces of the files of a request.
func (s *Service) chunksOf(ctx context.Context, r *Request, limit int) ([]*staging.Chunk, error) {
	var out []*staging.Chunk
	for _, f := range r.Handling.Files {
		some, err := exports.Chunks.Find(ctx, s.o.Store, store.Query{
			Workspace: r.Workspace(), Where: []store.Cond{store.Prefix("_id", f.File+"/")},
		}, limit-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, some...); len(out) >= limit {
			break
		}
	}
	return out, nil
}

// forget takes out of a request what it holds of an erased person. One that is open is
// over: completed when all was done here, given up otherwise.
func (s *Service) forget(r *Request) {
	now := millis(s.o.Clock.Now())
	r.Handling.Files, r.Handling.FilesUntil, r.Handling.Sealed = nil, nil, nil
	if r.Status.Final() {
		return
	}
	done := slices.ContainsFunc(r.Tasks, func(t Task) bool { return t.Target == targetHere && t.Status == work.Succeeded })
	for i := range r.Tasks {
		if t := &r.Tasks[i]; !t.Status.Final() {
			t.Status, t.Evidence, t.At = work.Cancelled, errGone.Reason, &now
		}
	}
	if r.CompletedAt, r.Status = &now, Failed; done {
		r.Status = Completed
	}
}

// gone reports whether the person whom a request is about was erased: nothing of what
// was made for them is shown any more, from the mark on.
func (d *Desk) gone(ctx context.Context, r *Request) (bool, error) {
	if r.Profile == "" {
		return false, nil
	}
	mark, err := d.o.Profiles.ErasureOf(ctx, r.Workspace(), r.Profile)
	return mark != nil, err
}

// unmake deletes files that were made for an answer which did not come to be.
func (d *Desk) unmake(ctx context.Context, r *Request) {
	for _, f := range r.Handling.Files {
		if err := d.files().Delete(context.WithoutCancel(ctx), r.Workspace(), f.File); err != nil {
			d.o.Logger.Warn("privacy: a file that nobody needs stays until it is swept", "file", f.File, "error", err.Error())
		}
	}
	r.Handling.Files, r.Handling.FilesUntil = nil, nil
}
