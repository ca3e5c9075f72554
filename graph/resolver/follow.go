package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// follow calls each after changes from f, with the token of the latest: once for
// all that came while the last call was at work, so that a burst of writes costs
// a subscriber one read at a time and nothing piles up. It ends when ctx does, or
// with an error of f or of each; done ends it without one.
func follow(ctx context.Context, f store.Stream, each func(token store.Token) (done bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	latest := make(chan store.Token, 1)
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			c, err := f.Next(ctx)
			if err != nil {
				failed <- err
				return
			}
			select { // replace what was not taken yet
			case <-latest:
			default:
			}
			latest <- c.Token
		}
	}()
	defer func() {
		cancel()
		for range failed { // wait for the goroutine: it uses f
		}
	}()
	for {
		select {
		case token := <-latest:
			if done, err := each(token); done || err != nil {
				return err
			}
		case err := <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return err
		case <-ctx.Done():
			return nil
		}
	}
}
