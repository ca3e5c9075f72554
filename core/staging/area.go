package staging

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	// ChunkBytes is the size of a chunk; the last of a file has fewer bytes.
	ChunkBytes = 1 << 20
	// Keep is how long a file that nobody needs stays at least.
	Keep = 7 * 24 * time.Hour

	// perBatch is how many chunks are written or read at once: a batch holds no more.
	perBatch = 3
)

// Area declares where one kind of file is staged.
type Area struct {
	Name  string        // of the collection of chunks
	Job   string        // the kind of the jobs that read the files; their input has the file's id as "file"
	Sweep string        // the kind of the task that deletes what was left behind
	Max   int64         // bytes that Put takes; 0: any number
	Data  core.Category // of what the files hold

	// Chunks is the collection, which Declare makes.
	Chunks *store.Collection[Chunk]
}

// Chunk is a piece of a staged file.
type Chunk struct {
	store.Meta `bson:",inline"` // key: workspace/imp_…/00000000
	Data       []byte           `bson:"data"`
}

// Declare returns the area with its collection, whose Spec the package lists among
// its own.
func Declare(a Area) *Area {
	a.Chunks = store.Declare[Chunk](store.Spec{
		Name: a.Name, Data: map[string]core.Category{"data": a.Data}, Reach: store.ReachFinder,
	})
	areas[a.Name] = &a
	return &a
}

// File names a staged file.
type File struct {
	ID    string // imp_…
	Bytes int64  // its size
}

// Files is an area in a store.
type Files struct {
	area  *Area
	store work.Store
	clock core.Clock
}

// In opens the area in a store.
func (a *Area) In(s work.Store, clock core.Clock) Files {
	return Files{area: a, store: s, clock: clock}
}

func chunkKey(ws, file string, n int64) string {
	return store.Key(ws, file, fmt.Sprintf("%08d", n))
}

// Delete deletes a file, all of it or what there is. Deleting it again does nothing.
func (f Files) Delete(ctx context.Context, ws, id string) error {
	below := store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}}
	for {
		docs, err := f.area.Chunks.Find(ctx, f.store, below, perBatch)
		if err != nil || len(docs) == 0 {
			return err
		}
		ops := make([]store.Op, len(docs))
		for i, d := range docs {
			ops[i] = f.area.Chunks.Delete(d)
		}
		// A conflict is somebody else who deletes it too.
		if err := work.Commit(ctx, f.store, ops...); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Ending returns the operations that a job commits together with the note that it
// has read the whole file: they take its first chunk, so that no later run mistakes
// a file that is half deleted for one that is still to be read. Delete does the
// rest.
func (f Files) Ending(ctx context.Context, ws, id string) ([]store.Op, error) {
	first, err := f.area.Chunks.Get(ctx, f.store, chunkKey(ws, id, 0))
	if err != nil || first == nil {
		return nil, err
	}
	return []store.Op{f.area.Chunks.Delete(first)}, nil
}
