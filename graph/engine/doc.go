// Package engine takes a GraphQL request from its text to its answers, whatever
// transport it came by.
//
// Prepare finds the document (sent, remembered by its hash, or trusted), refuses
// what costs too much before validation is asked, validates, checks the variables
// as strictly as literals, and adds up the cost. Run executes with a time limit
// and yields answers one by one. Every error leaves in one shape: a code, a
// reason, the request's id, and nothing of the inside.
package engine
