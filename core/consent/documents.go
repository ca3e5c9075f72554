package consent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of policy documents.
const (
	PrivacyPolicy = "PRIVACY_POLICY"
	Terms         = "TERMS"
	CookieNotice  = "COOKIE_NOTICE"
	ConsentNotice = "CONSENT_NOTICE" // what stands beside a box to tick
)

// PolicyKinds lists them.
func PolicyKinds() []string { return []string{PrivacyPolicy, Terms, CookieNotice, ConsentNotice} }

// The formats of policy documents.
const (
	FormatHTML     = "HTML"
	FormatMarkdown = "MARKDOWN"
	FormatText     = "TEXT"
)

// maxPolicy is how long a document may be, in bytes.
const maxPolicy = 256 << 10

// Document is a version of a notice that people were or are shown. It never changes.
type Document struct {
	store.Meta  `bson:",inline"` // key: workspace/pol_…
	Series      string           `bson:"series"` // kind/locale
	Number      int64            `bson:"number"` // of the version: 1, 2, …
	Kind        string           `bson:"kind"`
	Locale      string           `bson:"locale"` // "de-AT"
	Title       string           `bson:"title"`
	Format      string           `bson:"format"`
	Hash        string           `bson:"hash"` // SHA-256 of the text, hex
	ChangeLog   string           `bson:"changeLog,omitempty"`
	PublishedAt time.Time        `bson:"publishedAt"`
	PublishedBy string           `bson:"publishedBy"`
}

// DocumentID returns its id, pol_….
func (d *Document) DocumentID() string { return store.Rest(d.ID) }

// URL is the path at which anybody fetches the text.
func (d *Document) URL() string { return PolicyPath + d.Hash }

// PolicyPath is where the edge serves the texts of documents: before the hash.
const PolicyPath = "/v1/policies/"

// PolicyText is the text of a document, found by its hash. It never changes.
type PolicyText struct {
	store.Meta `bson:",inline"` // key: workspace/hash
	Format     string           `bson:"format"`
	Content    string           `bson:"content"`
}

// address says in which workspaces a text was published: who is shown a hash knows no
// workspace.
type address struct {
	store.Meta `bson:",inline"` // key: hash
	Workspaces []string         `bson:"workspaces"`
}

var (
	documents = store.Declare[Document](store.Spec{Name: "policy_documents", Indexes: []store.Index{
		store.On("series", "-number"), store.On("-publishedAt"), store.On("kind", "-publishedAt"), store.On("hash"),
	}})
	texts     = store.Declare[PolicyText](store.Spec{Name: "policy_texts"})
	addresses = store.Declare[address](store.Spec{Name: "policy_addresses", Global: true})
)

// PublishInput is a new version of a document.
type PublishInput struct {
	Kind, Locale, Title string
	Format, Content     string
	ChangeLog           string // what is new, for people; needed from the second version on
	Edit                       // ExpectedVersion is the number of the latest; 0: there is none yet
}

var localeForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)

func (in *PublishInput) check() *core.Error {
	switch {
	case !slices.Contains(PolicyKinds(), in.Kind):
		return core.Errorf(core.Invalid, "POLICY_KIND", "the kind is one of %s", strings.Join(PolicyKinds(), ", ")).At("kind")
	case !localeForm.MatchString(in.Locale):
		return core.Errorf(core.Invalid, "LOCALE", "a locale is a language with a region or without: de, de-AT").At("locale")
	case strings.TrimSpace(in.Title) == "" || len(in.Title) > maxText:
		return core.Errorf(core.Invalid, "POLICY_TITLE", "give the document a title of at most %d bytes", maxText).At("title")
	case in.Format != FormatHTML && in.Format != FormatMarkdown && in.Format != FormatText:
		return core.Errorf(core.Invalid, "POLICY_FORMAT", "the format is HTML, MARKDOWN or TEXT").At("format")
	case strings.TrimSpace(in.Content) == "" || len(in.Content) > maxPolicy || !utf8.ValidString(in.Content):
		return core.Errorf(core.Invalid, "POLICY_CONTENT", "a document is text (UTF-8) of at most %d KB", maxPolicy>>10).At("content")
	case len(in.ChangeLog) > 10*maxText:
		return core.Errorf(core.Invalid, "CHANGE_LOG", "the change log of a version has at most %d bytes", 10*maxText).At("changeLog")
	}
	return nil
}

// Publish makes a version of a document public. The very text that the latest version
// has is a repetition, and publishes nothing.
func (s *Service) Publish(ctx context.Context, ws string, in PublishInput) (*Document, error) {
	if e := in.check(); e != nil {
		return nil, e
	}
	sum := sha256.Sum256([]byte(in.Content))
	doc := &Document{
		Series: in.Kind + "/" + in.Locale, Kind: in.Kind, Locale: in.Locale, Title: strings.TrimSpace(in.Title), Format: in.Format,
		Hash: hex.EncodeToString(sum[:]), ChangeLog: strings.TrimSpace(in.ChangeLog), PublishedBy: actor(ctx),
	}
	err := retry(ctx, "publish the document", func() error {
		last, err := s.latestDocument(ctx, ws, doc.Series)
		if err != nil {
			return err
		}
		have := int64(0)
		if last != nil {
			have = last.Number
		}
		switch {
		case last != nil && last.Hash == doc.Hash && last.Title == doc.Title && last.Format == doc.Format:
			doc = last
			return nil
		case in.ExpectedVersion != nil && *in.ExpectedVersion != have:
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the document has version %d, not %d; read it and try again", have, *in.ExpectedVersion).At("expectedVersion")
		case have > 0 && doc.ChangeLog == "":
			return core.Errorf(core.Invalid, "CHANGE_LOG", "say for people what is new in this version").At("changeLog")
		}
		doc.Number, doc.PublishedAt = have+1, s.now()
		doc.ID = store.Key(ws, core.HashID(core.PrefixDocument, ws, doc.Series, fmt.Sprint(doc.Number)))
		return s.publish(ctx, ws, doc, in)
	})
	if err != nil {
		return nil, err
	}
	return doc, nil
}

