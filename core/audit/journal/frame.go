package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// headSize is that of a frame's head: length and checksum, little-endian.
const headSize = 8

// maxFrame bounds what a length may say, so that a torn one makes nobody wait for it.
const maxFrame = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is what a workspace's reader is to get: its parts, of which the first is
// not in a list so that one of a single part costs none.
type Record struct {
	Workspace string
	Data      []byte
	More      [][]byte
}

// appendFrame writes a record.
func appendFrame(b []byte, r *Record) []byte {
	at := len(b)
	b = append(b, make([]byte, headSize)...)
	b = append(binary.AppendUvarint(b, uint64(len(r.Workspace))), r.Workspace...)
	b = append(binary.AppendUvarint(b, uint64(len(r.Data))), r.Data...)
	for _, part := range r.More {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	head := b[at:]
	binary.LittleEndian.PutUint32(head, uint32(len(head)-headSize))
	binary.LittleEndian.PutUint32(head[4:], sumOf(head))
	return b
}

// sumOf returns the checksum of a frame: of its length and of what follows its head.
func sumOf(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[headSize:])
}

// cutFrame takes the first frame off b. Where there is no whole one, need is how many
// bytes it would take to see one, 0 where there is none.
func cutFrame(b []byte) (frame, rest []byte, need int) {
	if len(b) < headSize {
		return nil, nil, headSize
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxFrame {
		return nil, nil, 0
	}
	size := headSize + int(n)
	if len(b) < size {
		return nil, nil, size
	}
	frame = b[:size:size]
	if sumOf(frame) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, nil, 0
	}
	return frame, b[size:], 0
}

// errFrame is of a frame whose sum is right and whose parts are not: no version wrote it.
var errFrame = errors.New("journal: a record is not of this form")

// cutPart takes the first part off what follows a frame's head.
func cutPart(b []byte) (part, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, errFrame
	}
	end := w + int(n)
	return b[w:end:end], b[end:], nil
}

// parse reads the record of a frame, of which it holds parts.
func parse(frame []byte) (workspace, data []byte, more [][]byte, err error) {
	workspace, rest, err := cutPart(frame[headSize:])
	if err == nil {
		data, rest, err = cutPart(rest)
	}
	for err == nil && len(rest) > 0 {
		var part []byte
		part, rest, err = cutPart(rest)
		more = append(more, part)
	}
	return workspace, data, more, err
}

// readSize is how much of a file is read at once.
const readSize = 128 << 10

// eachFrame calls visit with the frames between two places of a file and the place where
// each ends, until visit returns false, the frames end, or an error. With a buffer to read
// into, visit may not keep them.
func eachFrame(f io.ReaderAt, from, to int64, buf []byte, visit func(frame []byte, end int64) (bool, error)) error {
	for size := readSize; from < to; {
		b := buf
		if len(b) < size {
			b = make([]byte, min(int64(size), to-from))
		}
		n, err := f.ReadAt(b, from)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return err
		}
		began := from
		var need int
		for b = b[:n]; ; {
			var frame, rest []byte
			if frame, rest, need = cutFrame(b); frame == nil {
				break
			}
			from += int64(len(frame))
			if goOn, err := visit(frame, from); err != nil || !goOn {
				return err
			}
			b = rest
		}
		if need == 0 || from == began && (ended || int64(need) > to-from) {
			return nil // they end here
		}
		size = max(readSize, need)
	}
	return nil
}

// everything is beyond the end of every file.
const everything = math.MaxInt64

// follows reports whether something else than zeros follows the frames of a file.
func follows(f io.ReaderAt, end int64) (bool, error) {
	var b [headSize]byte
	_, err := f.ReadAt(b[:], end)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b != [headSize]byte{}, err
}
