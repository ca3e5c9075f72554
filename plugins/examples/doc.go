// Package examples holds connectors that are not written in Go, as proof that the
// contract is enough: see plugins/PROTOCOL.md. Its tests run them.
package examples
