package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
)

// sequencer puts a workspace's pending entries into its log. What it knows of the log
// is of its last batch; when a batch fails it reads anew.
type sequencer struct {
	log    *Log
	ws     string
	commit func(ctx context.Context, ops ...store.Op) error

	head   *headDoc // nil: not read
	tree   *tree
	tail   *tail
	folded int64 // before which era nothing is in the tail any more, plus one; 0: not known
}

// The actions of entries of the log about itself.
const (
	actionBegin  = "audit.begin"  // the first entry of a log
	actionRotate = "audit.rotate" // the first entry under another key
	actionDrop   = "audit.drop"   // bodies were removed
	actionHold   = "audit.holdRetention"
)

// load reads the head and the right edge.
func (s *sequencer) load(ctx context.Context) error {
	if s.head != nil {
		return nil
	}
	head, err := heads.Get(ctx, s.log.o.Store, headKey(s.ws))
	if err != nil {
		return err
	}
	if head == nil {
		head = &headDoc{Meta: store.Meta{ID: headKey(s.ws)}}
	}
	t, err := loadTree(ctx, s.log.o.Store, s.ws, head.Size)
	if err != nil {
		return err
	}
	if head.Size > 0 && string(head.Root) != string(rootBytes(t)) {
		return fmt.Errorf("audit: the tiles of the log do not have the root of its head: the store was changed")
	}
	last, err := loadTail(ctx, s.log.o.Store, s.ws)
	if err != nil {
		return err
	}
	s.head, s.tree, s.tail, s.folded = head, t, last, 0
	return nil
}

func rootBytes(t *tree) []byte { h := t.root(); return h[:] }

func headKey(ws string) string { return store.Key(ws, "head") }

// append commits entries to the log, how far the journal was read for them, nil when it
// was not, and whatever else is to be written.
func (s *sequencer) append(ctx context.Context, entries []item, ops []store.Op, marks journal.Marks) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	signer, own, err := s.signer(ctx)
	if err != nil {
		return err
	}
	now := s.log.o.Clock.Now().UTC().Truncate(time.Millisecond)
	if now.Before(s.head.At) {
		now = s.head.At
	}
	next := *s.head
	next.Taken = nil
	if marks != nil {
		next.Marks = marks
	}
	built, stored, err := s.build(append(own, entries...), now, &next)
	if err != nil {
		return err
	}
	if s.head.jumped(next.At) {
		next.Jumped = next.At
	}
	ops = append(ops, stored...)
	for _, b := range built {
		ops = append(ops, blocks.Insert(b))
	}
	ops = append(append(ops, s.tree.ops()...), s.tail.ops()...)
	root := s.tree.root()
	next.Size, next.Root, next.KeyHash = s.tree.size, root[:], int64(signer.KeyHash())
	if next.Note, err = signNote(signer, s.ws, tlog.Tree{N: next.Size, Hash: root}); err != nil {
		return err
	}
	ops = append(ops, heads.Put(&next))
	if err := s.commit(ctx, ops...); err != nil {
		return err
	}
	next.V++
	s.head = &next
	s.tree.stored()
	s.tail.stored()
	return s.fold(ctx)
}

// build adds the items to the tree and gathers them in blocks, and returns these and
// the operations that store their sets. It keeps the times in next.
func (s *sequencer) build(items []item, now time.Time, next *headDoc) (built []*block, ops []store.Op, err error) {
	next.At = now
	parsed := make([]*body, len(items))
	hashes := make([]tlog.Hash, len(items))
	for i, it := range items {
		e, h, err := parseBody(it.Body)
		if err != nil {
			return nil, nil, fmt.Errorf("audit: a pending entry is damaged: %w", err)
		}
		parsed[i], hashes[i] = e, h
		if e.At.After(next.At) {
			next.At = e.At // clocks of processes differ
		}
	}
	var b *builder
	seal := func() error {
		done, err := b.finish(next.At)
		built = append(built, done)
		s.tail.add(done.First, b.marks)
		return err
	}
	for i, it := range items {
		if b != nil && b.full() {
			if err := seal(); err != nil {
				return nil, nil, err
			}
			b = nil
		}
		if b == nil {
			b = newBuilder(s.ws, s.tree.size)
		}
		b.add(it.Body, parsed[i])
		s.tree.add(hashes[i])
		for n, data := range it.Sets {
			ops = append(ops, s.log.setOp(s.ws, parsed[i].ID, n, data))
		}
		next.Lag = max(next.Lag, next.At.Sub(parsed[i].At))
	}
	return built, ops, seal()
}

