package sqlite

import (
	"context"
	"sync"
)

// pool lends connections to readers and opens them when they are first wanted.
type pool struct {
	open func() (*conn, error)
	free chan *conn // nil: a place for a connection that was not opened yet
	once sync.Once
	done chan struct{}
}

func newPool(size int, open func() (*conn, error)) *pool {
	p := &pool{open: open, free: make(chan *conn, size), done: make(chan struct{})}
	for range size {
		p.free <- nil
	}
	return p
}

// with runs f on a connection.
func (p *pool) with(ctx context.Context, f func(*conn) error) error {
	select {
	case <-p.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	select {
	case c := <-p.free:
		if c == nil {
			var err error
			if c, err = p.open(); err != nil {
				p.free <- nil
				return err
			}
		}
		defer func() { p.free <- c }()
		c.trim()
		return f(c)
	case <-p.done:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read runs f in a read transaction: all that it reads is of one moment.
func (p *pool) read(ctx context.Context, f func(*conn) error) error {
	return p.with(ctx, func(c *conn) error {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		err := f(c)
		if err == nil {
			err = c.exec("COMMIT")
		}
		if err != nil {
			c.rollback()
		}
		return err
	})
}

// close waits for the readers and closes their connections.
func (p *pool) close() {
	p.once.Do(func() {
		close(p.done)
		for range cap(p.free) {
			if c := <-p.free; c != nil {
				c.close()
			}
		}
	})
}
