package sqlite

import (
	"fmt"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// stmt is a compiled statement with a buffer for each parameter, which lives on
// from one run to the next.
type stmt struct {
	c    *conn
	p    uintptr
	bufs []buffer
}

type buffer struct {
	p   uintptr
	cap int
}

// largeBuffer is what a parameter may keep between runs.
const largeBuffer = 256 << 10

// hold copies b to C memory that stays until parameter i is bound again. An empty
// value still needs an address: none would be NULL.
func hold[B string | []byte](s *stmt, i int, b B) uintptr {
	for len(s.bufs) < i {
		s.bufs = append(s.bufs, buffer{})
	}
	buf := &s.bufs[i-1]
	if buf.cap < len(b)+1 || buf.cap > largeBuffer {
		libc.Xfree(s.c.tls, buf.p)
		buf.cap = max(64, len(b)+len(b)/4+1)
		buf.p = libc.Xmalloc(s.c.tls, types.Size_t(buf.cap))
	}
	copy(view(buf.p, buf.cap), b)
	return buf.p
}

func (s *stmt) bindInt(i int, v int64) { lib.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i), v) }

func (s *stmt) bindNull(i int) { lib.Xsqlite3_bind_null(s.c.tls, s.p, int32(i)) }

func (s *stmt) bindText(i int, v string) {
	lib.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), hold(s, i, v), int32(len(v)), 0)
}

func (s *stmt) bindBlob(i int, v []byte) {
	lib.Xsqlite3_bind_blob(s.c.tls, s.p, int32(i), hold(s, i, v), int32(len(v)), 0)
}

func (s *stmt) bindValue(i int, v value) {
	switch v.kind {
	case kindInt:
		s.bindInt(i, v.i)
	case kindText:
		s.bindText(i, v.s)
	default:
		s.bindNull(i)
	}
}

func (s *stmt) bind(args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			s.bindInt(i+1, a)
		case int:
			s.bindInt(i+1, int64(a))
		case string:
			s.bindText(i+1, a)
		case []byte:
			s.bindBlob(i+1, a)
		case value:
			s.bindValue(i+1, a)
		case nil:
			s.bindNull(i + 1)
		default:
			panic(fmt.Sprintf("sqlite: cannot bind %T", a))
		}
	}
}

// step moves on and reports whether there is a row. The caller resets.
func (s *stmt) step() (bool, error) {
	switch rc := lib.Xsqlite3_step(s.c.tls, s.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.fail(rc)
	}
}

// reset makes the statement ready for its next run and releases its locks.
func (s *stmt) reset() { lib.Xsqlite3_reset(s.c.tls, s.p) }

// run binds, steps to the end and resets.
func (s *stmt) run(args ...any) error {
	s.bind(args...)
	_, err := s.step()
	s.reset()
	return err
}

func (s *stmt) null(i int) bool {
	return lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) == lib.SQLITE_NULL
}

func (s *stmt) int(i int) int64 { return lib.Xsqlite3_column_int64(s.c.tls, s.p, int32(i)) }

// bytes is a view of a text or blob column, valid until the next step.
func (s *stmt) bytes(i int) []byte {
	p := lib.Xsqlite3_column_blob(s.c.tls, s.p, int32(i))
	return view(p, int(lib.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i))))
}

func (s *stmt) text(i int) string { return string(s.bytes(i)) }

// same reports whether column i holds v.
func (s *stmt) same(i int, v value) bool {
	switch lib.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) {
	case lib.SQLITE_NULL:
		return v.kind == kindNull
	case lib.SQLITE_INTEGER:
		return v.kind == kindInt && s.int(i) == v.i
	default:
		return v.kind == kindText && string(s.bytes(i)) == v.s
	}
}

func (s *stmt) finalize() {
	lib.Xsqlite3_finalize(s.c.tls, s.p)
	for _, b := range s.bufs {
		libc.Xfree(s.c.tls, b.p)
	}
}
