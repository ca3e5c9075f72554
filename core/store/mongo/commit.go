package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/headwater-cdp/headwater/core/store"
)

var (
	// errAgain is an attempt that had no effect and may succeed when repeated.
	errAgain = errors.New("mongo: try again")
	// errRepeated is a batch whose id is there already.
	errRepeated = errors.New("mongo: committed before")
)

// Commit implements store.Writer. A batch is one transaction, tried again while
// the server calls its failure transient, for at most store.MaxTime in all.
func (s *Store) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	leave, err := s.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	p, err := s.newBatch(b)
	if err != nil {
		return "", err
	}
	if s.bare != nil {
		return s.commitBare(ctx, p)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, store.MaxTime,
		fmt.Errorf("%w: mongo: commit: not done in %s", store.ErrUnavailable, store.MaxTime))
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		token, err := s.attempt(ctx, p)
		switch {
		case err == nil:
			return token, nil
		case errors.Is(err, errRepeated):
			token, err = s.origin(ctx, p.id)
			return token, translate(ctx, "commit", err)
		case !again(err) || pause(ctx, wait) != nil:
			return "", translate(ctx, "commit", err)
		}
	}
}

// again reports whether the whole transaction may be repeated. A commit whose
// outcome is unknown may be as well: the batch's id tells whether it happened.
func again(err error) bool {
	return !ours(err) && (errors.Is(err, errAgain) || labelled(err, transientLabel) || hasCode(err, codeWriteConflict, codeNoSuchTransaction))
}

// The waits between attempts double from the first to the longest; each is a
// random part of that, so that those who collided do not collide again.
const (
	firstWait   = 4 * time.Millisecond
	longestWait = 64 * time.Millisecond
)

// pause waits by the machine's time: what it waits for is a server, not a clock.
func pause(ctx context.Context, most time.Duration) error {
	t := time.NewTimer(rand.N(most) + time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt runs the transaction once.
func (s *Store) attempt(ctx context.Context, p *batch) (store.Token, error) {
	sess, err := s.session()
	if err != nil {
		return "", err
	}
	err = sess.StartTransaction(options.Transaction().
		SetReadConcern(readconcern.Snapshot()).
		SetWriteConcern(onDisk()).
		SetReadPreference(readpref.Primary()))
	if err == nil {
		err = s.apply(driver.NewSessionContext(ctx, sess), p)
	}
	if err == nil {
		return s.finish(ctx, sess, p)
	}
	s.endSession(ctx, sess) // before another read: its transaction holds locks
	if errors.Is(err, errLost) || errors.Is(err, store.ErrConflict) {
		err = s.name(ctx, p.writes, err)
	}
	return "", err
}

// apply sends the statements of the transaction. The batch's id goes first: it
// fails at once when the batch was committed before.
func (s *Store) apply(ctx context.Context, p *batch) error {
	if _, err := s.batches.InsertOne(ctx, p.marker); err != nil {
		if driver.IsDuplicateKeyError(err) {
			return errRepeated
		}
		return err
	}
	if err := s.send(ctx, p.writes); err != nil {
		return err
	}
	return s.send(ctx, p.absent)
}

// endSession ends the session, and on the server its transaction when there is one
// open. When that fails the server ends it by itself, a minute later at most.
func (s *Store) endSession(ctx context.Context, sess *driver.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	sess.EndSession(ctx)
}

// finish commits and ends the session. A caller that gives up now does not stop it:
// whether the batch is stored must not depend on where its context ended.
func (s *Store) finish(ctx context.Context, sess *driver.Session, p *batch) (store.Token, error) {
	deadline, _ := ctx.Deadline() // Commit sets one
	own, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), deadline, store.ErrUnavailable)
	defer cancel()
	own, asked := countCommits(own)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := sess.CommitTransaction(own)
		if err != nil && labelled(err, unknownLabel) {
			if pause(own, wait) == nil {
				continue
			}
			// The session is left to the server: an abort must not overtake a commit that
			// may be under way.
			return "", translate(own, "commit", err)
		}
		at := s.observe(sess)
		s.endSession(ctx, sess)
		switch {
		case err != nil:
			return "", err
		case asked.Load() > 1:
			// A commit that is asked for again answers with a later time than its own.
			return s.origin(own, p.id)
		}
		return after(at), nil
	}
}
