package policies

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// VersionStatus is where a version stands.
type VersionStatus string

// The statuses.
const (
	Active   VersionStatus = "ACTIVE"   // in force
	Past     VersionStatus = "PAST"     // was in force
	Pending  VersionStatus = "PENDING"  // waits for an approval
	Rejected VersionStatus = "REJECTED" // was not approved
	Void     VersionStatus = "VOID"     // another change came first
)

// Version is the rules as they were, are or would be. Number 0 with status ACTIVE is
// the default, which is not stored.
type Version struct {
	store.Meta `bson:",inline"`
	VersionID  string        `bson:"version"` // plv_…
	Number     int64         `bson:"number"`  // 1, 2, …; 0 while it was never in force
	Base       int64         `bson:"base"`    // the number of the version that it changes
	Status     VersionStatus `bson:"status"`
	Policy     Rules         `bson:"policy"`
	Hash       string        `bson:"hash"` // SHA-256 of the rules, hex
	Note       string        `bson:"note,omitempty"`
	Author     string        `bson:"author"`
	Approval   string        `bson:"approval,omitempty"` // apr_…
	ApprovedBy string        `bson:"approvedBy,omitempty"`
	CreatedAt  time.Time     `bson:"createdAt"`
	AppliedAt  time.Time     `bson:"appliedAt,omitempty"`
}

// head says which version is in force. Its document's version rises with each change.
type head struct {
	store.Meta `bson:",inline"`
	Number     int64  `bson:"number"`
	Version    string `bson:"version"` // plv_…
}

var (
	versions = store.Declare[Version](store.Spec{
		Name: "policy_versions", Indexes: []store.Index{store.On("-createdAt"), store.On("status", "-createdAt"), store.On("number"), store.On("hash", "-createdAt")},
	})
	heads = store.Declare[head](store.Spec{Name: "policy_heads"})
)

// Specs are the collections of this package.
func Specs() []*store.Spec { return []*store.Spec{versions.Spec, heads.Spec} }

func headKey(ws string) string { return store.Key(ws, "head") }

// builtIn is the version of a workspace that changed nothing.
func builtIn(ws string) *Version {
	rules := Default()
	return &Version{
		Meta:      store.Meta{ID: store.Key(ws, "default")},
		VersionID: core.HashID(core.PrefixPolicyVersion, ws, "default"), Status: Active, Policy: rules, Hash: rules.hash(),
		Note: "the built-in policy", Author: "system:headwater",
	}
}
