package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/quality"
)

// judge wires the quality of data: rules, duplicates, lineage.
func (a *app) judge() {
	a.quality = quality.New(quality.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Runner: a.runner, Jobs: a.jobs, Logger: a.e.log, May: a.mayAsk,
		Knowers: quality.Known(a.store, a.library),
		SourceName: func(ctx context.Context, ws, id string) string {
			s, err := a.events.Source(ctx, ws, id)
			if err != nil || s == nil {
				return ""
			}
			return s.Name
		},
		Sent: func(ctx context.Context, ws, id string) (int64, error) {
			figures, err := a.messages.Figures(ctx, ws, id)
			return figures[string(message.Sent)], err
		},
	})
}
