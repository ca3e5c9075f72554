package view

import "github.com/headwater-cdp/headwater/core/privacy"

// PrivacyRequestEdge is a request in a list.
type PrivacyRequestEdge = Edge[privacy.Request]

// PrivacyRequestConnection is a page of requests.
type PrivacyRequestConnection = Connection[privacy.Request]

// LegalHoldEdge is a legal hold in a list.
type LegalHoldEdge = Edge[privacy.Hold]

// LegalHoldConnection is a page of legal holds.
type LegalHoldConnection = Connection[privacy.Hold]

// AnonymousRowEdge is what is left of an event or a record, in a list.
type AnonymousRowEdge = Edge[privacy.Anonymous]

// AnonymousRowConnection is a page of what is left of events and records.
type AnonymousRowConnection = Connection[privacy.Anonymous]
