package object

import (
	"context"
	"io"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

var errSoon = core.Errorf(core.Unavailable, "SOON", "being written")

var (
	// Chunks holds staged files until their import has ended.
	Chunks = store.Declare[struct{ store.Meta }](store.Spec{Name: "object_chunks"})
)

// DeleteType deletes a type.
func (s *Service) DeleteType(ctx context.Context, ws string, d TypeDeletion) (*TypeDeletionResult, error) {
	return nil, errSoon
}

// Get returns a record, a deleted one too, or nil.
func (s *Service) Get(ctx context.Context, ws, typeKey, externalID string) (*Record, error) {
	return nil, errSoon
}

// ByIDs returns the records with the ids (rec_…), in their order, nil where missing.
func (s *Service) ByIDs(ctx context.Context, ws string, ids []string) ([]*Record, error) {
	return nil, errSoon
}

// Find returns a window of the live records of a type that meet where (nil: all),
// and how many they are.
func (s *Service) Find(ctx context.Context, ws, typeKey string, where *condition.Node, w core.Window) (store.Page[Record], Count, error) {
	return store.Page[Record]{}, Count{}, errSoon
}

// Page is Find without the count.
func (s *Service) Page(ctx context.Context, ws, typeKey string, where *condition.Node, w core.Window) (store.Page[Record], error) {
	return store.Page[Record]{}, errSoon
}

// Count counts what Find finds.
func (s *Service) Count(ctx context.Context, ws, typeKey string, where *condition.Node) (Count, error) {
	return Count{}, errSoon
}

// Related is a record with a relation by which it is related to a person.
type Related struct {
	Relation string
	Record   *Record
}

// Related returns the live records of a type that are related to the person who has
// the identifiers and profile ids, once for each relation.
func (s *Service) Related(ctx context.Context, ws, typeKey string, ids []event.Identifier, parts []string) ([]*Related, error) {
	return nil, errSoon
}

// LinkedTo returns the live records that a record leads to by a relation to a type.
func (s *Service) LinkedTo(ctx context.Context, ws string, r *Record, relation string) ([]*Record, error) {
	return nil, errSoon
}

// Format is how a file is written.
type Format string

// The formats.
const (
	NDJSON Format = "NDJSON" // an item a line: {"externalId", "fields", "links"}
	CSV    Format = "CSV"
)

// ImportKind is the kind of the job that imports records; DeleteTypeKind of the
// one that deletes a type with its records.
const (
	ImportKind     = "object.import"
	DeleteTypeKind = "object.delete_type"
	SweepKind      = "object.sweep" // of the task that deletes staged files left behind
)

// ImportOptions say what a file holds.
type ImportOptions struct {
	Type    string
	Format  Format
	Mapping map[string]string // of CSV: header → "externalId", a field's key, or "link.<relation>.<namespace>"
	Comma   byte              // of CSV; ',' when 0
}

// LineError is a line that was not taken.
type LineError struct {
	Line       int64    `bson:"line"`
	ExternalID string   `bson:"externalId,omitempty"`
	Reason     string   `bson:"reason"`
	Message    string   `bson:"message"`
	Path       []string `bson:"path,omitempty"`
}

// ImportCounts is the result of an import job.
type ImportCounts struct {
	Rows      int64       `bson:"rows"`
	Created   int64       `bson:"created"`
	Updated   int64       `bson:"updated"`
	Unchanged int64       `bson:"unchanged"`
	Failed    int64       `bson:"failed"`
	Errors    []LineError `bson:"errors,omitempty"` // the first 1000
}

// PreviewRow is what would become of a line.
type PreviewRow struct {
	Line int64
	ItemResult
}

// StageImport copies a file into the store and starts the job that imports it.
func (s *Service) StageImport(ctx context.Context, ws string, o ImportOptions, r io.Reader) (*work.Job, error) {
	return nil, errSoon
}

// PreviewImport says what would become of the first n lines, and writes nothing.
func (s *Service) PreviewImport(ctx context.Context, ws string, o ImportOptions, r io.Reader, n int) ([]PreviewRow, error) {
	return nil, errSoon
}

// Register registers the handlers of the package's jobs and tasks.
func (s *Service) Register(jobs *work.Jobs, runner *work.Runner) {}
