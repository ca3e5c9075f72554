package view

import (
	"time"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/policies"
)

// Node is anything with an id. The types of the domain do not know the schema, so
// every type is one; the switch in the generated code tells which.
type Node any

// ProfileConnection is a page of profiles.
type ProfileConnection = Connection[profile.Profile]

// ProfileEdge is an item of such a page.
type ProfileEdge = Edge[profile.Profile]

// EventConnection is a page of events.
type EventConnection = Connection[event.Event]

// EventEdge is an item of such a page.
type EventEdge = Edge[event.Event]

// QuarantinedEventConnection is a page of events that were kept aside.
type QuarantinedEventConnection = Connection[event.QuarantineItem]

// QuarantinedEventEdge is an item of such a page.
type QuarantinedEventEdge = Edge[event.QuarantineItem]

// MergeProposalConnection is a page of proposals.
type MergeProposalConnection = Connection[profile.Proposal]

// MergeProposalEdge is an item of such a page.
type MergeProposalEdge = Edge[profile.Proposal]

// JobConnection is a page of jobs.
type JobConnection = Connection[work.Job]

// JobEdge is an item of such a page.
type JobEdge = Edge[work.Job]

// AuditEntryConnection is a page of the audit log.
type AuditEntryConnection = Connection[audit.Record]

// AuditEntryEdge is an item of such a page.
type AuditEntryEdge = Edge[audit.Record]

// KeyConnection is a page of keys.
type KeyConnection = Connection[access.Key]

// KeyEdge is an item of such a page.
type KeyEdge = Edge[access.Key]

// MemberConnection is a page of members.
type MemberConnection = Connection[access.Member]

// MemberEdge is an item of such a page.
type MemberEdge = Edge[access.Member]

// PolicyVersionConnection is a page of versions of the policy.
type PolicyVersionConnection = Connection[policies.Version]

// PolicyVersionEdge is an item of such a page.
type PolicyVersionEdge = Edge[policies.Version]

// BreakGlassUseConnection is a page of requests that broke the glass.
type BreakGlassUseConnection = Connection[access.GlassUse]

// BreakGlassUseEdge is an item of such a page.
type BreakGlassUseEdge = Edge[access.GlassUse]

// ApprovalConnection is a page of requests for approval.
type ApprovalConnection = Connection[access.Approval]

// ApprovalEdge is an item of such a page.
type ApprovalEdge = Edge[access.Approval]

// EventInput is one event as a client wrote it. What is wrong with it is found
// when it is decoded, like a message of the tracking protocol.
type EventInput struct {
	Type        event.Type
	MessageID   *string
	UserID      *string
	AnonymousID *string
	Event       *string
	Name        *string
	Category    *string
	Properties  scalar.JSON
	Traits      scalar.JSON
	GroupID     *string
	PreviousID  *string
	Timestamp   *scalar.LooseTime
	Context     scalar.JSON
}

// IngestInput is a batch of events.
type IngestInput struct {
	Events []EventInput
	Source *string
	SentAt *scalar.LooseTime
}

// ProfileChange is a new state of a profile.
type ProfileChange struct {
	Cursor  string
	Profile *profile.Profile // as stored; nil: it may no longer be seen
	Last    *profile.Profile // as it was shown before; nil: not yet
	Paths   []string
	Cause   segment.Cause
	At      time.Time
}

// ConsentEntryConnection is a page of the ledger of consent.
type ConsentEntryConnection = Connection[consent.Entry]

// ConsentEntryEdge is an item of such a page.
type ConsentEntryEdge = Edge[consent.Entry]

// TemplateConnection is a page of templates.
type TemplateConnection = Connection[library.Template]

// TemplateEdge is an item of such a page.
type TemplateEdge = Edge[library.Template]

// TemplateVersionConnection is a page of published versions.
type TemplateVersionConnection = Connection[library.TemplateVersion]

// TemplateVersionEdge is an item of such a page.
type TemplateVersionEdge = Edge[library.TemplateVersion]

// TemplateBlockConnection is a page of blocks.
type TemplateBlockConnection = Connection[library.Block]

// TemplateBlockEdge is an item of such a page.
type TemplateBlockEdge = Edge[library.Block]

// AssetConnection is a page of assets.
type AssetConnection = Connection[library.Asset]

// AssetEdge is an item of such a page.
type AssetEdge = Edge[library.Asset]
