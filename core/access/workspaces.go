package access

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Created is a new workspace with the secrets of its first two keys, which cannot
// be had again.
type Created struct {
	Workspace *Workspace
	AdminKey  string
	WriteKey  string
	Source    string // src_…, the source of the write key
}

// CreateWorkspace makes a workspace with an admin key and a write key. with, when
// given, returns operations to commit in the same batch: what every workspace has
// from its first moment, such as the source of the write key. The actor must be an
// operator. A name that is taken is CONFLICT (reason NAME_TAKEN).
func (s *Service) CreateWorkspace(ctx context.Context, name string, with ...func(workspace, source string) []store.Op) (*Created, error) {
	a, err := operator(ctx)
	if err != nil {
		return nil, err
	}
	if name, err = cleanName(name); err != nil {
		return nil, err
	}
	now := s.clock.Now().Truncate(time.Millisecond)
	var made *Created
	err = again(func() error {
		w := &Workspace{Meta: store.Meta{ID: core.NewWorkspaceID()}, Name: name, Status: Active, CreatedAt: now, CreatedBy: a.ID}
		source := core.NewID(core.PrefixSource, now)
		admin := (&NewKey{Workspace: w.ID, Name: "admin", Roles: []string{Admin}}).issue(now, a.ID)
		write := (&NewKey{Workspace: w.ID, Name: "write", Roles: []string{Write}, Source: source}).issue(now, a.ID)
		ops := []store.Op{Workspaces.Insert(w), claimName(name, w.ID), Keys.Insert(admin.Key), Keys.Insert(write.Key)}
		for _, f := range with {
			ops = append(ops, f(w.ID, source)...)
		}
		ops, err := s.recorded(ctx, ops, w.ID, "workspace.create", w.ID, nil)
		if err != nil {
			return err
		}
		err = s.write(ctx, ops...)
		if conflictIn(err, store.Claims.Spec) {
			return errNameTaken
		}
		w.V = 1
		made = &Created{Workspace: w, AdminKey: admin.Secret, WriteKey: write.Secret, Source: source}
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ListWorkspaces returns a page of the workspaces, the oldest first, without those
// that were deleted. The actor must be an operator.
func (s *Service) ListWorkspaces(ctx context.Context, page core.PageArgs) (store.Page[Workspace], error) {
	if _, err := operator(ctx); err != nil {
		return store.Page[Workspace]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Workspace]{}, err
	}
	q := store.Query{Where: []store.Cond{store.Eq("gone", false)}, Order: []string{"createdAt"}}
	return Workspaces.Page(ctx, s.store, q, w)
}

// Workspace returns a workspace, the actor's own when id is "", nil when there is
// none. An operator also sees those that were deleted.
func (s *Service) Workspace(ctx context.Context, id string) (*Workspace, error) {
	id, _, err := in(ctx, id, Read)
	if err != nil {
		return nil, err
	}
	return Workspaces.Get(ctx, s.store, id)
}

// FindWorkspace returns the workspace that has the name, or nil. The actor must be
// an operator.
func (s *Service) FindWorkspace(ctx context.Context, name string) (*Workspace, error) {
	if _, err := operator(ctx); err != nil {
		return nil, err
	}
	name, err := cleanName(name)
	if err != nil {
		return nil, err
	}
	c, err := s.nameClaim(ctx, name)
	if err != nil || c == nil {
		return nil, err
	}
	return Workspaces.Get(ctx, s.store, c.Owner)
}

func (s *Service) nameClaim(ctx context.Context, name string) (*store.ClaimDoc, error) {
	return store.Claims.Get(ctx, s.store, store.Key(work.System, nameClaim, nameKey(name)))
}

// RenameWorkspace gives a workspace another name. expectedVersion is the version
// that the caller saw, 0 for whichever there is; another is CONFLICT (reason
// VERSION), as is a name that is taken (NAME_TAKEN).
func (s *Service) RenameWorkspace(ctx context.Context, id, name string, expectedVersion int64) (*Workspace, error) {
	id, _, err := in(ctx, id, Manage)
	if err != nil {
		return nil, err
	}
	if name, err = cleanName(name); err != nil {
		return nil, err
	}
	var w *Workspace
	err = again(func() error {
		if w, err = s.active(ctx, id); err != nil {
			return err
		}
		if expectedVersion != 0 && w.V != expectedVersion {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the workspace was changed meanwhile; read it again").At("expectedVersion")
		}
		old := w.Name
		w.Name = name
		ops := []store.Op{Workspaces.Replace(w)}
		if nameKey(old) != nameKey(name) {
			release, err := s.releaseName(ctx, old)
			if err != nil {
				return err
			}
			ops = append(ops, claimName(name, id))
			ops = append(ops, release...)
		}
		err := s.write(ctx, ops...)
		if conflictIn(err, store.Claims.Spec) {
			if c, cerr := s.nameClaim(ctx, name); cerr != nil || c != nil && c.Owner != id {
				return errors.Join(cerr, errNameTaken)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	w.V++
	s.changed(ctx)
	return w, nil
}

// releaseName returns the operation that frees a name, none when it is free.
func (s *Service) releaseName(ctx context.Context, name string) ([]store.Op, error) {
	c, err := s.nameClaim(ctx, name)
	if err != nil || c == nil {
		return nil, err
	}
	return []store.Op{store.Claims.Delete(c)}, nil
}

// active returns a workspace that is neither deleted nor about to be.
func (s *Service) active(ctx context.Context, id string) (*Workspace, error) {
	w, err := Workspaces.Get(ctx, s.store, id)
	if err != nil {
		return nil, err
	}
	if w == nil || w.Status != Active {
		return nil, core.Errorf(core.NotFound, "WORKSPACE", "there is no such workspace, or it is being deleted").At("workspace")
	}
	return w, nil
}
