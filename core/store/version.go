package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// versionDoc is the one document of the collection meta: which version the data
// of the store has, and what is being done to it as a whole.
type versionDoc struct {
	Meta     `bson:",inline"`
	Version  int       `bson:"version"`            // of the last migration that is complete
	Position []byte    `bson:"position,omitempty"` // in the migration to Version+1
	Begun    bool      `bson:"begun,omitempty"`    // the migration to Version+1 has written
	Holder   string    `bson:"holder,omitempty"`   // the process that migrates
	Fence    int64     `bson:"fence"`              // how many held it
	Until    time.Time `bson:"until"`              // when the holder's lease ends
	// Restoring is set while a backup is being restored. A store where it stays set
	// holds a part of a backup, and is refused.
	Restoring bool `bson:"restoring,omitempty"`
}

var versions = Declare[versionDoc](Spec{Name: "meta", Global: true})

const versionKey = "store"

var errRestoreUnfinished = core.Errorf(core.Invalid, "RESTORE_UNFINISHED", "a restore into this store did not finish, so it holds a part of the backup; delete the store and restore into a new one")

// settled refuses a store that is in the middle of being changed as a whole. A nil
// d is a store that nothing has used.
func (d *versionDoc) settled() error {
	switch {
	case d == nil:
		return nil
	case d.Restoring:
		return errRestoreUnfinished
	case d.Begun || d.Holder != "":
		return core.Errorf(core.Conflict, "STORE_MIGRATING", "the store is being brought to version %d; try again when the server that does it has started", d.Version+1)
	}
	return nil
}

func loadVersion(ctx context.Context, s Store) (*versionDoc, error) {
	if err := s.Declare(ctx, versions.Spec); err != nil {
		return nil, err
	}
	return versions.Get(ctx, s, versionKey)
}

// saveVersion stores d with the operations and raises its version. As d must not
// have changed since it was read, this is also what fences its holder.
func saveVersion(ctx context.Context, s Writer, d *versionDoc, ops ...Op) error {
	err := persist(ctx, s, append(ops[:len(ops):len(ops)], versions.Put(d)))
	if err == nil {
		d.V++
	}
	return err
}

// persist commits operations as a batch of its own, and repeats it for about three
// seconds while the store cannot tell whether it took effect.
func persist(ctx context.Context, s Writer, ops []Op) error {
	b := Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops}
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		_, err := s.Commit(ctx, b)
		if !errors.Is(err, ErrUnavailable) || wait > 2*time.Second {
			return err
		}
		if stop := (core.SystemClock{}).Sleep(ctx, wait); stop != nil {
			return fmt.Errorf("%w; last error: %w", stop, err)
		}
	}
}

// lostVersion reports whether err says that somebody else changed the version
// document.
func lostVersion(err error) bool {
	var c *ConflictError
	return errors.As(err, &c) && c.Collection == versions.Spec.Name
}
