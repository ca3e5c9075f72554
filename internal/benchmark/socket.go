package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const changedQuery = `subscription($id: ID!, $after: Cursor) {
  segmentMembershipChanged(segmentId: $id, after: $after) { profileId change cause }
}`

// heard is one change of a membership as a subscriber was told of it.
type heard struct {
	Profile, Change, Cause string
	At                     time.Time // when the message came
}

// listener is a subscriber to the changes of a segment, over a websocket of its
// own.
type listener struct {
	C    chan heard
	conn *websocket.Conn
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// listen subscribes to the changes of a segment from now on: it continues at the
// segment's cursor, so that no change is missed while the subscription begins.
func listen(ctx context.Context, s *Server, segmentID string, buffer int) (*listener, error) {
	var now struct{ Segment struct{ Cursor string } }
	if err := newGraphQL(s).query(ctx, &now, `query($id: ID!) { segment(id: $id) { cursor } }`, map[string]any{"id": segmentID}); err != nil {
		return nil, err
	}
	d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: 10 * time.Second}
	c, resp, err := d.DialContext(ctx, strings.Replace(s.URL, "http", "ws", 1)+"/graphql", nil)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	_ = resp.Body.Close()
	ctx, cancel := context.WithCancel(ctx)
	l := &listener{C: make(chan heard, buffer), conn: c, stop: cancel, done: make(chan struct{})}
	vars := map[string]any{"id": segmentID, "after": now.Segment.Cursor}
	err = errors.Join(
		c.WriteJSON(map[string]any{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + s.AdminKey}}),
		c.WriteJSON(map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": changedQuery, "variables": vars}}),
	)
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("subscribe: %w", err), c.Close())
	}
	go l.read(ctx)
	return l, nil
}

// read takes what the server says until the connection ends.
func (l *listener) read(ctx context.Context) {
	defer close(l.done)
	defer close(l.C)
	for {
		_, raw, err := l.conn.ReadMessage()
		at := time.Now()
		if err != nil {
			if ctx.Err() == nil {
				l.err = fmt.Errorf("subscription: %w", err)
			}
			return
		}
		var f struct {
			Type    string
			Payload struct {
				Data struct {
					SegmentMembershipChanged *struct{ ProfileID, Change, Cause string }
				}
				Errors []struct{ Message string }
			}
		}
		if err := json.Unmarshal(raw, &f); err != nil && f.Type == "next" {
			l.err = fmt.Errorf("subscription: %w", err)
			return
		}
		switch f.Type {
		case "ping":
			l.err = l.conn.WriteJSON(map[string]any{"type": "pong"})
		case "error", "complete":
			l.err = fmt.Errorf("subscription: the server sent %s", raw)
		case "next":
			c := f.Payload.Data.SegmentMembershipChanged
			if c == nil {
				l.err = fmt.Errorf("subscription: %v", f.Payload.Errors)
				return
			}
			select {
			case l.C <- heard{c.ProfileID, c.Change, c.Cause, at}:
			case <-ctx.Done():
				return
			}
		}
		if l.err != nil {
			return
		}
	}
}

// close ends the subscription and returns what went wrong with it.
func (l *listener) close() error {
	l.stop()
	_ = l.conn.Close()
	<-l.done
	return l.err
}