// signer returns who signs, and the entry that says so when it is another than before.
func (s *sequencer) signer(ctx context.Context) (note.Signer, []item, error) {
	signer, err := s.log.o.Keys.Signer(ctx, s.ws, keyName)
	if err != nil {
		return nil, nil, err
	}
	if s.head.Size > 0 && s.head.KeyHash == int64(signer.KeyHash()) {
		return signer, nil, nil
	}
	keys, err := s.log.o.Keys.VerifierKeys(ctx, s.ws, keyName)
	if err != nil {
		return nil, nil, err
	}
	id := fmt.Sprintf("%08x", signer.KeyHash())
	e := Entry{Workspace: s.ws, Actor: "system:audit", Action: actionBegin, Resource: "audit", Details: map[string]string{"keyId": id}}
	for _, k := range keys {
		if k.ID == id {
			e.Details["key"] = k.Key
		}
	}
	if s.head.Size > 0 {
		e.Action = actionRotate
		e.Details["before"] = fmt.Sprintf("%08x", s.head.KeyHash)
		if err := s.endorse(ctx, e.Details, signer); err != nil {
			return nil, nil, err
		}
	}
	it, err := s.own(ctx, e)
	return signer, []item{it}, err
}

// maxEndorsers bounds an endorsement: a text of an entry has maxText bytes.
const maxEndorsers = 8

// endorse signs a new key by those before it, from that of the last checkpoint on: who
// trusts one of them can trust the new one. It goes into the log with the first
// checkpoint under the new key, so that neither is ever there without the other.
func (s *sequencer) endorse(ctx context.Context, details map[string]string, fresh note.Signer) error {
	all, err := s.log.o.Keys.Signers(ctx, s.ws, keyName)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k note.Signer) bool { return k.KeyHash() == fresh.KeyHash() })
	last := slices.IndexFunc(all, func(k note.Signer) bool { return int64(k.KeyHash()) == s.head.KeyHash })
	if i < 0 || last <= i {
		return nil // the key of the last checkpoint is lost: the log goes on, and does not claim what it cannot show
	}
	before := all[i+1 : last+1]
	if len(before) > maxEndorsers { // keys that never signed, but for the last
		before = append(slices.Clone(before[:maxEndorsers-1]), all[last])
	}
	signed, err := note.Sign(&note.Note{Text: endorsement(s.ws, details["key"])}, before...)
	details["endorsement"] = string(signed)
	return err
}

// endorsement is what the keys before sign of a new one.
func endorsement(ws, key string) string { return Origin(ws) + "\nkey " + key + "\n" }

// own makes an entry of the log about itself.
func (s *sequencer) own(ctx context.Context, e Entry) (item, error) {
	e.Workspace, e.Actor = s.ws, or(e.Actor, "system:audit")
	if err := e.fill(core.WithActor(ctx, nil), s.log.o.Clock.Now()); err != nil {
		return item{}, err
	}
	return s.log.encode(ctx, &e, nil)
}

// Origin is the first line of a workspace's checkpoints.
func Origin(ws string) string { return "headwater audit " + ws }

// signNote writes a checkpoint: a signed note (golang.org/x/mod/sumdb/note) of the
// origin, the size in decimal and the root in base64, a line each.
func signNote(signer note.Signer, ws string, t tlog.Tree) ([]byte, error) {
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", Origin(ws), t.N, t.Hash)}, signer)
}

func conflict(err error) bool { return errors.Is(err, store.ErrConflict) }
