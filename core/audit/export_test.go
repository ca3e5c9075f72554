package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// filled is a log of n entries beside the one about itself.
func filled(t testing.TB, n int) *process {
	t.Helper()
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	fill(t, p, n, "key_1")
	return p
}

func fill(t testing.TB, p *process, n int, actor string) {
	t.Helper()
	var entries []audit.Entry
	for i := range n {
		entries = append(entries, audit.Entry{Action: "query.profile", Resource: "Profile", Fields: []string{"Profile.traits"}, Subjects: []string{fmt.Sprintf("prof_%d", i)}})
	}
	require.NoError(t, p.WriteAll(as(t, actor), entries))
	require.NoError(t, p.Settle(t.Context(), ws))
}

func export(t testing.TB, p *process, in audit.ExportInput) string {
	t.Helper()
	var out bytes.Buffer
	_, err := p.Export(t.Context(), ws, in, func(b []byte) error { out.Write(b); return nil })
	require.NoError(t, err)
	return out.String()
}

func vkey(t testing.TB, p *process) string {
	t.Helper()
	keys, err := p.VerifierKeys(t.Context(), ws)
	require.NoError(t, err)
	return keys[0].Key
}

func verify(text string, o auditverify.Options) (*auditverify.Result, error) {
	return auditverify.Verify(strings.NewReader(text), o)
}

func TestAnExportIsVerified(t *testing.T) {
	for _, n := range []int{0, 1, 2, 254, 255, 256, 700} {
		p := filled(t, n)
		size := int64(n + 1)
		if n == 0 {
			size = 0
		}
		res, err := verify(export(t, p, audit.ExportInput{Format: audit.JSONL}), auditverify.Options{Keys: []string{vkey(t, p)}})
		require.NoError(t, err, n)
		require.Equal(t, [2]int64{size, size}, [2]int64{res.Size, res.Entries})
		for _, from := range []int64{1, size / 2, size} {
			res, err := verify(export(t, p, audit.ExportInput{Format: audit.JSONL, From: min(from, size)}), auditverify.Options{})
			require.NoError(t, err, "%d from %d", n, from)
			require.Equal(t, size-min(from, size), res.Entries)
		}
	}
}

// TestWhatWasChangedIsFound changes a file in every way that its author could and asks
// which entry the verifier names.
func TestWhatWasChangedIsFound(t *testing.T) {
	p := filled(t, 600)
	whole := export(t, p, audit.ExportInput{Format: audit.JSONL})
	o := auditverify.Options{Keys: []string{vkey(t, p)}}
	saved, err := p.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	at := func(index int) int { return 1 + index + index/256 } // lines of tiles are between
	edit := func(f func([]string) []string) string {
		return strings.Join(f(append([]string{}, lines...)), "")
	}
	require.Contains(t, lines[at(300)], `{"index":300,`)
	other := func(s, old, instead string) string {
		require.Contains(t, s, old)
		return strings.Replace(s, old, instead, 1)
	}
	for name, c := range map[string]struct {
		text  string
		kind  auditverify.Kind
		index int64
	}{
		"a byte of an entry": {edit(func(l []string) []string { l[at(300)] = other(l[at(300)], "key_1", "key_2"); return l }), auditverify.Changed, 300},
		"an entry and its hash": {edit(func(l []string) []string {
			l[at(300)] = other(l[at(301)], `"index":301`, `"index":300`)
			return l
		}), auditverify.Root, 256},
		"a hash alone":     {edit(func(l []string) []string { l[at(5)] = flip(l[at(5)]); return l }), auditverify.Changed, 5},
		"an entry deleted": {edit(func(l []string) []string { return append(l[:at(300)], l[at(301):]...) }), auditverify.Order, 300},
		"an entry doubled": {edit(func(l []string) []string {
			return append(l[:at(300):at(300)], append([]string{l[at(299)]}, l[at(300):]...)...)
		}), auditverify.Order, 299},
		"two exchanged":    {edit(func(l []string) []string { l[at(9)], l[at(10)] = l[at(10)], l[at(9)]; return l }), auditverify.Order, 9},
		"cut":              {edit(func(l []string) []string { return l[:at(590)] }), auditverify.Truncated, 590},
		"cut in a line":    {whole[:len(whole)-20], auditverify.Form, 600},
		"a body dropped":   {edit(func(l []string) []string { l[at(3)] = l[at(3)][:strings.Index(l[at(3)], `,"entry"`)] + "}\n"; return l }), auditverify.Deleted, 3},
		"a tile":           {edit(func(l []string) []string { l[at(256)-1] = flip(l[at(256)-1]); return l }), auditverify.Root, 0},
		"a space":          {edit(func(l []string) []string { l[at(3)] = other(l[at(3)], `"index":3`, `"index": 3`); return l }), auditverify.Form, 3},
		"added at the end": {whole + other(lines[at(600)], `"index":600`, `"index":601`), auditverify.Order, 601},
		"nothing":          {"", auditverify.Form, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(c.text, o)
			var f *auditverify.Fault
			require.True(t, errors.As(err, &f), "%v", err)
			require.Equal(t, c.kind, f.Kind, f.Message)
			require.Equal(t, c.index, f.Index, f.Message)
		})
	}

	t.Run("a checkpoint signed by another", func(t *testing.T) {
		q := filled(t, 600)
		_, err := verify(export(t, q, audit.ExportInput{Format: audit.JSONL}), o)
		var f *auditverify.Fault
		require.True(t, errors.As(err, &f))
		require.Equal(t, auditverify.Signature, f.Kind)
	})
	t.Run("continued", func(t *testing.T) {
		fill(t, p, 20, "key_3")
		grown := export(t, p, audit.ExportInput{Format: audit.JSONL})
		res, err := verify(grown, auditverify.Options{Keys: o.Keys, Checkpoint: []byte(saved.SignedNote)})
		require.NoError(t, err)
		require.True(t, res.Saved)
		// A file that goes on behind another, and one that begins at the checkpoint.
		_, err = verify(whole+export(t, p, audit.ExportInput{Format: audit.JSONL, From: saved.Size}), o)
		require.NoError(t, err)
		_, err = verify(export(t, p, audit.ExportInput{Format: audit.JSONL, From: saved.Size}), auditverify.Options{Keys: o.Keys, Checkpoint: []byte(saved.SignedNote)})
		require.NoError(t, err)
	})
	t.Run("rolled back", func(t *testing.T) {
		now, err := p.Checkpoint(t.Context(), ws, nil)
		require.NoError(t, err)
		_, err = verify(whole, auditverify.Options{Keys: o.Keys, Checkpoint: []byte(now.SignedNote)})
		var f *auditverify.Fault
		require.True(t, errors.As(err, &f))
		require.Equal(t, [2]any{auditverify.RolledBack, int64(601)}, [2]any{f.Kind, f.Index})
	})
}

