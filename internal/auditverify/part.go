package auditverify

import (
	"encoding/json"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// tileWidth is how many entries a full tile has.
const tileWidth = 256

// entry checks an entry and adds it to the tree.
func (v *verifier) entry(l *line) error {
	if v.head.Sparse {
		return v.proved(l)
	}
	if l.index != v.next {
		if l.index > v.next {
			return v.fault(Order, v.next, "the entry is missing: index %d stands in its place", l.index)
		}
		return v.fault(Order, l.index, "the entry stands where index %d belongs", v.next)
	}
	if l.index >= v.head.Size {
		return v.fault(Order, l.index, "the entry was added behind the checkpoint")
	}
	if err := v.body(l); err != nil {
		return err
	}
	v.peaks.add(l.hash)
	v.next++
	return v.compare()
}

// body checks that what an entry says is what its hash says.
func (v *verifier) body(l *line) error {
	if l.entry == nil {
		v.result.Dropped++
		if n := len(v.gone); n > 0 && v.gone[n-1][1] == l.index {
			v.gone[n-1][1]++
		} else {
			v.gone = append(v.gone, [2]int64{l.index, l.index + 1})
		}
		return nil
	}
	if l.made != l.hash {
		return v.fault(Changed, l.index, "the entry is not what its hash says")
	}
	v.result.Entries++
	if l.set {
		if err := checkSets(l); err != "" {
			return v.fault(Changed, l.index, "%s", err)
		}
	}
	if l.rotates {
		v.follow(l)
	}
	if l.drops {
		v.drop(l)
	}
	return nil
}

// drop notes what the entry of the retention says: up to where bodies were dropped. They
// go in the order of the log, so what it does not name was dropped before.
func (v *verifier) drop(l *line) {
	var body struct{ Details struct{ To string } }
	if json.Unmarshal(l.entry, &body) != nil {
		return
	}
	if to, err := strconv.ParseInt(body.Details.To, 10, 64); err == nil && to <= l.index {
		v.dropped = max(v.dropped, to)
	}
}

// explained checks that the retention tells of every body that is missing. A file with
// some of the entries need not have the entry that does.
func (v *verifier) explained() error {
	for _, g := range v.gone {
		if at := max(g[0], v.dropped); at < g[1] && !v.head.Sparse {
			v.line = 0
			return v.fault(Deleted, at, "what the entry said is missing, and no entry of the log tells that the retention dropped it")
		}
	}
	return nil
}

// proved checks an entry of a file that has only some.
func (v *verifier) proved(l *line) error {
	if v.point == nil || l.index < v.next || l.index >= v.head.Size {
		return v.fault(Order, l.index, "the entry is not in its place")
	}
	if err := v.body(l); err != nil {
		return err
	}
	if err := tlog.CheckRecord(l.proof, v.point.tree.N, v.point.tree.Hash, l.index, l.hash); err != nil {
		return v.fault(Root, l.index, "the proof does not lead to the checkpoint")
	}
	v.next = l.index + 1
	return nil
}

// checkTile compares the root of the entries of a full tile with what was stored of
// them: where the two differ, one of these hashes was changed.
func (v *verifier) checkTile(l *line) error {
	if v.head.Sparse || v.next != (l.index+1)*tileWidth {
		return v.fault(Order, v.next, "a tile's hash is not in its place")
	}
	if v.result.From > l.index*tileWidth {
		return nil // the file began within it
	}
	if v.peaks.tile != l.hash {
		return v.fault(Root, l.index*tileWidth, "a hash of the entries %d to %d was changed", l.index*tileWidth, v.next-1)
	}
	return nil
}

// compare meets the saved checkpoint when the tree has its size.
func (v *verifier) compare() error {
	if v.saved == nil || v.met || v.head.Sparse || v.saved.tree.N != v.next {
		return nil
	}
	if v.saved.tree.Hash != v.peaks.root() {
		return v.fault(Fork, v.next-1, "the first %d entries are not those of the saved checkpoint", v.next)
	}
	v.met = true
	return nil
}

// endPart checks that a part is whole and signed.
func (v *verifier) endPart() error {
	if !v.begun {
		return v.fault(Form, 0, "the file is empty")
	}
	v.result.Workspace, v.result.Size = v.head.Workspace, v.head.Size
	if !v.head.Sparse && v.next < v.head.Size {
		return v.fault(Truncated, v.next, "the file ends here, and the log has %d entries", v.head.Size)
	}
	if v.point == nil {
		return nil
	}
	if !v.head.Sparse && v.peaks.root() != v.point.tree.Hash {
		return v.fault(Root, v.result.From, "the hashes of the entries up to %d do not add up to the root that was signed", v.head.Size-1)
	}
	signer, err := v.point.verify(v.keys)
	if err != nil {
		return v.fault(Signature, v.head.Size-1, "%v", err)
	}
	v.signers[signer] = true
	v.result.Root = v.point.tree.Hash.String()
	return nil
}

// finish checks what only the end of the file shows.
func (v *verifier) finish() error {
	if err := v.endPart(); err != nil {
		return err
	}
	v.result.Signers = len(v.signers)
	if err := v.explained(); err != nil {
		return err
	}
	if v.saved == nil {
		return nil
	}
	if v.saved.origin != "headwater audit "+v.head.Workspace {
		return v.fault(Fork, 0, "the saved checkpoint is of another log")
	}
	if _, err := v.saved.verify(v.keys); err != nil {
		return v.fault(Signature, 0, "the saved checkpoint: %v", err)
	}
	switch {
	case v.saved.tree.N > v.head.Size:
		return v.fault(RolledBack, v.head.Size, "the log has %d entries, and had %d when the checkpoint was saved", v.head.Size, v.saved.tree.N)
	case v.head.Sparse && v.saved.tree == v.point.tree:
		v.met = true
	case v.head.Sparse:
		return v.fault(Form, 0, "a file with some of the entries can be compared only with a checkpoint of its size; export all of them")
	case !v.met && v.saved.tree.N > 0:
		return v.fault(Form, v.result.From, "the file begins after the saved checkpoint; export from index %d or before", v.saved.tree.N)
	}
	v.result.Saved = true
	return nil
}
