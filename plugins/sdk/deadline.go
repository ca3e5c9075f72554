package sdk

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// DeadlineHeader is metadata of a call: how many milliseconds the connector has for it. The
// host goes on listening for some seconds more, so that it can tell a vendor that is slow
// from a connector that hangs, which it ends.
const DeadlineHeader = "headwater-deadline-ms"

// withDeadline is a call's context as an author's method sees it.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if v := metadata.ValueFromIncomingContext(ctx, DeadlineHeader); len(v) == 1 {
		if ms, err := strconv.ParseInt(v[0], 10, 64); err == nil && ms >= 0 && ms < int64(24*time.Hour/time.Millisecond) {
			return context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		}
	}
	return ctx, func() {}
}

// keepDeadline is the interceptor of a connector's server.
func keepDeadline(ctx context.Context, q any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	return next(ctx, q)
}
