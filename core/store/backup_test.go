package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

type savedDoc struct {
	store.Meta `bson:",inline"`
	N          int64    `bson:"n"`
	Tags       []string `bson:"tags,omitempty"`
	Text       string   `bson:"text,omitempty"`
}

var (
	savedThings = store.Declare[savedDoc](store.Spec{Name: "saved_things", Indexes: []store.Index{store.On("n"), store.On("tags[]")}})
	savedPairs  = store.Declare[savedDoc](store.Spec{Name: "saved_pairs"})
	savedGlobal = store.Declare[savedDoc](store.Spec{Name: "saved_global", Global: true})
	savedEmpty  = store.Declare[savedDoc](store.Spec{Name: "saved_empty"})
)

func savedSpecs() []*store.Spec {
	return append(store.Specs(), savedThings.Spec, savedPairs.Spec, savedGlobal.Spec, savedEmpty.Spec)
}

// savedStore opens an empty store as the server would: declared and migrated.
func savedStore(t *testing.T, all ...store.Migration) store.Store {
	t.Helper()
	s := openFile(t, filepath.Join(t.TempDir(), "hw.db"))
	require.NoError(t, store.Migrate(t.Context(), s, all, nil))
	return s
}

func openFile(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	require.NoError(t, s.Declare(t.Context(), savedSpecs()...))
	return s
}

func mustCommit(t *testing.T, s store.Store, ops ...store.Op) {
	t.Helper()
	for chunk := range slices.Chunk(ops, 500) {
		_, err := s.Commit(t.Context(), store.Batch{ID: core.NewID("bat", time.Now()), Ops: chunk})
		require.NoError(t, err)
	}
}

// fill stores n documents in two workspaces, some of them at higher versions,
// beside global ones, claims and counters.
func fill(t *testing.T, s store.Store, n int) {
	t.Helper()
	var ops []store.Op
	for i := range n {
		ws := fmt.Sprint("ws_", i%2)
		ops = append(ops, savedThings.Insert(&savedDoc{Meta: store.Meta{ID: store.Key(ws, fmt.Sprintf("é%05d", i))},
			N: int64(i), Tags: []string{"a", fmt.Sprint(i % 7)}, Text: fmt.Sprint(rand.Uint64())}))
	}
	ops = append(ops, store.Claim("ws_1", "email", "a@b.example", "prof_1"),
		savedGlobal.Insert(&savedDoc{Meta: store.Meta{ID: "no workspace"}}))
	mustCommit(t, s, ops...)
	for range 3 {
		mustCommit(t, s, store.AddTo("ws_0", "seen", 5, map[string]int64{"x": 2}))
		d, err := savedThings.Get(t.Context(), s, "ws_0/é00000")
		require.NoError(t, err)
		mustCommit(t, s, savedThings.Replace(d))
	}
}

// dump returns every document of a store but its version.
func dump(t *testing.T, s store.Store) []string {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Close()
	var out []string
	for _, spec := range savedSpecs() {
		if spec.Name == "meta" {
			continue
		}
		require.NoError(t, snap.Each(t.Context(), spec, func(doc bson.Raw) error {
			out = append(out, spec.Name+" "+doc.String())
			return nil
		}))
	}
	return out
}

func backup(t *testing.T, s store.Store) []byte {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, store.Backup(t.Context(), s, savedSpecs(), &file, nil))
	return file.Bytes()
}

func restore(t *testing.T, s store.Store, r io.Reader) error {
	t.Helper()
	return store.Restore(t.Context(), s, savedSpecs(), r, nil)
}

func requireReason(t *testing.T, err error, code core.Code, reason string) *core.Error {
	t.Helper()
	var e *core.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Error())
	require.Equal(t, reason, e.Reason, e.Error())
	return e
}

func TestBackupRestoresEverything(t *testing.T) {
	from := savedStore(t)
	fill(t, from, 2500)
	want := dump(t, from)
	require.Contains(t, strings.Join(want, "\n"), `"_v": {"$numberLong":"4"}`, "no document at a higher version")

	var file bytes.Buffer
	var saved, restored []int64
	require.NoError(t, store.Backup(t.Context(), from, savedSpecs(), &file, func(n int64) { saved = append(saved, n) }))
	require.Equal(t, []int64{1000, 2000, 2503}, saved)

	to := savedStore(t)
	require.NoError(t, store.Restore(t.Context(), to, savedSpecs(), bytes.NewReader(file.Bytes()), func(n int64) { restored = append(restored, n) }))
	require.Equal(t, []int64{1000, 2000, 2503}, restored)
	require.Equal(t, want, dump(t, to))

	// The restored store is whole: versions guard writes, indexes find, sums add up,
	// claims hold, and it can be migrated and saved in its turn.
	d, err := savedThings.Get(t.Context(), to, "ws_0/é00000")
	require.NoError(t, err)
	require.EqualValues(t, 4, d.V)
	n, err := savedThings.Count(t.Context(), to, store.Query{Workspace: "ws_1", Where: []store.Cond{store.Eq("tags", "3")}})
	require.NoError(t, err)
	require.EqualValues(t, 179, n)
	sum, err := store.Sum(t.Context(), to, "ws_0", "seen")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"x": 6}, sum)
	_, err = to.Commit(t.Context(), store.Batch{ID: "steal", Ops: []store.Op{store.Claim("ws_1", "email", "a@b.example", "prof_2")}})
	require.ErrorIs(t, err, store.ErrConflict)
	mustCommit(t, to, savedThings.Replace(d))
	require.NoError(t, store.Migrate(t.Context(), to, nil, nil))
	require.NotEmpty(t, backup(t, to))
}

