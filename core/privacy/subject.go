package privacy

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// sealedSubject is what finds a person while an erasure needs it. It is deleted before
// the files are overwritten.
type sealedSubject struct {
	store.Meta `bson:",inline"` // key: workspace/dsr_…
	Sealed     []byte           `bson:"sealed"`
}

// subjects holds what finds people who are being erased.
var subjects = store.Declare[sealedSubject](store.Spec{
	Name: "erasure_subjects", Reach: store.ReachNobody, // sealed, and gone at the end
	Data: map[string]core.Category{"sealed": core.IdentifierID},
})

// plainSubject is a subject as it is sealed.
type plainSubject struct {
	Parts       []string           `bson:"parts"`
	Identifiers []event.Identifier `bson:"identifiers"`
}

func (s *Service) subjectOp(ctx context.Context, ws, request string, parts []string, ids []event.Identifier) (store.Op, error) {
	plain, err := bson.Marshal(plainSubject{parts, ids})
	if err != nil {
		return store.Op{}, err
	}
	key := store.Key(ws, request)
	sealed, err := s.o.Keys.Seal(ctx, ws, plain, []byte(key))
	if err != nil {
		return store.Op{}, err
	}
	doc, err := subjects.Get(ctx, s.o.Store, key)
	if err != nil {
		return store.Op{}, err
	}
	if doc == nil {
		doc = &sealedSubject{Meta: store.Meta{ID: key}}
	}
	doc.Sealed = sealed
	return subjects.Put(doc), nil
}

// subjectOf returns whom a request is about; nil when that is forgotten.
func (s *Service) subjectOf(ctx context.Context, ws, request string) (*Subject, *sealedSubject, error) {
	key := store.Key(ws, request)
	doc, err := subjects.Get(ctx, s.o.Store, key)
	if doc == nil || err != nil {
		return nil, nil, err
	}
	plain, err := s.o.Keys.Open(ctx, ws, doc.Sealed, []byte(key))
	if err != nil {
		return nil, nil, err
	}
	var p plainSubject
	if err := bson.Unmarshal(plain, &p); err != nil {
		return nil, nil, err
	}
	return &Subject{Workspace: ws, Request: request, Parts: p.Parts, Identifiers: p.Identifiers}, doc, nil
}

// forgetting returns the operations that delete what finds the person of a request.
func forgetting(ctx context.Context, from store.Reader, r *Request) ([]store.Op, error) {
	doc, err := subjects.Get(ctx, from, r.ID)
	if doc == nil || err != nil {
		return nil, err
	}
	return []store.Op{subjects.Delete(doc)}, nil
}

// values lists the values of the subject's identifiers.
func (s *Subject) values() []string {
	out := make([]string, 0, len(s.Identifiers))
	for _, id := range s.Identifiers {
		out = append(out, id.Value)
	}
	return out
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
