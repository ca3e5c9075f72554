package sqlite

import (
	"errors"
	"maps"

	"github.com/headwater-cdp/headwater/core/store"
)

// group applies the batches in one transaction and answers them. Batches that are
// refused do not touch the others.
func (w *writer) group(group []*request) {
	w.conn.trim()
	err := w.begin(store.MaxTime)
	if err == nil {
		err = w.prepare(group)
	}
	if err == nil {
		err = w.applyAll(group)
	}
	if err == nil {
		err = w.forgetOld()
	}
	if err == nil {
		err = w.conn.exec("COMMIT")
	}
	if err != nil {
		w.conn.rollback()
		w.last, w.oldest = place{}, 0
		for _, r := range group {
			w.finish(r, translate("commit", err))
		}
		return
	}
	if len(w.workspaces) > 0 {
		w.s.learn(w.workspaces)
	}
	w.s.batches.Add(int64(len(group)))
	w.s.groups.Add(1)
	w.s.committed()
	for _, r := range group {
		w.finish(r, r.err)
	}
	w.tidy()
	w.s.ahead.note(group)
}

// prepare looks at what other processes did since the last group.
func (w *writer) prepare(group []*request) error {
	cookie, _, err := w.conn.integer("PRAGMA schema_version")
	if err != nil {
		return err
	}
	if cookie != w.cat.cookie {
		cat, err := loadCatalog(w.conn)
		if err != nil {
			return err
		}
		w.follow(cat)
	}
	w.workspaces = map[string]int64{}
	w.now = w.s.clock.Now().UnixMilli()
	for _, r := range group {
		if r.cat != w.cat {
			r.unfit = r.encode(w.cat)
		}
		r.err = r.unfit
	}
	w.last, err = newest(w.conn)
	return err
}

// applyAll applies the group as if nothing could fail; when something does, it
// begins again with a savepoint around each batch. Savepoints cost a copy of every
// page that a batch touches, conflicts are rare.
func (w *writer) applyAll(group []*request) error {
	if w.careful == 0 {
		err := w.hurry(group)
		if !refused(err) {
			return err
		}
		w.careful = carefulFor
		w.conn.rollback()
		if err := w.begin(store.MaxTime); err != nil {
			return err
		}
		if err := w.prepare(group); err != nil {
			return err
		}
	} else {
		w.careful--
	}
	for _, r := range group {
		if r.err != nil {
			continue
		}
		if err := w.applyOne(r); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) hurry(group []*request) error {
	for _, r := range group {
		if r.err != nil {
			continue
		}
		if err := w.apply(r); err != nil {
			return err
		}
	}
	return nil
}

// applyOne applies a batch between savepoints and keeps its refusal as its answer.
func (w *writer) applyOne(r *request) error {
	start, known := w.last, maps.Clone(w.workspaces)
	if err := w.conn.exec("SAVEPOINT b"); err != nil {
		return err
	}
	err := w.apply(r)
	if err == nil {
		return w.conn.exec("RELEASE b")
	}
	if !refused(err) {
		return err
	}
	w.last, w.workspaces = start, known
	if err := w.conn.exec("ROLLBACK TO b"); err != nil {
		return err
	}
	if err := w.conn.exec("RELEASE b"); err != nil {
		return err
	}
	// A repeated batch finds its own effects in its way: look for its id first.
	p, repeated, err2 := w.find(r.batch.ID)
	switch {
	case err2 != nil:
		return err2
	case repeated:
		r.token = p.token()
	default:
		w.careful = carefulFor
		var no refusal
		if errors.As(err, &no) {
			r.err = no.error
		} else {
			r.err = err
		}
	}
	return nil
}

func refused(err error) bool {
	var no refusal
	return errors.As(err, &no) || errors.Is(err, errRepeated)
}

// find returns the place of a batch that was committed before.
func (w *writer) find(id string) (p place, ok bool, err error) {
	err = w.conn.each("SELECT seq, body FROM changes WHERE batch = ?", func(s *stmt) error {
		p.seq, ok = s.int(0), true
		return eachChange(s.bytes(1), func(change) { p.off++ })
	}, id)
	return p, ok, err
}

// workspace returns the number of the operation's workspace, giving it one when
// it is new.
func (w *writer) workspace(o *op) (int64, error) {
	if o.l.global {
		return 0, nil
	}
	if n, ok := w.s.number(o.ws); ok {
		return n, nil
	}
	if n, ok := w.workspaces[o.ws]; ok {
		return n, nil
	}
	n, ok, err := w.conn.integer("SELECT n FROM hw_workspaces WHERE id = ?", o.ws)
	if err == nil && !ok {
		if err = w.conn.exec("INSERT INTO hw_workspaces (id) VALUES (?)", o.ws); err == nil {
			n, _, err = w.conn.integer("SELECT n FROM hw_workspaces WHERE id = ?", o.ws)
		}
	}
	w.workspaces[o.ws] = n
	return n, err
}

// forgetOld prunes the change log, a slice with each group.
func (w *writer) forgetOld() (err error) {
	limit := w.now - store.Retention.Milliseconds()
	if w.oldest == 0 {
		if _, w.oldest, err = oldest(w.conn); err != nil {
			return err
		}
	}
	if w.oldest < limit {
		w.oldest, err = prune(w.conn, limit, w.last.seq)
	}
	return err
}
