package auditverify

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzValidJSON compares with the standard library.
func FuzzValidJSON(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"id":"aud_1","fields":["a","b"],"details":{"k":"\\u00e9\\n"},"n":-0.5e+10,"t":true,"f":false,"z":null}`,
		`[]`, `{}`, ` { "a" : [ 1 , 2 ] } `, `{"a":1,}`, `{"a" 1}`, `[1 2]`, `01`, `1.`, `1e`, `-`, `"\\x"`, `"\\u12g4"`, "\"\x01\"", "\"\xff\"", `"a`, `tru`, `nul`, ``, `{}{}`,
		strings.Repeat("[", 20000) + strings.Repeat("]", 20000), strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := validJSON(b), json.Valid(b); got != want {
			t.Errorf("%.200q: %v, not %v", b, got, want)
		}
	})
}

// TestLinesAreCutWhereTheyEnd reads lines of all lengths, in pieces of any size.
func TestLinesAreCutWhereTheyEnd(t *testing.T) {
	var want []string
	for i := range 400 {
		want = append(want, strings.Repeat("x", i*i%7919*7))
	}
	want = append(want, strings.Repeat("y", 3*chunkBytes), "", "end")
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(strings.Join(want, "\n")), "halves": iotest.HalfReader(strings.NewReader(strings.Join(want, "\n") + "\n")),
		"with the end": iotest.DataErrReader(strings.NewReader(strings.Join(want, "\n"))),
	} {
		var got []string
		c, in := &chunk{done: make(chan struct{}, 1)}, &chunks{r: r}
		for in.fill(c) {
			for _, l := range strings.SplitAfter(string(c.text), "\n") {
				if l != "" {
					got = append(got, strings.TrimSuffix(l, "\n"))
				}
			}
		}
		if in.err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %d lines, not %d: %v", name, len(got), len(want), in.err)
		}
	}
}
