package segment

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
)

// Files is where uploaded lists lie until they are on their list: the rows that were
// read of a file, each a BSON document, one behind the other.
var Files = staging.Declare(staging.Area{
	Name: "segment_chunks", Job: JobList, Sweep: SweepList, Data: core.IdentifierID,
})

// Mark says that an uploaded file names a person. A file that replaces its list
// marks them, and removes whoever is not.
type Mark struct {
	store.Meta `bson:",inline"` // key: workspace/imp_…/prof_…
	Profile    string           `bson:"profile"`
}

// Marks holds the marks of a file until its list is done.
var Marks = store.Declare[Mark](store.Spec{
	Name: "segment_marks", Subject: "profile",
	Data:    map[string]core.Category{"profile": core.Inferred},
	Indexes: []store.Index{store.On("profile").WithFewTies()},
})

func (s *Service) files() staging.Files { return Files.In(s.db, s.clock) }

// file is the staged file of an upload.
func (in *listInput) file() staging.File { return staging.File{ID: in.File, Bytes: in.Bytes} }

func markKey(ws, file, profileID string) string { return store.Key(ws, file, profileID) }

// stage reads the rows of a file and stages them. Of a file that cannot be read to
// its end nothing is kept.
func (s *Service) stage(ctx context.Context, ws string, job *listInput, in UploadInput, r io.Reader) error {
	w := s.files().Create(ctx, ws)
	var file staging.File
	n, err := writeRows(w, in, r)
	if err == nil {
		file, err = w.Close()
	}
	if err != nil {
		return errors.Join(err, w.Discard())
	}
	job.File, job.Bytes, job.Rows = file.ID, file.Bytes, n
	return nil
}

// writeRows writes the rows of a file to w and returns how many there are.
func writeRows(w io.Writer, in UploadInput, r io.Reader) (n int64, err error) {
	lines, err := openRows(r, in)
	if err != nil {
		return 0, err
	}
	for ; ; n++ {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, unread(err)
		}
		doc, err := bson.Marshal(&line)
		if err != nil {
			return n, fmt.Errorf("segment: encode row: %w", err)
		}
		if _, err := w.Write(doc); err != nil {
			return n, err
		}
	}
}

// stagedRows reads the rows that writeRows wrote.
type stagedRows struct {
	r  *bufio.Reader
	at int64 // offset of the next row
}

// openStaged reads staged rows from the offset of one on.
func (s *Service) openStaged(ctx context.Context, ws string, in *listInput, at int64) *stagedRows {
	return &stagedRows{r: bufio.NewReader(s.files().Open(ctx, ws, in.file(), at)), at: at}
}

// take returns the next rows, at most n; fewer, or none, at the end.
func (s *stagedRows) take(n int) ([]row, error) {
	var out []row
	for len(out) < n {
		head, err := s.r.Peek(4)
		if errors.Is(err, io.EOF) && len(head) == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		doc := make([]byte, binary.LittleEndian.Uint32(head))
		if _, err := io.ReadFull(s.r, doc); err != nil {
			return nil, err
		}
		var r row
		if err := bson.Unmarshal(doc, &r); err != nil {
			return nil, fmt.Errorf("segment: decode row: %w", err)
		}
		out = append(out, r)
		s.at += int64(len(doc))
	}
	return out, nil
}

// mark notes that a file names people.
func (s *Service) mark(ctx context.Context, ws, file string, people []string) error {
	people = slices.Clone(people)
	slices.Sort(people)
	people = slices.DeleteFunc(slices.Compact(people), func(p string) bool { return p == "" })
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = markKey(ws, file, p)
	}
	have, err := Marks.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	var ops []store.Op
	for i, m := range have {
		if m == nil {
			ops = append(ops, Marks.Insert(&Mark{Meta: store.Meta{ID: keys[i]}, Profile: people[i]}))
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return s.commit(ctx, ops)
}

// unmarked returns those of some people whom a file does not name, under none of the
// ids that were merged into them.
func (s *Service) unmarked(ctx context.Context, ws, file string, ids []string) ([]string, error) {
	people, err := s.profiles.GetMany(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, p := range people {
		parts := []string{ids[i]}
		if p != nil {
			parts = p.Parts
		}
		keys := make([]string, len(parts))
		for j, part := range parts {
			keys[j] = markKey(ws, file, part)
		}
		marks, err := Marks.GetMany(ctx, s.db, keys)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(marks, func(m *Mark) bool { return m != nil }) {
			out = append(out, ids[i])
		}
	}
	return out, nil
}

// unmark deletes the marks of a file.
func (s *Service) unmark(ctx context.Context, ws, file string) error {
	for {
		marks, err := Marks.Find(ctx, s.db, everyKey(ws, file+"/"), 500)
		if err != nil || len(marks) == 0 {
			return err
		}
		ops := make([]store.Op, len(marks))
		for i, m := range marks {
			ops[i] = Marks.Delete(m)
		}
		if err := s.commit(ctx, ops); err != nil && !conflicted(err) {
			return err
		}
	}
}

// unstage deletes what an upload staged.
func (s *Service) unstage(ctx context.Context, ws, file string) error {
	if err := s.unmark(ctx, ws, file); err != nil {
		return err
	}
	return s.files().Delete(ctx, ws, file)
}
