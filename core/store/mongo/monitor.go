package mongo

import (
	"context"
	"sync/atomic"

	events "go.mongodb.org/mongo-driver/v2/event"
)

// The driver repeats a commitTransaction by itself after some failures and does not
// say so. Whether it did decides where a commit's token comes from, so the commands
// are counted as they go out.

type commitsKey struct{}

// countCommits returns a context in which commitTransaction commands are counted.
func countCommits(ctx context.Context) (context.Context, *atomic.Int32) {
	n := new(atomic.Int32)
	return context.WithValue(ctx, commitsKey{}, n), n
}

func commandMonitor() *events.CommandMonitor {
	return &events.CommandMonitor{Started: func(ctx context.Context, e *events.CommandStartedEvent) {
		if e.CommandName != "commitTransaction" {
			return
		}
		if n, ok := ctx.Value(commitsKey{}).(*atomic.Int32); ok {
			n.Add(1)
		}
	}}
}
