package audit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Format is how an export is written.
type Format string

// The formats. Only JSONL can be verified; the others are for what watches logs.
const (
	JSONL Format = "jsonl" // docs/audit-format.md
	OCSF  Format = "ocsf"  // a line each: API activity, class 6003 of schema.ocsf.io 1.3
	CEF   Format = "cef"   // ArcSight's Common Event Format
)

// ExportInput says what to export.
type ExportInput struct {
	Format Format
	From   int64  // the first index
	Filter Filter // with any, JSONL holds a proof for each entry instead of all of them
}

// exportTogether is about how many bytes are written at once.
const exportTogether = 256 << 10

// Export writes the entries of a workspace from an index to the end of the log as it is
// now, and returns the index at which a later export goes on.
func (l *Log) Export(ctx context.Context, ws string, in ExportInput, write func([]byte) error) (int64, error) {
	h, err := l.head(ctx, ws)
	if err != nil {
		return 0, err
	}
	if in.From < 0 || in.From > h.Size {
		return 0, errSize("from", in.From, h.Size)
	}
	x := &exporter{log: l, ws: ws, head: h, in: in, write: write}
	switch {
	case in.Format == OCSF || in.Format == CEF || in.Format == JSONL && !in.Filter.empty():
		err = x.matching(ctx)
	case in.Format == JSONL:
		err = x.everything(ctx)
	default:
		err = core.Errorf(core.Invalid, "FORMAT", "the format is jsonl, ocsf or cef").At("format")
	}
	if err == nil {
		err = x.flush(0)
	}
	return x.head.Size, storeFault(err)
}

type exporter struct {
	log   *Log
	ws    string
	head  *headDoc
	in    ExportInput
	write func([]byte) error
	buf   []byte
}

// flush hands on what is gathered when it is more than so many bytes.
func (x *exporter) flush(over int) error {
	if len(x.buf) <= over {
		return nil
	}
	err := x.write(x.buf)
	x.buf = x.buf[:0]
	return err
}

// header writes the line that a part of a file begins with.
func (x *exporter) header(ctx context.Context, sparse bool) error {
	keys, err := x.log.VerifierKeys(ctx, x.ws)
	if err != nil {
		return err
	}
	head := struct {
		Audit      string   `json:"audit"`
		Version    int      `json:"version"`
		Workspace  string   `json:"workspace"`
		From       int64    `json:"from"`
		Size       int64    `json:"size"`
		Sparse     bool     `json:"sparse"`
		Frontier   []string `json:"frontier"`
		Keys       []string `json:"keys"`
		Checkpoint string   `json:"checkpoint"`
	}{Audit: "headwater", Version: 1, Workspace: x.ws, From: x.in.From, Size: x.head.Size, Sparse: sparse, Frontier: []string{}, Checkpoint: string(x.head.Note)}
	for _, k := range keys {
		head.Keys = append(head.Keys, k.Key)
	}
	if !sparse {
		t, err := loadTree(ctx, x.log.o.Store, x.ws, x.in.From)
		if err != nil {
			return err
		}
		head.Frontier = append(head.Frontier, hashTexts(t.peaks())...)
	}
	line, err := json.Marshal(head)
	x.buf = append(append(x.buf, line...), '\n')
	return err
}

// matching writes the entries that the filter lets pass.
func (x *exporter) matching(ctx context.Context) error {
	l, in := x.log, x.in
	c, err := l.criteria(ctx, x.ws, in.Filter)
	if err != nil {
		return err
	}
	if in.Format == JSONL {
		if err := x.header(ctx, true); err != nil {
			return err
		}
	}
	reader := hashReader(ctx, l.o.Store, x.ws)
	return l.each(ctx, x.ws, c, max(c.from, in.From), min(c.to, x.head.Size), false, func(r *Record) (bool, error) {
		switch in.Format {
		case OCSF:
			if x.buf, err = appendOCSF(x.buf, r); err != nil {
				return false, err
			}
		case CEF:
			x.buf = appendCEF(x.buf, r)
		default:
			proof, err := tlog.ProveRecord(x.head.Size, r.Index, reader)
			if err != nil {
				return false, err
			}
			data, err := x.sets(ctx, r.EntryID, r.SubjectSet)
			if err != nil {
				return false, err
			}
			x.line(r.Index, r.Hash, hashTexts(proof), data, r.Body)
		}
		return true, x.flush(exportTogether)
	})
}

// everything writes all entries. When bodies were dropped meanwhile it adds what has come
// since, the entry that says so among it: what is missing in the file is told of there.
func (x *exporter) everything(ctx context.Context) error {
	for {
		if err := x.all(ctx); err != nil {
			return err
		}
		now, err := x.log.head(ctx, x.ws)
		if err != nil || now.Dropped == x.head.Dropped {
			return err
		}
		x.in.From, x.head = x.head.Size, now
	}
}

