package message

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

// route is how the messages of a channel go, as of a moment ago.
type route struct {
	way      Way
	conn     *sync.Connection // nil of a channel of our own
	spec     *sync.Connector
	blocked  string // why nothing goes: a word; "" while it may
	cautious bool   // the last call failed: one at a time
}

// dedupes reports whether a message that is handed over twice under its key arrives once.
func (r *route) dedupes() bool {
	return r.conn == nil || r.spec != nil && r.spec.Can(sync.DedupesSends)
}

func (r *route) asks() bool { return r.spec != nil && r.spec.Can(sync.CanStatus) }

func (r *route) id() string {
	if r.conn == nil {
		return ""
	}
	return r.conn.ConnectionID()
}

// The words for a channel that carries nothing.
const (
	reasonNoConnection = "NO_CONNECTION" // none, or several of which the settings name none
	reasonNoURL        = "NO_URL"
	reasonNoPublicURL  = "NO_PUBLIC_URL" // links of e-mails would lead nowhere
)

// route returns how a channel is reached.
func (s *Service) route(ctx context.Context, ws, channel string) (*route, error) {
	return s.routes.get(ctx, ws+"/"+channel, func(ctx context.Context) (*route, error) { return s.findRoute(ctx, ws, channel) })
}

func (s *Service) findRoute(ctx context.Context, ws, channel string) (*route, error) {
	t, err := s.settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	r := &route{way: t.Way(channel)}
	if own(channel) {
		if channel == Webhook && r.way.URL == "" {
			r.blocked = reasonNoURL
		}
		return r, nil
	}
	if r.conn, err = s.carrier(ctx, ws, r.way); err != nil {
		return nil, err
	}
	if r.conn == nil {
		r.blocked = reasonNoConnection
		return r, nil
	}
	if r.spec = s.Vendors.Connector(r.conn.Connector); r.spec == nil {
		r.blocked = "CONNECTOR_MISSING"
		return r, nil
	}
	state, h, err := s.Vendors.Status(ctx, r.conn)
	if err != nil {
		return nil, err
	}
	switch state {
	case sync.Ready:
	case sync.Degraded: // once what it asked for is over, one message tries
		r.cautious = true
		until := h.Until
		if pause := h.At.Add(min(time.Duration(h.Failures)*2*time.Second, time.Minute)); pause.After(until) {
			until = pause
		}
		if s.now().Before(until) {
			r.blocked = string(state)
		}
	default:
		r.blocked = string(state)
		s.probe(ctx, ws, r)
	}
	return r, nil
}

// carrier returns the connection of a channel: the one that the settings name, else the only
// one that there is.
func (s *Service) carrier(ctx context.Context, ws string, w Way) (*sync.Connection, error) {
	if w.Connection != "" {
		return s.Vendors.Connection(ctx, ws, w.Connection)
	}
	page, err := s.Vendors.ListConnections(ctx, ws, core.Window{Limit: core.MaxPage})
	if err != nil {
		return nil, err
	}
	var out *sync.Connection
	for _, c := range page.Items {
		spec := s.Vendors.Connector(c.Connector)
		if spec == nil || !spec.Can(sync.CanSend) || !slices.Contains(spec.Channels, w.Channel) {
			continue
		}
		if out != nil {
			return nil, nil
		}
		out = c
	}
	return out, nil
}

// probeEvery is how often a connection that does not work is tried.
const probeEvery = 30 * time.Second

// probe asks a connection in the background whether it works again. Its answer is in its
// state when the route is next looked for.
func (s *Service) probe(ctx context.Context, ws string, r *route) {
	if r.blocked != string(sync.Unauthorized) && r.blocked != string(sync.InvalidConfig) && r.blocked != string(sync.CrashLoop) {
		return
	}
	key := r.conn.ID
	s.mu.Lock()
	last := s.probed[key]
	due := time.Since(last) >= probeEvery
	if due {
		s.probed[key] = time.Now()
	}
	s.mu.Unlock()
	if !due || last.IsZero() { // the first time it is only noted: it was called just now
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeEvery)
		defer cancel()
		_, _, err := s.Vendors.CheckConnection(ctx, ws, r.conn.ConnectionID())
		if err != nil {
			s.Logger.Debug("message: probe a connection", "connection", r.conn.ConnectionID(), "reason", core.AsError(err).Reason)
		}
	}()
}
