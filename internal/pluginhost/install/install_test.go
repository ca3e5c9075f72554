package install_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

var here = install.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}

func manifest(t *testing.T, version string) []byte {
	t.Helper()
	raw, err := json.Marshal(sdk.Spec{
		Name: "shop", Version: version, Title: "Shop", Kinds: []sdk.Kind{sdk.Source}, ConfigSchema: json.RawMessage(`{"type":"object"}`),
		Hosts: []string{"api.shop.example", "*.shop.example", "config:url"}, Categories: []string{"CONTACT"}, Processor: sdk.Processor{Name: "Shop Ltd"},
	})
	require.NoError(t, err)
	return raw
}

// packed is a package whose program is the given text.
func packed(t *testing.T, version, program, key string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop")
	require.NoError(t, os.WriteFile(path, []byte(program), 0o700))
	var b bytes.Buffer
	require.NoError(t, install.Pack(&b, install.Package{
		Manifest: manifest(t, version), Readme: []byte("# Shop\n"), Binaries: map[install.Platform]string{here: path, {OS: "plan9", Arch: "mips"}: path}, Key: key,
	}))
	return b.Bytes()
}

func open(t *testing.T, dir string) *install.Store {
	t.Helper()
	s, err := install.Open(install.Options{Dir: dir, MAC: install.MAC([]byte("key")), Clock: core.SystemClock{}})
	require.NoError(t, err)
	return s
}

func reason(t *testing.T, want string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, core.AsError(err).Reason, "%v", err)
}

