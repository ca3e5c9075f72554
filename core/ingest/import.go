package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	NDJSON Format = "NDJSON" // a message of the tracking protocol a line
	CSV    Format = "CSV"    // RFC 4180, the first record is the header
)

// ImportKind is the kind of the job that imports a file.
const ImportKind = "import"

// ImportOptions say what a file holds.
type ImportOptions struct {
	Format  Format
	Source  string            // src_…; "" for the workspace's source of imports
	Type    event.Type        // of rows that do not say theirs; "" lets the columns decide
	Mapping map[string]string // of CSV: see event.CSVOptions
	Comma   byte              // of CSV; ',' when 0
}

// importInput is the input of an import job.
type importInput struct {
	File    string     `bson:"file"` // imp_…: the chunks
	Bytes   int64      `bson:"bytes"`
	Rows    int64      `bson:"rows"` // about
	Sum     string     `bson:"sum"`  // of the content
	Source  string     `bson:"source"`
	Format  Format     `bson:"format"`
	Type    event.Type `bson:"type,omitempty"`
	Mapping []mapped   `bson:"mapping,omitempty"`
	Comma   string     `bson:"comma,omitempty"`
}

// mapped is a pair of a mapping: a header may hold what a key of a document must
// not.
type mapped struct {
	Column string `bson:"column"`
	Target string `bson:"target"`
}

// ImportCounts is the result of an import job. A row that was committed by a run
// that died before it could say so counts as a duplicate.
type ImportCounts struct {
	Rows        int64 `bson:"rows"`
	Accepted    int64 `bson:"accepted"`
	Duplicates  int64 `bson:"duplicates"`
	Quarantined int64 `bson:"quarantined"`
	Rejected    int64 `bson:"rejected"`
	Dropped     int64 `bson:"dropped"` // older than the erasure of whom they name
	Bytes       int64 `bson:"bytes"`
}

func (c *ImportCounts) add(results []event.Result) {
	c.Rows += int64(len(results))
	for _, r := range results {
		switch r.Status {
		case event.Accepted:
			c.Accepted++
		case event.Duplicate:
			c.Duplicates++
		case event.Quarantined:
			c.Quarantined++
		case event.Rejected:
			c.Rejected++
		case event.Dropped:
			c.Dropped++
		}
	}
}

// StageImport copies a file into the store, where any process finds it, and starts
// the job that imports it. Rows without a message id get one of the file's content
// and their line, so that an import that is repeated or goes on after a crash does
// nothing twice. A mapping that does not fit the header is INVALID, and nothing is
// kept.
func (p *Pipeline) StageImport(ctx context.Context, jobs *work.Jobs, workspace string, o ImportOptions, r io.Reader) (*work.Job, error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	if err := o.check(buffered); err != nil {
		return nil, err
	}
	source, err := p.importSource(ctx, workspace, o.Source)
	if err != nil {
		return nil, err
	}
	in := importInput{Source: source, Format: o.Format, Type: o.Type}
	for column, target := range o.Mapping {
		in.Mapping = append(in.Mapping, mapped{column, target})
	}
	slices.SortFunc(in.Mapping, func(a, b mapped) int { return strings.Compare(a.Column, b.Column) })
	if o.Comma != 0 {
		in.Comma = string(rune(o.Comma))
	}
	rows, sum := rowCounter{csv: o.Format == CSV}, sha256.New()
	file, err := p.files().Put(ctx, workspace, io.TeeReader(buffered, io.MultiWriter(&rows, sum)))
	if err != nil {
		return nil, outward(err)
	}
	in.File, in.Bytes = file.ID, file.Bytes
	in.Rows, in.Sum = rows.count(), hex.EncodeToString(sum.Sum(nil)[:12])
	job, err := jobs.Start(ctx, ImportKind, workspace, in, "")
	return job, outward(err)
}

// check refuses a format that is unknown and a mapping that does not fit.
func (o ImportOptions) check(r *bufio.Reader) error {
	head, err := r.Peek(r.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return staging.Broken(err)
	}
	if o.Comma >= 0x80 {
		return core.Errorf(core.Invalid, "COMMA", "the separator is one ASCII character").At("comma")
	}
	switch o.Format {
	case NDJSON:
		return nil
	case CSV:
		if end := bytes.IndexByte(head, '\n'); end < 0 && len(head) == r.Size() {
			return nil // a header longer than the buffer: the job will see
		}
		_, err := o.rows(bytes.NewReader(head), event.FileOptions{})
		return err
	}
	return core.Errorf(core.Invalid, "FORMAT", "the format is NDJSON or CSV").At("format")
}

