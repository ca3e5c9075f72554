package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Vocabulary returns what the workspace knows of the things that conditions name, as the
// actor of ctx may hear of it; for others who check conditions.
func (s *Service) Vocabulary(ctx context.Context, ws string) (condition.Vocabulary, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	voc, err := s.vocabularyNow(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	v, err := voc.heard(map[string]any{}, by, false)
	return v, fail(err)
}

// MayAsk refuses a condition that rests on data which the actor of ctx may not read.
func (s *Service) MayAsk(ctx context.Context, ws string, n *condition.Node, ofPeople bool) error {
	by, err := s.look(ctx, ws)
	if err != nil || by.all() {
		return err
	}
	return by.may(n, ofPeople)
}

// Names calls segments by their names.
func (s *Service) Names(ctx context.Context, ws string) (condition.Names, error) {
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	return voc.names(), nil
}
