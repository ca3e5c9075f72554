package journal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/audit/journal"
)

// opened opens the journal of a folder as a process of its own would.
func opened(t testing.TB, dir string, segment int64) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: dir, Segment: segment, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func folder(t testing.TB) string { return filepath.Join(t.TempDir(), "journal") }

// files lists the journal's files.
func files(t testing.TB, dir string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return out
}

func write(t testing.TB, j *journal.Journal, ws string, texts ...string) {
	t.Helper()
	var all []journal.Record
	for _, text := range texts {
		all = append(all, journal.Record{Workspace: ws, Data: []byte(text)})
	}
	require.NoError(t, j.Append(all))
}

// some reads at most n records behind the marks.
func some(t testing.TB, j *journal.Journal, ws string, from journal.Marks, n int) ([]string, journal.Marks) {
	t.Helper()
	var out []string
	next, err := j.Read(ws, from, func(data []byte, _ [][]byte) (bool, error) {
		if len(out) == n {
			return false, nil
		}
		out = append(out, string(data))
		return true, nil
	})
	require.NoError(t, err)
	return out, next
}

func everything(t testing.TB, j *journal.Journal, ws string) []string {
	t.Helper()
	out, _ := some(t, j, ws, nil, -1)
	return out
}

func read(string, string, int64) (bool, error) { return true, nil }

// TestRecordsAreReadInPartsByWorkspace has two processes write for two workspaces, in
// files of a few records, and a third read.
func TestRecordsAreReadInPartsByWorkspace(t *testing.T) {
	dir := folder(t)
	a, b, reader := opened(t, dir, 1000), opened(t, dir, 1000), opened(t, dir, 0)
	want := map[string]map[string]bool{"ws_1": {}, "ws_2": {}}
	for i := range 60 {
		j, ws := []*journal.Journal{a, b}[i%2], []string{"ws_1", "ws_2"}[i/2%2]
		text := fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("x"), 100))
		write(t, j, ws, text)
		want[ws][text] = true
	}
	require.Greater(t, len(files(t, dir)), 4)
	for ws, texts := range want {
		ends, err := reader.Ends(ws)
		require.NoError(t, err)
		got := map[string]bool{}
		var marks journal.Marks
		for marks.Before(ends) {
			var part []string
			part, marks = some(t, reader, ws, marks, 7)
			require.NotEmpty(t, part)
			for _, text := range part {
				require.False(t, got[text], "read twice")
				got[text] = true
			}
		}
		require.Equal(t, texts, got)
		part, _ := some(t, reader, ws, marks, 7)
		require.Empty(t, part)
	}
}

