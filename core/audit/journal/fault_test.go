package journal

import (
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// disk is a disk on which so many bytes find room, and whose syncs may fail.
type disk struct {
	room  int64 // of each file; negative: any
	syncs error
}

// onDisk is a file on such a disk.
type onDisk struct {
	file
	disk   *disk
	failed bool
	t      *testing.T
}

// WriteAt writes what finds room.
func (f *onDisk) WriteAt(b []byte, off int64) (int, error) {
	require.False(f.t, f.failed, "a file that failed is written again")
	room := int64(len(b))
	if f.disk.room >= 0 {
		room = max(0, min(room, f.disk.room-off))
	}
	n, err := f.file.WriteAt(b[:room], off)
	if err == nil && n < len(b) {
		f.failed, err = true, syscall.ENOSPC
	}
	return n, err
}

// Sync fails or is one.
func (f *onDisk) Sync() error {
	require.False(f.t, f.failed, "a file that failed is synced again")
	if f.disk.syncs != nil {
		f.failed = true
		return f.disk.syncs
	}
	return f.file.Sync()
}

func onto(t *testing.T, d *disk) (*Journal, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Open(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), wrap: func(f file) file { return &onDisk{file: f, disk: d, t: t} }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j, dir
}

// texts reads what is there for a workspace.
func texts(t *testing.T, j *Journal) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	_, err := j.Read("ws_1", nil, func(data []byte, _ [][]byte) (bool, error) {
		require.False(t, out[string(data)])
		out[string(data)] = true
		return true, nil
	})
	require.NoError(t, err)
	return out
}

func one(text string) []Record { return []Record{{Workspace: "ws_1", Data: []byte(text)}} }

// TestAFullDiskIsToldAndNothingIsLost lets the disk be full in the middle of a record,
// and have room again.
func TestAFullDiskIsToldAndNothingIsLost(t *testing.T) {
	for room := int64(0); room < 40; room++ {
		d := &disk{room: -1}
		j, dir := onto(t, d)
		require.NoError(t, j.Append(one("kept")))
		size := j.out.end
		d.room = size + room
		j.out.size = j.out.end // no zeros are left
		require.ErrorIs(t, j.Append(one("lost")), syscall.ENOSPC)
		for range 5 { // a file each, of which none stays
			d.room = room
			require.ErrorIs(t, j.Append(one("lost")), syscall.ENOSPC)
		}
		d.room = -1
		require.NoError(t, j.Append(one("again")))
		got := texts(t, j)
		delete(got, "lost") // nobody promised that it is not there
		require.Equal(t, map[string]bool{"kept": true, "again": true}, got)
		list, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Len(t, list, 2)
	}
}

// TestAFailedSyncIsToldAndItsFileIsLeft: what a sync that failed left of a file nobody
// knows, and the next one says that all is well.
func TestAFailedSyncIsToldAndItsFileIsLeft(t *testing.T) {
	d := &disk{room: -1}
	j, _ := onto(t, d)
	require.NoError(t, j.Append(one("kept")))
	was := j.out.name
	d.syncs = errors.New("input/output error")
	require.ErrorIs(t, j.Append(one("maybe")), d.syncs)
	d.syncs = nil
	require.NoError(t, j.Append(one("again")))
	require.NotEqual(t, was, j.out.name)
	got := texts(t, j)
	require.True(t, got["kept"] && got["again"])

	// What was left is nobody's any more, and goes.
	require.NoError(t, j.Prune(func(string, string, int64) (bool, error) { return true, nil }))
	require.Empty(t, texts(t, j))
	require.Empty(t, j.files)
}
