package journal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Marks say how far a workspace's reader has come, by file: where the last record ends
// that it has.
type Marks map[string]int64

// scanned is what is known of a file.
type scanned struct {
	name string
	end  int64            // of its whole frames
	last map[string]int64 // where the last record of each workspace ends
}

// refresh looks at what was written since the last time.
func (j *Journal) refresh() error {
	list, err := os.ReadDir(j.o.Dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	there := make(map[string]bool, len(list))
	for _, e := range list {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		s := j.files[name]
		if s == nil {
			s = &scanned{name: name, last: map[string]int64{}}
		}
		switch err := j.scan(s); {
		case err == nil:
			j.files[name], there[name] = s, true
		case !errors.Is(err, os.ErrNotExist): // somebody removes it just now
			return fmt.Errorf("journal: %w", err)
		}
	}
	maps.DeleteFunc(j.files, func(name string, _ *scanned) bool { return !there[name] })
	return nil
}

func (j *Journal) scan(s *scanned) error {
	f, err := os.Open(j.path(s.name))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return s.scan(f, j.in)
}

// scan reads the frames that it does not know, into a buffer.
func (s *scanned) scan(f *os.File, buf []byte) error {
	if more, err := follows(f, s.end); err != nil || !more {
		return err
	}
	return eachFrame(f, s.end, everything, buf, func(frame []byte, end int64) (bool, error) {
		ws, _, err := cutPart(frame[headSize:])
		if err != nil {
			return false, err
		}
		s.end, s.last[string(ws)] = end, end
		return true, nil
	})
}

// Ends returns how far a reader of the workspace would have come by now.
func (j *Journal) Ends(ws string) (Marks, error) {
	j.reading.Lock()
	defer j.reading.Unlock()
	if err := j.refresh(); err != nil {
		return nil, err
	}
	out := Marks{}
	for name, s := range j.files {
		if end := s.last[ws]; end > 0 {
			out[name] = end
		}
	}
	return out, nil
}

// Before reports whether somebody who has come as far as m has not come to the ends.
func (m Marks) Before(ends Marks) bool {
	for name, end := range ends {
		if m[name] < end {
			return true
		}
	}
	return false
}

// Read calls take with the records of a workspace behind the marks, file by file, those
// of a file in the order in which they were written, until it returns false: that record
// is not taken. It returns the marks behind those that are. take may keep what it gets.
func (j *Journal) Read(ws string, from Marks, take func(data []byte, more [][]byte) (bool, error)) (Marks, error) {
	j.reading.Lock()
	defer j.reading.Unlock()
	if err := j.refresh(); err != nil {
		return nil, err
	}
	next, gone := Marks{}, false
	for name, mark := range from {
		if j.files[name] != nil {
			next[name] = mark
		} else {
			gone = true
		}
	}
	if gone {
		// A crash must not bring back a file whose marks are forgotten.
		if err := syncDir(j.o.Dir); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	full := false
	for _, name := range slices.Sorted(maps.Keys(j.files)) {
		s := j.files[name]
		if full || s.last[ws] <= next[name] {
			continue
		}
		err := j.readFile(s, ws, next[name], func(data []byte, more [][]byte, end int64) (bool, error) {
			ok, err := take(data, more)
			if ok && err == nil {
				next[name] = end
			}
			full = !ok
			return ok, err
		})
		if err != nil {
			return nil, err
		}
	}
	return next, nil
}

// readFile calls visit with the records of a workspace in a file behind a place.
func (j *Journal) readFile(s *scanned, ws string, from int64, visit func(data []byte, more [][]byte, end int64) (bool, error)) error {
	f, err := os.Open(j.path(s.name))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	at := from
	err = eachFrame(f, from, s.last[ws], nil, func(frame []byte, end int64) (bool, error) {
		at = end
		of, data, more, err := parse(frame)
		if err == nil && string(of) == ws {
			goOn, err := visit(data, more, end)
			if !goOn {
				at = s.last[ws]
			}
			return goOn, err
		}
		return true, err
	})
	if err == nil && at < s.last[ws] {
		err = fmt.Errorf("journal: the file %s is damaged behind byte %d, where it was not before", s.name, at)
	}
	return err
}

// Prune removes the files that nobody writes to any more and everybody has read: taken
// says whether that is so of a workspace whose last record in a file ends there. A file
// of this process that is read to its end counts as one that nobody writes to.
func (j *Journal) Prune(taken func(ws, file string, end int64) (bool, error)) error {
	j.reading.Lock()
	defer j.reading.Unlock()
	if err := j.refresh(); err != nil {
		return err
	}
	for _, s := range j.files {
		if err := j.prune(s, taken); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

func (j *Journal) prune(s *scanned, taken func(ws, file string, end int64) (bool, error)) error {
	if through, err := s.through(taken); err != nil || !through {
		return err
	}
	if err := j.rest(s); err != nil {
		return err
	}
	f, err := os.Open(j.path(s.name))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if free, err := tryLock(f); err != nil || !free {
		return err
	}
	// Nobody writes to it from here on. What came since it was looked at is in it.
	before := s.end
	if err := s.scan(f, j.in); err != nil || s.end != before {
		return err
	}
	cut, err := follows(f, s.end)
	if err != nil {
		return err
	}
	if cut {
		j.o.Logger.Warn("journal: a file ended in something that is no record, as after a crash; its records before that were read", "file", s.name, "at", s.end)
	}
	return os.Remove(j.path(s.name))
}

// through reports whether every workspace's records of a file were taken.
func (s *scanned) through(taken func(ws, file string, end int64) (bool, error)) (bool, error) {
	for ws, end := range s.last {
		if ok, err := taken(ws, s.name, end); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// rest lets go of a file of this process when nothing was written to it since it was
// scanned: so what a quiet server wrote does not lie there for ever.
func (j *Journal) rest(s *scanned) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil || j.out.name != s.name || j.out.end != s.end || s.end == 0 {
		return nil
	}
	return j.leave()
}
