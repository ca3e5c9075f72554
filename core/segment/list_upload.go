package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Chunk is some rows of an uploaded list, or the mark of a person whom the file
// names. Uploads are staged in the store so that any process can go on with them.
type Chunk struct {
	store.Meta `bson:",inline"` // key: workspace/imp_…/00000000, workspace/imp_…/mark/prof_…
	Rows       []row            `bson:"rows,omitempty"`
}

// Chunks holds uploaded lists until they are on their list.
var Chunks = store.Declare[Chunk](store.Spec{
	Name: "segment_chunks",
	Data: map[string]core.Category{"rows": core.IdentifierID},
})

// The kinds of the package's jobs on lists, and of the task that deletes what an
// upload left behind.
const (
	JobList     = "segment.list"
	JobSnapshot = "segment.snapshot"
	SweepList   = "segment.list.sweep"
)

// The bounds of uploads.
const (
	MaxListBytes = 2 << 30
	chunkRows    = 1000
	keepChunks   = 7 * 24 * time.Hour
)

// UploadInput says what an uploaded list holds.
type UploadInput struct {
	ID     string // of the static list
	Format Format
	// Namespace is that of the values of a file that does not say: of NDJSON lines
	// that are a text alone, of the first column of CSV.
	Namespace string
	Comma     byte // of CSV; ',' when 0
	// Replace removes whoever is on the list and not in the file.
	Replace bool
}

// UploadCounts is the result of an upload's job. What was committed by a run that
// died before it could say so counts as Already.
type UploadCounts struct {
	Lines   int64   `bson:"lines"` // that are not empty
	Added   int64   `bson:"added"`
	Already int64   `bson:"already"`
	Unknown int64   `bson:"unknown"`         // nobody has the identifier
	Bad     int64   `bson:"bad"`             // not of the format, or naming nobody
	Removed int64   `bson:"removed"`         // by Replace
	BadAt   []int64 `bson:"badAt,omitempty"` // the first of those lines, 1 being the first of the file
}

// maxBadAt is how many bad lines are told by number.
const maxBadAt = 20

// listInput is the input of a job on a list.
type listInput struct {
	List    string `bson:"list"`
	File    string `bson:"file"`
	Chunks  int64  `bson:"chunks"`
	Rows    int64  `bson:"rows"`
	Replace bool   `bson:"replace,omitempty"`
}

// UploadList reads a file of people, stages it in the store and starts the job that
// adds them to a list. A file that is not of its format at all is INVALID, and
// nothing is kept; single bad lines are counted.
func (s *Service) UploadList(ctx context.Context, ws string, in UploadInput, r io.Reader) (*work.Job, error) {
	if _, err := s.list(ctx, ws, in.ID); err != nil {
		return nil, err
	}
	if in.Format != NDJSON && in.Format != CSV {
		return nil, invalid("FORMAT", "the format is NDJSON or CSV").At("format")
	}
	if in.Comma >= 0x80 || in.Comma == '"' || in.Comma == '\n' || in.Comma == '\r' {
		return nil, invalid("COMMA", "the separator is one ASCII character").At("comma")
	}
	lines, err := openRows(&bounded{r: r, left: MaxListBytes}, in)
	if err != nil {
		return nil, fail(err)
	}
	job := listInput{List: in.ID, File: core.NewID(core.PrefixImport, s.clock.Now()), Replace: in.Replace}
	if err := s.stage(ctx, ws, &job, lines); err != nil {
		return nil, fail(err)
	}
	j, err := s.jobs.Start(ctx, JobList, ws, job, "")
	return j, fail(err)
}

// stage writes the rows of a file into chunks.
func (s *Service) stage(ctx context.Context, ws string, in *listInput, lines rows) error {
	sweep := work.Enqueue(work.Item{Kind: SweepList, Workspace: ws, Name: in.File, DueAt: s.clock.Now().Add(keepChunks)})
	if err := s.commit(ctx, []store.Op{sweep}); err != nil {
		return err
	}
	for {
		c := Chunk{Meta: store.Meta{ID: rowsKey(ws, in.File, in.Chunks)}}
		size := 0
		var end error
		for len(c.Rows) < chunkRows && size < 1<<20 && end == nil {
			var r row
			if r, end = lines.next(); end == nil {
				c.Rows = append(c.Rows, r)
				size += r.size()
			}
		}
		if end != nil && !errors.Is(end, io.EOF) {
			if core.CodeOf(end) == core.Internal {
				end = invalid("UPLOAD_BROKEN", "the file ended before it was complete; send it again").At("file").Wrap(end)
			}
			return errors.Join(end, s.unstage(context.WithoutCancel(ctx), ws, in.File))
		}
		if len(c.Rows) > 0 {
			if err := s.commit(ctx, []store.Op{Chunks.Insert(&c)}); err != nil {
				return err
			}
			in.Chunks++
			in.Rows += int64(len(c.Rows))
		}
		if errors.Is(end, io.EOF) {
			return nil
		}
	}
}

func (r *row) size() int {
	n := 64 + len(r.ProfileID)
	for _, id := range r.Identifier {
		n += 32 + len(id.Namespace) + len(id.Value)
	}
	return n
}

func rowsKey(ws, file string, n int64) string { return store.Key(ws, file, fmt.Sprintf("%08d", n)) }

func markKey(ws, file, profileID string) string { return store.Key(ws, file, "mark", profileID) }

// unstage deletes what an upload staged: the small marks many at a time, the rows a
// few, for those are large.
func (s *Service) unstage(ctx context.Context, ws, file string) error {
	if err := s.unstageAll(ctx, ws, file+"/mark/", 500); err != nil {
		return err
	}
	return s.unstageAll(ctx, ws, file+"/", 8)
}

func (s *Service) unstageAll(ctx context.Context, ws, prefix string, atOnce int) error {
	plan, err := store.PlanQuery(Chunks.Spec, everyKey(ws, prefix))
	if err != nil {
		return err
	}
	plan.Limit = atOnce
	for {
		raws, err := s.db.Scan(ctx, plan)
		if err != nil || len(raws) == 0 {
			return err
		}
		ops := make([]store.Op, len(raws))
		for i, raw := range raws {
			v, _ := raw.Lookup("_v").AsInt64OK()
			ops[i] = Chunks.Delete(&Chunk{Meta: store.Meta{ID: rawKey(raw), V: v}})
		}
		if err := s.commit(ctx, ops); err != nil && !conflicted(err) {
			return err
		}
	}
}

// bounded ends with an error when a file is too large.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, invalid("FILE_TOO_LARGE", "a list may have %d bytes; cut it into several", int64(MaxListBytes)).At("file")
	}
	return n, err
}

func (c *UploadCounts) add(results []ListResult, chunk []row) {
	for i, r := range results {
		c.Lines++
		switch {
		case chunk[i].Fault != "":
			c.Bad++
			if len(c.BadAt) < maxBadAt && !slices.Contains(c.BadAt, chunk[i].Line) {
				c.BadAt = append(c.BadAt, chunk[i].Line)
			}
		case r.Status == ListAdded:
			c.Added++
		case r.Status == ListAlready:
			c.Already++
		default:
			c.Unknown++
		}
	}
}