func (s *Service) publish(ctx context.Context, ws string, doc *Document, in PublishInput) error {
	ops := []store.Op{documents.Insert(doc)}
	text, err := texts.Get(ctx, s.Store, store.Key(ws, doc.Hash))
	switch {
	case err != nil:
		return err
	case text == nil:
		ops = append(ops, texts.Insert(&PolicyText{Meta: store.Meta{ID: store.Key(ws, doc.Hash)}, Format: in.Format, Content: in.Content}))
	case text.Format != in.Format:
		return core.Errorf(core.Conflict, "POLICY_FORMAT", "this very text was published as %s", text.Format).At("format")
	}
	at, err := addresses.Get(ctx, s.Store, doc.Hash)
	if err != nil {
		return err
	}
	if at == nil {
		at = &address{Meta: store.Meta{ID: doc.Hash}}
	}
	if !slices.Contains(at.Workspaces, ws) {
		at.Workspaces = append(at.Workspaces, ws)
		ops = append(ops, addresses.Put(at))
	}
	if in.DryRun {
		return nil
	}
	ops, err = s.audited(ctx, Trace{
		Workspace: ws, Action: "policyDocument.publish", Resource: doc.DocumentID(), Decision: core.Allow,
		Details: map[string]string{"series": doc.Series, "number": fmt.Sprint(doc.Number), "hash": doc.Hash},
	}, ops...)
	if err != nil {
		return err
	}
	return work.Commit(ctx, s.Store, ops...)
}

func (s *Service) latestDocument(ctx context.Context, ws, series string) (*Document, error) {
	found, err := documents.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("series", series)}, Order: []string{"-number"}}, 1)
	if err != nil || len(found) == 0 {
		return nil, storeError("read the documents", err)
	}
	return found[0], nil
}

// Documents returns a window of all versions of all documents, the latest first; of one
// kind when kind is not "".
func (s *Service) Documents(ctx context.Context, ws, kind string, w core.Window) (store.Page[Document], error) {
	page, err := documents.Page(ctx, s.Store, documentsOf(ws, kind), w)
	return page, storeError("read the documents", err)
}

// CountDocuments returns how many Documents lists.
func (s *Service) CountDocuments(ctx context.Context, ws, kind string) (int64, error) {
	n, err := documents.Count(ctx, s.Store, documentsOf(ws, kind))
	return n, storeError("count the documents", err)
}

func documentsOf(ws, kind string) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-publishedAt"}}
	if kind != "" {
		q.Where = []store.Cond{store.Eq("kind", kind)}
	}
	return q
}

// Document returns a version by its id, or nil.
func (s *Service) Document(ctx context.Context, ws, id string) (*Document, error) {
	if core.IDPrefix(id) != core.PrefixDocument || len(id) > 64 {
		return nil, nil
	}
	d, err := documents.Get(ctx, s.Store, store.Key(ws, id))
	return d, storeError("read the document", err)
}

// hashOf returns the hexadecimal SHA-256 that a hash is, with "sha256:" before it or
// without; "" for anything else.
func hashOf(text string) string {
	text = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(text), "sha256:"))
	if raw, err := hex.DecodeString(text); err != nil || len(raw) != sha256.Size {
		return ""
	}
	return text
}

// DocumentByHash returns the first version that has the text with a hash, or nil.
func (s *Service) DocumentByHash(ctx context.Context, ws, hash string) (*Document, error) {
	if hash = hashOf(hash); hash == "" {
		return nil, nil
	}
	found, err := documents.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("hash", hash)}}, 0)
	if err != nil || len(found) == 0 {
		return nil, storeError("read the document", err)
	}
	return slices.MinFunc(found, func(a, b *Document) int { return a.PublishedAt.Compare(b.PublishedAt) }), nil
}

// published reports whether a hash is of a text that the workspace published.
func (s *Service) published(ctx context.Context, ws, hash string) (bool, error) {
	if hash = hashOf(hash); hash == "" {
		return false, nil
	}
	text, err := texts.Get(ctx, s.Store, store.Key(ws, hash))
	return text != nil, err
}

// PolicyText returns the text with a hash, whoever published it: it is public. Nil when
// nobody did.
func (s *Service) PolicyText(ctx context.Context, hash string) (*PolicyText, error) {
	if hashOf(hash) != hash || hash == "" {
		return nil, nil
	}
	at, err := addresses.Get(ctx, s.Store, hash)
	if at == nil || err != nil {
		return nil, storeError("read the document", err)
	}
	for _, ws := range at.Workspaces { // one may have been deleted
		text, err := texts.Get(ctx, s.Store, store.Key(ws, hash))
		if text != nil || err != nil {
			return text, storeError("read the document", err)
		}
	}
	return nil, nil
}

// Content returns the text of a document.
func (s *Service) Content(ctx context.Context, ws, hash string) (string, error) {
	text, err := texts.Get(ctx, s.Store, store.Key(ws, hash))
	if text == nil || err != nil {
		return "", storeError("read the document", err)
	}
	return text.Content, nil
}