func content(t *testing.T, b *install.Binary) string {
	t.Helper()
	raw, err := os.ReadFile(b.Path())
	require.NoError(t, err)
	return string(raw)
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	private, public, err := install.NewKey("acme")
	require.NoError(t, err)
	v1 := packed(t, "v1.0.0", "one", private)
	require.Equal(t, v1, packed(t, "v1.0.0", "one", private), "the same input gives the same bytes")

	_, err = s.Add(bytes.NewReader(v1), install.AddOptions{})
	reason(t, "UNTRUSTED", err)
	require.Contains(t, err.Error(), "acme+")
	e, err := s.Add(bytes.NewReader(v1), install.AddOptions{Trust: []string{public}})
	require.NoError(t, err)
	require.Equal(t, "acme", e.Signer)
	_, err = s.Add(bytes.NewReader(v1), install.AddOptions{})
	require.NoError(t, err, "the same package again is no fault")

	b, err := s.Load("shop")
	require.NoError(t, err)
	defer b.Release()
	require.Equal(t, "one", content(t, b))
	require.Equal(t, "Shop", b.Manifest.Title)

	v2 := packed(t, "v1.1.0", "two", private)
	_, err = s.Add(bytes.NewReader(v2), install.AddOptions{})
	reason(t, "INSTALLED", err)
	_, err = s.Add(bytes.NewReader(v2), install.AddOptions{Upgrade: true})
	require.NoError(t, err)
	require.Equal(t, "one", content(t, b), "what runs keeps its bytes")
	_, err = s.Add(bytes.NewReader(v1), install.AddOptions{Upgrade: true})
	reason(t, "NOT_NEWER", err)
	b2, err := open(t, dir).Load("shop")
	require.NoError(t, err)
	require.Equal(t, "two", content(t, b2))
	b2.Release()
	folders, err := os.ReadDir(filepath.Join(dir, "shop"))
	require.NoError(t, err)
	require.Len(t, folders, 1)

	require.NoError(t, s.Distrust("acme"))
	_, err = s.Load("shop")
	reason(t, "UNTRUSTED", err)
	_, err = s.Remove("shop")
	require.NoError(t, err)
	_, err = s.Load("shop")
	reason(t, "NOT_INSTALLED", err)
	_, err = os.Stat(filepath.Join(dir, "shop"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUnsigned(t *testing.T) {
	s := open(t, t.TempDir())
	p := packed(t, "v1.0.0", "one", "")
	_, err := s.Add(bytes.NewReader(p), install.AddOptions{})
	reason(t, "UNSIGNED", err)
	e, err := s.Add(bytes.NewReader(p), install.AddOptions{AllowUnsigned: true})
	require.NoError(t, err)
	require.True(t, e.Unsigned)
	b, err := s.Load("shop")
	require.NoError(t, err)
	b.Release()
}

// Whatever somebody changes in the folder, what is run is what was installed, or nothing.
func TestTampered(t *testing.T) {
	private, public, err := install.NewKey("acme")
	require.NoError(t, err)
	_, mallory, err := install.NewKey("mallory")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(t *testing.T, dir, folder string)
		reason string
	}{
		"a byte of the program": {func(t *testing.T, _, folder string) { write(t, filepath.Join(folder, "shop"), "onf") }, "TAMPERED"},
		"a byte of the manifest": {func(t *testing.T, _, folder string) {
			path := filepath.Join(folder, "manifest.json")
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			write(t, path, strings.Replace(string(raw), "api.shop", "apj.shop", 1))
		}, "TAMPERED"},
		"a byte of the checksums": {func(t *testing.T, _, folder string) { write(t, filepath.Join(folder, "checksums"), "x") }, "TAMPERED"},
		"no signature": {func(t *testing.T, _, folder string) {
			require.NoError(t, os.Remove(filepath.Join(folder, "signature")))
		}, "FILE_MISSING"},
		"another signature": {func(t *testing.T, _, folder string) { write(t, filepath.Join(folder, "signature"), "x\n") }, "SIGNATURE"},
		"a link": {func(t *testing.T, _, folder string) {
			other := filepath.Join(t.TempDir(), "shop")
			write(t, other, "one")
			require.NoError(t, os.Remove(filepath.Join(folder, "shop")))
			require.NoError(t, os.Symlink(other, filepath.Join(folder, "shop")))
		}, "TAMPERED"},
		"a folder": {func(t *testing.T, _, folder string) {
			require.NoError(t, os.Remove(filepath.Join(folder, "shop")))
			require.NoError(t, os.Mkdir(filepath.Join(folder, "shop"), 0o700))
		}, "TAMPERED"},
		"no program": {func(t *testing.T, _, folder string) { require.NoError(t, os.Remove(filepath.Join(folder, "shop"))) }, "FILE_MISSING"},
		"the lock": {func(t *testing.T, dir, _ string) {
			path := filepath.Join(dir, "connectors.lock")
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			write(t, path, strings.Replace(string(raw), public, mallory, 1))
		}, "LOCK_CHANGED"},
		"the lock by another store's": {func(t *testing.T, dir, _ string) {
			other, err := install.Open(install.Options{Dir: t.TempDir(), MAC: install.MAC([]byte("another key")), Clock: core.SystemClock{}})
			require.NoError(t, err)
			_, err = other.Add(bytes.NewReader(packed(t, "v1.0.0", "evil", "")), install.AddOptions{AllowUnsigned: true})
			require.NoError(t, err)
			// Its whole folder takes the place of ours.
			from := other.Dir()
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
		}, "LOCK_CHANGED"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			e, err := s.Add(bytes.NewReader(packed(t, "v1.0.0", "one", private)), install.AddOptions{Trust: []string{public}})
			require.NoError(t, err)
			running, err := s.Load("shop")
			require.NoError(t, err)
			defer running.Release()
			c.change(t, dir, filepath.Join(dir, filepath.FromSlash(e.Folder)))
			require.Equal(t, "one", content(t, running))
			_, err = s.Load("shop")
			reason(t, c.reason, err)
			_, err = open(t, dir).Load("shop")
			reason(t, c.reason, err)
		})
	}
}

// On Linux the checked bytes cannot be written through their path either.
func TestImageIsSealed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is sealed on Linux only")
	}
	s := open(t, t.TempDir())
	_, err := s.Add(bytes.NewReader(packed(t, "v1.0.0", "one", "")), install.AddOptions{AllowUnsigned: true})
	require.NoError(t, err)
	b, err := s.Load("shop")
	require.NoError(t, err)
	defer b.Release()
	f, err := os.OpenFile(b.Path(), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("x"), 0)
		_ = f.Close()
	}
	require.Error(t, err)
	require.Equal(t, "one", content(t, b))
}

