package main

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// destinations lists where data of a workspace's people was handed to.
func (a *app) destinations(ctx context.Context, ws string) ([]privacy.Destination, error) {
	list, err := a.syncs.Destinations(ctx, ws)
	out := make([]privacy.Destination, len(list))
	for i, c := range list {
		out[i] = destination{a.syncs, c}
	}
	return out, err
}

// destination is a connection as an erasure sees it.
type destination struct {
	syncs *sync.Service
	c     *sync.Connection
}

// Name implements privacy.Destination: the id stays when somebody renames the connection.
func (d destination) Name() string { return d.c.Connector + " " + d.c.ConnectionID() }

// Erase implements privacy.Destination. While the vendor is at work it is asked with the
// same key again, which is why there is no reference for Check.
func (d destination) Erase(ctx context.Context, s privacy.Subject) (privacy.Answer, error) {
	e, err := d.syncs.Erase(ctx, s.Workspace, d.c.ConnectionID(), s.Request, s.Parts, s.Identifiers)
	if err != nil {
		return privacy.Answer{}, err
	}
	out := privacy.Answer{Status: work.Running, Evidence: e.Evidence, After: e.After}
	switch {
	case e.Failed:
		out.Status = work.Failed
	case e.Done:
		out.Status = work.Succeeded
		out.Evidence = strings.TrimPrefix(e.Evidence+"; done", "; ")
	}
	return out, nil
}

// Check implements privacy.Destination. Erase gives no reference, so that nothing asks.
func (d destination) Check(context.Context, string, string) (privacy.Answer, error) {
	return privacy.Answer{Status: work.Running, Evidence: "asked again"}, nil
}
