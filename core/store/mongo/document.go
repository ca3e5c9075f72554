package mongo

import (
	"encoding/binary"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// The fields that the engine keeps in documents and never shows to readers.
const (
	workspaceField = "_w" // the workspace, with which every index begins
	checkField     = "_c" // raised by a check, so that it is a real write
	absentField    = "_a" // marks the placeholder of an absence check
)

// seal returns the document as it is stored: with its workspace, when the
// collection has one.
func seal(spec *store.Spec, id string, doc bson.Raw) bson.Raw {
	if spec.Global || len(doc) < 5 {
		return doc
	}
	ws := store.WorkspaceOf(id)
	out := make([]byte, 0, len(doc)+len(workspaceField)+len(ws)+7)
	out = append(out, doc[:len(doc)-1]...)
	out = append(out, byte(bson.TypeString))
	out = append(out, workspaceField...)
	out = append(out, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(ws)+1))
	out = append(out, ws...)
	out = append(out, 0, 0)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}

// unseal returns the document as readers see it: without the engine's fields. The
// result shares no memory with a cursor's buffer.
func unseal(raw bson.Raw) (bson.Raw, error) {
	elems, err := raw.Elements()
	if err != nil {
		return nil, fmt.Errorf("mongo: stored document: %w", err)
	}
	out := make([]byte, 4, len(raw))
	for _, e := range elems {
		switch e.Key() {
		case workspaceField, checkField, absentField:
		default:
			out = append(out, e...)
		}
	}
	out = append(out, 0)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out, nil
}
