package auditverify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// line is a line of a file, taken apart.
type line struct {
	fault  string // why it is none
	header []byte

	isTile  bool
	index   int64 // of the entry, or the tile's number
	hash    tlog.Hash
	proof   tlog.RecordProof
	sets    [][]byte
	entry   []byte    // the body, or nil where it was dropped
	made    tlog.Hash // of the body
	set     bool      // the body speaks of a set
	rotates bool      // the body speaks of a new key
	drops   bool      // the body speaks of bodies that were dropped
}

// parse takes a line apart; plain is memory for its work. Lines of entries have one form only, to the byte, so that
// no two readers can see two things in one.
func parse(text []byte, plain *[]byte) (l line) {
	switch {
	case bytes.HasPrefix(text, []byte(`{"audit":`)):
		l.header = text
		return l
	case bytes.HasPrefix(text, []byte(`{"tile":`)):
		l.isTile = true
		text = text[len(`{"tile":`):]
	case bytes.HasPrefix(text, []byte(`{"index":`)):
		text = text[len(`{"index":`):]
	default:
		return line{fault: "the line is neither a header nor an entry"}
	}
	bad := line{fault: "the line is damaged"}
	number, rest, ok := bytes.Cut(text, []byte(`,"hash":"`))
	n, err := strconv.ParseUint(string(number), 10, 63)
	if !ok || err != nil || strconv.FormatUint(n, 10) != string(number) || len(rest) < 46 || rest[len(rest)-1] != '}' {
		return bad
	}
	l.index = int64(n)
	if l.hash, ok = hashOf(rest[:44]); !ok || rest[44] != '"' {
		return bad
	}
	rest = rest[45 : len(rest)-1]
	var list []string
	if list, rest, ok = texts(rest, `,"proof":[`); !ok {
		return bad
	}
	for _, t := range list {
		h, err := tlog.ParseHash(t)
		if err != nil {
			return bad
		}
		l.proof = append(l.proof, h)
	}
	if list, rest, ok = texts(rest, `,"sets":[`); !ok {
		return bad
	}
	for _, t := range list {
		data, err := base64.StdEncoding.DecodeString(t)
		if err != nil {
			return bad
		}
		l.sets = append(l.sets, data)
	}
	if len(rest) == 0 {
		return l
	}
	if l.entry, ok = bytes.CutPrefix(rest, []byte(`,"entry":`)); !ok || l.isTile || !validJSON(l.entry) {
		return bad
	}
	// The leaf of RFC 6962: a zero byte goes before the record.
	*plain = append(append((*plain)[:0], 0), l.entry...)
	l.made = sha256.Sum256(*plain)
	l.set = bytes.Contains(l.entry, []byte(`,"subjectSet":[`))
	if _, action, ok := bytes.Cut(l.entry, []byte(`,"action":"audit.`)); ok {
		l.rotates, l.drops = bytes.HasPrefix(action, []byte("rotate")), bytes.HasPrefix(action, []byte(`drop"`))
	}
	return l
}

// hashOf reads a hash in base64.
func hashOf(text []byte) (h tlog.Hash, ok bool) {
	var out [33]byte
	n, err := base64.StdEncoding.Decode(out[:], text)
	copy(h[:], out[:])
	return h, err == nil && n == tlog.HashSize
}

// texts reads an array of strings without escapes behind a name, if it is there.
func texts(b []byte, name string) (list []string, rest []byte, ok bool) {
	after, found := bytes.CutPrefix(b, []byte(name))
	if !found {
		return nil, b, true
	}
	array, rest, ok := bytes.Cut(after, []byte("]"))
	if !ok || json.Unmarshal(append(append([]byte{'['}, array...), ']'), &list) != nil {
		return nil, nil, false
	}
	return list, rest, true
}

// checkSets compares the chunks of a set with their hashes in the body.
func checkSets(l *line) string {
	var body struct {
		SubjectSet []string `json:"subjectSet"`
	}
	if err := json.Unmarshal(l.entry, &body); err != nil {
		return "the entry is damaged"
	}
	if len(l.sets) != len(body.SubjectSet) {
		return "a part of the entry's set of subjects is missing"
	}
	for i, data := range l.sets {
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != body.SubjectSet[i] {
			return "the entry's set of subjects is not what its hash says"
		}
	}
	return ""
}
