package sqlite

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// add returns the document with the summands added to the numbers at their paths.
// Missing numbers are made, and so are the documents around them. doc may be
// written to; it has neither _id nor _v.
func add(doc bson.Raw, summands map[string]int64) (bson.Raw, error) {
	missing := false
	for path := range summands {
		if doc.Lookup(strings.Split(path, ".")...).Type != bson.TypeInt64 {
			missing = true
			break
		}
	}
	if !missing {
		for path, n := range summands {
			// The bytes of the value lie in doc.
			b := doc.Lookup(strings.Split(path, ".")...).Value
			binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+uint64(n))
		}
		return doc, nil
	}
	var d bson.D
	if err := bson.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(summands)) {
		var err error
		if d, err = addAt(d, strings.Split(path, "."), summands[path]); err != nil {
			return nil, fmt.Errorf("add to %q: %w", path, err)
		}
	}
	return bson.Marshal(d)
}

func addAt(d bson.D, path []string, n int64) (bson.D, error) {
	i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == path[0] })
	if i < 0 {
		d = append(d, bson.E{Key: path[0]})
		i = len(d) - 1
		if len(path) > 1 {
			d[i].Value = bson.D{}
		} else {
			d[i].Value = int64(0)
		}
	}
	if len(path) > 1 {
		inner, ok := d[i].Value.(bson.D)
		if !ok {
			return nil, fmt.Errorf("%q is not a document", path[0])
		}
		inner, err := addAt(inner, path[1:], n)
		d[i].Value = inner
		return d, err
	}
	switch v := d[i].Value.(type) {
	case int64:
		d[i].Value = v + n
	case int32:
		d[i].Value = int64(v) + n
	case float64:
		d[i].Value = v + float64(n)
	default:
		return nil, fmt.Errorf("it is not a number")
	}
	return d, nil
}