// flip changes the first character of a line's hash.
func flip(line string) string {
	i := strings.Index(line, `"hash":"`) + len(`"hash":"`)
	c := "A"
	if line[i] == 'A' {
		c = "B"
	}
	return line[:i] + c + line[i+1:]
}

// TestAForkIsFound lets two copies of a log go on apart, both with the true key.
func TestAForkIsFound(t *testing.T) {
	a := filled(t, 40)
	dir := t.TempDir()
	copyStore(t, a.db, filepath.Join(dir, "b.db"))
	b := newLog(t, openStore(t, filepath.Join(dir, "b.db")))
	fill(t, a, 5, "key_a")
	fill(t, b, 9, "key_b")
	saved, err := a.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	text := export(t, b, audit.ExportInput{Format: audit.JSONL})
	_, err = verify(text, auditverify.Options{Keys: []string{vkey(t, a)}})
	require.NoError(t, err, "the fork alone is a good log")
	_, err = verify(text, auditverify.Options{Keys: []string{vkey(t, a)}, Checkpoint: []byte(saved.SignedNote)})
	var f *auditverify.Fault
	require.True(t, errors.As(err, &f))
	require.Equal(t, auditverify.Fork, f.Kind)
	_, err = verify(export(t, a, audit.ExportInput{Format: audit.JSONL})+export(t, b, audit.ExportInput{Format: audit.JSONL, From: saved.Size}), auditverify.Options{})
	require.True(t, errors.As(err, &f))
	require.Equal(t, auditverify.Fork, f.Kind)
}

func TestARotatedKeyIsTrustedByTheOldOne(t *testing.T) {
	p := filled(t, 10)
	old := vkey(t, p)
	before, err := p.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	_, err = p.RotateKey(as(t, "key_1"), ws)
	require.NoError(t, err)
	fill(t, p, 3, "key_1")
	require.NotEqual(t, old, vkey(t, p))
	text := export(t, p, audit.ExportInput{Format: audit.JSONL})
	res, err := verify(text, auditverify.Options{Keys: []string{old}, Checkpoint: []byte(before.SignedNote)})
	require.NoError(t, err)
	require.True(t, res.Trusted && res.Saved)
	_, err = verify(text, auditverify.Options{Keys: []string{vkey(t, p)}})
	require.NoError(t, err)
	require.Len(t, all(t, p.Log, audit.Filter{Action: "audit.rotate"}), 1)
	keys, err := p.VerifierKeys(t.Context(), ws)
	require.NoError(t, err)
	require.Len(t, keys, 2)
}

