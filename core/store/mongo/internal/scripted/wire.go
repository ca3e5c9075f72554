package scripted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The opcodes that a driver of today sends and expects.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

var errWire = errors.New("scripted: a message that cannot be read")

// message is a command as it came: its body with the document sequences put back
// in as arrays.
type message struct {
	id   int32
	code int32
	body bson.Raw
}

func readMessage(r io.Reader) (message, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	size := int32(binary.LittleEndian.Uint32(head[0:]))
	m := message{id: int32(binary.LittleEndian.Uint32(head[4:])), code: int32(binary.LittleEndian.Uint32(head[12:]))}
	if size < 16 || size > 64<<20 {
		return m, errWire
	}
	b := make([]byte, size-16)
	if _, err := io.ReadFull(r, b); err != nil {
		return m, err
	}
	var err error
	switch m.code {
	case opQuery:
		m.body, err = queryBody(b)
	case opMsg:
		m.body, err = msgBody(b)
	default:
		err = errWire
	}
	return m, err
}

// queryBody reads the OP_QUERY that a driver greets with.
func queryBody(b []byte) (bson.Raw, error) {
	end := bytes.IndexByte(b[min(4, len(b)):], 0)
	if end < 0 || len(b) < 4+end+1+8 {
		return nil, errWire
	}
	doc, _, err := cut(b[4+end+1+8:])
	return doc, err
}

func msgBody(b []byte) (bson.Raw, error) {
	if len(b) < 5 {
		return nil, errWire
	}
	checksum := b[0]&1 != 0
	if b = b[4:]; checksum {
		b = b[:len(b)-4]
	}
	var body bson.D
	var sequences bson.D
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 0:
			doc, rest, err := cut(b)
			if err != nil {
				return nil, err
			}
			if err := bson.Unmarshal(doc, &body); err != nil {
				return nil, err
			}
			b = rest
		case 1:
			if len(b) < 4 {
				return nil, errWire
			}
			size := int(binary.LittleEndian.Uint32(b))
			if size < 5 || size > len(b) {
				return nil, errWire
			}
			name, docs, ok := bytes.Cut(b[4:size], []byte{0})
			if !ok {
				return nil, errWire
			}
			list := bson.A{}
			for len(docs) > 0 {
				doc, rest, err := cut(docs)
				if err != nil {
					return nil, err
				}
				list = append(list, doc)
				docs = rest
			}
			sequences = append(sequences, bson.E{Key: string(name), Value: list})
			b = b[size:]
		default:
			return nil, errWire
		}
	}
	return bson.Marshal(append(body, sequences...))
}

// cut takes the first document off b.
func cut(b []byte) (bson.Raw, []byte, error) {
	if len(b) < 5 {
		return nil, nil, errWire
	}
	size := int(binary.LittleEndian.Uint32(b))
	if size < 5 || size > len(b) {
		return nil, nil, errWire
	}
	return bson.Raw(b[:size]), b[size:], nil
}

// reply frames an answer in the form of the question.
func reply(to message, doc bson.D) ([]byte, error) {
	body, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	code, out := int32(opMsg), make([]byte, 16)
	if to.code == opQuery {
		code = opReply
		out = append(out, make([]byte, 16)...) // flags, cursor, starting from
		out = binary.LittleEndian.AppendUint32(out, 1)
	} else {
		out = append(out, 0, 0, 0, 0, 0) // flags, kind of section
	}
	out = append(out, body...)
	binary.LittleEndian.PutUint32(out[0:], uint32(len(out)))
	binary.LittleEndian.PutUint32(out[8:], uint32(to.id))
	binary.LittleEndian.PutUint32(out[12:], uint32(code))
	return out, nil
}
