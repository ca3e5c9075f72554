package graph_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reason is a word that clients branch on, as the source has it.
type reason struct{ word, code, message, where string }

// TestReasonsAreListed compares docs/reasons.md with the reasons in the source.
// go generate ./graph writes it anew.
func TestReasonsAreListed(t *testing.T) {
	var found []reason
	constants := map[string]string{}
	sources(t, func(path string, file *ast.File) { namedReasons(file, constants) })
	sources(t, func(path string, file *ast.File) { found = append(found, reasonsOf(path, file, constants)...) })
	require.Greater(t, len(found), 100)
	got := reasonsPage(found)
	const page = "../docs/reasons.md"
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(page), 0o755))
		require.NoError(t, os.WriteFile(page, got, 0o644))
	}
	want, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, words(string(want)), words(string(got)), "run go generate ./graph")
}

// words are the reasons of a page with their codes; messages may lag behind.
func words(page string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) > 2 {
			out = append(out, cells[0]+" "+cells[1])
		}
	}
	return out
}

// makers are the functions that make an error, and the code they give it; "" takes
// it from the first argument.
var makers = map[string]string{"Errorf": "", "invalid": "INVALID", "tooComplex": "TOO_COMPLEX"}

// sources calls f with each file that is not a test.
func sources(t *testing.T, f func(path string, file *ast.File)) {
	t.Helper()
	for _, root := range []string{"../core", "."} {
		require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() && slices.Contains([]string{"gen", "testdata", "wiretest", "storetest"}, e.Name()) {
				return filepath.SkipDir
			}
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
				require.NoError(t, err)
				f(path, file)
			}
			return nil
		}))
	}
}

// namedReasons collects the constants that are named as reasons.
func namedReasons(file *ast.File, into map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if strings.HasPrefix(strings.ToLower(name.Name), "reason") && i < len(spec.Values) && text(spec.Values[i]) != "" {
				into[name.Name] = text(spec.Values[i])
			}
		}
		return true
	})
}

// reasonsOf reads the errors that a file makes.
func reasonsOf(path string, file *ast.File, constants map[string]string) []reason {
	where := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(filepath.ToSlash(path), "../")))
	if !strings.HasPrefix(where, "core") {
		where = strings.TrimSuffix("graph/"+where, "/.")
	}
	var out []reason
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		code, ok := makers[nameOf(call.Fun)]
		args := call.Args
		if !ok || len(args) < 2 {
			return true
		}
		if code == "" {
			code, args = screaming(nameOf(args[0])), args[1:]
		}
		word := text(args[0])
		if word == "" {
			word = constants[nameOf(args[0])]
		}
		if len(args) > 2 && !isReason(word) && isReason(text(args[1])) {
			word, args = text(args[1]), args[1:] // a maker that takes the path first
		}
		if isReason(word) && len(args) > 1 {
			out = append(out, reason{word, code, text(args[1]), where})
		}
		return true
	})
	return out
}

func isReason(s string) bool {
	return len(s) > 1 && s == strings.ToUpper(s) && !strings.Contains(s, " ")
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}

// screaming writes NotFound as NOT_FOUND.
func screaming(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func reasonsPage(found []reason) []byte {
	type key struct{ word, code string }
	type row struct{ message, where string }
	rows := map[key]row{}
	for _, r := range found {
		k := key{r.word, r.code}
		old := rows[k]
		if old.where == "" || len(r.message) > len(old.message) {
			old.message = r.message
		}
		if !slices.Contains(strings.Split(old.where, ", "), r.where) {
			old.where = strings.TrimPrefix(old.where+", "+r.where, ", ")
		}
		rows[k] = old
	}
	keys := make([]key, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Or(strings.Compare(a.word, b.word), strings.Compare(a.code, b.code)) })
	var b bytes.Buffer
	b.WriteString(`# Reasons

Every error has a code, the class that decides what a program does about it, and a reason, a stable word that says which
error it is. Branch on the code, and on the reason where you must be exact; messages are for people and may change.

In GraphQL they stand in a payload's ` + "`userErrors`" + ` (what is wrong with the input of a mutation) or in an error's ` + "`extensions`" + `
(everything else); over the tracking protocol in the body of a 4xx; in the quarantine with each event that was kept aside.

This page is written from the source by ` + "`go generate ./graph`" + `; the messages show their holes as the source has them (%d, %s).

| reason | code | message | from |
|---|---|---|---|
`)
	for _, k := range keys {
		r := rows[k]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", k.word, k.code, strings.ReplaceAll(r.message, "|", "\\|"), r.where)
	}
	return b.Bytes()
}
