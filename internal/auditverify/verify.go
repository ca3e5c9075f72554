package auditverify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
)

// Kind is what is wrong with a file.
type Kind string

// The kinds of faults.
const (
	Changed    Kind = "CHANGED"     // a body or a set is not what its hash says
	Deleted    Kind = "DELETED"     // a body is missing that no retention has dropped
	Order      Kind = "ORDER"       // an entry is missing, added or moved
	Root       Kind = "ROOT"        // the hashes do not add up to what was signed
	Truncated  Kind = "TRUNCATED"   // the file ends before the checkpoint
	RolledBack Kind = "ROLLED_BACK" // the log is shorter than the saved checkpoint
	Fork       Kind = "FORK"        // the log is not the one of the saved checkpoint
	Signature  Kind = "SIGNATURE"   // nobody trusted has signed the checkpoint
	Form       Kind = "FORM"        // not a file of this form
)

// Fault says what is wrong and where.
type Fault struct {
	Kind    Kind
	Index   int64 // of the first entry that is concerned
	Line    int   // of the file, from 1; 0 for the whole
	Message string
}

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s at index %d (line %d): %s", f.Kind, f.Index, f.Line, f.Message)
}

// Options say what to trust.
type Options struct {
	// Keys are verifier keys, as 'headwater audit pubkey' prints them. Without any the
	// file's own are believed: then the file is consistent, whoever made it.
	Keys []string
	// Checkpoint is a signed checkpoint that was saved before; nil for none.
	Checkpoint []byte
}

// Result is what was proved.
type Result struct {
	Workspace string `json:"workspace"`
	From      int64  `json:"from"`    // the first index that the file speaks of
	Size      int64  `json:"size"`    // the log's, by its last checkpoint
	Root      string `json:"root"`    // base64
	Entries   int64  `json:"entries"` // with their bodies
	Dropped   int64  `json:"dropped"` // of which only the hash is left, as the retention says
	Signers   int    `json:"signers"` // different keys that signed
	// Trusted is false when the keys were taken from the file itself.
	Trusted bool `json:"trusted"`
	// Saved tells that the log continues the one of the saved checkpoint.
	Saved bool `json:"savedCheckpoint"`
}

// Verify reads a file of the form that docs/audit-format.md describes. The error is a
// *Fault, or one of the reader.
func Verify(r io.Reader, o Options) (*Result, error) {
	v := &verifier{keys: map[string]note.Verifier{}, signers: map[string]bool{}}
	v.result.Trusted = len(o.Keys) > 0
	for _, k := range o.Keys {
		if err := v.trust(k); err != nil {
			return nil, &Fault{Kind: Signature, Message: "a key that was given is none: " + err.Error()}
		}
	}
	if o.Checkpoint != nil {
		saved, err := parseCheckpoint(o.Checkpoint)
		if err != nil {
			return nil, &Fault{Kind: Form, Message: "the saved checkpoint: " + err.Error()}
		}
		v.saved = saved
	}
	if err := v.read(r); err != nil {
		return nil, err
	}
	if err := v.finish(); err != nil {
		return nil, err
	}
	return &v.result, nil
}

// header is the line that a part of a file begins with.
type header struct {
	Audit      string   `json:"audit"`
	Version    int      `json:"version"`
	Workspace  string   `json:"workspace"`
	From       int64    `json:"from"`
	Size       int64    `json:"size"`
	Sparse     bool     `json:"sparse"`
	Frontier   []string `json:"frontier"`
	Keys       []string `json:"keys"`
	Checkpoint string   `json:"checkpoint"`
}

type verifier struct {
	result  Result
	line    int
	begun   bool
	head    header
	point   *checkpoint // of the part that is being read; nil for an empty log
	next    int64       // the index that comes next
	peaks   peaks       // of the entries before it
	keys    map[string]note.Verifier
	signers map[string]bool
	saved   *checkpoint
	met     bool       // the saved checkpoint was compared
	gone    [][2]int64 // indexes without a body: from, to (not included)
	dropped int64      // bodies below this index were dropped by the retention
}

func (v *verifier) fault(k Kind, index int64, format string, args ...any) error {
	return &Fault{Kind: k, Index: index, Line: v.line, Message: fmt.Sprintf(format, args...)}
}

// take looks at the next line.
func (v *verifier) take(l *line) error {
	switch {
	case l.fault != "":
		return v.fault(Form, v.next, "%s", l.fault)
	case l.header != nil:
		return v.begin(l.header)
	case !v.begun:
		return v.fault(Form, 0, "the file does not begin with a header")
	case l.isTile:
		return v.checkTile(l)
	}
	return v.entry(l)
}

// begin ends the part before and begins the next.
func (v *verifier) begin(raw []byte) error {
	var h header
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&h); err != nil || h.Audit != "headwater" || h.Version != 1 {
		return v.fault(Form, v.next, "the header is not one of version 1 of this form")
	}
	first := !v.begun
	if !first {
		if err := v.endPart(); err != nil {
			return err
		}
		if h.Workspace != v.head.Workspace || h.Sparse != v.head.Sparse {
			return v.fault(Form, v.next, "a part of another log follows")
		}
	}
	v.begun, v.head = true, h
	if !v.result.Trusted {
		for _, k := range h.Keys {
			if err := v.trust(k); err != nil {
				return v.fault(Signature, h.From, "a key of the file is none")
			}
		}
	}
	v.point = nil
	if h.Checkpoint != "" {
		point, err := parseCheckpoint([]byte(h.Checkpoint))
		if err != nil {
			return v.fault(Form, h.From, "%v", err)
		}
		if point.origin != "headwater audit "+h.Workspace || point.tree.N != h.Size {
			return v.fault(Form, h.From, "the checkpoint is not that of this log")
		}
		v.point = point
	} else if h.Size != 0 {
		return v.fault(Signature, 0, "there is no checkpoint")
	}
	if h.Sparse {
		v.next = max(v.next, h.From)
		return nil
	}
	return v.goOn(h, first)
}

// goOn checks that a part continues the one before.
func (v *verifier) goOn(h header, first bool) error {
	p, err := readPeaks(h.From, h.Frontier)
	if err != nil {
		return v.fault(Form, h.From, "%v", err)
	}
	if first {
		v.result.From, v.next, v.peaks = h.From, h.From, p
		return v.compare()
	}
	if h.From != v.next {
		return v.fault(Order, v.next, "a part begins with index %d", h.From)
	}
	if p.root() != v.peaks.root() {
		return v.fault(Fork, h.From, "a part continues another log")
	}
	return nil
}
