package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Restore fills an empty store from a backup of any engine. Documents keep their
// versions; the store gets the version of the backup's data, so that Migrate at
// the next start brings it up to date.
//
// When r is an io.ReadSeeker the whole backup is checked before the first document
// is written: a damaged one leaves the store as it was. From a pipe this cannot be:
// documents are written as they come. A restore that ends half-way, for that or
// another reason, leaves the store marked, and Migrate and Backup refuse it
// with RESTORE_UNFINISHED.
//
// It returns CONFLICT STORE_NOT_EMPTY when a collection has a document, INVALID
// BACKUP_DAMAGED with the collection and the number of the document,
// BACKUP_UNKNOWN_COLLECTION when one is not among specs, BACKUP_TOO_NEW for a
// later format, and STORE_TOO_NEW when the backup's data is of a later version
// than the store. progress, which may be nil, hears how many documents are stored,
// after each batch. Nobody else may use the store meanwhile.
func Restore(ctx context.Context, s Store, specs []*Spec, r io.Reader, progress func(documents int64)) error {
	re := &restorer{store: s, specs: documentSpecs(specs), progress: progress}
	if err := re.run(ctx, r); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

type restorer struct {
	store     Store
	specs     []*Spec
	progress  func(int64)
	version   *versionDoc
	ops       []Op
	bytes     int
	documents int64
}

func (re *restorer) run(ctx context.Context, r io.Reader) error {
	if err := re.ready(ctx); err != nil {
		return err
	}
	if seeker, ok := r.(io.ReadSeeker); ok {
		// A pipe may have the method and refuse to move.
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			check := func(*Spec, string, bson.Raw) error { return nil }
			if err := walkBackup(ctx, r, re.specs, re.accept, check); err != nil {
				return err
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return fmt.Errorf("read: %w", err)
			}
		}
	}
	begin := func(head backupHeader) error { return re.begin(ctx, head) }
	each := func(spec *Spec, id string, doc bson.Raw) error { return re.insert(ctx, spec, id, doc) }
	if err := walkBackup(ctx, r, re.specs, begin, each); err != nil {
		return err
	}
	if err := re.flush(ctx); err != nil {
		return err
	}
	re.version.Restoring = false
	return saveVersion(ctx, re.store, re.version)
}

// errFound ends the search for a first document.
var errFound = errors.New("store: found one")

// ready refuses a store that holds anything.
func (re *restorer) ready(ctx context.Context) error {
	if err := re.store.Declare(ctx, re.specs...); err != nil {
		return err
	}
	var err error
	if re.version, err = loadVersion(ctx, re.store); err != nil {
		return err
	}
	if err := re.version.settled(); err != nil {
		return err
	}
	snap, err := re.store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close() }() // it only read
	for _, spec := range re.specs {
		err := snap.Each(ctx, spec, func(bson.Raw) error { return errFound })
		if errors.Is(err, errFound) {
			return core.Errorf(core.Conflict, "STORE_NOT_EMPTY", "the store already holds documents in the collection %s; restore into a new one", spec.Name).At(spec.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (re *restorer) accept(head backupHeader) error {
	if re.version != nil && head.Version > re.version.Version {
		return core.Errorf(core.Invalid, "STORE_TOO_NEW", "the backup's data has version %d, this program knows versions up to %d; restore it with the newer Headwater that made it", head.Version, re.version.Version)
	}
	return nil
}

// begin marks the store before the first document is written.
func (re *restorer) begin(ctx context.Context, head backupHeader) error {
	if err := re.accept(head); err != nil {
		return err
	}
	if re.version == nil {
		re.version = &versionDoc{Meta: Meta{ID: versionKey}}
	}
	re.version.Version, re.version.Restoring = head.Version, true
	return saveVersion(ctx, re.store, re.version)
}

// insert stores doc as it is, with its version, in a batch with its neighbours.
func (re *restorer) insert(ctx context.Context, spec *Spec, id string, doc bson.Raw) error {
	if len(re.ops) == MaxOps || re.bytes+len(doc) > MaxBytes {
		if err := re.flush(ctx); err != nil {
			return err
		}
	}
	re.ops = append(re.ops, Op{Kind: OpInsert, Spec: spec, ID: id, Doc: doc})
	re.bytes += len(doc)
	return nil
}

func (re *restorer) flush(ctx context.Context) error {
	if len(re.ops) == 0 {
		return nil
	}
	err := persist(ctx, re.store, re.ops)
	if errors.Is(err, ErrConflict) {
		return core.Errorf(core.Conflict, "STORE_NOT_EMPTY", "somebody else writes to the store; delete it and restore into one that nobody uses").Wrap(err)
	}
	if err != nil {
		return err
	}
	re.documents += int64(len(re.ops))
	re.ops, re.bytes = re.ops[:0], 0
	if re.progress != nil {
		re.progress(re.documents)
	}
	return nil
}
