package segment

import (
	"context"
	"io"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of the package's jobs on lists, and of the task that deletes what an
// upload left behind.
const (
	JobList     = "segment.list"
	JobSnapshot = "segment.snapshot"
	SweepList   = "segment.list.sweep"
)

// MaxListBytes is the size of an uploaded list, in bytes.
const MaxListBytes = 2 << 30

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
	File    string `bson:"file"`  // imp_…: the staged rows
	Bytes   int64  `bson:"bytes"` // that they take
	Rows    int64  `bson:"rows"`
	Replace bool   `bson:"replace,omitempty"`
}

// UploadList reads a file of people, stages it in the store and starts the job that
// adds them to a list. A file that is not of its format at all is INVALID, and
// nothing is kept; single bad lines are counted.
func (s *Service) UploadList(ctx context.Context, ws string, in UploadInput, r io.Reader) (*work.Job, error) {
	if err := s.mayList(ctx, ws, in.ID); err != nil {
		return nil, err
	}
	if in.Format != NDJSON && in.Format != CSV {
		return nil, invalid("FORMAT", "the format is NDJSON or CSV").At("format")
	}
	if in.Comma >= 0x80 || in.Comma == '"' || in.Comma == '\n' || in.Comma == '\r' {
		return nil, invalid("COMMA", "the separator is one ASCII character").At("comma")
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	// How many are unknown tells whether somebody has a name: of lines that say their
	// namespaces themselves, any.
	for _, c := range []core.Category{core.IdentifierID, core.Contact} {
		if err := by.gate.UsableCategory(c, "people by their identifiers"); err != nil {
			return nil, core.AsError(err).At("file")
		}
	}
	job := listInput{List: in.ID, Replace: in.Replace}
	if err := s.stage(ctx, ws, &job, in, r); err != nil {
		return nil, fail(err)
	}
	j, err := s.jobs.Start(ctx, JobList, ws, job, "")
	return j, fail(err)
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
