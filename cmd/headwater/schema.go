package main

import (
	"io"

	"github.com/headwater-cdp/headwater/graph"
)

// schemaCmd prints the GraphQL schema as SDL.
type schemaCmd struct{}

// Run implements the command.
func (c *schemaCmd) Run(e *env) error {
	_, err := io.WriteString(e.out, graph.SDL())
	return err
}
