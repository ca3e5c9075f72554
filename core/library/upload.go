package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// AssetTypes are what may be uploaded: nothing that runs.
var AssetTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}

// Upload describes a file that is uploaded.
type Upload struct {
	ID   string // of the asset that gets a new version; "" makes an asset
	Name string // of a new asset; kept when empty
	Tags []string
	Edit
}

// sniff returns what a content is, by its bytes alone: "" when it may not be uploaded.
func sniff(data []byte) string {
	typ, _, _ := strings.Cut(http.DetectContentType(data), ";")
	if !slices.Contains(AssetTypes, typ) {
		return ""
	}
	return typ
}

// Upload reads a file to its end and keeps it. What is larger than MaxAsset is INVALID
// (reason ASSET_SIZE), what is none of AssetTypes by its bytes too (reason ASSET_TYPE):
// neither its name nor what the client says counts. The same file again, under the same
// asset, changes nothing.
func (s *Service) Upload(ctx context.Context, ws string, in Upload, r io.Reader) (*Asset, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxAsset+1))
	if err != nil {
		return nil, invalid("BODY", "the upload broke off; send it again")
	}
	if len(data) > MaxAsset {
		return nil, invalid("ASSET_SIZE", "an asset has at most %d bytes", MaxAsset).At("file")
	}
	typ := sniff(data)
	if typ == "" {
		return nil, invalid("ASSET_TYPE", "an asset is one of %s, by what is in it; SVG and HTML can run scripts and are not taken", strings.Join(AssetTypes, ", ")).At("file")
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	a, err := s.target(ctx, ws, in, hash)
	if err != nil {
		return nil, err
	}
	if len(a.Versions) > 0 && a.Newest().Hash == hash && a.V > 0 {
		return a, nil
	}
	if err := s.keep(ctx, ws, hash, typ, data); err != nil {
		return nil, fail(err)
	}
	now := s.now()
	a.Number++
	a.Versions = append(a.Versions, AssetVersion{Number: a.Number, Hash: hash, Type: typ, Size: int64(len(data)), At: now, By: actorID(ctx)})
	a.Hashes = sorted(append(a.Hashes, hash))
	a.UpdatedAt, a.UpdatedBy, a.Archived = now, actorID(ctx), false
	err = s.commit(ctx, ws, "asset.upload", a.AssetID(), map[string]string{"hash": hash, "type": typ}, Assets.Put(a))
	if errors.Is(err, store.ErrConflict) && in.ID == "" { // the same upload, twice at once
		return s.asset(ctx, ws, a.AssetID())
	}
	if err != nil {
		return nil, fail(err)
	}
	a.V++
	return a, nil
}

// maxAssetVersions is how many contents one asset may have had.
const maxAssetVersions = 200

// target returns the asset that a content is for, new or as it is stored.
func (s *Service) target(ctx context.Context, ws string, in Upload, hash string) (*Asset, error) {
	if in.ID != "" {
		a, err := s.asset(ctx, ws, in.ID)
		if err != nil {
			return nil, err
		}
		if err := in.expects(a.Number); err != nil {
			return nil, err
		}
		if len(a.Versions) >= maxAssetVersions {
			return nil, invalid("TOO_MANY", "an asset has at most %d versions; upload it as another", maxAssetVersions)
		}
		return a, nil
	}
	in.Name = strings.TrimSpace(in.Name)
	var out segment.Faults
	if in.Name == "" || len(in.Name) > 200 || strings.ContainsFunc(in.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		out = append(out, invalid("NAME", "a name has 1 to 200 bytes and no control characters").At("name"))
	}
	tags := tidyTags(in.Tags)
	if out = append(out, checkTags(tags)...); len(out) > 0 {
		return nil, out
	}
	now := s.now()
	id := core.HashID(core.PrefixAsset, ws, in.Name, hash, in.IdempotencyKey)
	if old, err := Assets.Get(ctx, s.Store, store.Key(ws, id)); err != nil || old != nil && !old.Archived {
		return old, fail(err)
	}
	n, err := Assets.Count(ctx, s.Store, store.Query{Workspace: ws})
	if err != nil {
		return nil, fail(err)
	}
	if n >= MaxAssets {
		return nil, invalid("TOO_MANY", "a workspace has at most %d assets; delete those that nobody uses", MaxAssets)
	}
	return &Asset{Meta: store.Meta{ID: store.Key(ws, id)}, Name: in.Name, Tags: tags, CreatedAt: now}, nil
}

