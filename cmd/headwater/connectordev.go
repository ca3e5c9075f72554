package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// connectorDevCmd lets a server that was started for development use a process that
// somebody has under a debugger.
type connectorDevCmd struct {
	connectorStore
	Attachment string `arg:"" optional:"" help:"File with what the connector printed when it was started with the word dev; - for standard input." placeholder:"FILE"`
	Detach     string `help:"Undo it for the connector of this name." placeholder:"NAME"`
}

// Run implements the command.
func (c *connectorDevCmd) Run(e *env) error {
	if (c.Attachment == "") == (c.Detach == "") {
		return core.Errorf(core.Invalid, "ATTACHMENT", "give the file that a connector started with dev printed, or --detach NAME")
	}
	s, err := c.open(e)
	if err != nil {
		return err
	}
	if c.Detach != "" {
		return s.Detach(c.Detach)
	}
	a, err := readAttachment(c.Attachment)
	if err != nil {
		return err
	}
	remote, conn, err := sdk.Attach(a.Attachment, nil)
	if err != nil {
		return core.Errorf(core.Invalid, "ATTACHMENT", "%s", err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	spec, err := remote.Spec(ctx)
	if err != nil {
		return core.Errorf(core.Unavailable, "NOT_THERE", "no connector answers there; start it with the word dev and attach what it prints").Wrap(err)
	}
	a.Spec = &spec
	if err := s.Attach(a); err != nil {
		return err
	}
	e.log.Warn("ATTACHED FOR DEVELOPMENT: nobody checks what runs there; only a server started with --connector-development uses it, and any other refuses to start",
		"connector", spec.Name, "pid", a.PID)
	return e.printJSON(map[string]any{"attached": spec.Name, "version": spec.Version, "pid": a.PID})
}

func readAttachment(path string) (a install.Attachment, err error) {
	var raw []byte
	if path == "-" {
		raw, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<16))
	} else {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return a, fmt.Errorf("read the attachment: %w", err)
	}
	if err := json.Unmarshal(raw, &a.Attachment); err != nil || a.Address == "" {
		return a, core.Errorf(core.Invalid, "ATTACHMENT", "the file is not what a connector prints that was started with the word dev")
	}
	return a, nil
}

func developmentOnly(name string) error {
	return core.Errorf(core.Forbidden, "DEVELOPMENT",
		"connector %q is attached to a process under a debugger, which only a server started with --connector-development uses; headwater connector dev --detach %s undoes it", name, name)
}
