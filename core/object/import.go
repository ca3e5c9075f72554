package object

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	NDJSON Format = "NDJSON" // an item a line: {"externalId", "fields", "links"}, see jsonItem
	CSV    Format = "CSV"    // RFC 4180, the first record is the header
)

// ImportKind is the kind of the job that imports records.
const ImportKind = "object.import"

// ImportOptions say what a file holds.
type ImportOptions struct {
	Type   string // the key of the records' type
	Format Format
	// Mapping says what each column of a CSV file is: header → "externalId", a field's
	// key, "price.amount" for a member of MONEY or GEO, "link.store" for a relation to
	// records, "link.buyer.email" for one to people. Without it the headers themselves
	// are targets. Several values or links stand between semicolons.
	Mapping map[string]string
	Comma   byte // of CSV; ',' when 0
}

// MaxLineErrors is how many lines that were not taken a job's result tells of.
const MaxLineErrors = 1000

// LineError is a line that was not taken.
type LineError struct {
	Line    int64    `bson:"line"`
	Code    string   `bson:"code"`
	Reason  string   `bson:"reason"`
	Message string   `bson:"message"`
	Path    []string `bson:"path,omitempty"`
}

// ImportCounts is the result of an import job. A line that was committed by a run
// that died before it could say so counts as unchanged.
type ImportCounts struct {
	Rows      int64       `bson:"rows"`
	Created   int64       `bson:"created"`
	Updated   int64       `bson:"updated"`
	Unchanged int64       `bson:"unchanged"`
	Failed    int64       `bson:"failed"`
	Errors    []LineError `bson:"errors,omitempty"` // the first MaxLineErrors
}

func (c *ImportCounts) add(line int64, r *ItemResult) {
	c.Rows++
	switch r.Outcome {
	case Created:
		c.Created++
	case Updated:
		c.Updated++
	case Unchanged:
		c.Unchanged++
	default:
		c.Failed++
		if len(c.Errors) < MaxLineErrors {
			c.Errors = append(c.Errors, LineError{line, string(r.Err.Code), r.Err.Reason, r.Err.Message, r.Err.Path})
		}
	}
}

// importInput is the input of an import job.
type importInput struct {
	File    string   `bson:"file"` // imp_…: the chunks
	Bytes   int64    `bson:"bytes"`
	Lines   int64    `bson:"lines"` // about
	Type    string   `bson:"type"`
	Format  Format   `bson:"format"`
	Mapping []mapped `bson:"mapping,omitempty"`
	Comma   string   `bson:"comma,omitempty"`
	// Hidden are the categories that whoever imports may not read in clear.
	Hidden []core.Category `bson:"hidden,omitempty"`
}

// mapped is a pair of a mapping: a header may hold what a key of a document must
// not.
type mapped struct {
	Column string `bson:"column"`
	Target string `bson:"target"`
}

func (in *importInput) options() ImportOptions {
	o := ImportOptions{Type: in.Type, Format: in.Format}
	if in.Comma != "" {
		o.Comma = in.Comma[0]
	}
	for _, m := range in.Mapping {
		if o.Mapping == nil {
			o.Mapping = map[string]string{}
		}
		o.Mapping[m.Column] = m.Target
	}
	return o
}

// headBytes is how much of a file is looked at before it is staged.
const headBytes = 256 << 10

// StageImport copies a file into the store, where any process finds it, and starts
// the job that imports it. A mapping that does not fit the header is INVALID, and
// nothing is kept. Importing a file twice changes nothing the second time.
func (s *Service) StageImport(ctx context.Context, ws string, o ImportOptions, r io.Reader) (*work.Job, error) {
	if s.o.Jobs == nil {
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process starts no jobs")
	}
	buffered := bufio.NewReaderSize(r, headBytes)
	if err := s.checkImport(ctx, ws, o, buffered); err != nil {
		return nil, err
	}
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	in := importInput{Type: o.Type, Format: o.Format, Hidden: hidden(g)}
	for column, target := range o.Mapping {
		in.Mapping = append(in.Mapping, mapped{column, target})
	}
	slices.SortFunc(in.Mapping, func(a, b mapped) int { return strings.Compare(a.Column, b.Column) })
	if o.Comma != 0 {
		in.Comma = string(rune(o.Comma))
	}
	var lines lineCounter
	file, err := s.files().Put(ctx, ws, io.TeeReader(buffered, &lines))
	if err != nil {
		return nil, outward(err)
	}
	in.File, in.Bytes, in.Lines = file.ID, file.Bytes, int64(lines)
	job, err := s.o.Jobs.Start(ctx, ImportKind, ws, in, "")
	return job, outward(err)
}