func TestRestoreFromPipe(t *testing.T) {
	from := savedStore(t)
	fill(t, from, 50)
	file, to := backup(t, from), savedStore(t)
	require.NoError(t, restore(t, to, io.MultiReader(bytes.NewReader(file))))
	require.Equal(t, dump(t, from), dump(t, to))

	// A damaged one cannot be told before its end: the store is marked instead.
	half := savedStore(t)
	requireReason(t, restore(t, half, io.MultiReader(bytes.NewReader(file[:len(file)-3]))), core.Invalid, "BACKUP_DAMAGED")
	requireReason(t, store.Migrate(t.Context(), half, nil, nil), core.Invalid, "RESTORE_UNFINISHED")
	requireReason(t, store.Backup(t.Context(), half, savedSpecs(), io.Discard, nil), core.Invalid, "RESTORE_UNFINISHED")
	requireReason(t, restore(t, half, bytes.NewReader(file)), core.Invalid, "RESTORE_UNFINISHED")
}

func TestBackupBigDocuments(t *testing.T) {
	from := savedStore(t)
	text := strings.Repeat("x", 3<<20)
	for i, size := range []int{3 << 20, 2 << 20, 2 << 20, 10, 3 << 20, 1 << 20} {
		mustCommit(t, from, savedThings.Insert(&savedDoc{Meta: store.Meta{ID: fmt.Sprint("ws/", i)}, Text: text[:size]}))
	}
	raw, err := savedThings.Encode(&savedDoc{Meta: store.Meta{ID: "ws/full"}})
	require.NoError(t, err)
	full := strings.Repeat("y", store.MaxBytes-len(raw)-len("\x02text\x00....\x00"))
	mustCommit(t, from, savedThings.Insert(&savedDoc{Meta: store.Meta{ID: "ws/full"}, Text: full}))
	to := savedStore(t)
	require.NoError(t, restore(t, to, bytes.NewReader(backup(t, from))))
	require.Equal(t, dump(t, from), dump(t, to))
}

func TestBackupWhileWriting(t *testing.T) {
	s := savedStore(t)
	var ops []store.Op
	for i := range 400 {
		ops = append(ops, savedPairs.Insert(&savedDoc{Meta: store.Meta{ID: fmt.Sprintf("ws/%03d", i)}}))
	}
	mustCommit(t, s, ops...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		n := 0
		defer func() { done <- n }()
		for ; ctx.Err() == nil; n++ {
			one := map[string]int64{"n": 1}
			i := rand.IntN(200)
			_, _ = s.Commit(ctx, store.Batch{ID: fmt.Sprint("pair ", n), Ops: []store.Op{
				savedPairs.Add(fmt.Sprintf("ws/%03d", i), one), savedPairs.Add(fmt.Sprintf("ws/%03d", 399-i), one)}})
		}
	}()
	var files [][]byte
	for range 5 {
		time.Sleep(20 * time.Millisecond)
		files = append(files, backup(t, s))
	}
	cancel()
	require.Positive(t, <-done)
	var last int64
	for _, file := range files {
		to := savedStore(t)
		require.NoError(t, restore(t, to, bytes.NewReader(file)))
		docs, err := savedPairs.Find(t.Context(), to, store.Query{Workspace: "ws"}, 0)
		require.NoError(t, err)
		require.Len(t, docs, 400)
		var sum int64
		for i, d := range docs {
			require.Equal(t, d.N, docs[399-i].N, "half of a batch is in the backup")
			sum += d.N
		}
		require.GreaterOrEqual(t, sum, last)
		last = sum
	}
	require.Positive(t, last, "nothing was written while the backups were made")
}