// rows opens a file of the options' format.
func (o ImportOptions) rows(r io.Reader, f event.FileOptions) (event.Rows, error) {
	f.Type = o.Type
	if o.Format == CSV {
		return event.NewCSV(r, event.CSVOptions{FileOptions: f, Mapping: o.Mapping, Comma: o.Comma})
	}
	return event.NewNDJSON(r, f)
}

func (p *Pipeline) importSource(ctx context.Context, workspace, id string) (string, error) {
	if id == "" {
		src, err := p.Events.EnsureSource(ctx, workspace, event.SourceInput{Name: "Import", Kind: event.SourceImport})
		if err != nil {
			return "", err
		}
		return src.SourceID(), nil
	}
	src, err := event.Sources.Get(ctx, p.Store, store.Key(workspace, id))
	if err != nil {
		return "", outward(err)
	}
	if src == nil {
		return "", core.Errorf(core.NotFound, "SOURCE", "no source has this id").At("source")
	}
	return id, nil
}

func (in *importInput) options() ImportOptions {
	o := ImportOptions{Format: in.Format, Source: in.Source, Type: in.Type}
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

// rowCounter counts rows as a file passes, for the total of the progress.
type rowCounter struct {
	csv    bool
	quoted bool
	rows   int64
	last   byte
}

// Write implements io.Writer.
func (c *rowCounter) Write(b []byte) (int, error) {
	for _, x := range b {
		switch {
		case x == '"' && c.csv:
			c.quoted = !c.quoted
		case x == '\n' && !c.quoted && c.last != '\n':
			c.rows++
		}
		c.last = x
	}
	return len(b), nil
}

func (c *rowCounter) count() int64 {
	n := c.rows
	if c.last != 0 && c.last != '\n' {
		n++
	}
	if c.csv {
		n-- // the header
	}
	return max(n, 0)
}

// PreviewRow is what would become of a row.
type PreviewRow struct {
	Line int64
	Type event.Type
	Name string
	event.Result
}

// MaxPreview is how many rows a preview reads.
const MaxPreview = 200

// PreviewImport says what would become of the first n rows, and writes nothing. A
// ProfileID is told only where the profile exists already.
func (p *Pipeline) PreviewImport(ctx context.Context, workspace string, o ImportOptions, r io.Reader, n int) ([]PreviewRow, error) {
	buffered := bufio.NewReaderSize(r, 256<<10)
	if err := o.check(buffered); err != nil {
		return nil, err
	}
	rows, err := o.rows(buffered, event.FileOptions{ReceivedAt: p.Clock.Now(), IDPrefix: "preview"})
	if err != nil {
		return nil, err
	}
	s, err := readSlice(rows, min(n, MaxPreview))
	if err != nil || len(s.inputs) == 0 {
		return nil, err
	}
	results, err := p.preview(ctx, workspace, o.Source, s)
	if err != nil {
		return nil, outward(err)
	}
	out := make([]PreviewRow, len(results))
	for i := range out {
		out[i] = PreviewRow{Line: s.lines[i], Type: s.inputs[i].Type, Name: s.inputs[i].Name, Result: results[i]}
	}
	return out, nil
}

func (p *Pipeline) preview(ctx context.Context, workspace, source string, s slice) ([]event.Result, error) {
	c := newCall(ctx, len(s.inputs))
	items := make([]*item, len(s.inputs))
	for i := range items {
		items[i] = &item{call: c, index: i, workspace: workspace, source: source, in: &s.inputs[i], at: time.Now(), line: s.lines[i]}
	}
	u, err := p.build(ctx, items, true)
	for errors.Is(err, errCulprits) {
		u, err = p.build(ctx, items, true)
	}
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(items))
	for i, r := range u.results {
		ids[i] = r.ProfileID
	}
	known, err := p.Profiles.GetMany(ctx, workspace, ids)
	if err != nil {
		return nil, err
	}
	for i := range u.results {
		if known[i] == nil {
			u.results[i].ProfileID = ""
		}
	}
	return u.results, nil
}
