package store

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// MigrationOps is how many operations one step of a migration may have: the
// store's version takes the last place of the batch. Of its bytes a step leaves
// 64 kB for the position.
const MigrationOps = MaxOps - 1

// Step commits a slice of a migration together with the position after it, so
// that a migration that was interrupted goes on from there and does nothing twice.
// done of total are for a progress bar, in any unit; total is 0 when unknown. It
// returns a *ConflictError when a document changed since the migration read it,
// which Run answers by reading it again; any other error ends Run.
//
// A step keeps the lease for another 30 seconds: Run calls it more often than
// that, without operations when it has none.
type Step func(ctx context.Context, position []byte, done, total int64, ops ...Op) error

// Migration brings the documents of version Version-1 to Version. There is no way
// back: who wants one restores a backup.
type Migration struct {
	Version int    // 1 for the first, then without gaps
	Name    string // for people: "split names"
	// Run does the work from a position that an earlier run gave to step; nil is the
	// start. It may be called again with the last position, when there is nothing
	// left to do. Everything that it writes, it writes through step.
	Run func(ctx context.Context, s Store, from []byte, step Step) error
}

// Migrate brings the store to the version of the last migration, in order, and
// returns when it is there. A store that nothing has used gets that version at
// once. Several processes may call it: one works under a lease, the others wait
// and take over when it dies. progress, which may be nil, hears of every step of
// this process.
//
// It returns INVALID with the reason STORE_TOO_NEW when a newer program has
// migrated the store, and RESTORE_UNFINISHED when it holds a part of a backup.
// Processes of an older program that are still running are not stopped; they end
// before the new one starts. It panics when the versions are not 1, 2, 3, …
func Migrate(ctx context.Context, s Store, all []Migration, progress func(m Migration, done, total int64)) error {
	for i, m := range all {
		if m.Version != i+1 {
			panic(fmt.Sprintf("store: migration %q has version %d where %d comes next", m.Name, m.Version, i+1))
		}
	}
	if progress == nil {
		progress = func(Migration, int64, int64) {}
	}
	m := migrator{store: s, all: all, progress: progress, clock: core.SystemClock{},
		id: core.NewID(core.PrefixRunner, time.Now())}
	if err := m.run(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
