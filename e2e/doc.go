// Package e2e proves the built binary with clients that others wrote: Segment's
// SDK for Node and the GraphQL-over-HTTP audits of npm's graphql-http. Nothing of
// Headwater is imported; the tests know what a customer knows.
//
// They need Node and npm, and are skipped, saying so, only where those are missing.
package e2e
