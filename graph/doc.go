// Package graph is the GraphQL edge of Headwater.
//
//	schema/     the language, one file for each domain
//	gen/        what gqlgen makes of it; never edited
//	scalar/     how DateTime, Duration, JSON, Decimal and Cursor look
//	view/       Go types of the schema that the domain has none for
//	resolver/   the fields: read arguments, call one service, return
//	limit/      what a request may cost, checked before it costs
//	engine/     from a request's text to its answers, and the shape of errors
//	transport/  HTTP, websockets, server-sent events
//	graphiql/   the page to try queries on
//
// New puts them together. After changing the schema run go generate ./graph.
package graph

//go:generate go tool gqlgen generate
//go:generate go test -run TestReasonsAreListed . -args -update
