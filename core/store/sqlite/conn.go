package sqlite

import (
	"context"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// conn is one connection. It is for one goroutine at a time, but for interrupt.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	out   uintptr // room for one pointer that a call returns
	stmts map[string]*stmt
}

// openConn opens the file, making it when there is none, and runs the pragmas.
func openConn(path string, pragmas ...string) (*conn, error) {
	reservePages()
	c := &conn{tls: libc.NewTLS(), stmts: map[string]*stmt{}}
	c.out = libc.Xmalloc(c.tls, 8)
	name, err := libc.CString(path)
	if err != nil || c.out == 0 {
		return nil, fmt.Errorf("sqlite: out of memory")
	}
	defer libc.Xfree(c.tls, name)
	*(*uintptr)(pointer(c.out)) = 0
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.out,
		lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE|lib.SQLITE_OPEN_NOMUTEX, 0)
	c.db = *(*uintptr)(pointer(c.out))
	if rc != lib.SQLITE_OK {
		err := c.fail(rc)
		c.close()
		return nil, err
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	lib.Xsqlite3_busy_timeout(c.tls, c.db, busyTimeout)
	if rc := c.stablePlans(); rc != lib.SQLITE_OK {
		err := c.fail(rc)
		c.close()
		return nil, err
	}
	for _, p := range pragmas {
		if err := c.exec("PRAGMA " + p); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// stablePlans keeps SQLite from looking at the values of parameters when it plans: each
// query names its index anyway. Without, a statement with LIMIT ? is compiled anew whenever
// its limit is bound.
func (c *conn) stablePlans() int32 {
	args := libc.NewVaList(int32(1), uintptr(0))
	if args == 0 {
		return lib.SQLITE_NOMEM
	}
	defer libc.Xfree(c.tls, args)
	return lib.Xsqlite3_db_config(c.tls, c.db, lib.SQLITE_DBCONFIG_ENABLE_QPSG, args)
}

func (c *conn) close() {
	for _, s := range c.stmts {
		s.finalize()
	}
	c.stmts = nil
	if c.db != 0 {
		lib.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	libc.Xfree(c.tls, c.out)
	c.tls.Close()
}

// prepare returns the statement for the text, compiled once per connection.
func (c *conn) prepare(sql string) (*stmt, error) {
	if s := c.stmts[sql]; s != nil {
		return s, nil
	}
	text, err := libc.CString(sql)
	if err != nil {
		return nil, fmt.Errorf("sqlite: out of memory")
	}
	defer libc.Xfree(c.tls, text)
	rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, lib.SQLITE_PREPARE_PERSISTENT, c.out, 0)
	if rc != lib.SQLITE_OK {
		return nil, c.fail(rc)
	}
	s := &stmt{c: c, p: *(*uintptr)(pointer(c.out))}
	c.stmts[sql] = s
	return s, nil
}

// trim closes the statements when there are too many. Nobody may hold one.
func (c *conn) trim() {
	if len(c.stmts) > maxStatements {
		for _, s := range c.stmts {
			s.finalize()
		}
		clear(c.stmts)
	}
}

// exec runs a statement that returns no rows of interest.
func (c *conn) exec(sql string, args ...any) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return s.run(args...)
}

// each runs a query and calls f for every row.
func (c *conn) each(sql string, f func(*stmt) error, args ...any) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	s.bind(args...)
	defer s.reset()
	for {
		row, err := s.step()
		if err != nil || !row {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
}

// integer returns the first column of the first row; ok is false without a row.
func (c *conn) integer(sql string, args ...any) (n int64, ok bool, err error) {
	err = c.each(sql, func(s *stmt) error {
		n, ok = s.int(0), !s.null(0)
		return nil
	}, args...)
	return n, ok, err
}

// changes returns how many rows the last statement wrote.
func (c *conn) changes() int { return int(lib.Xsqlite3_changes(c.tls, c.db)) }

// inTx reports whether a transaction is open: some errors end it by themselves.
func (c *conn) inTx() bool { return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// rollback ends a transaction without effect, if one is open.
func (c *conn) rollback() {
	if c.inTx() {
		_ = c.exec("ROLLBACK")
	}
}

// during runs f and interrupts its statement when ctx ends.
func (c *conn) during(ctx context.Context, f func() error) error {
	if ctx.Done() == nil {
		return f()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		lib.Xsqlite3_interrupt(c.tls, c.db)
		close(done)
	})
	err := f()
	if !stop() {
		<-done // a late interrupt must not hit the next statement
		if err != nil {
			return ctx.Err()
		}
	}
	return err
}

func (c *conn) fail(rc int32) error {
	msg := libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 && rc&0xff == lib.SQLITE_ERROR {
		msg = libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db)) // names the culprit in the SQL, never a value
	}
	return &resultError{code: rc, msg: msg}
}

// pointer turns an address of C memory, which Go's collector does not move, into
// a pointer.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// view is the C memory at p as bytes: valid until the statement moves on.
func view(p uintptr, n int) []byte {
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), n)
}
