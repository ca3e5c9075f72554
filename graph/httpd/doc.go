// Package httpd is the HTTP server: Segment's tracking protocol and the export of
// segments under /v1, GraphQL, health, metrics, and what every request gets: an id,
// a time limit, a log line and a measurement.
//
// It decides nothing about the data. A handler reads the request, asks one service
// and writes the answer.
package httpd
