package profile

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func testRules(region string) *rules {
	return compile(&SettingsDoc{Region: region, Namespaces: []Namespace{{Name: "crm", Priority: 50, Limit: 3}}})
}

func TestNormalise(t *testing.T) {
	r := testRules("US")
	for _, c := range []struct{ namespace, in, want string }{
		{Email, " Ana.Pop+news@EXAMPLE.com\t", "ana.pop+news@example.com"},
		{Email, "ana@localhost", ""},
		{Email, "ana@@x.io", ""},
		{Email, "@x.io", ""},
		{Email, "ana@x..io", ""},
		{Email, "ana@-x.io", ""},
		{Email, "Ana <ana@x.io>", ""},
		{Email, "ana pop@x.io", ""},
		{Email, strings.Repeat("a", 65) + "@x.io", ""},
		{Email, "TEST@test.com", ""},
		{Phone, "(201) 555-0123", "+12015550123"},
		{Phone, "+44 20 7946 0958", "+442079460958"},
		{Phone, "+1 201 555 0123 ext. 4", ""},
		{Phone, "911", ""},
		{Phone, "call me", ""},
		{UserID, "  u 1 ", "u 1"},
		{UserID, "Guest", ""},
		{UserID, "a\x00b", ""},
		{UserID, "a\nb", ""},
		{UserID, "\xff\xfe", ""},
		{UserID, strings.Repeat("x", 257), ""},
		{AnonymousID, "00000000-0000-0000-0000-000000000000", ""},
		{"crm", "a:b/c", "a:b/c"},
		{"nothing", "x", ""},
	} {
		id, ok := r.normalise(c.namespace, c.in)
		require.Equal(t, c.want != "", ok, "%s %q", c.namespace, c.in)
		require.Equal(t, c.want, id.Value, "%s %q", c.namespace, c.in)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, v := range []string{
		"", "ana@example.com", " Ana@EXAMPLE.com ", "İ@x.io", "test@test.com", "+40721234567", "0721 234 567", "1-800-FLOWERS",
		"tel:+1-201-555-0123;phone-context=x", "undefined", "a\x00b", "\xff", "a:b/c", strings.Repeat("9", 300), "٠٧٢١٢٣٤٥٦٧", "+39 06 0000 1",
	} {
		for _, ns := range []string{Email, Phone, UserID, "crm"} {
			f.Add(ns, v, "RO")
			f.Add(ns, v, "")
		}
	}
	f.Fuzz(func(t *testing.T, namespace, value, region string) {
		r := testRules(region)
		id, ok := r.normalise(namespace, value)
		if !ok {
			if id != (event.Identifier{}) {
				t.Fatalf("a refused value gave %q", id)
			}
			return
		}
		if id.Namespace != namespace || id.Value == "" || len(id.Value) > 4*maxValue || !utf8.ValidString(id.Value) || strings.ContainsRune(id.Value, 0) {
			t.Fatalf("%q is no key", id)
		}
		again, ok := r.normalise(namespace, id.Value)
		if !ok || again != id {
			t.Fatalf("normalising %q again gives %q", id.Value, again.Value)
		}
		key := identifierKey("ws_1", id)
		if identifierOf(key) != id || store.WorkspaceOf(key) != "ws_1" {
			t.Fatalf("%q does not come back from its key", id)
		}
	})
}
