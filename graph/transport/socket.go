package transport

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headwater-cdp/headwater/core"
)

// protocol is the only one spoken: https://github.com/enisdenjo/graphql-ws,
// PROTOCOL.md.
const protocol = "graphql-transport-ws"

// The close codes of the protocol.
const (
	closeBad       = 4400
	closeNoAck     = 4401
	closeForbidden = 4403
	closeProtocol  = 4406
	closeNoInit    = 4408
	closeDuplicate = 4409
	closeTwoInits  = 4429
)

// initTimeout is how long a client may take to say who it is.
const initTimeout = 10 * time.Second

// closeError is why a socket is closed.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string { return e.reason }

// message is what both sides send.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// socket is one connection. One goroutine reads, one writes, each operation has
// its own; whoever sends gives up when the socket ends.
type socket struct {
	server  *Server
	conn    *websocket.Conn
	ctx     context.Context
	cancel  context.CancelCauseFunc
	out     chan message
	mu      sync.Mutex
	active  map[string]context.CancelFunc
	running sync.WaitGroup
}

func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		s.refuse(w, r, 0, errClosing)
		return
	}
	defer s.streams.Done()
	up := websocket.Upgrader{
		HandshakeTimeout: initTimeout, Subprotocols: []string{protocol}, CheckOrigin: s.originAllowed,
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.refuse(w, r, status, core.Errorf(core.Forbidden, "WEBSOCKET_REFUSED", "%s", reason.Error()))
		},
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // Error has answered
	}
	c := &socket{server: s, conn: conn, out: make(chan message, 16), active: map[string]context.CancelFunc{}}
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer c.cancel(nil)
	conn.SetReadLimit(s.Limits.Body)
	if conn.Subprotocol() != protocol {
		c.goodbye(&closeError{closeProtocol, "Subprotocol not acceptable"})
		_ = conn.Close()
		return
	}
	if err := c.open(r); err != nil {
		c.goodbye(err)
		_ = conn.Close()
		return
	}
	c.serve()
}

// originAllowed lets in programs (no Origin), the server's own pages, and the
// origins that were configured.
func (s *Server) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(s.Origins, "*") || slices.Contains(s.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// open waits for connection_init, authenticates and acknowledges.
func (c *socket) open(r *http.Request) error {
	_ = c.conn.SetReadDeadline(time.Now().Add(initTimeout))
	m, err := c.read()
	if err != nil {
		var bad *closeError
		if errors.As(err, &bad) {
			return bad
		}
		return &closeError{closeNoInit, "Connection initialisation timeout"}
	}
	if m.Type != "connection_init" {
		return &closeError{closeNoAck, "Unauthorized"}
	}
	var who struct{ Authorization, Purpose, Reason, Workspace string }
	if len(m.Payload) > 0 && json.Unmarshal(m.Payload, &who) != nil {
		return &closeError{closeBad, "authorization, purpose, reason and workspace are strings"}
	}
	call := callOf(r)
	call.Stream = true
	if who.Authorization != "" {
		call.Secret = bearer(who.Authorization)
	}
	call.Purpose, call.Reason, call.Workspace = cmp.Or(who.Purpose, call.Purpose), cmp.Or(who.Reason, call.Reason), cmp.Or(who.Workspace, call.Workspace)
	actor, err := c.server.Admit(c.ctx, call)
	switch core.CodeOf(err) {
	case "":
	case core.Unauthenticated, core.Forbidden, core.Invalid, core.NotFound:
		return &closeError{closeForbidden, "Forbidden"}
	default:
		return &closeError{websocket.CloseTryAgainLater, "try again later"}
	}
	c.ctx = core.WithActor(c.ctx, actor)
	return c.conn.WriteJSON(message{Type: "connection_ack"})
}

// serve runs until either side closes.
func (c *socket) serve() {
	written, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(written); c.write() }()
	go func() {
		defer close(watched)
		c.server.watch(c.ctx, c.cancel, func() error {
			return c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(slowest))
		})
	}()
	patience := 2*c.server.KeepAlive + time.Second
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(patience)) })
	for c.ctx.Err() == nil {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		m, err := c.read()
		if err == nil {
			err = c.take(m)
		}
		if err != nil {
			c.cancel(err)
		}
	}
	<-written
	// The client answers our close frame; what else it sends is dropped.
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, _, err := c.conn.NextReader(); err != nil {
			break
		}
	}
	_ = c.conn.Close()
	<-watched
	c.running.Wait()
}

// read returns the next message; one that is not of the protocol is a closeError.
func (c *socket) read() (message, error) {
	var m message
	kind, data, err := c.conn.ReadMessage()
	if err != nil {
		return m, err
	}
	if kind != websocket.TextMessage || json.Unmarshal(data, &m) != nil || m.Type == "" {
		return m, &closeError{closeBad, "Invalid message"}
	}
	return m, nil
}

// write sends what is queued until the socket ends, then says goodbye.
func (c *socket) write() {
	for {
		select {
		case m := <-c.out:
			_ = c.conn.SetWriteDeadline(time.Now().Add(slowest))
			if err := c.conn.WriteJSON(m); err != nil {
				c.cancel(err)
			}
		case <-c.ctx.Done():
			c.goodbye(context.Cause(c.ctx))
			_ = c.conn.SetReadDeadline(time.Now().Add(time.Second)) // for the client's own close frame
			return
		}
	}
}

// goodbye writes the close frame that belongs to a cause.
func (c *socket) goodbye(cause error) {
	code, reason := websocket.CloseNormalClosure, ""
	var own *closeError
	var fault *core.Error
	switch {
	case errors.As(cause, &own):
		code, reason = own.code, own.reason
	case errors.As(cause, &fault) && (fault.Code == core.Unauthenticated || fault.Code == core.Forbidden):
		code, reason = closeForbidden, "Forbidden"
	case errors.As(cause, &fault):
		code, reason = websocket.CloseGoingAway, fault.Reason
	}
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}
