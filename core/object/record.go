package object

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Record is a thing of a type. Its key is workspace/type/hash of the external id.
type Record struct {
	store.Meta `bson:",inline"`
	Type       string    `bson:"type"`
	ExternalID string    `bson:"externalId"`
	Values     bson.Raw  `bson:"values"` // by the fields' ids
	Schema     int64     `bson:"schema"` // version of the type that it was written under
	Tokens     []string  `bson:"tokens,omitempty"`
	Links      []string  `bson:"links,omitempty"` // see LinkToken; sorted
	Version    int64     `bson:"version"`         // from 1, one more with each change
	CreatedAt  time.Time `bson:"createdAt"`
	UpdatedAt  time.Time `bson:"updatedAt"`
	DeletedAt  time.Time `bson:"deletedAt,omitempty"` // zero while it lives
	// Fields are the values under the fields' present keys, defaults filled in, and
	// under their aliases after them, for conditions written before a rename. The
	// service fills it in; a record decoded elsewhere has none until Present or
	// Pending gives it.
	Fields bson.Raw `bson:"-"`
}

// Records are the records of all types.
var Records = store.Declare[Record](store.Spec{
	Name: "records",
	// Links hold identifiers and profile ids of people; Values and Tokens hold what
	// the fields do, each categorised by its type.
	Subject: "links",
	Reach:   store.ReachFinder, // links name people by type and relation
	Data: map[string]core.Category{
		"externalId": core.IdentifierID,
		"values":     core.Unclassified,
		"tokens":     core.Unclassified,
		"links":      core.IdentifierID,
	},
	Indexes: []store.Index{store.On("tokens[]"), store.On("links[]")},
})

// RecordKey returns the key of the record with an external id.
func RecordKey(ws, typeKey, externalID string) string {
	return store.Key(ws, typeKey, hashOf(ws, typeKey, externalID))
}

func hashOf(ws, typeKey, externalID string) string {
	return strings.TrimPrefix(core.HashID("", ws, typeKey, externalID), "_")
}

// RecordID returns the record's id in the API: "rec_", its type, a dot, and a hash
// of its external id.
func (r *Record) RecordID() string {
	_, hash, _ := strings.Cut(store.Rest(r.ID), "/")
	return core.PrefixRecord + "_" + r.Type + "." + hash
}

// keyOfID returns the key of the record with an id; "" when it can be none.
func keyOfID(ws, id string) string {
	rest, ok := strings.CutPrefix(id, core.PrefixRecord+"_")
	typeKey, hash, dot := strings.Cut(rest, ".")
	if !ok || !dot || len(hash) != 26 || !validKey(typeKey) || strings.ContainsAny(hash, "/\x00") {
		return ""
	}
	return store.Key(ws, typeKey, hash)
}

// Deleted reports whether the record is deleted. It may be restored.
func (r *Record) Deleted() bool { return !r.DeletedAt.IsZero() }
