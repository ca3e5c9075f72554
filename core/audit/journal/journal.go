package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// The sizes of files.
const (
	segmentBytes = 4 << 20   // after which the next one begins
	reserveBytes = 256 << 10 // of zeros that are written in advance, at most
	keepBytes    = 1 << 20   // of a buffer that is not let go
)

// suffix is of the files of this form. Others in the folder are left alone.
const suffix = ".v1.log"

// ErrClosed is the error of a journal that was closed.
var ErrClosed = errors.New("journal: closed")

// Options make a Journal.
type Options struct {
	Dir     string // made when missing; the folder above it must be there
	Segment int64  // bytes after which the next file begins; 4 MiB
	Logger  *slog.Logger

	wrap func(file) file // breaks files, in tests
}

// file is what is written to.
type file interface {
	io.WriterAt
	io.Closer
	Sync() error
}

// Journal is the journal of a folder: what this process writes there, and what all do
// to read. It is safe for concurrent use.
type Journal struct {
	o Options

	mu     sync.Mutex // of what is written
	out    *output    // nil: the next record begins a file
	buf    []byte
	closed bool

	reading sync.Mutex
	files   map[string]*scanned
	in      []byte
}

// output is the file that this process writes to.
type output struct {
	file
	name string
	end  int64 // of what is on disk
	size int64 // of the file: zeros follow the end
}

// Open opens the journal of a folder. A file is made only when something is written.
func Open(o Options) (*Journal, error) {
	if o.Segment == 0 {
		o.Segment = segmentBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.wrap == nil {
		o.wrap = func(f file) file { return f }
	}
	if err := os.Mkdir(o.Dir, 0o700); err == nil {
		err = syncDir(filepath.Dir(o.Dir))
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	} else if !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("journal: make the folder: %w", err)
	}
	return &Journal{o: o, files: map[string]*scanned{}, in: make([]byte, readSize)}, nil
}

// Append writes records in their order and returns when they are on disk. After an error
// readers may find some of them, and the next call writes to a file of its own.
func (j *Journal) Append(records []Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	if j.out == nil {
		var err error
		if j.out, err = j.create(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	b := j.buf[:0]
	for i := range records {
		b = appendFrame(b, &records[i])
	}
	if cap(b) <= keepBytes {
		j.buf = b
	}
	if err := j.out.append(b); err != nil {
		return fmt.Errorf("journal: %w", errors.Join(err, j.leave()))
	}
	if j.out.end >= j.o.Segment {
		// What it holds is on disk: nothing is lost when it does not close well.
		if err := j.leave(); err != nil {
			j.o.Logger.Warn("journal: close a file", "error", err.Error())
		}
	}
	return nil
}

// append writes frames behind those that are there, and zeros behind them where no more
// were left.
func (o *output) append(frames []byte) error {
	end := o.end + int64(len(frames))
	size := o.size
	if end > size {
		size = (end/reserveBytes + 1) * reserveBytes
		frames = append(frames, make([]byte, size-end)...)
	}
	if _, err := o.WriteAt(frames, o.end); err != nil {
		return err
	}
	if err := o.Sync(); err != nil {
		return err
	}
	o.end, o.size = end, size
	return nil
}

// leave closes the file that is written to, so that others may remove it when they are
// through with it. One in which nothing is for certain goes at once.
func (j *Journal) leave() error {
	if j.out == nil {
		return nil
	}
	out := j.out
	j.out = nil
	if out.end == 0 {
		return errors.Join(os.Remove(j.path(out.name)), out.Close())
	}
	return out.Close()
}

// Close lets go of the file that is written to.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return j.leave()
}

// create makes a file and locks it. One that has been removed before it was locked, by
// somebody who took it for a dead process's, is made again.
func (j *Journal) create() (*output, error) {
	for {
		name := core.NewID("j", time.Now())
		f, err := os.OpenFile(j.path(name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = lock(f)
		if err == nil {
			if _, err = os.Stat(j.path(name)); errors.Is(err, os.ErrNotExist) {
				_ = f.Close()
				continue
			}
		}
		if err == nil {
			err = syncDir(j.o.Dir)
		}
		if err != nil {
			return nil, errors.Join(err, os.Remove(j.path(name)), f.Close())
		}
		return &output{file: j.o.wrap(durable{f}), name: name}, nil
	}
}

func (j *Journal) path(name string) string { return filepath.Join(j.o.Dir, name+suffix) }

// durable is a file whose Sync waits for what was written, and for its length only when
// that is another.
type durable struct{ *os.File }

// Sync implements file.
func (d durable) Sync() error { return syncData(d.File) }

// syncDir makes durable what a folder holds.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(d), d.Close())
}
