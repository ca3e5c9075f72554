package main

import (
	"errors"
	"fmt"
)

// serveCmd serves on a store that has its workspaces already, or will.
type serveCmd struct {
	httpFlags
	storeFlags
	connectorServeFlags
}

// Run implements the command.
func (c *serveCmd) Run(e *env) (err error) {
	if c.PrintConfig {
		return printConfig(e.out, e.parsed)
	}
	a, err := c.start(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.runConnectors(c.connectorServeFlags, c.storeFlags); err != nil {
		return err
	}
	return a.serve(c.httpFlags, func(url string) {
		fmt.Fprintf(e.out, "Headwater %s listening on %s\n", buildVersion(), url)
	})
}
