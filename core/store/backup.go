package store

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// progressEvery is how many documents pass between two calls of progress.
const progressEvery = 1000

// Backup writes the documents of the collections to w, as they all were at one
// moment, while others go on writing. The file is the same for every engine, so
// that Restore moves a store from one to another.
//
// The log of changes and the ids of batches are not in it: cursors that were given
// before a restore are CURSOR_EXPIRED or unknown after it, and a batch that was
// committed before it is not recognised when it is repeated.
//
// progress, which may be nil, hears how many documents are written: every
// thousand, and at the end. A store that is being migrated or restored is
// refused, since its documents are of two versions. After an error w holds a part
// that Restore refuses.
func Backup(ctx context.Context, s Store, specs []*Spec, w io.Writer, progress func(documents int64)) error {
	if err := backup(ctx, s, documentSpecs(specs), w, progress); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

func backup(ctx context.Context, s Store, specs []*Spec, w io.Writer, progress func(int64)) (err error) {
	if err := s.Declare(ctx, append(specs, versions.Spec)...); err != nil {
		return err
	}
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close() }() // it only read
	version, err := versionIn(ctx, snap)
	if err != nil {
		return err
	}
	head := backupHeader{Format: backupFormat, Created: time.Now().UTC(), Version: version}
	for _, spec := range specs {
		head.Collections = append(head.Collections, spec.Name)
	}
	out, err := newBackupWriter(w, head)
	if err != nil {
		return err
	}
	documents := int64(0)
	for _, spec := range specs {
		if err := out.collection(spec.Name); err != nil {
			return err
		}
		err := snap.Each(ctx, spec, func(doc bson.Raw) error {
			if documents++; progress != nil && documents%progressEvery == 0 {
				progress(documents)
			}
			return out.document(doc)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", spec.Name, err)
		}
	}
	if err := out.close(); err != nil {
		return err
	}
	if progress != nil {
		progress(documents)
	}
	return nil
}

// documentSpecs leaves out the collection of the store's version, which the header
// of a backup holds.
func documentSpecs(specs []*Spec) []*Spec {
	out := make([]*Spec, 0, len(specs)+1)
	for _, spec := range specs {
		if spec.Name != versions.Spec.Name {
			out = append(out, spec)
		}
	}
	return out
}

// versionIn returns the version of the data that a snapshot shows.
func versionIn(ctx context.Context, snap Snapshot) (int, error) {
	var d *versionDoc
	err := snap.Each(ctx, versions.Spec, func(raw bson.Raw) (err error) {
		d, err = versions.Decode(raw)
		return err
	})
	if err == nil {
		err = d.settled()
	}
	if err != nil || d == nil {
		return 0, err
	}
	return d.Version, nil
}
