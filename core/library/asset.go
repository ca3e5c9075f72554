package library

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// The limits of assets.
const (
	MaxAsset  = 5 << 20   // bytes of a file
	chunkSize = 512 << 10 // bytes of a document: five of them and more fit a batch
	MaxAssets = 10_000    // of a workspace
)

// Asset is a file with a name, and the versions that it had: each upload under the name
// is one.
type Asset struct {
	store.Meta `bson:",inline"` // key: workspace/ast_…
	Number     int64            `bson:"number"` // of the newest version
	Name       string           `bson:"name"`
	Tags       []string         `bson:"tags,omitempty"`
	Versions   []AssetVersion   `bson:"versions"` // oldest first; each stays reachable under its hash
	Hashes     []string         `bson:"hashes"`   // of all versions
	Archived   bool             `bson:"archived,omitempty"`
	CreatedAt  time.Time        `bson:"createdAt"`
	UpdatedAt  time.Time        `bson:"updatedAt"`
	UpdatedBy  string           `bson:"updatedBy"`
}

// AssetVersion is one content that an asset had.
type AssetVersion struct {
	Number int64     `bson:"number"`
	Hash   string    `bson:"hash"` // SHA-256 of the bytes, hex
	Type   string    `bson:"type"` // as its bytes say: image/png
	Size   int64     `bson:"size"`
	At     time.Time `bson:"at"`
	By     string    `bson:"by"`
}

// AssetID returns the asset's id, ast_….
func (a *Asset) AssetID() string { return store.Rest(a.ID) }

// Newest returns the newest version.
func (a *Asset) Newest() AssetVersion { return a.Versions[len(a.Versions)-1] }

// file says that the chunks of a content are all there.
type file struct {
	store.Meta `bson:",inline"` // key: workspace/hash
	Type       string           `bson:"type"`
	Size       int64            `bson:"size"`
	Chunks     int              `bson:"chunks"`
}

// chunk is a piece of a content.
type chunk struct {
	store.Meta `bson:",inline"` // key: workspace/hash/000
	Data       []byte           `bson:"data"`
}

// The collections of assets: pictures and documents that the workspace publishes.
var (
	Assets = store.Declare[Asset](store.Spec{
		Name: "assets", Indexes: []store.Index{store.On("-updatedAt"), store.On("tags[]", "-updatedAt"), store.On("hashes[]")},
	})
	files  = store.Declare[file](store.Spec{Name: "asset_files"})
	chunks = store.Declare[chunk](store.Spec{Name: "asset_chunks"})
)

// File is a content as it is served.
type File struct {
	Type string
	Data []byte
}

func errAsset() error {
	return core.Errorf(core.NotFound, "ASSET", "this workspace has no such asset").At("id")
}

// AssetPath returns where a content is served: a path of this server.
func AssetPath(ws, hash string) string { return "/assets/" + ws + "/" + hash }
