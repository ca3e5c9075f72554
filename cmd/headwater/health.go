package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// healthCmd asks a running server whether it can take requests. It is for
// containers that hold no other program that could.
type healthCmd struct {
	Addr    string        `help:"Address that the server listens on." default:"127.0.0.1:8080"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

// Run implements the command.
func (c *healthCmd) Run(e *env) (err error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return core.Errorf(core.Invalid, "ADDRESS", "%q is not host:port", c.Addr).Wrap(err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost" // who listens everywhere listens here
	}
	ctx, cancel := context.WithTimeout(e.ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return core.Errorf(core.Unavailable, "NOT_LISTENING", "nothing answers at %s", c.Addr).Wrap(err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return core.Errorf(core.Unavailable, "NOT_READY", "the server at %s is not ready", c.Addr)
	}
	_, err = fmt.Fprintln(e.out, "ready")
	return err
}
