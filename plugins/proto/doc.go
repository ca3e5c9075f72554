// Package proto holds the contract between a host and its connectors: the .proto files
// of headwater.plugin.v1 and the Go code made of them, in headwater/plugin/v1. The prose
// to them is plugins/PROTOCOL.md.
//
// A released contract is only ever added to. A test compares it with the last release in
// baseline.binpb.
package proto

//go:generate go run -C ../../tools/protogen . -dir ../../plugins/proto
