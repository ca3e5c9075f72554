package main

// benchCmd is described in internal/benchmark.
type benchCmd struct{}

// Run implements the command.
func (c *benchCmd) Run(*env) error { return nil }
