package transport

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// take acts on one message. An error closes the socket.
func (c *socket) take(m message) error {
	switch m.Type {
	case "subscribe":
		return c.subscribe(m)
	case "complete":
		c.mu.Lock()
		cancel := c.active[m.ID]
		c.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		return nil
	case "ping":
		return c.send(c.ctx, message{Type: "pong", Payload: m.Payload})
	case "pong":
		return nil
	case "connection_init":
		return &closeError{closeTwoInits, "Too many initialisation requests"}
	}
	return &closeError{closeBad, "Invalid message"}
}

func (c *socket) subscribe(m message) error {
	if m.ID == "" || len(m.ID) > 256 {
		return &closeError{closeBad, "Invalid message"}
	}
	c.mu.Lock()
	_, taken := c.active[m.ID]
	full := len(c.active) >= c.server.Limits.Streams
	ctx, cancel := context.WithCancel(core.WithRequestID(c.ctx, core.NewID(core.PrefixRequest, c.server.Clock.Now())))
	if !taken && !full {
		c.active[m.ID] = cancel
	}
	c.mu.Unlock()
	if taken {
		cancel()
		return &closeError{closeDuplicate, "Subscriber for this id already exists"}
	}
	if full {
		defer cancel()
		return c.sendErrors(ctx, m.ID, c.server.Engine.Refuse(ctx, core.Errorf(core.RateLimited, "TOO_MANY_STREAMS",
			"one connection may have %d live operations; complete some or open another", c.server.Limits.Streams)))
	}
	c.running.Go(func() {
		list := c.operate(ctx, m)
		ended := ctx.Err() != nil // the client completed it, or the socket ended
		c.mu.Lock()
		delete(c.active, m.ID)
		c.mu.Unlock()
		if !ended && list != nil {
			_ = c.sendErrors(ctx, m.ID, list)
		} else if !ended {
			_ = c.send(ctx, message{ID: m.ID, Type: "complete"})
		}
		cancel()
	})
	return nil
}

// operate runs one operation and returns why it failed.
func (c *socket) operate(ctx context.Context, m message) gqlerror.List {
	req, err := engine.Decode(c.server.Limits, m.Payload)
	if err != nil {
		return c.server.Engine.Refuse(ctx, err)
	}
	op, list := c.server.Engine.Prepare(ctx, req)
	if list != nil {
		return list
	}
	return op.Run(ctx, func(resp *graphql.Response) error {
		return c.send(ctx, message{ID: m.ID, Type: "next", Payload: encode(resp.Errors, resp.Data, resp.Extensions)})
	})
}

func (c *socket) sendErrors(ctx context.Context, id string, list gqlerror.List) error {
	payload, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode errors: %w", err)
	}
	return c.send(ctx, message{ID: id, Type: "error", Payload: payload})
}

// send queues a message, or gives up when its operation or the socket ends.
func (c *socket) send(ctx context.Context, m message) error {
	select {
	case c.out <- m:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
