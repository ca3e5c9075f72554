package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

const (
	migrationLease = 30 * time.Second
	migrationPoll  = 200 * time.Millisecond
)

// errLeaseLost ends the work of a process that another one took the lease from.
var errLeaseLost = errors.New("store: another process took over the migration")

// migrator is one process's part in bringing a store to the version of its
// program.
type migrator struct {
	store    Store
	all      []Migration
	progress func(m Migration, done, total int64)
	clock    core.Clock
	id       string

	// What the lease of another process looked like, and since when: a lease that
	// nobody renews for its whole length is over even if its holder's clock is ahead.
	seen  int64
	since time.Time
}

func (m *migrator) run(ctx context.Context) error {
	for {
		err := m.attempt(ctx)
		if !lostVersion(err) && !errors.Is(err, errLeaseLost) {
			return err
		}
	}
}

// attempt returns nil when the store has the version, and errLeaseLost or a
// conflict on the version document when it has to be looked at again.
func (m *migrator) attempt(ctx context.Context) error {
	d, err := loadVersion(ctx, m.store)
	switch {
	case err != nil:
		return err
	case d == nil:
		return saveVersion(ctx, m.store, &versionDoc{Meta: Meta{ID: versionKey}, Version: len(m.all)})
	case d.Restoring:
		return errRestoreUnfinished
	case d.Version > len(m.all):
		return core.Errorf(core.Invalid, "STORE_TOO_NEW", "a newer Headwater has used this store: its data has version %d, this program knows versions up to %d; start the newer one, or restore a backup from before the upgrade into a new store", d.Version, len(m.all))
	case d.Version == len(m.all):
		return nil
	case m.held(d):
		if err := m.clock.Sleep(ctx, migrationPoll); err != nil {
			return err
		}
		return errLeaseLost
	}
	next := *d
	next.Holder, next.Until = m.id, m.clock.Now().Add(migrationLease)
	next.Fence++
	if err := saveVersion(ctx, m.store, &next); err != nil {
		return err
	}
	return m.work(ctx, &next)
}

// held reports whether another process holds the lease.
func (m *migrator) held(d *versionDoc) bool {
	now := m.clock.Now()
	if d.V != m.seen {
		m.seen, m.since = d.V, now
	}
	return d.Holder != "" && now.Before(d.Until) && now.Sub(m.since) < migrationLease
}

// work runs the migrations that are missing; d is held by this process.
func (m *migrator) work(ctx context.Context, d *versionDoc) error {
	for d.Version < len(m.all) {
		mig, lost := m.all[d.Version], false
		err := mig.Run(ctx, m.store, d.Position, func(ctx context.Context, position []byte, done, total int64, ops ...Op) error {
			next := *d
			next.Position, next.Begun = position, d.Begun || len(ops) > 0
			next.Until = m.clock.Now().Add(migrationLease)
			if err := saveVersion(ctx, m.store, &next, ops...); err != nil {
				if lostVersion(err) {
					lost, err = true, errLeaseLost
				}
				return err
			}
			*d = next
			m.progress(mig, done, total)
			return nil
		})
		if lost {
			return errLeaseLost
		}
		if err != nil {
			m.release(ctx, d)
			return fmt.Errorf("version %d, %s: %w", mig.Version, mig.Name, err)
		}
		next := *d
		next.Version, next.Position, next.Begun = mig.Version, nil, false
		next.Until = m.clock.Now().Add(migrationLease)
		if next.Version == len(m.all) {
			next.Holder, next.Until = "", time.Time{}
		}
		if err := saveVersion(ctx, m.store, &next); err != nil {
			return err
		}
		*d = next
	}
	return nil
}

// release gives the lease up so that the next process need not wait for its end.
// When that fails, it waits.
func (m *migrator) release(ctx context.Context, d *versionDoc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), MaxTime)
	defer cancel()
	next := *d
	next.Holder, next.Until = "", time.Time{}
	_ = saveVersion(ctx, m.store, &next)
}
