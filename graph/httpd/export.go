package httpd

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/segment"
)

// Exporter streams the members of segments; *segment.Service implements it.
type Exporter interface {
	Export(ctx context.Context, workspace string, in segment.ExportInput, write func([]byte) error) (int64, error)
}

// The route of an export, around the segment's id.
const (
	exportHead = "/v1/segments/"
	exportTail = "/members"
	exportName = exportHead + "…" + exportTail // in logs and metrics
)

// slowest is how long a client may take for a part of an export.
const slowest = time.Minute

// exported returns the segment that a path asks the members of.
func exported(path string) (id string, ok bool) {
	id, ok = strings.CutPrefix("/"+strings.Trim(path, "/"), exportHead)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, exportTail)
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// formats are the values of the parameter "format", and what they are sent as.
var formats = map[string]struct {
	format segment.Format
	kind   string
}{
	"ndjson": {segment.NDJSON, "application/x-ndjson"},
	"csv":    {segment.CSV, "text/csv; charset=utf-8; header=present"},
}

// export answers GET /v1/segments/{id}/members: the members in the order of their
// ids, a line each. The parameters are format (ndjson or csv), fields (separated by
// commas: see segment.ExportInput) and after, the profile id of the last line that
// was received, to go on behind it. An answer that breaks off is cut, not ended, so
// that no client takes a part for the whole.
func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	id, _ := exported(r.URL.Path)
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET"))
		return
	}
	started := false
	err := s.exportTo(r, id, func(kind, name string, part []byte) error {
		out := http.NewResponseController(w)
		if !started {
			started = true
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
			w.Header().Set("Cache-Control", "no-store")
		}
		_ = out.SetWriteDeadline(time.Now().Add(slowest)) // what has none writes at its own pace
		if _, err := w.Write(part); err != nil {
			return err
		}
		return out.Flush()
	})
	switch {
	case err == nil:
	case started:
		s.o.Logger.WarnContext(r.Context(), "export broke off", "requestId", core.RequestID(r.Context()), "reason", core.AsError(err).Reason)
		panic(http.ErrAbortHandler)
	default:
		if errors.Is(err, context.Canceled) {
			err = core.Errorf(core.Unavailable, "TIMEOUT", "the request ended before its answer was ready; try again")
		}
		writeError(w, err)
	}
}

// exportTo authenticates, reads the parameters and writes the export in parts.
func (s *Server) exportTo(r *http.Request, id string, write func(kind, name string, part []byte) error) error {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	actor, err := s.o.Access.Admit(r.Context(), access.Call{
		Secret: strings.TrimSpace(secret), Purpose: r.Header.Get("X-Purpose"), Reason: r.Header.Get("X-Reason"), Workspace: r.Header.Get("X-Workspace"),
	})
	if err != nil {
		return err
	}
	ctx, trail := s.o.Audit.Begin(core.WithActor(r.Context(), actor), "export.segment", "")
	err = s.stream(ctx, r, id, trail, write)
	return errors.Join(err, trail.Close(ctx, err))
}

// together is how many bytes of an export go out at once, after its first page: each
// time the audit log writes down first whom they are about.
const together = 256 << 10

// stream reads the parameters and writes the members, each part when the log knows of
// those in it.
func (s *Server) stream(ctx context.Context, r *http.Request, id string, trail *audit.Trail, write func(kind, name string, part []byte) error) error {
	if err := access.Allow(ctx, access.Read); err != nil {
		return err
	}
	ctx, stop := s.o.Access.Live(ctx)
	defer stop()
	asked := r.URL.Query()
	name := asked.Get("format")
	if name == "" {
		name = "ndjson"
	}
	form, ok := formats[name]
	if !ok {
		return core.Errorf(core.Invalid, "FORMAT", "the format is ndjson or csv").At("format")
	}
	in := segment.ExportInput{SegmentID: id, Format: form.format, After: asked.Get("after")}
	for _, list := range asked["fields"] {
		in.Fields = append(in.Fields, strings.Split(list, ",")...)
	}
	var held []byte
	began := false
	send := func() error {
		if err := trail.Flush(ctx); err != nil {
			return err
		}
		err := write(form.kind, id+"."+name, held)
		held = held[:0]
		return err
	}
	_, err := s.o.Segments.Export(ctx, core.ActorFrom(ctx).Workspace, in, func(part []byte) error {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if held = append(held, part...); began && len(held) < together {
			return nil
		}
		began = true
		return send()
	})
	if err == nil && len(held) > 0 {
		err = send()
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause // the key was revoked, or the client has gone
	}
	return err
}
