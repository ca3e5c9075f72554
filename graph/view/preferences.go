package view

import "github.com/headwater-cdp/headwater/core/consent"

// SuppressionConnection is a page of suppressions.
type SuppressionConnection = Connection[consent.Suppression]

// SuppressionEdge is an item of such a page.
type SuppressionEdge = Edge[consent.Suppression]

// PolicyDocumentConnection is a page of policy documents.
type PolicyDocumentConnection = Connection[consent.Document]

// PolicyDocumentEdge is an item of such a page.
type PolicyDocumentEdge = Edge[consent.Document]
