package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Destinations lists the connections that data of people may have gone to.
func (s *Service) Destinations(ctx context.Context, ws string) ([]*Connection, error) {
	var out []*Connection
	err := Connections.Each(ctx, s.Store, store.Query{Workspace: ws, Order: []string{"createdAt"}}, func(c *Connection) error {
		if c.Handed {
			out = append(out, c)
		}
		return nil
	})
	return out, storeError("read the connections", err)
}

// Erasure is what a vendor says of an erasure.
type Erasure struct {
	Done     bool
	Failed   bool          // it never will: somebody must do it by hand, as Evidence says
	Evidence string        // no personal value
	Ref      string        // the vendor's number of the work
	After    time.Duration // when to ask again; 0 leaves it to the caller
}

// Erase asks a connection's vendor to forget a person of whom parts are all ids here. The
// same key asked again is the same work: it is asked until it is done. When it is, nothing that
// leads to the person there is kept here either.
func (s *Service) Erase(ctx context.Context, ws, connection, key string, parts []string, ids []event.Identifier) (Erasure, error) {
	ctx = core.WithActor(ctx, access.System(ws, "erasure"))
	c, err := s.Connection(ctx, ws, connection)
	if err != nil {
		return Erasure{}, err
	}
	if c == nil {
		return Erasure{Failed: true, Evidence: "the connection was deleted: ask the vendor"}, nil
	}
	links, err := s.linksOf(ctx, ws, connection, parts)
	if err != nil {
		return Erasure{}, storeError("read the links", err)
	}
	spec := s.Connector(c.Connector)
	switch {
	case spec == nil:
		return Erasure{Evidence: "the connector is not installed: add it, or ask the vendor", After: time.Hour}, nil
	case !spec.Can(CanErase):
		err := s.forget(ctx, ws, connection, key, links, parts)
		return Erasure{Failed: err == nil, Evidence: "the connector cannot erase: ask the vendor, " + spec.Processor.Name}, err
	}
	subject := Subject{Key: key + "/" + connection, IDs: map[string]string{}, Identifiers: map[string]string{}}
	// Several records of one stream are asked for one after the other, each with a key of its own.
	var more []Subject
	for _, l := range links {
		stream := streamOf(l.Place)
		if strings.HasPrefix(stream, "list:") {
			continue
		}
		if _, have := subject.IDs[stream]; have {
			more = append(more, Subject{Key: subject.Key + "/" + l.ID[strings.LastIndexByte(l.ID, '/')+1:], IDs: map[string]string{stream: l.Remote}})
			continue
		}
		subject.IDs[stream] = l.Remote
	}
	for _, id := range ids {
		if id.Namespace == profile.AnonymousID {
			continue
		}
		name := id.Namespace
		if name == profile.UserID {
			name = "externalId"
		}
		if _, have := subject.Identifiers[name]; have { // a second address
			more = append(more, Subject{Key: fmt.Sprintf("%s/%d", subject.Key, len(more)), Identifiers: map[string]string{name: id.Value}})
			continue
		}
		subject.Identifiers[name] = id.Value
	}
	out := Erasure{Done: true}
	var said []string
	in, _, err := s.dial(ctx, c)
	if err != nil {
		return s.erasureFault(err)
	}
	for _, one := range append([]Subject{subject}, more...) {
		call, cancel := context.WithTimeout(ctx, time.Minute)
		r, err := in.Erase(call, one)
		cancel()
		if err != nil {
			return s.erasureFault(err)
		}
		if !r.Done {
			out.Done = false
			out.After = max(out.After, min(r.Retry, maxErasing))
		}
		if r.Ref != "" {
			out.Ref = cut(r.Ref, 200)
			said = append(said, out.Ref)
		}
		switch {
		case !r.Known:
			said = append(said, "unknown there")
		case r.Detail != "":
			said = append(said, r.Detail)
		}
	}
	out.Evidence = cut(strings.Join(slices.Compact(said), "; "), 500)
	if out.Done {
		return out, s.forget(ctx, ws, connection, key, links, parts)
	}
	return out, nil
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// erasureFault says what stands in the way of an erasure, which is tried again.
func (s *Service) erasureFault(err error) (Erasure, error) {
	var own *core.Error
	if errors.As(err, &own) {
		return Erasure{}, err
	}
	f := AsFault(err)
	after := 5 * time.Minute
	if at := f.RetryAt(s.now()); !at.IsZero() {
		after = max(at.Sub(s.now()), time.Second)
	}
	return Erasure{Evidence: "not yet: " + f.Word() + " (" + string(f.Origin) + ")", After: after}, nil
}

// forget deletes what leads to a person at the vendor, and the dead letters about them, and
// writes down that the erasure was carried over.
func (s *Service) forget(ctx context.Context, ws, connection, key string, links []*Link, parts []string) error {
	ops := make([]store.Op, 0, len(links)+1)
	for _, l := range links {
		ops = append(ops, Links.Delete(l))
		p, err := pairs.Get(ctx, s.Store, pairKey(ws, l.Place, l.Local))
		if err != nil {
			return storeError("read the links", err)
		}
		if p != nil {
			ops = append(ops, pairs.Delete(p))
		}
	}
	for _, part := range parts {
		list, err := DeadLetters.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("local", part)}}, 200)
		if err != nil {
			return storeError("read the dead letters", err)
		}
		for _, d := range list {
			ops = append(ops, DeadLetters.Delete(d))
		}
	}
	if s.Audit != nil {
		op, err := s.Audit.Op(ctx, audit.Entry{
			Workspace: ws, Action: "sync.erase", Resource: connection, Subjects: parts[:min(len(parts), 1)], Details: map[string]string{"request": key},
		})
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	return storeError("forget the person", work.Commit(ctx, s.Store, ops...))
}
