package segment

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// keyStream reads the documents of a collection about a range of people, whose ids
// end the keys, in the order of those ids, a page at a time.
type keyStream struct {
	ctx    context.Context
	db     store.Reader
	plan   store.Plan
	prefix string // of the keys, up to the profile's id
	page   []bson.Raw
	at     int
	id     string
	done   bool
	err    error
}

// The sizes of pages: of small documents and of those of kilobytes.
const (
	smallPage = 2000
	largePage = 500
)

func openStream(ctx context.Context, db store.Reader, spec *store.Spec, ws, prefix string, r keyRange, page int) *keyStream {
	low, high := prefix+r.from, prefix+r.to
	if r.to == "" {
		high = prefix + "\U0010FFFF"
	}
	return &keyStream{ctx: ctx, db: db, prefix: prefix, plan: store.Plan{
		Spec: spec, Workspace: ws, Limit: page,
		Low: &store.Bound{Value: low, Inclusive: true}, High: &store.Bound{Value: high},
	}}
}

// openMembers reads the memberships of a segment.
func openMembers(ctx context.Context, db store.Reader, ws, segment string, r keyRange) *keyStream {
	return openStream(ctx, db, Memberships.Spec, ws, store.Key(ws, segment)+"/", r, smallPage)
}

// openProfiles reads the profiles of a workspace.
func openProfiles(ctx context.Context, db store.Reader, ws string, r keyRange) *keyStream {
	return openStream(ctx, db, profile.Profiles.Spec, ws, ws+"/", r, largePage)
}

// openBehaviours reads the behaviours of a workspace.
func openBehaviours(ctx context.Context, db store.Reader, ws string, r keyRange) *keyStream {
	return openStream(ctx, db, Behaviours.Spec, ws, ws+"/", r, largePage)
}

// peek returns the profile id of the next document, io.EOF at the end.
func (st *keyStream) peek() (string, error) {
	for st.id == "" && st.err == nil {
		if st.at < len(st.page) {
			st.id = strings.TrimPrefix(rawKey(st.page[st.at]), st.prefix)
			break
		}
		if st.done {
			st.err = io.EOF
			break
		}
		page, err := st.db.Scan(st.ctx, st.plan)
		if err != nil {
			st.err = err
			break
		}
		st.page, st.at, st.done = page, 0, len(page) < st.plan.Limit
		if n := len(page); n > 0 {
			st.plan.After = &store.Position{ID: rawKey(page[n-1])}
		}
	}
	return st.id, st.err
}

// next passes the document that peek spoke of.
func (st *keyStream) next() { st.at, st.id = st.at+1, "" }

// doc returns the document that peek spoke of.
func (st *keyStream) doc() bson.Raw { return st.page[st.at] }

// skipTo passes the documents before a profile's, and reports whether there is one
// of it.
func (st *keyStream) skipTo(id string) (bool, error) {
	for {
		have, err := st.peek()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil || have > id {
			return false, err
		}
		if have == id {
			return true, nil
		}
		st.next()
	}
}

// rawKey returns a stored document's key, which engines put first.
func rawKey(doc bson.Raw) string {
	const head = 4 + 1 + len("_id\x00")
	if len(doc) > head+4 && doc[4] == byte(bson.TypeString) && bytes.Equal(doc[5:head], []byte("_id\x00")) {
		n := int(doc[head]) | int(doc[head+1])<<8 | int(doc[head+2])<<16 | int(doc[head+3])<<24
		if n > 0 && head+4+n <= len(doc) {
			return string(doc[head+4 : head+4+n-1])
		}
	}
	id, _ := doc.Lookup("_id").StringValueOK()
	return id
}
