package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	lib "modernc.org/sqlite/lib"
)

// secure_delete overwrites what is deleted, but not what lies in the free middle of a
// page after its entries were shared out among neighbours: copies of entries that
// moved, and were deleted where they moved to. Those bytes belong to nothing, and blank
// overwrites them in the file itself.
//
// It may do so while it holds the write lock and the write-ahead log is empty: then
// the file is the whole truth, nobody writes a page, and who reads one does not look
// at what lies between the list of its entries and the entries. A crash half-way
// leaves some of it for the next time. Connections that hold older copies of pages
// drop them when they see a commit, which it makes at the end.

// errLogged says that something was written since the log was emptied.
var errLogged = errors.New("sqlite: the log is not empty")

// files stay open for ever: to close one would drop the locks that other connections
// of this process hold on it.
var files struct {
	mu   sync.Mutex
	open map[string]*os.File
}

func rawFile(path string) (*os.File, error) {
	files.mu.Lock()
	defer files.mu.Unlock()
	if f := files.open[path]; f != nil {
		here, err := f.Stat()
		there, err2 := os.Stat(path)
		if err == nil && err2 == nil && os.SameFile(here, there) {
			return f, nil
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if files.open == nil {
		files.open = map[string]*os.File{}
	}
	files.open[path] = f
	return f, nil
}

// blankBytes is how much of the file is looked at while the writer waits: some
// hundredths of a second of it. A test changes it.
var blankBytes = int64(16 << 20)

// blank overwrites the free middle of the pages of one slice of the file, and returns
// where the next one begins; -1 at the end. Between two slices everybody writes: a page
// that is blank stays so, as what was deleted before is copied from nowhere to it.
func (s *Store) blank(ctx context.Context, f *os.File, at int64) (next int64, err error) {
	s.check.mu.Lock()
	defer s.check.mu.Unlock()
	select {
	case <-s.stopped:
		return at, errClosed
	default:
	}
	// Most of the log is moved beside the writer, who is left with what came since.
	if _, _, err := s.check.conn.checkpoint(lib.SQLITE_CHECKPOINT_PASSIVE); err != nil && !isBusy(err) {
		return at, err
	}
	r := newRequest()
	r.before = emptyLog
	r.job = func(c *conn) error {
		if log, err := os.Stat(s.path + "-wal"); err == nil && log.Size() > 0 {
			return errLogged
		}
		if next, err = blankSlice(f, at, blankBytes); err != nil {
			return err
		}
		lib.Xsqlite3_db_release_memory(c.tls, c.db)
		return c.exec("UPDATE changes SET at = at WHERE seq = (SELECT max(seq) FROM changes)")
	}
	return next, s.send(ctx, r)
}

// readersWait is how long the writer waits for those who read an older state, in
// milliseconds.
const readersWait = 20

// emptyLog moves what is in the write-ahead log into the file and empties it, outside
// of a transaction.
func emptyLog(c *conn) error {
	lib.Xsqlite3_busy_timeout(c.tls, c.db, readersWait)
	defer lib.Xsqlite3_busy_timeout(c.tls, c.db, 1)
	_, _, err := c.checkpoint(lib.SQLITE_CHECKPOINT_TRUNCATE)
	return err
}

// blankPages is how many pages are read at once.
const blankPages = 256

// blankSlice blanks the pages from one place of the file on, and returns where to go
// on; -1 at the end.
func blankSlice(f *os.File, at, length int64) (int64, error) {
	var head [100]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return at, fmt.Errorf("read the header: %w", err)
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 65536
	}
	if size < 512 || size&(size-1) != 0 {
		return at, fmt.Errorf("the header names a page size of %d", size)
	}
	usable := size - int(head[20])
	buf := make([]byte, blankPages*size)
	for end := at + length; at < end; at += int64(len(buf)) {
		n, err := f.ReadAt(buf, at)
		for i := 0; i+size <= n; i += size {
			first := 0
			if at == 0 && i == 0 {
				first = 100 // the file's own header
			}
			from, to := freeMiddle(buf[i:i+usable], first)
			if !dirty(buf[i+from : i+to]) {
				continue
			}
			clear(buf[i+from : i+to])
			if _, err := f.WriteAt(buf[i+from:i+to], at+int64(i+from)); err != nil {
				return at, fmt.Errorf("write: %w", err)
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return at, fmt.Errorf("read: %w", err)
		}
		if n < len(buf) {
			return -1, nil
		}
	}
	return at, nil
}

// freeMiddle returns the part of a page that lies between the list of its entries and
// the entries; nothing for a page that is not one of a tree, or not as one must be.
func freeMiddle(page []byte, at int) (from, to int) {
	header := 8
	switch page[at] {
	case 2, 5: // interior, of an index or of a table
		header = 12
	case 10, 13: // leaf
	default:
		return 0, 0
	}
	cells := int(binary.BigEndian.Uint16(page[at+3:]))
	content := int(binary.BigEndian.Uint16(page[at+5:]))
	if content == 0 {
		content = 65536
	}
	from = at + header + 2*cells
	if from > content || content > len(page) {
		return 0, 0
	}
	for i := range cells {
		if p := int(binary.BigEndian.Uint16(page[at+header+2*i:])); p < content || p >= len(page) {
			return 0, 0
		}
	}
	if free := int(binary.BigEndian.Uint16(page[at+1:])); free != 0 && free < content {
		return 0, 0
	}
	return from, content
}

func dirty(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return true
		}
	}
	return false
}
