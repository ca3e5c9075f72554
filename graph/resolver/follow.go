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

// readAhead is how many changes wait, and are read together, while a subscriber
// takes its time.
const readAhead = 100

// inOrder calls each with every change from f, once and in order, those together
// that came while the last call was at work. It ends when ctx does, or with an error
// of f or of each.
func inOrder(ctx context.Context, f store.Stream, each func([]store.Change) error) error {
	ctx, cancel := context.WithCancel(ctx)
	waiting := make(chan store.Change, readAhead)
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			c, err := f.Next(ctx)
			if err != nil {
				failed <- err
				return
			}
			select {
			case waiting <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range failed { // wait for the goroutine: it uses f
		}
	}()
	for {
		var batch []store.Change
		select {
		case c := <-waiting:
			batch = append(batch, c)
		case err := <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return err
		case <-ctx.Done():
			return nil
		}
		for more := true; more && len(batch) < readAhead; {
			select {
			case c := <-waiting:
				batch = append(batch, c)
			default:
				more = false
			}
		}
		if err := each(batch); err != nil {
			return err
		}
	}
}
