package event

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// column is a node in the tree of what a file's columns become: a branch of an
// object, or a cell.
type column struct {
	key      string
	index    int // of the column in the file; -1 for a branch
	kind     string
	children []*column
}

func (c *column) child(key string) *column {
	for _, k := range c.children {
		if k.key == key {
			return k
		}
	}
	return nil
}

var (
	plainTargets  = []string{"type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category", "timestamp", "originalTimestamp"}
	objectTargets = []string{"properties", "traits", "context"}
	cellKinds     = []string{"string", "number", "integer", "boolean", "datetime", "json"}
)

// mapColumns checks a mapping against the header and makes the tree of it.
func mapColumns(header []string, mapping map[string]string) (*column, *core.Error) {
	root := &column{index: -1}
	at := map[string]int{}
	for i, h := range header {
		if first, dup := at[h]; dup {
			return nil, invalid(ReasonMapping, "columns %d and %d have the same name; rename one", first+1, i+1).At("header", strconv.Itoa(i))
		}
		at[h] = i
	}
	if mapping == nil {
		mapping = make(map[string]string, len(header))
		for _, h := range header {
			mapping[h] = h
		}
	}
	names := make([]string, 0, len(mapping))
	for h := range mapping {
		if _, ok := at[h]; !ok {
			return nil, invalid(ReasonMapping, "the file has no column %q", h).At("columns", h)
		}
		names = append(names, h)
	}
	slices.SortFunc(names, func(a, b string) int { return at[a] - at[b] })
	for _, h := range names {
		if err := root.add(mapping[h], at[h]); err != nil {
			return nil, err.At("header", strconv.Itoa(at[h]))
		}
	}
	if len(root.children) == 0 {
		return nil, invalid(ReasonMapping, "no column is mapped")
	}
	return root, nil
}

func (c *column) add(target string, index int) *core.Error {
	path, kind := target, "string"
	if i := strings.LastIndexByte(target, ':'); i >= 0 && slices.Contains(cellKinds, target[i+1:]) {
		path, kind = target[:i], target[i+1:]
	}
	keys := SplitPath(path)
	plain := len(keys) == 1 && slices.Contains(plainTargets, path)
	if !plain && (len(keys) < 2 || !slices.Contains(objectTargets, keys[0]) || slices.Contains(keys, "")) {
		// Without a header the name is a cell of somebody's row: it is not repeated.
		return invalid(ReasonMapping, "column %d does not say what it is: map it to %s, or to a path in %s, with a type after a colon: %s; is the first line a header?",
			index+1, strings.Join(plainTargets, ", "), strings.Join(objectTargets, ", "), strings.Join(cellKinds, ", "))
	}
	if len(keys) > MaxDepth {
		return invalid(ReasonMapping, "a path has at most %d elements", MaxDepth)
	}
	if path == "timestamp" || path == "originalTimestamp" {
		kind = "timestamp"
	}
	node := c
	for i, key := range keys {
		next, leaf := node.child(key), i == len(keys)-1
		if next != nil && (leaf || next.index >= 0) {
			return invalid(ReasonMapping, "column %d is mapped to the same place as another, or to a part of it", index+1)
		}
		if next == nil {
			next = &column{key: key, index: -1}
			node.children = append(node.children, next)
		}
		node = next
	}
	node.index, node.kind = index, kind
	return nil
}

// wants says what a cell must be.
func (c *column) wants() string {
	switch c.kind {
	case "number":
		return "a number is expected, like 12.5"
	case "integer":
		return "a whole number is expected, like 12"
	case "boolean":
		return "true or false is expected"
	case "datetime":
		return "a time is expected, like 2026-11-21T10:00:00Z"
	}
	return "a JSON value is expected"
}

// rowEncoder writes the message that a row is. Empty cells are left out.
type rowEncoder struct {
	fields [][]byte
	out    []byte
	bad    *column // the first whose cell is not what it should be
}

// object writes a branch; false, and nothing, when all of its cells are empty.
func (e *rowEncoder) object(c *column) bool {
	start, first := len(e.out), true
	e.out = append(e.out, '{')
	for _, k := range c.children {
		before := len(e.out)
		if !first {
			e.out = append(e.out, ',')
		}
		e.out = append(appendQuoted(e.out, []byte(k.key)), ':')
		if k.index >= 0 && e.cell(k) || k.index < 0 && e.object(k) {
			first = false
		} else {
			e.out = e.out[:before]
		}
	}
	if first {
		e.out = e.out[:start]
		return false
	}
	e.out = append(e.out, '}')
	return true
}

// cell writes one cell; false, and nothing, when it is empty. One that is not of
// its type is written as text.
func (e *rowEncoder) cell(c *column) bool {
	raw := e.fields[c.index]
	text := bytes.TrimSpace(raw)
	if len(text) == 0 {
		return false
	}
	before := len(e.out)
	if c.kind == "string" {
		e.out = appendQuoted(e.out, raw)
	} else if !e.typed(c.kind, text) {
		if e.bad == nil {
			e.bad = c
		}
		e.out = appendQuoted(e.out[:before], raw)
	}
	return true
}

func (e *rowEncoder) typed(kind string, text []byte) bool {
	switch kind {
	case "timestamp":
		if lit, whole := cellNumber(text); lit != nil && whole {
			e.out = append(e.out, lit...)
		} else {
			e.out = appendQuoted(e.out, text)
		}
		return true
	case "number", "integer":
		lit, whole := cellNumber(text)
		e.out = append(e.out, lit...)
		return lit != nil && (whole || kind == "number")
	case "boolean":
		switch strings.ToLower(string(text)) {
		case "true", "1", "yes":
			e.out = append(e.out, "true"...)
		case "false", "0", "no":
			e.out = append(e.out, "false"...)
		default:
			return false
		}
		return true
	case "datetime":
		at, ok := ParseTime(string(text))
		e.out = append(at.AppendFormat(append(e.out, '"'), time.RFC3339Nano), '"')
		return ok
	}
	s := newScanner(text)
	defer s.free()
	ok := s.skip() == nil && s.end() == nil
	e.out = append(e.out, text...)
	return ok
}

// cellNumber returns a number as JSON writes it, nil when text is none. Leading
// zeros and a plus sign, which JSON does not have, are dropped.
func cellNumber(text []byte) (lit []byte, whole bool) {
	neg := text[0] == '-'
	if neg || text[0] == '+' {
		text = text[1:]
	}
	for len(text) > 1 && text[0] == '0' && '0' <= text[1] && text[1] <= '9' {
		text = text[1:]
	}
	if len(text) == 0 || text[0] == '-' || text[0] == '+' {
		return nil, false
	}
	if text[0] == '.' {
		text = append([]byte{'0'}, text...)
	}
	s := newScanner(text)
	defer s.free()
	lit, whole, err := s.literalNumber()
	if err != nil || len(lit) != len(text) {
		return nil, false
	}
	if neg {
		lit = append([]byte{'-'}, lit...)
	}
	return lit, whole
}
