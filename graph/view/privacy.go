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