// all writes every entry, with the hashes that are stored of them and the root of each
// full tile, so that what was changed in the store shows where it is.
func (x *exporter) all(ctx context.Context) error {
	if err := x.header(ctx, false); err != nil {
		return err
	}
	tr := &tileReader{ctx: ctx, r: x.log.o.Store, ws: x.ws, kept: map[string]*tileDoc{}}
	next := x.in.From
	begin, err := blockAt(ctx, x.log.o.Store, x.ws, next)
	for next < x.head.Size && err == nil {
		list, err := blocks.Find(ctx, x.log.o.Store, store.Query{Workspace: x.ws, Where: []store.Cond{
			store.Gte("_id", blockKey(x.ws, begin)), store.Lt("_id", blockKey(x.ws, x.head.Size)),
		}, Order: []string{"_id"}}, 2*walkBlocks)
		if err != nil {
			return err
		}
		before := next
		for _, b := range list {
			if next, err = x.block(ctx, tr, b, next); err != nil {
				return err
			}
		}
		if next == before {
			return errMissing(next)
		}
		begin = next
	}
	return err
}

func (x *exporter) block(ctx context.Context, tr *tileReader, b *block, next int64) (int64, error) {
	if b.First+b.N <= next {
		return next, nil
	}
	if b.First > next {
		return next, errMissing(next)
	}
	bodies, err := b.bodiesOf()
	if err != nil {
		return next, err
	}
	for ; next < min(b.First+b.N, x.head.Size); next++ {
		hash, err := tr.hash(0, next)
		if err != nil {
			return next, err
		}
		var raw []byte
		var data [][]byte
		if bodies != nil {
			raw = bodies[next-b.First]
		}
		if b.Sets > 0 {
			e, _, err := parseBody(raw)
			if err == nil {
				data, err = x.sets(ctx, e.ID, e.SubjectSet)
			}
			if err != nil {
				return next, err
			}
		}
		x.line(next, hash.String(), nil, data, raw)
		if (next+1)%tileWidth == 0 {
			if hash, err = tr.hash(1, next/tileWidth); err != nil {
				return next, err
			}
			x.buf = append(x.buf, `{"tile":`...)
			x.buf = strconv.AppendInt(x.buf, next/tileWidth, 10)
			x.buf = append(x.buf, `,"hash":"`...)
			x.buf = append(x.buf, hash.String()...)
			x.buf = append(x.buf, "\"}\n"...)
		}
		if err := x.flush(exportTogether); err != nil {
			return next, err
		}
	}
	return next, nil
}

// line writes an entry. The members are in this order, and the body is what was hashed.
func (x *exporter) line(index int64, hash string, proof []string, data [][]byte, raw []byte) {
	b := append(x.buf, `{"index":`...)
	b = strconv.AppendInt(b, index, 10)
	b = append(b, `,"hash":"`...)
	b = append(b, hash...)
	b = append(b, '"')
	b = list(b, "proof", proof)
	var texts []string
	for _, d := range data {
		texts = append(texts, base64.StdEncoding.EncodeToString(d))
	}
	if len(texts) > 0 { // not quote: these are longer than its bound, and hold nothing to escape
		sep := `,"sets":["`
		for _, t := range texts {
			b = append(append(b, sep...), t...)
			sep = `","`
		}
		b = append(b, `"]`...)
	}
	if raw != nil {
		b = append(append(b, `,"entry":`...), raw...)
	}
	x.buf = append(b, "}\n"...)
}

// sets reads the chunks of an entry's set of subjects.
func (x *exporter) sets(ctx context.Context, entry string, hashes []string) ([][]byte, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	ids := make([]string, len(hashes))
	for i := range hashes {
		ids[i] = setKey(x.ws, entry, i)
	}
	docs, err := sets.GetMany(ctx, x.log.o.Store, ids)
	var out [][]byte
	for _, d := range docs {
		if d != nil {
			out = append(out, d.Data)
		}
	}
	return out, err
}

// tileReader reads hashes in order: of each level it keeps the tile that it is in.
type tileReader struct {
	ctx  context.Context
	r    store.Reader
	ws   string
	kept map[string]*tileDoc
	last [2]string
}

// hash returns the stored hash with a number on a level of tiles.
func (t *tileReader) hash(level int, n int64) (tlog.Hash, error) {
	id := tileKey(t.ws, level, n/tileWidth)
	d := t.kept[id]
	if d == nil {
		delete(t.kept, t.last[level])
		var err error
		if d, err = tiles.Get(t.ctx, t.r, id); err != nil {
			return tlog.Hash{}, err
		}
		t.kept[id], t.last[level] = d, id
	}
	at := int(n%tileWidth) * tlog.HashSize
	if d == nil || len(d.Hashes) < at+tlog.HashSize {
		return tlog.Hash{}, errMissing(n)
	}
	return tlog.Hash(d.Hashes[at : at+tlog.HashSize]), nil
}

func errMissing(index int64) error {
	return core.Errorf(core.Unavailable, "LOG_DAMAGED", "the log has nothing at index %d: the store was changed; restore a backup, and compare it with a saved checkpoint", index)
}
