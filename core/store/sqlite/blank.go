package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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

// blank overwrites the free middle of every page.
func (s *Store) blank(ctx context.Context) error {
	f, err := rawFile(s.path)
	if err != nil {
		return fmt.Errorf("sqlite: scrub: %w", err)
	}
	return s.exclusive(ctx, func(c *conn) error {
		if log, err := os.Stat(s.path + "-wal"); err == nil && log.Size() > 0 {
			return errLogged
		}
		if err := blankFile(ctx, f); err != nil {
			return err
		}
		lib.Xsqlite3_db_release_memory(c.tls, c.db)
		return c.exec("UPDATE changes SET at = at WHERE seq = (SELECT max(seq) FROM changes)")
	})
}

// blankSlice is how many pages are read at once.
const blankSlice = 256

func blankFile(ctx context.Context, f *os.File) error {
	var head [100]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 65536
	}
	if size < 512 || size&(size-1) != 0 {
		return fmt.Errorf("the header names a page size of %d", size)
	}
	usable := size - int(head[20])
	buf := make([]byte, blankSlice*size)
	for at := int64(0); ; at += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
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
				return fmt.Errorf("write: %w", err)
			}
		}
		if err != nil || n < len(buf) {
			break
		}
	}
	return f.Sync()
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
