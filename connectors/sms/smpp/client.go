package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where the centre is and how to speak with it. Zero values of the numbers
// have sensible defaults.
type Config struct {
	Address    string      // host:port
	TLS        *tls.Config // nil for none
	SystemID   string
	Password   string
	SystemType string
	Window     int           // requests without an answer; 10
	Enquire    time.Duration // how often the session is tried; 30 s
	Timeout    time.Duration // of an answer; 15 s
	Reconnect  time.Duration // the first pause before a new session, doubled up to 30 s; 500 ms
	Dialer     *net.Dialer   // nil for one that goes anywhere
	// Deliver takes what the centre sends. With an error the centre is asked to send it
	// again later. nil refuses everything so.
	Deliver func(context.Context, Message) error
}

// Errors of a Client.
var (
	// ErrUnknown: the request went out, and nobody knows what became of it.
	ErrUnknown = errors.New("no answer came: the centre may have it")
	// ErrUnreachable: there is no session, and nothing went out.
	ErrUnreachable = errors.New("the centre cannot be reached")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("the client is closed")
)

// StatusError is a request that the centre refused.
type StatusError struct {
	Command Command
	Status  uint32
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the centre refused command %#x with status %#x", uint32(e.Command), e.Status)
}

// Client is a session that is always made anew. Its methods may be called at the same
// time.
type Client struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	ref    atomic.Uint32 // of long messages

	mu      sync.Mutex
	session *session
	lost    error         // why there is no session
	changed chan struct{} // closed when either changes
	pause   time.Time     // nothing is submitted before
	slower  time.Duration // the next pause
}

// Open returns a client that begins to connect. Close ends it.
func Open(cfg Config) *Client {
	def := func(d *time.Duration, usual time.Duration) {
		if *d <= 0 {
			*d = usual
		}
	}
	def(&cfg.Enquire, 30*time.Second)
	def(&cfg.Timeout, 15*time.Second)
	def(&cfg.Reconnect, 500*time.Millisecond)
	if cfg.Window <= 0 {
		cfg.Window = 10
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{cfg: cfg, ctx: ctx, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	c.ref.Store(rand.Uint32())
	go c.run()
	return c
}

// Close ends the session with unbind and lets go of everything.
func (c *Client) Close() {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = s.request(ctx, Unbind, nil) // polite; it ends anyway
		cancel()
	}
	c.cancel()
	<-c.ended
}

// Ready waits until there is a session. The error is a StatusError when the centre
// refused it, or ErrUnreachable.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.current(ctx)
	return err
}

// current is the session, once there is one or none could be had.
func (c *Client) current(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		s, lost, changed := c.session, c.lost, c.changed
		c.mu.Unlock()
		if s != nil && !s.isDead() {
			return s, nil
		}
		if s == nil && lost != nil {
			return nil, lost
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ErrUnreachable
		}
	}
}

func (c *Client) set(s *session, lost error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.lost = s, lost
	close(c.changed)
	c.changed = make(chan struct{})
}

// run makes sessions, one after the other, until the client is closed.
func (c *Client) run() {
	defer close(c.ended)
	defer c.set(nil, ErrClosed)
	pause := c.cfg.Reconnect
	for c.ctx.Err() == nil {
		s, err := c.connect()
		if err == nil {
			pause = c.cfg.Reconnect
			c.set(s, nil)
			s.run(c.ctx)
			// A session that broke is made again at once; who asks meanwhile waits for it.
			c.set(nil, nil)
			if s.served() {
				continue
			}
			err = ErrUnreachable
		}
		c.set(nil, err)
		select {
		case <-c.ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// connect dials and binds.
func (c *Client) connect() (*session, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeout)
	defer cancel()
	dialer := c.cfg.Dialer
	if dialer == nil {
		dialer = &net.Dialer{}
	}
	conn, err := dialer.DialContext(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return nil, ErrUnreachable
	}
	if c.cfg.TLS != nil {
		secure := tls.Client(conn, c.cfg.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, ErrUnreachable
		}
		conn = secure
	}
	s := newSession(conn, c.cfg)
	go s.read(c.ctx)
	answer, err := s.request(ctx, BindTransceiver, bind(c.cfg.SystemID, c.cfg.Password, c.cfg.SystemType))
	if err != nil {
		s.close()
		return nil, ErrUnreachable
	}
	if answer.Status != StatusOK {
		s.close()
		return nil, &StatusError{BindTransceiver, answer.Status}
	}
	return s, nil
}
