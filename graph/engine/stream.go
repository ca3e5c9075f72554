package engine

import (
	"context"
	"sync"
)

type endKey struct{}

// streamEnd carries why a subscription ended from its resolver to its transport.
type streamEnd struct {
	mu  sync.Mutex
	err error
}

func (s *streamEnd) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// EndStream tells the client why the subscription of ctx ends. The resolver calls
// it before it closes its channel.
func EndStream(ctx context.Context, err error) {
	if s, ok := ctx.Value(endKey{}).(*streamEnd); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
}
