// Package transport carries GraphQL over HTTP: POST and GET as the
// GraphQL-over-HTTP draft has them, graphql-transport-ws, and server-sent events.
//
// Credentials come as Authorization: Bearer (a websocket sends its own in
// connection_init), never as cookies, so that a hostile page has nothing to ride
// on. A browser's request must all the same be one that needs a preflight: with a
// JSON body, an Authorization header, or one of the headers of csrfHeaders.
package transport
