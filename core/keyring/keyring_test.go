package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

const ws = "ws_0123456789"

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if err := s.Declare(t.Context(), append(store.Specs(), Specs()...)...); err != nil {
		t.Fatal(err)
	}
	return s
}

func master(t *testing.T, b byte) Master {
	t.Helper()
	m, err := NewMaster(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ring(t *testing.T, s store.Store) *Ring { return New(s, core.SystemClock{}, master(t, 1)) }

func reason(err error) string {
	var e *core.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestPseudonymsAreTheSameEverywhereAndForEver(t *testing.T) {
	s := openStore(t)
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got { // eight processes ask at once for a secret that nobody has made yet
		r := ring(t, s)
		wg.Go(func() {
			var err error
			if got[i], err = r.Pseudonym(t.Context(), ws, "email", "ada@example.com"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range got {
		if p != got[0] || !strings.HasPrefix(p, "psn_") || len(p) != 30 {
			t.Fatalf("pseudonyms differ or are malformed: %q and %q", got[0], p)
		}
	}
	r := ring(t, s)
	for _, other := range []struct{ ws, kind, value string }{
		{"ws_9876543210", "email", "ada@example.com"},
		{ws, "phone", "ada@example.com"},
		{ws, "emaila", "da@example.com"},
		{ws, "email", "ada@example.org"},
	} {
		if p, err := r.Pseudonym(t.Context(), other.ws, other.kind, other.value); err != nil || p == got[0] {
			t.Errorf("%v has the pseudonym of another: %q, %v", other, p, err)
		}
	}
}

func TestAnotherMasterKeyOpensNothing(t *testing.T) {
	s := openStore(t)
	if _, err := ring(t, s).MAC(t.Context(), ws, "tombstone", []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := New(s, core.SystemClock{}, master(t, 2)).MAC(t.Context(), ws, "tombstone", []byte("x"))
	if reason(err) != "WRONG_MASTER_KEY" {
		t.Fatalf("another master key: %v", err)
	}
}

func TestSecretsMovedToAnotherPlaceDoNotOpen(t *testing.T) {
	s := openStore(t)
	r := ring(t, s)
	if _, err := r.MAC(t.Context(), ws, "a", nil); err != nil {
		t.Fatal(err)
	}
	doc, err := Secrets.Get(t.Context(), s, store.Key(ws, "mac/a"))
	if err != nil || doc == nil {
		t.Fatalf("%v %v", doc, err)
	}
	moved := *doc
	moved.ID, moved.V = store.Key(ws, "mac/b"), 0
	if _, err := s.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: []store.Op{Secrets.Insert(&moved)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.MAC(t.Context(), ws, "b", nil); reason(err) != "SECRET_DAMAGED" {
		t.Fatalf("a moved secret: %v", err)
	}
}

func TestTokensAreForOneWorkspaceOneUseAndATime(t *testing.T) {
	r := ring(t, openStore(t))
	type claims struct{ Profile string }
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	token, err := r.Sign(t.Context(), ws, "download", claims{"prof_1"}, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(token, "prof") || strings.ContainsAny(token, "/+=&? ") {
		t.Errorf("the token tells something or needs escaping: %q", token)
	}
	if of, err := TokenWorkspace(token); of != ws || err != nil {
		t.Errorf("TokenWorkspace: %q, %v", of, err)
	}
	var c claims
	if err := r.Verify(t.Context(), ws, "download", token, &c, now); err != nil || c.Profile != "prof_1" {
		t.Fatalf("%v, %v", c, err)
	}
	if err := r.Verify(t.Context(), ws, "download", token, &c, now.Add(time.Hour)); reason(err) != "TOKEN_EXPIRED" {
		t.Errorf("expired: %v", err)
	}
	for name, bad := range map[string]string{
		"cut": token[:len(token)-1], "longer": token + "A", "empty": "", "no dot": strings.ReplaceAll(token, ".", ""),
		"flipped": token[:20] + string(token[20]^1) + token[21:], "other workspace": "ws_9876543210" + token[len(ws):],
	} {
		if err := r.Verify(t.Context(), ws, "download", bad, &c, now); reason(err) != "TOKEN_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Verify(t.Context(), ws, "preferences", token, &c, now); reason(err) != "TOKEN_INVALID" {
		t.Errorf("another use: %v", err)
	}
	if err := r.Verify(t.Context(), "ws_9876543210", "download", token, &c, now); reason(err) != "TOKEN_INVALID" {
		t.Errorf("another workspace: %v", err)
	}
}

func TestRotatedKeysStillVerify(t *testing.T) {
	s := openStore(t)
	r := ring(t, s)
	first, err := r.Signer(t.Context(), ws, "audit")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "size 1\n"}, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rotate(t.Context(), ws, "audit", nil); err != nil {
		t.Fatal(err)
	}
	second, err := ring(t, s).Signer(t.Context(), ws, "audit") // another process, from the store
	if err != nil || second.KeyHash() == first.KeyHash() {
		t.Fatalf("after a rotation the same key signs: %v", err)
	}
	keys, err := r.VerifierKeys(t.Context(), ws, "audit")
	if err != nil || len(keys) != 2 || !keys[0].Until.IsZero() || keys[1].Until.IsZero() || keys[0].Version != 2 {
		t.Fatalf("verifier keys: %+v, %v", keys, err)
	}
	old, err := note.NewVerifier(keys[1].Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(old)); err != nil {
		t.Errorf("the old key does not verify what it signed: %v", err)
	}
	now, err := note.NewVerifier(keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(now)); err == nil {
		t.Error("the new key verifies what the old one signed")
	}
}

func TestSealsOpenWhereTheyBelong(t *testing.T) {
	r := ring(t, openStore(t))
	sealed, err := r.Seal(t.Context(), ws, []byte("refresh token"), []byte("con_1"))
	if err != nil || bytes.Contains(sealed, []byte("refresh")) {
		t.Fatalf("%q %v", sealed, err)
	}
	if plain, err := r.Open(t.Context(), ws, sealed, []byte("con_1")); err != nil || string(plain) != "refresh token" {
		t.Errorf("%q %v", plain, err)
	}
	if _, err := r.Open(t.Context(), ws, sealed, []byte("con_2")); reason(err) != "SEAL_BROKEN" {
		t.Errorf("elsewhere: %v", err)
	}
	if _, err := r.Open(t.Context(), "ws_9876543210", sealed, []byte("con_1")); reason(err) != "SEAL_BROKEN" {
		t.Errorf("in another workspace: %v", err)
	}
	if _, err := r.Open(t.Context(), ws, sealed[:5], []byte("con_1")); reason(err) != "SEAL_BROKEN" {
		t.Errorf("cut: %v", err)
	}
}

func TestMasterKeyFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master.key")
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			m, err := EnsureMaster(file)
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("processes that start at once have different master keys: %v", ids)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the master key's file may be read by others: %v %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "abc", strings.Repeat("z", 64), strings.Repeat("ab", 31)} {
		if _, err := ParseMaster(bad); reason(err) != "MASTER_KEY" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func BenchmarkPseudonym(b *testing.B) {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "x.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	if err := s.Declare(b.Context(), append(store.Specs(), Specs()...)...); err != nil {
		b.Fatal(err)
	}
	m, _ := NewMaster(bytes.Repeat([]byte{1}, 32))
	f, err := New(s, core.SystemClock{}, m).Pseudonymise(b.Context(), ws)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f("email", "ada@example.com")
	}
}
