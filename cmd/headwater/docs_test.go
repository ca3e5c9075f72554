package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/condition"
)

// block is a piece of code in a document with what is quoted right under it.
type block struct {
	lang, quote, code string
	info              []string // behind the language
}

var (
	fence = regexp.MustCompile("(?m)^```([a-z]+)([^\n]*)\n((?s:.*?))^```\n(?:\n> ([^\n]*)\n)?")
	// A cell of a table that shows a predicate or a window.
	predicateCell = regexp.MustCompile("(?m)^\\|[^|]*\\| `(\\{\"path\".*?\\})` \\|")
	windowCell    = regexp.MustCompile("(?m)^\\| `[a-zA-Z]+` \\| `(\\{\"(?:last|between|ago|calendar|allTime)\".*?\\})` \\|")
)

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	require.NoError(t, err)
	return string(b)
}

func blocks(text, lang string) []block {
	var out []block
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == lang {
			out = append(out, block{lang: m[1], info: strings.Fields(m[2]), code: m[3], quote: m[4]})
		}
	}
	return out
}

// examples are the conditions about people that docs/conditions.md shows, as JSON.
func examples(t *testing.T) []string {
	t.Helper()
	text := document(t, "docs/conditions.md")
	var out []string
	for _, b := range blocks(text, "json") {
		if len(b.info) == 0 {
			out = append(out, b.code)
		}
	}
	predicates, windows := predicateCell.FindAllStringSubmatch(text, -1), windowCell.FindAllStringSubmatch(text, -1)
	require.Greater(t, len(out), 15)
	require.Greater(t, len(predicates), 15)
	require.Len(t, windows, 5)
	for _, m := range predicates {
		out = append(out, `{"trait": `+m[1]+`}`)
	}
	for _, m := range windows {
		out = append(out, `{"event": {"name": "Order Completed", "window": `+m[1]+`}}`)
	}
	return out
}

// churn names every segment as the page does.
type churn struct{}

func (churn) Segment(string) string        { return "Churn risk" }
func (churn) ObjectType(key string) string { return key }

func TestConditionsPageIsTrue(t *testing.T) {
	for _, b := range blocks(document(t, "docs/conditions.md"), "json") {
		n, err := condition.ParseJSON([]byte(b.code))
		if len(b.info) > 1 && b.info[0] == "refused" {
			continue // below
		}
		require.NoError(t, err, b.code)
		assert.Equal(t, b.quote, condition.Words(n, churn{}), b.code)
		if len(b.info) == 0 {
			_, err = condition.Compile(n, condition.Zone{})
			require.NoError(t, err, b.code)
		}
	}
	for _, text := range examples(t) {
		n, err := condition.ParseJSON([]byte(text))
		require.NoError(t, err, text)
		_, err = condition.Compile(n, condition.Zone{})
		require.NoError(t, err, text)
	}
}

func TestConditionsPageTellsWhatIsRefused(t *testing.T) {
	n := 0
	for _, b := range blocks(document(t, "docs/conditions.md"), "json") {
		if len(b.info) == 0 || b.info[0] != "refused" {
			continue
		}
		n++
		_, faults, _ := condition.Faults(tree(t, b.code), nil, condition.Options{})
		require.Len(t, faults, 1, b.code)
		assert.Equal(t, b.info[1:], append([]string{faults[0].Reason}, dotted(faults[0].Path)...), b.code)
	}
	require.Positive(t, n)
}

func dotted(path []string) []string {
	if len(path) == 0 {
		return nil
	}
	return []string{strings.Join(path, ".")}
}
