package store

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// errMalformed is content that no backup has.
var errMalformed = errors.New("store: malformed backup")

// backupReader walks a backup and checks everything that can be checked: frames,
// documents, keys, counts, checksums, the end.
type backupReader struct {
	in    *bufio.Reader
	sum   hash.Hash
	specs map[string]*Spec

	head   backupHeader
	counts []int64 // of whole documents, by collection, of those that began
	ended  bool    // the trailer was read
}

// walkBackup calls begin with the header and each with every document. It returns
// BACKUP_DAMAGED with the place, BACKUP_TOO_NEW, BACKUP_UNKNOWN_COLLECTION, or
// the error of r, begin or each.
func walkBackup(ctx context.Context, r io.Reader, specs []*Spec, begin func(backupHeader) error, each func(*Spec, string, bson.Raw) error) error {
	b := &backupReader{sum: sha256.New(), specs: map[string]*Spec{}}
	for _, spec := range specs {
		b.specs[spec.Name] = spec
	}
	zip, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return b.fault(err)
	}
	b.in = bufio.NewReaderSize(zip, 1<<16)
	if err := b.header(); err != nil {
		return err
	}
	if err := begin(b.head); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, payload, err := readFrame(b.in, b.sum)
		if err != nil {
			return b.fault(err)
		}
		switch kind {
		case frameCollection:
			if !b.next(string(payload)) {
				return b.fault(errMalformed)
			}
		case frameDocument:
			spec, id, err := b.document(payload)
			if err != nil {
				return b.fault(err)
			}
			if err := each(spec, id, payload); err != nil {
				return err
			}
		case frameTrailer:
			return b.trailer(payload)
		default:
			return b.fault(errMalformed)
		}
	}
}

func (b *backupReader) header() error {
	magic := make([]byte, len(backupMagic))
	if _, err := io.ReadFull(b.in, magic); err != nil {
		return b.fault(err)
	}
	b.sum.Write(magic)
	kind, payload, err := readFrame(b.in, b.sum)
	if err != nil {
		return b.fault(err)
	}
	if string(magic) != backupMagic || kind != frameHeader || bson.Unmarshal(payload, &b.head) != nil || b.head.Format < 1 {
		return b.fault(errMalformed)
	}
	if b.head.Format > backupFormat {
		return core.Errorf(core.Invalid, "BACKUP_TOO_NEW", "a newer Headwater made this backup: it has format %d, this program reads up to %d; restore it with the newer one", b.head.Format, backupFormat)
	}
	for _, name := range b.head.Collections {
		if b.specs[name] == nil {
			return core.Errorf(core.Invalid, "BACKUP_UNKNOWN_COLLECTION", "the backup holds the collection %q, which this program does not know; restore it with the Headwater that made it, or a newer one", name).At(name)
		}
	}
	return nil
}

// next begins a collection; it reports whether it is the one whose turn it is.
func (b *backupReader) next(name string) bool {
	n := len(b.counts)
	b.counts = append(b.counts, 0)
	return n < len(b.head.Collections) && b.head.Collections[n] == name
}

func (b *backupReader) document(doc bson.Raw) (*Spec, string, error) {
	if len(b.counts) == 0 {
		return nil, "", errMalformed
	}
	spec := b.specs[b.head.Collections[len(b.counts)-1]]
	if doc.Validate() != nil {
		return nil, "", errMalformed
	}
	id, ok := doc.Lookup("_id").StringValueOK()
	v, versioned := doc.Lookup("_v").Int64OK()
	if !ok || id == "" || !versioned || v < 1 || !spec.Global && WorkspaceOf(id) == id {
		return nil, "", errMalformed
	}
	b.counts[len(b.counts)-1]++
	return spec, id, nil
}

func (b *backupReader) trailer(payload []byte) error {
	b.ended = true
	var t backupTrailer
	if bson.Unmarshal(payload, &t) != nil || len(b.counts) != len(b.head.Collections) ||
		!slices.Equal(t.Counts, b.counts) || !bytes.Equal(t.SHA256, b.sum.Sum(nil)) {
		return b.fault(errMalformed)
	}
	// Only at its end does gzip compare its own checksum.
	_, err := b.in.ReadByte()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = errMalformed // something comes after the trailer
	}
	return b.fault(err)
}

// fault says where the backup is damaged, when err is what damage looks like; a
// disk or a network that fails is not.
func (b *backupReader) fault(err error) error {
	var corrupt flate.CorruptInputError
	if !errors.Is(err, errMalformed) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.Is(err, gzip.ErrHeader) && !errors.Is(err, gzip.ErrChecksum) && !errors.As(err, &corrupt) {
		return fmt.Errorf("read: %w", err)
	}
	e := core.Errorf(core.Invalid, "BACKUP_DAMAGED", "the backup is damaged or cut off in its header, or is no backup; use another copy").Wrap(err)
	if b.ended {
		e.Message = "the backup is damaged: its counts or its checksum do not fit what it holds; use another copy"
		return e
	}
	if n := len(b.counts); n > 0 && n <= len(b.head.Collections) {
		name, number := b.head.Collections[n-1], strconv.FormatInt(b.counts[n-1]+1, 10)
		e.Message = "the backup is damaged or cut off in the collection " + name + " at document " + number + "; use another copy"
		e.Path = []string{name, number}
	}
	return e
}