// TestPartsOfARecordComeAsTheyWere reads a record of several parts, one of them empty and
// one larger than what is read at once.
func TestPartsOfARecordComeAsTheyWere(t *testing.T) {
	j := opened(t, folder(t), 0)
	large := bytes.Repeat([]byte("large"), 100_000)
	write(t, j, "ws_1", "first")
	require.NoError(t, j.Append([]journal.Record{{Workspace: "ws_1", Data: large, More: [][]byte{{}, []byte("b"), large}}}))
	write(t, j, "ws_1", "last")
	n := 0
	_, err := j.Read("ws_1", nil, func(data []byte, more [][]byte) (bool, error) {
		if n++; n == 2 {
			require.Equal(t, large, data)
			require.Equal(t, [][]byte{{}, []byte("b"), large}, more)
		}
		return true, nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

// TestATailThatIsTornIsCut damages the last record in each of its bytes, as a crash
// leaves it: nothing follows, zeros do, or one bit is another.
func TestATailThatIsTornIsCut(t *testing.T) {
	dir := folder(t)
	first := opened(t, dir, 0)
	write(t, first, "ws_1", "one", "two")
	before, err := first.Ends("ws_1")
	require.NoError(t, err)
	write(t, first, "ws_1", "three")
	after, err := first.Ends("ws_1")
	require.NoError(t, err)
	require.NoError(t, first.Close())
	name := files(t, dir)[0]
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	var from, to int64
	for file := range after {
		from, to = before[file], after[file]
	}
	require.Greater(t, to, from+8)
	for at := from; at < to; at++ {
		zeros := append(bytes.Clone(whole[:at]), make([]byte, int64(len(whole))-at)...)
		flipped := bytes.Clone(whole)
		flipped[at] ^= 4
		for how, damaged := range map[string][]byte{"cut": whole[:at], "zeros": zeros, "flipped": flipped} {
			if bytes.Equal(damaged, whole) { // its last byte is a zero
				continue
			}
			copied := folder(t)
			j := opened(t, copied, 0)
			require.NoError(t, os.WriteFile(filepath.Join(copied, filepath.Base(name)), damaged, 0o600))
			require.Equal(t, []string{"one", "two"}, everything(t, j, "ws_1"), "%s at %d", how, at)
			write(t, j, "ws_1", "four")
			require.Equal(t, []string{"one", "two", "four"}, everything(t, j, "ws_1"))
			require.NoError(t, j.Prune(read))
			require.Empty(t, files(t, copied))
		}
	}
}

// TestWhatIsBehindADamagedRecordIsNotRead: nobody can say where the next one begins. A
// reader that had seen more says so, and does not take it for read.
func TestWhatIsBehindADamagedRecordIsNotRead(t *testing.T) {
	dir := folder(t)
	j := opened(t, dir, 0)
	write(t, j, "ws_1", "one")
	write(t, j, "ws_1", "two")
	write(t, j, "ws_1", "three")
	require.NoError(t, j.Close())
	before := opened(t, dir, 0)
	_, err := before.Ends("ws_1")
	require.NoError(t, err)
	b, err := os.ReadFile(files(t, dir)[0])
	require.NoError(t, err)
	b[bytes.Index(b, []byte("two"))] ^= 1
	require.NoError(t, os.WriteFile(files(t, dir)[0], b, 0o600))
	require.Equal(t, []string{"one"}, everything(t, opened(t, dir, 0), "ws_1"))
	_, err = before.Read("ws_1", nil, func([]byte, [][]byte) (bool, error) { return true, nil })
	require.ErrorContains(t, err, "damaged")
}

// TestFilesGoWhenTheyAreRead removes what everybody has read, of this process too when it
// rests, and nothing that is written to.
func TestFilesGoWhenTheyAreRead(t *testing.T) {
	dir := folder(t)
	j, other := opened(t, dir, 100), opened(t, dir, 0)
	text := string(bytes.Repeat([]byte("x"), 100))
	write(t, j, "ws_1", text)
	write(t, j, "ws_2", text)
	write(t, other, "ws_1", "one")
	require.Len(t, files(t, dir), 3)
	behind, marks := some(t, j, "ws_1", nil, -1)
	require.Len(t, behind, 2)

	require.NoError(t, j.Prune(func(ws, file string, end int64) (bool, error) { return ws == "ws_1" && marks[file] >= end, nil }))
	require.Len(t, files(t, dir), 2, "that of the second workspace and that of the other process")
	write(t, other, "ws_1", "two")
	require.NoError(t, j.Prune(read))
	require.Len(t, files(t, dir), 1, "another process writes to it")
	left, marks := some(t, j, "ws_1", marks, -1)
	require.Equal(t, []string{"two"}, left)
	require.Len(t, marks, 1, "files that are gone have no marks")

	// It is another's: only its own process lets go of it.
	require.NoError(t, other.Prune(read))
	require.Empty(t, files(t, dir))
	write(t, other, "ws_1", "three")
	require.Equal(t, []string{"three"}, everything(t, j, "ws_1"))
}

// TestPruneKeepsWhatCameMeanwhile writes to a file while it is asked whether it was read.
func TestPruneKeepsWhatCameMeanwhile(t *testing.T) {
	dir := folder(t)
	j := opened(t, dir, 0)
	write(t, j, "ws_1", "one")
	require.NoError(t, j.Prune(func(string, string, int64) (bool, error) {
		write(t, j, "ws_1", "two")
		return true, nil
	}))
	require.Equal(t, []string{"one", "two"}, everything(t, j, "ws_1"))
}

// TestAllAtOnce writes, reads and removes at the same time, in two processes' ways.
func TestAllAtOnce(t *testing.T) {
	dir := folder(t)
	writers := []*journal.Journal{opened(t, dir, 2000), opened(t, dir, 3000)}
	const each = 200
	done := make(chan struct{})
	var writing, rest sync.WaitGroup
	for w, j := range writers {
		writing.Go(func() {
			for i := range each {
				if err := j.Append([]journal.Record{{Workspace: "ws_1", Data: fmt.Appendf(nil, "%d %d %s", w, i, bytes.Repeat([]byte("x"), 50))}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	var committed atomic.Pointer[journal.Marks]
	committed.Store(&journal.Marks{})
	seen := map[string]int{}
	reader := opened(t, dir, 0)
	step := func() {
		mu.Lock()
		defer mu.Unlock()
		next, err := reader.Read("ws_1", *committed.Load(), func(data []byte, _ [][]byte) (bool, error) {
			seen[string(data)]++
			return true, nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		committed.Store(&next)
	}
	for _, j := range append(writers, reader) {
		rest.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				step()
				err := j.Prune(func(_, file string, end int64) (bool, error) {
					return (*committed.Load())[file] >= end, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	rest.Wait()
	step()
	require.Len(t, seen, len(writers)*each)
	for text, n := range seen {
		require.Equal(t, 1, n, text)
	}
	for _, j := range writers {
		require.NoError(t, j.Close())
	}
	require.NoError(t, reader.Prune(read))
	require.Empty(t, files(t, dir))
}

func TestAClosedJournalTakesNothing(t *testing.T) {
	j := opened(t, folder(t), 0)
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Append([]journal.Record{{Workspace: "ws_1"}}), journal.ErrClosed)
}
