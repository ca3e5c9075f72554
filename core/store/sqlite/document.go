package sqlite

import (
	"encoding/binary"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A document is stored without its length, _id and _v: "body" is its other
// elements and the closing zero byte. Reading puts them back in front.

const (
	idTag      = "\x02_id\x00"
	versionTag = "\x12_v\x00"
)

// strip cuts a document into its version and its body. It checks that the key is
// the one that the operation names.
func strip(doc bson.Raw, id string) (v int64, body []byte, err error) {
	if len(doc) < 5 || int64(binary.LittleEndian.Uint32(doc)) != int64(len(doc)) || doc[len(doc)-1] != 0 {
		return 0, nil, fmt.Errorf("not a BSON document")
	}
	// What the port encodes begins with _id and _v; the rest of the function is
	// for documents of other makers.
	n := 4 + len(idTag) + 4 + len(id) + 1
	if len(doc) >= n+len(versionTag)+9 &&
		string(doc[4:4+len(idTag)]) == idTag &&
		int(binary.LittleEndian.Uint32(doc[4+len(idTag):])) == len(id)+1 &&
		string(doc[n-len(id)-1:n-1]) == id &&
		string(doc[n:n+len(versionTag)]) == versionTag {
		n += len(versionTag)
		return int64(binary.LittleEndian.Uint64(doc[n:])), doc[n+8:], nil
	}
	elems, err := doc.Elements()
	if err != nil {
		return 0, nil, fmt.Errorf("not a BSON document: %w", err)
	}
	found := 0
	for _, e := range elems {
		key, err := e.KeyErr()
		if err != nil {
			return 0, nil, fmt.Errorf("not a BSON document: %w", err)
		}
		switch val := e.Value(); key {
		case "_id":
			if s, ok := val.StringValueOK(); !ok || s != id {
				return 0, nil, fmt.Errorf("the document has another _id than the operation")
			}
			found++
		case "_v":
			var ok bool
			if v, ok = val.AsInt64OK(); !ok {
				return 0, nil, fmt.Errorf("_v is not an integer")
			}
			found++
		default:
			body = append(body, e...)
		}
	}
	if found != 2 {
		return 0, nil, fmt.Errorf("the document needs one _id and one _v")
	}
	return v, append(body, 0), nil
}

// join puts a document together from the workspace's prefix of its key, the rest
// of the key, the version and the body, which is copied.
func join(prefix, rest string, v int64, body []byte) bson.Raw {
	n := 4 + len(idTag) + 4 + len(prefix) + len(rest) + 1 + len(versionTag) + 8 + len(body)
	doc := make([]byte, 0, n)
	doc = binary.LittleEndian.AppendUint32(doc, uint32(min(n, math.MaxInt32)))
	doc = append(doc, idTag...)
	doc = binary.LittleEndian.AppendUint32(doc, uint32(len(prefix)+len(rest)+1))
	doc = append(doc, prefix...)
	doc = append(doc, rest...)
	doc = append(doc, 0)
	doc = append(doc, versionTag...)
	doc = binary.LittleEndian.AppendUint64(doc, uint64(v))
	return append(doc, body...)
}

// unstripped makes a document of a body alone, to look fields up in. The body is
// copied.
func unstripped(body []byte) bson.Raw {
	doc := make([]byte, 0, 4+len(body))
	doc = binary.LittleEndian.AppendUint32(doc, uint32(4+len(body)))
	return append(doc, body...)
}
