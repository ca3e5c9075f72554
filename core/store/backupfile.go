package store

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A backup is a gzip stream (RFC 1952) of the magic and of frames. A frame is one
// byte of kind, the length of its payload in four bytes, little end first, and the
// payload: the header (BSON), then for each collection, in the order of the
// header, its name and its documents (BSON) in the order of keys, then the trailer
// (BSON).
const (
	backupMagic  = "HWBACKUP"
	backupFormat = 1

	frameHeader     = 'H'
	frameCollection = 'C'
	frameDocument   = 'D'
	frameTrailer    = 'T'

	// maxFrame bounds what a damaged length makes a reader allocate. The largest
	// BSON document of MongoDB is 16 MiB.
	maxFrame = 17 << 20
)

type backupHeader struct {
	Format      int       `bson:"format"`
	Created     time.Time `bson:"created"`
	Version     int       `bson:"version"` // of the store's data
	Collections []string  `bson:"collections"`
}

type backupTrailer struct {
	Counts []int64 `bson:"counts"` // of documents, in the order of the header's collections
	SHA256 []byte  `bson:"sha256"` // of everything before the trailer's frame
}

// backupWriter writes a backup. Its parts come in the order of the format.
type backupWriter struct {
	zip    *gzip.Writer
	buf    *bufio.Writer // in front of zip and sum
	sum    hash.Hash
	counts []int64
}

func newBackupWriter(w io.Writer, head backupHeader) (*backupWriter, error) {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	b := &backupWriter{zip: zip, sum: sha256.New()}
	b.buf = bufio.NewWriterSize(io.MultiWriter(b.zip, b.sum), 1<<16)
	raw, err := bson.Marshal(head)
	if err != nil {
		return nil, err
	}
	if _, err := b.buf.WriteString(backupMagic); err != nil {
		return nil, err
	}
	return b, writeFrame(b.buf, frameHeader, raw)
}

func (b *backupWriter) collection(name string) error {
	b.counts = append(b.counts, 0)
	return writeFrame(b.buf, frameCollection, []byte(name))
}

func (b *backupWriter) document(doc bson.Raw) error {
	b.counts[len(b.counts)-1]++
	return writeFrame(b.buf, frameDocument, doc)
}

func (b *backupWriter) close() error {
	if err := b.buf.Flush(); err != nil {
		return err
	}
	raw, err := bson.Marshal(backupTrailer{Counts: b.counts, SHA256: b.sum.Sum(nil)})
	if err != nil {
		return err
	}
	if err := writeFrame(b.zip, frameTrailer, raw); err != nil {
		return err
	}
	return b.zip.Close()
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("store: %d bytes in one frame of a backup", len(payload))
	}
	head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame reads a frame and, unless it is the trailer, adds it to sum.
func readFrame(r io.Reader, sum hash.Hash) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, errMalformed
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	if head[0] != frameTrailer {
		sum.Write(head[:])
		sum.Write(payload)
	}
	return head[0], payload, nil
}
