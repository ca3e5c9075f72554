package library

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/template"
)

// BlockInput describes a block, new or changed.
type BlockInput struct {
	Key    string // lower-case letters, digits, - and _: templates name the block by it
	Name   string
	Kind   string // HTML or TEXT; kept when the block is edited
	Source string
	Tags   []string
	Edit
}

var blockKey = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func errBlock() error {
	return core.Errorf(core.NotFound, "BLOCK", "this workspace has no such block").At("key")
}

func (in *BlockInput) check() error {
	var out segment.Faults
	if !blockKey.MatchString(in.Key) {
		out = append(out, invalid("KEY", "a block's key has 1 to 64 lower-case letters, digits, - and _").At("key"))
	}
	if in.Name = strings.TrimSpace(in.Name); in.Name == "" || len(in.Name) > 200 {
		out = append(out, invalid("NAME", "a name has 1 to 200 bytes").At("name"))
	}
	kind := template.Kind(in.Kind)
	if kind != template.HTML && kind != template.Text {
		out = append(out, invalid("KIND", "a block is HTML or TEXT").At("kind"))
	} else if _, found := template.Parse(in.Source, kind, nil); template.Errors(found) {
		for _, f := range found {
			out = append(out, invalid("TEMPLATE_LINT", "line %d, column %d: %s", f.Line, f.Column, f.Message).At("source"))
		}
	}
	if out = append(out, checkTags(tidyTags(in.Tags))...); len(out) > 0 {
		return out
	}
	return nil
}

// CreateBlock makes a block. The same again with the same key and source changes
// nothing; another source is CONFLICT, reason BLOCK_EXISTS.
func (s *Service) CreateBlock(ctx context.Context, ws string, in BlockInput) (*Block, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	now := s.now()
	b := &Block{Meta: store.Meta{ID: store.Key(ws, in.Key)}, Kind: in.Kind, CreatedAt: now}
	old, err := Blocks.Get(ctx, s.Store, b.ID)
	if err != nil {
		return nil, fail(err)
	}
	if old != nil {
		if old.Source == in.Source && old.Kind == in.Kind && old.Name == in.Name && !old.Archived {
			return old, nil
		}
		return nil, core.Errorf(core.Conflict, "BLOCK_EXISTS", "there is a block with this key; update it, or take another key").At("key")
	}
	n, err := Blocks.Count(ctx, s.Store, store.Query{Workspace: ws})
	if err == nil && n >= MaxBlocks {
		return nil, invalid("TOO_MANY", "a workspace has at most %d blocks", MaxBlocks)
	}
	if err != nil {
		return nil, fail(err)
	}
	return s.saveBlock(ctx, ws, b, in)
}

// UpdateBlock makes a new version of a block. What is published keeps the one it has;
// what was agreed to and is not published must be agreed to again.
func (s *Service) UpdateBlock(ctx context.Context, ws string, in BlockInput) (*Block, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	b, err := Blocks.Get(ctx, s.Store, store.Key(ws, in.Key))
	switch {
	case err != nil:
		return nil, fail(err)
	case b == nil:
		return nil, errBlock()
	}
	if err := in.expects(b.Number); err != nil {
		return nil, err
	}
	in.Kind = b.Kind
	if err := in.check(); err != nil {
		return nil, err
	}
	return s.saveBlock(ctx, ws, b, in)
}

func (s *Service) saveBlock(ctx context.Context, ws string, b *Block, in BlockInput) (*Block, error) {
	b.Number++
	b.Name, b.Source, b.Tags, b.Archived = in.Name, in.Source, tidyTags(in.Tags), false
	b.Assets, b.UpdatedAt, b.UpdatedBy = assetsIn(ws, in.Source), s.now(), actorID(ctx)
	v := &BlockVersion{
		Meta: store.Meta{ID: store.Key(ws, in.Key, fmt.Sprintf("%06d", b.Number))}, Block: in.Key, Number: b.Number,
		Source: in.Source, At: b.UpdatedAt, By: b.UpdatedBy,
	}
	if err := s.commit(ctx, ws, "block.save", in.Key, map[string]string{"version": fmt.Sprint(b.Number)}, Blocks.Put(b), BlockVersions.Insert(v)); err != nil {
		return nil, fail(err)
	}
	b.V++
	return b, nil
}

// ArchiveBlock takes a block out of use, unless a template names it (CONFLICT, reason
// IN_USE).
func (s *Service) ArchiveBlock(ctx context.Context, ws, key string, e Edit) (*Block, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	b, err := Blocks.Get(ctx, s.Store, store.Key(ws, key))
	switch {
	case err != nil:
		return nil, fail(err)
	case b == nil:
		return nil, errBlock()
	case b.Archived:
		return b, nil
	}
	if err := e.expects(b.Number); err != nil {
		return nil, err
	}
	if err := s.unused(ctx, ws, KindBlock, key); err != nil {
		return nil, err
	}
	b.Archived, b.UpdatedAt, b.UpdatedBy = true, s.now(), actorID(ctx)
	if err := s.commit(ctx, ws, "block.archive", key, nil, Blocks.Replace(b)); err != nil {
		return nil, fail(err)
	}
	b.V++
	return b, nil
}

// Block returns a block, or nil.
func (s *Service) Block(ctx context.Context, ws, key string) (*Block, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, err
	}
	if !blockKey.MatchString(key) {
		return nil, nil
	}
	b, err := Blocks.Get(ctx, s.Store, store.Key(ws, key))
	return b, fail(err)
}

// BlockVersionsOf returns a window of the versions of a block, the newest first.
func (s *Service) BlockVersionsOf(ctx context.Context, ws, key string, w core.Window) (store.Page[BlockVersion], error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return store.Page[BlockVersion]{}, err
	}
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("block", key)}, Order: []string{"-number"}}
	page, err := BlockVersions.Page(ctx, s.Store, q, w)
	return page, fail(err)
}

// ListBlocks returns a window of the blocks, the last edited first, and how many there
// are.
func (s *Service) ListBlocks(ctx context.Context, ws string, w core.Window) (store.Page[Block], int64, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return store.Page[Block]{}, 0, err
	}
	q := store.Query{Workspace: ws, Order: []string{"-updatedAt"}}
	page, err := Blocks.Page(ctx, s.Store, q, w)
	if err != nil {
		return page, 0, fail(err)
	}
	n, err := Blocks.Count(ctx, s.Store, q)
	return page, n, fail(err)
}