func TestHostileArchives(t *testing.T) {
	type entry struct {
		name string
		kind byte
		body io.Reader
		size int64
	}
	text := func(name, body string) entry {
		return entry{name, tar.TypeReg, strings.NewReader(body), int64(len(body))}
	}
	m := text("manifest.json", string(manifest(t, "v1.0.0")))
	for name, entries := range map[string][]entry{
		"nothing":     {},
		"no sums":     {m},
		"upwards":     {text("../../evil", "x")},
		"upwards bin": {text("bin/linux_amd64/../../../evil", "x")},
		"absolute":    {text("/etc/evil", "x")},
		"a link":      {{name: "manifest.json", kind: tar.TypeSymlink}},
		"hard link":   {{name: "bin/linux_amd64/shop", kind: tar.TypeLink}},
		"a device":    {{name: "bin/linux_amd64/shop", kind: tar.TypeChar}},
		"twice":       {m, text("manifest.json", "{}")},
		"a bomb":      {{name: "bin/plan9_mips/shop", kind: tar.TypeReg, body: io.LimitReader(zeros{}, 300<<20), size: 300 << 20}},
		"a long text": {{name: "README.md", kind: tar.TypeReg, body: io.LimitReader(zeros{}, 2<<20), size: 2 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				zw, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
				tw := tar.NewWriter(zw)
				for _, e := range entries {
					_ = tw.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Size: e.size, Mode: 0o777, Linkname: "/etc/passwd"})
					if e.body != nil {
						_, _ = io.Copy(tw, e.body)
					}
				}
				_ = tw.Close()
				_ = w.CloseWithError(zw.Close())
			}()
			dir := t.TempDir()
			into := filepath.Join(dir, "in", "to")
			require.NoError(t, os.MkdirAll(into, 0o700))
			_, err := install.Read(r, into)
			_ = r.Close()
			reason(t, "PACKAGE", err)
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			require.Equal(t, []string{filepath.Join(dir, "in")}, left)
		})
	}
	t.Run("cut, or a byte changed", func(t *testing.T) {
		whole := packed(t, "v1.0.0", strings.Repeat("program", 100), "")
		for i := range 60 {
			at := i * len(whole) / 60
			if _, err := install.Read(bytes.NewReader(whole[:at]), ""); err == nil {
				t.Fatalf("cut at %d of %d is accepted", at, len(whole))
			}
			b := bytes.Clone(whole)
			b[at] ^= 0x10
			if c, err := install.Read(bytes.NewReader(b), ""); err == nil && at > 10 { // gzip's header has a time
				t.Fatalf("a changed byte %d is accepted: %v", at, c)
			}
		}
	})
}

func TestManifest(t *testing.T) {
	for name, raw := range map[string]string{
		"not JSON": `x`, "two": `{}{}`, "no name": `{"version":"v1.0.0"}`, "a path": `{"name":"../x","version":"v1.0.0"}`, "no version": `{"name":"x","version":"1"}`,
		"a file of the package":   strings.Replace(string(manifest(t, "v1.0.0")), `"name":"shop"`, `"name":"signature"`, 1),
		"a schema from elsewhere": strings.Replace(string(manifest(t, "v1.0.0")), `{"type":"object"}`, `{"$ref":"https://evil.example/s"}`, 1),
		"a false schema":          strings.Replace(string(manifest(t, "v1.0.0")), `{"type":"object"}`, `{"type":"objekt"}`, 1),
		"a host":                  strings.Replace(string(manifest(t, "v1.0.0")), `api.shop.example`, `http://x/`, 1),
		"a category":              strings.Replace(string(manifest(t, "v1.0.0")), `CONTACT`, `KONTAKT`, 1),
		"a processor":             strings.Replace(string(manifest(t, "v1.0.0")), `Shop Ltd`, ``, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := install.ParseManifest([]byte(raw))
			reason(t, "MANIFEST", err)
		})
	}
}

// zeros is an endless file of nothing.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func write(t *testing.T, path, body string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(path))
	require.NoError(t, os.WriteFile(path, []byte(body), 0o700))
}
