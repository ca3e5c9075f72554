package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/library"
)

// Assets are files that messages show; *library.Service implements it.
type Assets interface {
	Content(ctx context.Context, ws, hash string) (*library.File, error)
	Upload(ctx context.Context, ws string, in library.Upload, r io.Reader) (*library.Asset, error)
}

// assetName is the route of assets in logs and metrics.
const assetName = "/assets/…"

// assetPath returns the workspace and the hash of a path of an asset, both "" for that
// of uploads.
func assetPath(path string) (ws, hash string, ok bool) {
	if path == "/assets" || path == "/assets/" {
		return "", "", true
	}
	rest, ok := strings.CutPrefix(path, "/assets/")
	if !ok {
		return "", "", false
	}
	ws, hash, ok = strings.Cut(rest, "/")
	return ws, hash, ok && ws != "" && hash != ""
}

// asset answers GET /assets/{workspace}/{hash}: the bytes that have the hash, for
// anybody, as what they are. They never change, run nothing and fetch nothing.
func (s *Server) asset(w http.ResponseWriter, r *http.Request, ws, hash string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET"))
		return
	}
	h := w.Header()
	if r.Header.Get("If-None-Match") == `"`+hash+`"` && len(hash) == 64 { // what has the hash never changes
		w.WriteHeader(http.StatusNotModified)
		return
	}
	f, err := s.o.Assets.Content(r.Context(), ws, hash)
	if err == nil && f == nil {
		err = core.Errorf(core.NotFound, "ASSET", "there is no such asset; its path is in Asset.versions")
	}
	if err != nil {
		writeError(w, err)
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+hash+`"`)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Content-Type", f.Type)
	h.Set("Content-Length", strconv.Itoa(len(f.Data)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.Data)
	}
}

// uploaded is the answer to an upload.
type uploaded struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Hash    string `json:"hash"`
	Path    string `json:"path"`
	Type    string `json:"type"`
	Size    int64  `json:"size"`
}

// upload answers POST /assets, whose body is the file and nothing else. The parameters
// are name and tags (separated by commas) of a new asset, or id, and expectedVersion,
// of one that gets a new content.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use POST"))
		return
	}
	out, err := s.take(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

func (s *Server) take(w http.ResponseWriter, r *http.Request) (*uploaded, error) {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	actor, err := s.o.Access.Admit(r.Context(), access.Call{
		Secret: strings.TrimSpace(secret), Purpose: r.Header.Get("X-Purpose"), Reason: r.Header.Get("X-Reason"), Workspace: r.Header.Get("X-Workspace"),
	})
	if err != nil {
		return nil, err
	}
	ctx := core.WithActor(r.Context(), actor)
	if err := access.Allow(ctx, access.Design); err != nil { // who may not costs no reading
		return nil, err
	}
	q := r.URL.Query()
	in := library.Upload{ID: q.Get("id"), Name: q.Get("name"), Tags: strings.Split(q.Get("tags"), ",")}
	if text := q.Get("expectedVersion"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, core.Errorf(core.Invalid, "VERSION", "expectedVersion is a number").At("expectedVersion")
		}
		in.ExpectedVersion = &n
	}
	in.IdempotencyKey = r.Header.Get("Idempotency-Key")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(slowest))
	a, err := s.o.Assets.Upload(ctx, actor.Workspace, in, http.MaxBytesReader(w, r.Body, library.MaxAsset+1))
	if err != nil {
		var first *core.Error
		if errors.As(err, &first) {
			return nil, first
		}
		return nil, err
	}
	v := a.Newest()
	return &uploaded{ID: a.AssetID(), Version: a.Number, Hash: v.Hash, Path: library.AssetPath(actor.Workspace, v.Hash), Type: v.Type, Size: v.Size}, nil
}
