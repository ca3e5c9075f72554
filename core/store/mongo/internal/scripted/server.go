package scripted

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Answer makes the reply to a command; nil breaks the connection instead.
type Answer func(cmd bson.Raw) bson.D

// Server is the scripted server. Its fields are set before the first connection.
type Server struct {
	Standalone bool  // says hello without a set name
	Sharded    bool  // says hello as a mongos
	Wire       int32 // the wire version it says, 21 (7.0) unless set

	ln    net.Listener
	mu    sync.Mutex
	now   uint32 // the counter of the cluster time
	conns map[net.Conn]struct{}
	queue map[string][]Answer
	log   []bson.Raw
	wg    sync.WaitGroup
}

// New starts a server on a loopback port; it stops with the test.
func New(t testing.TB) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Wire: 21, ln: ln, conns: map[net.Conn]struct{}{}, queue: map[string][]Answer{}}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(s.Stop)
	return s
}

// Addr is the host and port it listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URI is a connection string for the database with the given name.
func (s *Server) URI(database string) string {
	return fmt.Sprintf("mongodb://%s/%s", s.Addr(), database)
}

// Stop breaks all connections and waits for their ends.
func (s *Server) Stop() {
	s.ln.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// On scripts the next answers to a command, by its name. To "find" and the like a
// collection may be added: "find oplog.rs".
func (s *Server) On(command string, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue[command] = append(s.queue[command], answers...)
}

// Reset forgets the commands that came so far.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Commands returns the commands that came, in order, of the given names only when
// there are any; never the driver's own housekeeping.
func (s *Server) Commands(names ...string) []bson.Raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []bson.Raw
	for _, c := range s.log {
		name := Name(c)
		if len(names) == 0 {
			out = append(out, c)
		}
		for _, n := range names {
			if n == name {
				out = append(out, c)
			}
		}
	}
	return out
}

// Names returns the names of the commands that came.
func (s *Server) Names() []string {
	var names []string
	for _, c := range s.Commands() {
		names = append(names, Name(c))
	}
	return names
}

// Name returns the name of a command: its first field.
func Name(cmd bson.Raw) string {
	e, err := cmd.IndexErr(0)
	if err != nil {
		return ""
	}
	return e.Key()
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer c.Close()
			s.serve(c)
		}()
	}
}

func (s *Server) serve(c net.Conn) {
	for {
		m, err := readMessage(c)
		if err != nil {
			return
		}
		doc := s.answer(m.body)
		if doc == nil {
			return
		}
		b, err := reply(m, doc)
		if err != nil {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// answer records a command and finds its answer.
func (s *Server) answer(cmd bson.Raw) bson.D {
	name := Name(cmd)
	switch name {
	case "hello", "isMaster", "ismaster":
		return s.stamp(s.hello())
	case "endSessions":
		return bson.D{{Key: "ok", Value: 1}}
	}
	s.mu.Lock()
	s.log = append(s.log, cmd)
	keys := []string{name}
	if coll, ok := cmd.Lookup(name).StringValueOK(); ok {
		keys = []string{name + " " + coll, name}
	}
	next := Answer(plain)
	for _, k := range keys {
		if q := s.queue[k]; len(q) > 0 {
			next, s.queue[k] = q[0], q[1:]
			break
		}
	}
	s.mu.Unlock()
	doc := next(cmd)
	if doc == nil {
		return nil
	}
	return s.stamp(doc)
}

func (s *Server) hello() bson.D {
	d := bson.D{
		{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true},
		{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: s.Wire},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48000000)},
		{Key: "maxWriteBatchSize", Value: int32(100000)}, {Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
	}
	switch {
	case s.Sharded:
		d = append(d, bson.E{Key: "msg", Value: "isdbgrid"})
	case !s.Standalone:
		d = append(d, bson.E{Key: "setName", Value: "rs0"}, bson.E{Key: "setVersion", Value: int32(1)},
			bson.E{Key: "me", Value: s.Addr()}, bson.E{Key: "primary", Value: s.Addr()}, bson.E{Key: "hosts", Value: bson.A{s.Addr()}})
	}
	return append(d, bson.E{Key: "ok", Value: 1})
}

// stamp adds the times that a member of a replica set puts into every answer.
func (s *Server) stamp(d bson.D) bson.D {
	if s.Standalone {
		return d
	}
	s.mu.Lock()
	s.now++
	ts := bson.Timestamp{T: 1000, I: s.now}
	s.mu.Unlock()
	for _, e := range d {
		if e.Key == "operationTime" {
			return d
		}
	}
	return append(d, bson.E{Key: "operationTime", Value: ts}, bson.E{Key: "$clusterTime", Value: bson.D{
		{Key: "clusterTime", Value: ts},
		{Key: "signature", Value: bson.D{{Key: "hash", Value: bson.Binary{Data: make([]byte, 20)}}, {Key: "keyId", Value: int64(0)}}},
	}})
}
