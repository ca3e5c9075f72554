//go:build !unix

package pluginhost

import (
	"context"
	"errors"
	"os/exec"
)

// child cannot be started here: without process groups nothing could be promised.
type child struct {
	exited chan struct{}
	code   string
}

type rlimits struct {
	memory int64
	files  uint64
}

var errPlatform = errors.New("connectors run on Linux, macOS and other Unix systems only")

func newChild(*exec.Cmd, string, rlimits, *logSink) *child {
	return &child{exited: make(chan struct{})}
}

func (c *child) Start(context.Context) error { close(c.exited); return errPlatform }
func (c *child) Kill(context.Context) error  { return nil }
func (c *child) Wait(context.Context) error  { <-c.exited; return nil }
func (c *child) Stdout() readCloser          { return nothing{} }
func (c *child) Stderr() readCloser          { return nothing{} }
func (c *child) Name() string                { return "" }
func (c *child) ID() string                  { return "" }
func (c *child) Diagnose(context.Context) string {
	return ""
}
func (c *child) pid() int       { return 0 }
func (c *child) byItself() bool { return true }
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

func resident(int) int64 { return 0 }

func lowerThread() {}