func TestRestoreRefusesDamage(t *testing.T) {
	from := savedStore(t)
	fill(t, from, 600)
	file, to := backup(t, from), savedStore(t)
	refuse := func(b []byte, what string) {
		t.Helper()
		err := restore(t, to, bytes.NewReader(b))
		require.Error(t, err, what)
		requireReason(t, err, core.Invalid, "BACKUP_DAMAGED")
	}
	for i := range 20 {
		n := len(file) * i / 20
		refuse(file[:n], fmt.Sprint("cut off at ", n))
	}
	refuse(file[:len(file)-1], "cut off before the last byte")
	refuse(append(slices.Clone(file), 'x'), "one byte too many")
	// The ten bytes of the gzip header hold a time and a system that nobody reads.
	for i := range 40 {
		at := 10 + (len(file)-11)*i/39
		flipped := slices.Clone(file)
		flipped[at] ^= 0xff
		refuse(flipped, fmt.Sprint("byte flipped at ", at))
	}
	refuse([]byte("this is no backup"), "text")
	require.Empty(t, dump(t, to), "a damaged backup was written")
	require.NoError(t, restore(t, to, bytes.NewReader(file)))
	require.Equal(t, dump(t, from), dump(t, to))
}

// repacked unpacks a backup, edits it and packs it again, so that gzip's own
// checksum fits.
func repacked(t *testing.T, file []byte, edit func([]byte) []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	plain, err := io.ReadAll(zip)
	require.NoError(t, err)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(edit(plain))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestRestoreNamesThePlace(t *testing.T) {
	from := savedStore(t)
	fill(t, from, 10)
	file, to := backup(t, from), savedStore(t)
	require.NoError(t, restore(t, savedStore(t), bytes.NewReader(repacked(t, file, func(b []byte) []byte { return b }))))

	cut := repacked(t, file, func(b []byte) []byte {
		return b[:bytes.Index(b, []byte("ws_0/é00004"))] // the third of its workspace
	})
	e := requireReason(t, restore(t, to, bytes.NewReader(cut)), core.Invalid, "BACKUP_DAMAGED")
	require.Equal(t, []string{"saved_things", "3"}, e.Path)
	require.Contains(t, e.Message, "in the collection saved_things at document 3")

	// One letter of a value: every frame is whole, only the sum of all tells.
	edited := repacked(t, file, func(b []byte) []byte { return bytes.Replace(b, []byte("prof_1"), []byte("prof_2"), 1) })
	e = requireReason(t, restore(t, to, bytes.NewReader(edited)), core.Invalid, "BACKUP_DAMAGED")
	require.Contains(t, e.Message, "checksum")
	require.Empty(t, dump(t, to))
}

func TestRestoreRefusals(t *testing.T) {
	from := savedStore(t)
	fill(t, from, 10)
	file := backup(t, from)

	to := savedStore(t)
	err := store.Restore(t.Context(), to, store.Specs(), bytes.NewReader(file), nil)
	e := requireReason(t, err, core.Invalid, "BACKUP_UNKNOWN_COLLECTION")
	require.Equal(t, []string{"saved_things"}, e.Path)

	format := []byte("\x10format\x00\x01")
	newer := repacked(t, file, func(b []byte) []byte {
		require.True(t, bytes.Contains(b, format))
		return bytes.Replace(b, format, []byte("\x10format\x00\x02"), 1)
	})
	requireReason(t, restore(t, to, bytes.NewReader(newer)), core.Invalid, "BACKUP_TOO_NEW")
	require.Empty(t, dump(t, to))

	mustCommit(t, to, savedEmpty.Insert(&savedDoc{Meta: store.Meta{ID: "ws/one"}}))
	requireReason(t, restore(t, to, bytes.NewReader(file)), core.Conflict, "STORE_NOT_EMPTY")
	require.Len(t, dump(t, to), 1)

	// A disk that fails is not a damaged backup.
	broken := errors.New("input/output error")
	err = restore(t, savedStore(t), io.MultiReader(bytes.NewReader(file[:200]), failing{broken}))
	require.ErrorIs(t, err, broken)
	var typed *core.Error
	require.False(t, errors.As(err, &typed), "%v", err)
	require.ErrorIs(t, store.Backup(t.Context(), from, savedSpecs(), failing{broken}, nil), broken)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestRestoreKeepsTheVersionOfTheData(t *testing.T) {
	old := savedStore(t)
	fill(t, old, 3)
	file := backup(t, old)

	runs := 0
	one := store.Migration{Version: 1, Name: "count", Run: func(context.Context, store.Store, []byte, store.Step) error {
		runs++
		return nil
	}}
	to := savedStore(t, one)
	require.Zero(t, runs, "a fresh store needs no migration")
	require.NoError(t, restore(t, to, bytes.NewReader(file)))
	require.NoError(t, store.Migrate(t.Context(), to, []store.Migration{one}, nil))
	require.Equal(t, 1, runs, "restored data of version 0 was taken for version 1")

	requireReason(t, restore(t, savedStore(t), bytes.NewReader(backup(t, to))), core.Invalid, "STORE_TOO_NEW")
}
