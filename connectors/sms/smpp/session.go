package smpp

import (
	"bufio"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxDelivering is how much of what the centre sends is taken at once.
const maxDelivering = 16

// session is one connection to the centre.
type session struct {
	cfg    Config
	conn   net.Conn
	window chan struct{}
	dead   chan struct{}
	once   sync.Once
	good   atomic.Bool // an answer came after the bind

	writing sync.Mutex

	mu      sync.Mutex
	pending map[uint32]chan PDU
	next    uint32
}

func newSession(conn net.Conn, cfg Config) *session {
	return &session{
		cfg: cfg, conn: conn, window: make(chan struct{}, cfg.Window), dead: make(chan struct{}), pending: map[uint32]chan PDU{},
	}
}

// close ends the connection; everybody who waits is told.
func (s *session) close() {
	s.once.Do(func() {
		close(s.dead)
		s.conn.Close()
	})
}

func (s *session) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// served says whether the session was of any use: one that dies at once is not made
// again at once.
func (s *session) served() bool { return s.good.Load() }

// run keeps the session alive until it is lost or the context ends.
func (s *session) run(ctx context.Context) {
	defer s.close()
	tick := time.NewTicker(s.cfg.Enquire)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dead:
			return
		case <-tick.C:
			alive, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
			_, err := s.request(alive, EnquireLink, nil)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// request sends a command and waits for its answer, within the window. ErrUnreachable
// says that nothing went out; ErrUnknown that something did.
func (s *session) request(ctx context.Context, command Command, body []byte) (PDU, error) {
	if command == SubmitSM || command == QuerySM {
		select {
		case s.window <- struct{}{}:
			defer func() { <-s.window }()
		case <-s.dead:
			return PDU{}, ErrUnreachable
		case <-ctx.Done():
			return PDU{}, ErrUnreachable
		}
	}
	answer := make(chan PDU, 1)
	s.mu.Lock()
	s.next = s.next%0x7FFFFFFF + 1
	sequence := s.next
	s.pending[sequence] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, sequence)
		s.mu.Unlock()
	}()
	if s.isDead() {
		return PDU{}, ErrUnreachable
	}
	if err := s.write(PDU{Command: command, Sequence: sequence, Body: body}); err != nil {
		s.close()
		return PDU{}, ErrUnknown // some of it may have arrived
	}
	timeout := time.NewTimer(s.cfg.Timeout)
	defer timeout.Stop()
	select {
	case p := <-answer:
		if command != BindTransceiver {
			s.good.Store(true)
		}
		return p, nil
	case <-s.dead:
		select { // the answer may have been the last thing that came
		case p := <-answer:
			return p, nil
		default:
			return PDU{}, ErrUnknown
		}
	case <-timeout.C:
		return PDU{}, ErrUnknown
	case <-ctx.Done():
		return PDU{}, ErrUnknown
	}
}

func (s *session) write(p PDU) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(p.Bytes())
	return err
}

// read takes what comes until the connection ends.
func (s *session) read(ctx context.Context) {
	defer s.close()
	in := bufio.NewReader(s.conn)
	delivering := make(chan struct{}, maxDelivering)
	for {
		p, err := Read(in)
		if err != nil {
			return
		}
		reply := PDU{Command: p.Command.Response(), Sequence: p.Sequence}
		switch {
		case p.Command&response != 0:
			s.mu.Lock()
			waiting := s.pending[p.Sequence]
			delete(s.pending, p.Sequence)
			s.mu.Unlock()
			if waiting != nil {
				waiting <- p
			}
			continue
		case p.Command == DeliverSM:
			select {
			case delivering <- struct{}{}:
			case <-s.dead:
				return
			}
			go func() {
				defer func() { <-delivering }()
				s.deliver(ctx, p)
			}()
			continue
		case p.Command == EnquireLink:
		case p.Command == Unbind:
			_ = s.write(reply) // it ends in either case
			return
		default:
			reply.Command, reply.Status = GenericNack, InvalidCommand
		}
		if s.write(reply) != nil {
			return
		}
	}
}

// deliver hands a message out, and answers when it was taken.
func (s *session) deliver(ctx context.Context, p PDU) {
	reply := PDU{Command: DeliverSM.Response(), Sequence: p.Sequence, Status: TemporaryError, Body: []byte{0}}
	m, err := ParseMessage(p.Body)
	switch {
	case err != nil:
		reply.Status = InvalidCommand // it will not get better
	case s.cfg.Deliver != nil && s.cfg.Deliver(ctx, m) == nil:
		reply.Status = StatusOK
	}
	if s.write(reply) != nil {
		s.close()
	}
}