// keep stores a content in chunks, then the document that says that all are there. Any
// part of it may be there already: of the same content.
func (s *Service) keep(ctx context.Context, ws, hash, typ string, data []byte) error {
	have, err := files.Get(ctx, s.Store, store.Key(ws, hash))
	if err != nil || have != nil {
		return err
	}
	n := 0
	for part := range slices.Chunk(data, chunkSize) {
		c := &chunk{Meta: store.Meta{ID: chunkKey(ws, hash, n)}, Data: part}
		if err := work.Commit(ctx, s.Store, chunks.Insert(c)); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
		n++
	}
	err = work.Commit(ctx, s.Store, files.Insert(&file{Meta: store.Meta{ID: store.Key(ws, hash)}, Type: typ, Size: int64(len(data)), Chunks: n}))
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func chunkKey(ws, hash string, n int) string { return store.Key(ws, hash, fmt.Sprintf("%03d", n)) }

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Content returns a file by its hash, or nil. It asks for no permission: whoever gets a
// mail must see its pictures. Nobody guesses a hash.
func (s *Service) Content(ctx context.Context, ws, hash string) (*File, error) {
	if !hashForm.MatchString(hash) {
		return nil, nil
	}
	f, err := files.Get(ctx, s.Store, store.Key(ws, hash))
	if err != nil || f == nil {
		return nil, fail(err)
	}
	ids := make([]string, f.Chunks)
	for i := range ids {
		ids[i] = chunkKey(ws, hash, i)
	}
	parts, err := chunks.GetMany(ctx, s.Store, ids)
	if err != nil {
		return nil, fail(err)
	}
	var b bytes.Buffer
	b.Grow(int(f.Size))
	for _, p := range parts {
		if p == nil {
			return nil, nil
		}
		b.Write(p.Data)
	}
	return &File{Type: f.Type, Data: b.Bytes()}, nil
}

// asset returns an asset, or NOT_FOUND.
func (s *Service) asset(ctx context.Context, ws, id string) (*Asset, error) {
	if core.IDPrefix(id) != core.PrefixAsset {
		return nil, errAsset()
	}
	a, err := Assets.Get(ctx, s.Store, store.Key(ws, id))
	if err == nil && a == nil {
		err = errAsset()
	}
	return a, fail(err)
}

// Asset returns an asset, or nil.
func (s *Service) Asset(ctx context.Context, ws, id string) (*Asset, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, err
	}
	a, err := s.asset(ctx, ws, id)
	if core.CodeOf(err) == core.NotFound {
		return nil, nil
	}
	return a, err
}

// ListAssets returns a window of the assets, those with a tag when it is given, the last
// uploaded first, and how many there are.
func (s *Service) ListAssets(ctx context.Context, ws, tag string, w core.Window) (store.Page[Asset], int64, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return store.Page[Asset]{}, 0, err
	}
	q := store.Query{Workspace: ws, Order: []string{"-updatedAt"}}
	if tag != "" {
		q.Where = []store.Cond{store.Eq("tags", tag)}
	}
	page, err := Assets.Page(ctx, s.Store, q, w)
	if err != nil {
		return page, 0, fail(err)
	}
	n, err := Assets.Count(ctx, s.Store, q)
	return page, n, fail(err)
}

// TagAsset changes the name and the tags of an asset; nil leaves things as they are.
func (s *Service) TagAsset(ctx context.Context, ws, id string, name *string, tags *[]string, e Edit) (*Asset, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	a, err := s.asset(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if err := e.expects(a.Number); err != nil {
		return nil, err
	}
	if set(&a.Name, name); strings.TrimSpace(a.Name) == "" || len(a.Name) > 200 {
		return nil, invalid("NAME", "a name has 1 to 200 bytes").At("name")
	}
	if tags != nil {
		a.Tags = tidyTags(*tags)
		if faults := checkTags(a.Tags); len(faults) > 0 {
			return nil, segment.Faults(faults)
		}
	}
	return s.saveAsset(ctx, ws, "asset.update", a)
}

func (s *Service) saveAsset(ctx context.Context, ws, action string, a *Asset) (*Asset, error) {
	a.UpdatedAt, a.UpdatedBy = s.now(), actorID(ctx)
	if err := s.commit(ctx, ws, action, a.AssetID(), nil, Assets.Replace(a)); err != nil {
		return nil, fail(err)
	}
	a.V++
	return a, nil
}

// ArchiveAsset takes an asset out of the lists, unless one of its versions is in use
// (CONFLICT, reason IN_USE). Its files stay: they are in mails that were sent.
func (s *Service) ArchiveAsset(ctx context.Context, ws, id string, e Edit) (*Asset, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	a, err := s.asset(ctx, ws, id)
	if err != nil || a.Archived {
		return a, err
	}
	if err := e.expects(a.Number); err != nil {
		return nil, err
	}
	for _, hash := range a.Hashes {
		if err := s.unused(ctx, ws, KindAsset, hash); err != nil {
			return nil, err
		}
	}
	a.Archived = true
	return s.saveAsset(ctx, ws, "asset.archive", a)
}
