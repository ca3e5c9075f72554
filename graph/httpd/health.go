package httpd

import (
	"context"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// healthz answers while the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz answers 200 when the store can, else 503.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.o.Ready(ctx); err != nil {
		s.o.Logger.WarnContext(ctx, "not ready", "error", err.Error())
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": core.AsError(err).Reason})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