// checkImport refuses an unknown type or format and a mapping that does not fit.
func (s *Service) checkImport(ctx context.Context, ws string, o ImportOptions, r *bufio.Reader) error {
	t, err := s.Type(ctx, ws, o.Type)
	if err != nil {
		return err
	}
	if o.Comma >= 0x80 || o.Comma == '"' || o.Comma == '\r' || o.Comma == '\n' {
		return invalid("COMMA", "the separator is one ASCII character").At("comma")
	}
	head, err := r.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return staging.Broken(err)
	}
	switch o.Format {
	case NDJSON:
		return nil
	case CSV:
		_, err := o.open(t, bytes.NewReader(head), nil, place{})
		return err
	}
	return invalid("FORMAT", "the format is NDJSON or CSV").At("format")
}

// open opens a file. With a header of CSV it reads on from a place, else from the
// beginning.
func (o ImportOptions) open(t *Type, r io.Reader, header []string, at place) (rowReader, error) {
	if o.Format == NDJSON {
		return &ndjsonRows{r: bufio.NewReaderSize(r, maxLine), at: at}, nil
	}
	c, bound := newCSV(r, o.Comma)
	if header == nil {
		var err error
		header, err = c.Read()
		if err != nil {
			return nil, invalid("LINE_SYNTAX", "the first line of the file names its columns").Wrap(err)
		}
		header = slices.Clone(header)
	}
	columns, err := t.mapColumns(header, o.Mapping)
	if err != nil {
		return nil, err
	}
	c.FieldsPerRecord = -1
	return &csvRows{r: c, bound: bound, header: header, columns: columns, base: at}, nil
}

// PreviewRow is what would become of a line.
type PreviewRow struct {
	Line int64
	ItemResult
}

// MaxPreview is how many lines a preview reads.
const MaxPreview = 200

// PreviewImport says what would become of the first n lines, and writes nothing.
func (s *Service) PreviewImport(ctx context.Context, ws string, o ImportOptions, r io.Reader, n int) ([]PreviewRow, error) {
	buffered := bufio.NewReaderSize(r, headBytes)
	if err := s.checkImport(ctx, ws, o, buffered); err != nil {
		return nil, err
	}
	t, err := s.Type(ctx, ws, o.Type)
	if err != nil {
		return nil, err
	}
	rows, err := o.open(t, buffered, nil, place{})
	if err != nil {
		return nil, err
	}
	some, err := readRows(rows, min(max(n, 0), MaxPreview))
	if err != nil {
		return nil, outward(err)
	}
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	results, err := s.preview(ctx, ws, o.Type, some, hidden(g))
	if err != nil {
		return nil, outward(err)
	}
	out := make([]PreviewRow, len(some))
	for i := range some {
		out[i] = PreviewRow{some[i].line, results[i]}
		if out[i].Outcome == Unchanged && t.hides(hidden(g)) {
			out[i].Outcome = Updated // that nothing differs would tell of what is there
		}
	}
	return out, nil
}

// preview drafts the lines and commits nothing.
func (s *Service) preview(ctx context.Context, ws, typeKey string, rows []row, hidden []core.Category) ([]ItemResult, error) {
	w := s.writingOf(ws, typeKey, rows)
	w.hidden = hidden
	for _, wave := range waves(w.ids) {
		good := slices.DeleteFunc(wave, func(i int) bool { return w.results[i].Outcome != "" })
		b, err := w.draft(ctx, good)
		if err != nil {
			return nil, err
		}
		if err := b.examine(ctx); err != nil {
			return nil, err
		}
		for _, i := range b.order {
			w.done(i, b.drafts[i])
		}
	}
	return w.results, nil
}

// writingOf makes the call that writes rows; those that are no items have failed.
func (s *Service) writingOf(ws, typeKey string, rows []row) *writing {
	w := &writing{s: s, ws: ws, typeKey: typeKey, ids: make([]string, len(rows)), results: make([]ItemResult, len(rows))}
	for i := range rows {
		w.ids[i] = rows[i].item.ExternalID
		w.results[i].ExternalID = w.ids[i]
		if rows[i].err != nil {
			w.results[i].Outcome, w.results[i].Err = Failed, rows[i].err
		}
	}
	w.drafter = func(i int) drafter { return upsertOf(&rows[i].item) }
	w.said = func(i int) time.Time { return rows[i].item.At }
	return w
}

// readRows reads at most limit lines; fewer at the end of the file.
func readRows(rows rowReader, limit int) ([]row, error) {
	var out []row
	for size := 0; len(out) < limit && size < store.MaxBytes; {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
		if text, ok := r.item.Fields.([]byte); ok {
			size += len(text)
		} else {
			size += 4 << 10
		}
		out = append(out, r)
	}
	return out, nil
}
