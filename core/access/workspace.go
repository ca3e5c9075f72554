package access

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Status is where a workspace stands.
type Status string

// The statuses.
const (
	Active   Status = "ACTIVE"
	Deleting Status = "DELETING" // nobody can come in; a job removes its documents
	Deleted  Status = "DELETED"  // a tombstone, which holds nothing but its id and times
)

// Workspace is a tenant. Its key is its id, ws_….
type Workspace struct {
	store.Meta `bson:",inline"`
	Name       string    `bson:"name"`
	Status     Status    `bson:"status"`
	Gone       bool      `bson:"gone"` // a tombstone
	CreatedAt  time.Time `bson:"createdAt"`
	CreatedBy  string    `bson:"createdBy"`
	DeletingAt time.Time `bson:"deletingAt,omitempty"`
	DeletedBy  string    `bson:"deletedBy,omitempty"` // who asked for it; kept in the tombstone
	DeletedAt  time.Time `bson:"deletedAt,omitempty"`
	Access     Settings  `bson:"access"`
}

// Workspaces is the collection of workspaces.
var Workspaces = store.Declare[Workspace](store.Spec{
	Name: "workspaces", Global: true,
	Indexes: []store.Index{store.On("gone", "createdAt")},
})

// Specs lists the collections of the package. It also uses store.Claims.
func Specs() []*store.Spec {
	return []*store.Spec{Workspaces.Spec, Keys.Spec, Usages.Spec, Members.Spec, Logins.Spec, Approvals.Spec, Departures.Spec, GlassUses.Spec, PendingChanges.Spec}
}

// MaxName is how many characters a name may have.
const MaxName = 100

// cleanName trims a name and refuses one that nobody could tell from another.
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	bad := func(r rune) bool { return !unicode.IsPrint(r) }
	if n := utf8.RuneCountInString(name); n == 0 || n > MaxName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return "", core.Errorf(core.Invalid, "NAME", "a name has 1 to %d printable characters", MaxName).At("name")
	}
	return name, nil
}

// nameKey is what of a name must be unique.
func nameKey(name string) string { return strings.ToLower(name) }

// claimName returns the operation that makes a workspace's name its own.
func claimName(name, workspace string) store.Op {
	return store.Claim(work.System, nameClaim, nameKey(name), workspace)
}

const nameClaim = "workspace_name"

var errNameTaken = core.Errorf(core.Conflict, "NAME_TAKEN", "there is a workspace with this name; choose another").At("name")