// TestARotationThatIsCutShort loses the batch in which the sequencer endorses a new key,
// and its reply, and rotates again before the first new key has signed anything.
func TestARotationThatIsCutShort(t *testing.T) {
	broken := faultstore.New(openStore(t, filepath.Join(t.TempDir(), "a.db")))
	p := newLog(t, broken)
	fill(t, p, 10, "key_1")
	trusted := []string{vkey(t, p)}
	before, err := p.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.waits"}))
	for range 2 {
		fresh, err := p.RotateKey(as(t, "key_1"), ws)
		require.NoError(t, err)
		trusted = append(trusted, fresh.Key)
	}
	// What is exported before the sequencer ran is signed by the old key.
	_, err = verify(export(t, p, audit.ExportInput{Format: audit.JSONL}), auditverify.Options{Keys: trusted[:1], Checkpoint: []byte(before.SignedNote)})
	require.NoError(t, err)
	size := int64(5)
	earlier, err := p.Checkpoint(t.Context(), ws, &size)
	require.NoError(t, err)
	require.Equal(t, before.KeyID, earlier.KeyID, "no entry tells of the new key yet")
	for _, kind := range []faultstore.Kind{faultstore.Error, faultstore.LostReply} {
		left := 1
		broken.Use(func(c faultstore.Call) faultstore.Fault {
			if c.Op == faultstore.Commit && left > 0 {
				left--
				return faultstore.Fault{Kind: kind}
			}
			return faultstore.Fault{}
		})
		require.Eventually(t, func() bool { return p.Settle(t.Context(), ws) == nil }, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.more"}))
	}
	broken.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
	require.NoError(t, p.Settle(t.Context(), ws))
	text := export(t, p, audit.ExportInput{Format: audit.JSONL})
	for i, key := range trusted {
		_, err := verify(text, auditverify.Options{Keys: []string{key}})
		require.NoError(t, err, "by key %d", i+1)
	}
	_, err = verify(text, auditverify.Options{Keys: trusted[:1], Checkpoint: []byte(before.SignedNote)})
	require.NoError(t, err)
	require.Len(t, all(t, p.Log, audit.Filter{Action: "audit.rotate"}), 1)
	require.Len(t, all(t, p.Log, audit.Filter{Action: "audit.rotateKey"}), 2)
}

func TestSomeEntriesAreExportedWithTheirProofs(t *testing.T) {
	p := filled(t, 300)
	fill(t, p, 3, "key_x")
	many := make([]string, 450)
	for i := range many {
		many[i] = fmt.Sprintf("prof_many_%d", i)
	}
	require.NoError(t, p.Write(as(t, "key_x"), audit.Entry{Action: "export.segment", Subjects: many}))
	require.NoError(t, p.Settle(t.Context(), ws))
	text := export(t, p, audit.ExportInput{Format: audit.JSONL, Filter: audit.Filter{Actor: "key_x"}})
	res, err := verify(text, auditverify.Options{Keys: []string{vkey(t, p)}})
	require.NoError(t, err)
	require.Equal(t, int64(4), res.Entries)
	i := strings.Index(text, `"sets":["`) + len(`"sets":["`) + 40
	_, err = verify(text[:i]+string(text[i]^1)+text[i+1:], auditverify.Options{})
	var f *auditverify.Fault
	require.True(t, errors.As(err, &f), "%v", err)
	require.Equal(t, int64(304), f.Index)
}

func TestOtherFormats(t *testing.T) {
	p := filled(t, 1)
	require.NoError(t, p.Write(core.WithActor(t.Context(), &core.Actor{Workspace: ws, ID: "key_1", Reason: "a=b|c\nd"}), audit.Entry{Action: "query.profile", Decision: core.Deny}))
	require.NoError(t, p.Settle(t.Context(), ws))
	lines := strings.Split(strings.TrimSpace(export(t, p, audit.ExportInput{Format: audit.OCSF})), "\n")
	require.Len(t, lines, 3)
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &e))
	require.Equal(t, []any{float64(6003), float64(600302), float64(2)}, []any{e["class_uid"], e["type_uid"], e["status_id"]})
	lines = strings.Split(strings.TrimSpace(export(t, p, audit.ExportInput{Format: audit.CEF})), "\n")
	require.Len(t, lines, 3)
	require.True(t, strings.HasPrefix(lines[2], "CEF:0|Headwater|Headwater|1|query.profile|query.profile|6|rt="), lines[2])
	require.Contains(t, lines[2], `cs2=a\=b|c\nd`)
}
