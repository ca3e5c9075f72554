package library

import (
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Status is where a template's draft stands.
type Status string

// The statuses.
const (
	Draft     Status = "DRAFT"
	InReview  Status = "IN_REVIEW"
	Approved  Status = "APPROVED"
	Published Status = "PUBLISHED" // the draft says what the newest version says
	Archived  Status = "ARCHIVED"
)

// Template is a template with its draft.
type Template struct {
	store.Meta  `bson:",inline"` // key: workspace/tpl_…
	Number      int64            `bson:"number"` // rises with every change of somebody's
	Name        string           `bson:"name"`
	Description string           `bson:"description,omitempty"`
	Channel     string           `bson:"channel"`
	Family      string           `bson:"family"`
	Tags        []string         `bson:"tags,omitempty"`
	Status      Status           `bson:"status"`
	Draft       Content          `bson:"draft"`
	Newest      int64            `bson:"newest"`             // number of the newest version; 0 when there is none
	Authors     []string         `bson:"authors,omitempty"`  // who edited the draft since it was published
	Approval    string           `bson:"approval,omitempty"` // apr_…: the last that was asked for
	Hash        string           `bson:"hash,omitempty"`     // of the draft as it was submitted
	Blocks      []string         `bson:"blocks,omitempty"`   // keys that the draft or a version names
	Assets      []string         `bson:"assets,omitempty"`   // hashes that the draft or a version names
	Segments    []string         `bson:"segments,omitempty"` // ids that conditions of these name
	Sum         string           `bson:"sum,omitempty"`      // of the input that made it, to tell repetitions
	CreatedAt   time.Time        `bson:"createdAt"`
	CreatedBy   string           `bson:"createdBy"`
	UpdatedAt   time.Time        `bson:"updatedAt"`
	UpdatedBy   string           `bson:"updatedBy"`
}

// TemplateID returns the template's id, tpl_….
func (t *Template) TemplateID() string { return store.Rest(t.ID) }

// TemplateVersion is what was published; it never changes.
type TemplateVersion struct {
	store.Meta  `bson:",inline"`  // key: workspace/tpl_…/000001
	Template    string            `bson:"template"`
	Number      int64             `bson:"number"`
	Name        string            `bson:"name"` // of the template when it was published
	Channel     string            `bson:"channel"`
	Family      string            `bson:"family"`
	Content     Content           `bson:"content"`
	Pinned      map[string]Pinned `bson:"pinned,omitempty"` // blocks by key
	Hash        string            `bson:"hash"`
	PublishedAt time.Time         `bson:"publishedAt"`
	PublishedBy string            `bson:"publishedBy"`
	Approval    string            `bson:"approval"` // apr_…
	ApprovedBy  string            `bson:"approvedBy"`
}

func versionKey(ws, template string, number int64) string {
	return store.Key(ws, template, fmt.Sprintf("%06d", number))
}

// Block is a piece of source that templates name by its key. Each edit is a version of
// its own; templates take the newest when they are published.
type Block struct {
	store.Meta `bson:",inline"` // key: workspace/key
	Number     int64            `bson:"number"` // of the newest version
	Name       string           `bson:"name"`
	Kind       string           `bson:"kind"` // HTML or TEXT
	Source     string           `bson:"source"`
	Tags       []string         `bson:"tags,omitempty"`
	Assets     []string         `bson:"assets,omitempty"`
	Archived   bool             `bson:"archived,omitempty"`
	CreatedAt  time.Time        `bson:"createdAt"`
	UpdatedAt  time.Time        `bson:"updatedAt"`
	UpdatedBy  string           `bson:"updatedBy"`
}

// Key returns the key by which templates name the block.
func (b *Block) Key() string { return store.Rest(b.ID) }

// BlockVersion is a version of a block; it never changes.
type BlockVersion struct {
	store.Meta `bson:",inline"` // key: workspace/key/000001
	Block      string           `bson:"block"`
	Number     int64            `bson:"number"`
	Source     string           `bson:"source"`
	At         time.Time        `bson:"at"`
	By         string           `bson:"by"`
}

// The collections. What they hold is written by people of the workspace about nobody.
var (
	Templates = store.Declare[Template](store.Spec{
		Name: "templates",
		Indexes: []store.Index{
			store.On("-updatedAt"), store.On("family", "-updatedAt"), store.On("channel", "-updatedAt"), store.On("status", "-updatedAt"),
			store.On("tags[]", "-updatedAt"), store.On("blocks[]"), store.On("assets[]"), store.On("segments[]"),
		},
	})
	Versions      = store.Declare[TemplateVersion](store.Spec{Name: "template_versions", Indexes: []store.Index{store.On("template", "-number")}})
	Blocks        = store.Declare[Block](store.Spec{Name: "template_blocks", Indexes: []store.Index{store.On("-updatedAt"), store.On("assets[]")}})
	BlockVersions = store.Declare[BlockVersion](store.Spec{Name: "template_block_versions", Indexes: []store.Index{store.On("block", "-number")}})
)

// Specs are the package's collections.
func Specs() []*store.Spec {
	return []*store.Spec{Templates.Spec, Versions.Spec, Blocks.Spec, BlockVersions.Spec, Assets.Spec, files.Spec, chunks.Spec}
}

func errTemplate() error {
	return core.Errorf(core.NotFound, "TEMPLATE", "this workspace has no such template").At("id")
}
